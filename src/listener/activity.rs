//! What a connection is doing: the state that its IO, its requests and its deadlines share.
//!
//! It keeps no timer. Invariant: a request is in flight from the call of the handler until its response
//! body was sent whole or dropped, however that came about. Relaxed atomics suffice: each value stands
//! alone, and all of them are touched on one thread (they are atomics so that the tasks are `Send`).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use tokio::time::Instant;

use super::takeover::Takeover;

/// One per connection.
#[derive(Debug)]
pub(crate) struct Activity {
    accepted: Instant,
    in_flight: AtomicU32,
    /// Requests begun since the connection was accepted.
    begun: AtomicU32,
    /// Milliseconds from `accepted` to the last progress: a request done, blocked output moved.
    progress: AtomicU64,
    /// Bytes came while nothing was in flight: a head has begun.
    head: AtomicBool,
    /// Milliseconds from `accepted` to when output began to wait for the peer to read, and one more; 0: it does not.
    blocked: AtomicU64,
    lingering: AtomicBool,
    /// Nobody waits for an answer: close without lingering.
    abrupt: AtomicBool,
    /// The peer floods us with frames: nothing more is read.
    flooded: AtomicBool,
    /// A deadline has ended it between two requests: nothing was cut.
    over: AtomicBool,
    /// An answer takes its time: look whether the peer still waits for it.
    watched: AtomicBool,
    /// The peer does not.
    left: AtomicBool,
    /// A read filled its room: more is there, most likely.
    more: AtomicBool,
    /// Milliseconds from `accepted` to when the handler is to be polled again at the latest; 0: whenever.
    wake: AtomicU64,
    takeover: OnceLock<Takeover>,
}

impl Activity {
    /// A connection accepted just now, of which the first head is awaited.
    pub(super) fn new(accepted: Instant) -> Arc<Self> {
        Arc::new(Self {
            accepted,
            in_flight: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            progress: AtomicU64::new(0),
            head: AtomicBool::new(true),
            blocked: AtomicU64::new(0),
            lingering: AtomicBool::new(false),
            abrupt: AtomicBool::new(false),
            flooded: AtomicBool::new(false),
            over: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            left: AtomicBool::new(false),
            more: AtomicBool::new(false),
            wake: AtomicU64::new(0),
            takeover: OnceLock::new(),
        })
    }

    pub(super) fn accepted(&self) -> Instant {
        self.accepted
    }

    /// Requests whose handler was called and whose response is not over.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Requests whose handler was called.
    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Relaxed)
    }

    /// When the connection last did something for a request.
    pub(super) fn last_progress(&self) -> Instant {
        self.accepted + Duration::from_millis(self.progress.load(Relaxed))
    }

    /// Whether a head has begun that no handler was called for yet.
    pub(super) fn in_head(&self) -> bool {
        self.head.load(Relaxed)
    }

    /// Whether nothing has been sent or received that somebody may still wait for.
    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight() == 0 && !self.in_head() && self.blocked.load(Relaxed) == 0
    }

    pub(super) fn is_lingering(&self) -> bool {
        self.lingering.load(Relaxed)
    }

    pub(super) fn is_abrupt(&self) -> bool {
        self.abrupt.load(Relaxed)
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    pub(super) fn set_flooded(&self) {
        self.flooded.store(true, Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// A deadline ends the connection.
    pub(super) fn set_expired(&self) {
        self.over.store(self.in_flight() == 0, Relaxed);
    }

    pub(super) fn set_lingering(&self) {
        self.lingering.store(true, Relaxed);
    }

    pub(super) fn set_abrupt(&self) {
        self.abrupt.store(true, Relaxed);
    }

    /// An answer takes its time, until it is over.
    pub(super) fn watch(&self) {
        self.watched.store(true, Relaxed);
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    pub(super) fn set_left(&self) {
        self.left.store(true, Relaxed);
    }

    pub(super) fn has_left(&self) -> bool {
        self.left.load(Relaxed)
    }

    /// The connection is `takeover`'s once the answer is sent. There is one at most: it ends HTTP here.
    pub(super) fn hand_over(&self, takeover: Takeover) {
        let _second = self.takeover.set(takeover).is_err();
    }

    pub(super) fn takeover(&self) -> Option<&Takeover> {
        self.takeover.get()
    }

    /// Bytes were read.
    pub(super) fn note_read(&self) {
        if self.in_flight() == 0 {
            self.head.store(true, Relaxed);
        }
    }

    /// A read filled its room.
    pub(super) fn set_more(&self) {
        self.more.store(true, Relaxed);
    }

    /// Whether one did since this was asked last.
    pub(super) fn take_more(&self) -> bool {
        let more = self.more.load(Relaxed);
        if more {
            self.more.store(false, Relaxed);
        }
        more
    }

    /// The handler of the one request in flight is to be polled again at `at`, if not before.
    pub(super) fn wake_at(&self, at: Instant) {
        // Not too soon, and never 0.
        let millis = at.saturating_duration_since(self.accepted).as_nanos().div_ceil(1_000_000).max(1);
        self.wake.store(u64::try_from(millis).unwrap_or(u64::MAX), Relaxed);
    }

    /// When that is.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let millis = self.wake.load(Relaxed);
        (millis > 0).then(|| self.accepted + Duration::from_millis(millis))
    }

    /// It is polled.
    pub(super) fn woken(&self) {
        self.wake.store(0, Relaxed);
    }

    /// Since when output waits for the peer to read.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        let millis = self.blocked.load(Relaxed).checked_sub(1)?;
        Some(self.accepted + Duration::from_millis(millis))
    }

    /// A write was tried. The clock is read only when output blocks, and when it moves again.
    pub(super) fn note_write(&self, blocked: bool) {
        match (blocked, self.blocked.load(Relaxed)) {
            (true, 0) => self.blocked.store(self.elapsed().saturating_add(1), Relaxed),
            (true, _) | (false, 0) => {}
            (false, _) => {
                self.blocked.store(0, Relaxed);
                self.note_progress();
            }
        }
    }

    /// A handler is about to be called.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        change(&self.in_flight, |requests| requests.saturating_add(1));
        change(&self.begun, |requests| requests.saturating_add(1));
        self.head.store(false, Relaxed);
        InFlight(Arc::clone(self))
    }

    fn note_progress(&self) {
        self.progress.store(self.elapsed(), Relaxed);
    }

    fn elapsed(&self) -> u64 {
        let millis = Instant::now().saturating_duration_since(self.accepted).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX - 1)
    }
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl InFlight {
    /// The connection that it came on.
    pub(super) fn activity(&self) -> &Activity {
        &self.0
    }

    /// Ties the rest of the request to its response body.
    pub(super) fn until_sent<B>(self, body: B) -> Tracked<B> {
        Tracked { body, in_flight: self }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if change(&self.0.in_flight, |requests| requests.saturating_sub(1)) == 0 {
            self.0.watched.store(false, Relaxed);
            self.0.woken();
            self.0.note_progress();
        }
    }
}

/// Changes a number and says what it is now. Not in one step, which costs more: there is one thread.
fn change(number: &AtomicU32, by: impl FnOnce(u32) -> u32) -> u32 {
    let changed = by(number.load(Relaxed));
    number.store(changed, Relaxed);
    changed
}

pin_project_lite::pin_project! {
    /// A response body, and the request that is in flight until it is dropped.
    #[derive(Debug)]
    pub(super) struct Tracked<B> {
        #[pin]
        body: B,
        in_flight: InFlight,
    }
}

impl<B: Body> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if frame.is_pending() {
            this.in_flight.activity().watch();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
