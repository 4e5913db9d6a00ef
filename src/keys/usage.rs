//! How often and when a record was used, as this process has seen it.
//!
//! Not stored, and no part of a record. Invariant: counting takes no lock and orders nothing.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::UnixMillis;

/// How often and when a record was used. Relaxed counters, never part of the change log.
#[derive(Debug, Default)]
pub struct Usage {
    accepted: AtomicU64,
    refused: AtomicU64,
    last: AtomicI64,
    previous: AtomicI64,
}

/// How often the use of a replaced value is worth a line of the log, for each record: once a minute.
const TOLD_MILLIS: i64 = 60_000;

impl Usage {
    /// A request was verified with it.
    pub fn record_accepted(&self, now: UnixMillis) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.last.fetch_max(now.0, Ordering::Relaxed);
    }

    /// The same, with a value that the last rotation replaced. Whether that is worth a line of the log: it was
    /// not so used in this minute yet.
    pub fn record_previous(&self, now: UnixMillis) -> bool {
        self.record_accepted(now);
        let before = self.previous.fetch_max(now.0, Ordering::Relaxed);
        before == 0 || before / TOLD_MILLIS < now.0 / TOLD_MILLIS
    }

    /// Another rotation has replaced other values, which nobody has used yet.
    pub(super) fn forget_previous(&self) {
        self.previous.store(0, Ordering::Relaxed);
    }

    /// A request that named it was refused.
    pub fn record_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests verified since this process started.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Requests refused since this process started.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// When it last verified a request; `None` = not since this process started.
    pub fn last(&self) -> Option<UnixMillis> {
        at(&self.last)
    }

    /// When what the last rotation replaced last verified a request; `None` = not since that rotation, nor
    /// since this process started.
    pub fn previous_last(&self) -> Option<UnixMillis> {
        at(&self.previous)
    }
}

fn at(time: &AtomicI64) -> Option<UnixMillis> {
    match time.load(Ordering::Relaxed) {
        0 => None,
        millis => Some(UnixMillis(millis)),
    }
}
