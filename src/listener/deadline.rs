//! When a connection has waited long enough.
//!
//! It closes nothing: it says when. hyper has one limit for reading a head and for being idle, so neither
//! could be right; here they are apart. Invariants: one timer for each connection, moved only where it
//! would fire too late or has fired, so that a request served in one go costs no timer work; while a
//! request is in flight there is no deadline but the drain's, and that of a peer that does not read.
//!
//! | the connection | may stay so for |
//! |---|---|
//! | has not sent its first whole head | `header_timeout` from accept |
//! | has begun a later head (HTTP/1.1) | `header_timeout` from the first byte |
//! | has output that the peer does not read | `send_timeout` without a byte of progress |
//! | is idle, or has no stream (HTTP/2) | `idle_timeout` from the last response |
//! | lingers, or was told that it will be closed | `linger_time` |

use std::pin::Pin;
use std::task::Context;

use tokio::task::coop;
use tokio::time::Instant;
use tokio::time::Sleep;

use super::ListenerSettings;
use super::activity::Activity;
use super::sniff::Protocol;

/// The deadlines of one connection. Polled by the connection's own task after everything else.
pub(super) struct Deadlines<'a> {
    sleep: Pin<&'a mut Sleep>,
    /// Whether the timer will wake this task. A task's waker never changes, so once is enough.
    registered: bool,
    activity: &'a Activity,
    settings: &'a ListenerSettings,
    protocol: Protocol,
    head_since: Option<Instant>,
    linger_by: Option<Instant>,
    told: Option<Instant>,
    drain_by: Option<Instant>,
}

impl<'a> Deadlines<'a> {
    /// Takes over the timer that bounded the sniff.
    pub(super) fn new(
        sleep: Pin<&'a mut Sleep>,
        activity: &'a Activity,
        settings: &'a ListenerSettings,
        protocol: Protocol,
    ) -> Self {
        Self {
            sleep,
            registered: false,
            activity,
            settings,
            protocol,
            head_since: Some(activity.accepted()),
            linger_by: None,
            told: None,
            drain_by: None,
        }
    }

    /// The drain has begun and ends at `end`, for requests in flight too.
    pub(super) fn drain_by(&mut self, end: Instant) {
        self.drain_by = Some(end);
    }

    /// The peer was told that the connection closes; once it is idle, it has `linger_time` to agree.
    pub(super) fn close_soon(&mut self) {
        self.told.get_or_insert_with(Instant::now);
    }

    /// Whether the peer was told.
    pub(super) fn is_closing(&self) -> bool {
        self.told.is_some()
    }

    /// Whether a deadline has passed. If not, the task is woken when one may have.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self.due();
        let wakes_at = self.activity.wakes_at();
        let next = earlier(due, wakes_at);
        if next.is_some_and(|next| self.sleep.deadline() > next) {
            self.reset(next);
        }
        loop {
            if !self.registered {
                // Without budget the timer only asks for another poll and does not note the waker.
                self.registered = coop::has_budget_remaining();
                if self.sleep.as_mut().poll(cx).is_pending() {
                    return false;
                }
            }
            if !self.sleep.is_elapsed() {
                return false;
            }
            // It may have fired for a deadline that has moved since.
            let now = Instant::now();
            if due.is_some_and(|due| now >= due) {
                return true;
            }
            if wakes_at.is_some_and(|wakes_at| now >= wakes_at) {
                // Its handler may have been polled just before.
                self.activity.woken();
                cx.waker().wake_by_ref();
                self.reset(due);
            } else {
                self.reset(next);
            }
        }
    }

    /// `None`: look again after `idle_timeout`. A stream of HTTP/2 ends on a task of its own, so the end
    /// of the last one does not wake this one.
    fn reset(&mut self, due: Option<Instant>) {
        let at = due.unwrap_or_else(|| Instant::now() + self.settings.idle_timeout);
        self.sleep.as_mut().reset(at);
        self.registered = false;
    }

    fn due(&mut self) -> Option<Instant> {
        earlier(self.own_due(), self.drain_by)
    }

    fn own_due(&mut self) -> Option<Instant> {
        if self.activity.is_lingering() {
            return Some(*self.linger_by.get_or_insert_with(|| Instant::now() + self.settings.linger_time));
        }
        if self.activity.in_flight() > 0 {
            self.head_since = None;
            return self.activity.blocked_since().map(|since| since + self.settings.send_timeout);
        }
        if let Some(told) = self.told {
            return Some(told.max(self.activity.last_progress()) + self.settings.linger_time);
        }
        if self.protocol == Protocol::Http1 && self.activity.in_head() {
            let since = *self.head_since.get_or_insert_with(Instant::now);
            return Some(since + self.settings.header_timeout);
        }
        self.head_since = None;
        Some(self.activity.last_progress() + self.settings.idle_timeout)
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
