//! How often and when a record was used: what this process has seen and not told the store yet.
//!
//! No part of a record, and not the sums over all sidecars (`store/uses.rs`), which this is added to. Invariants:
//! counting takes no lock and orders nothing; what [`Usage::take`] gave is not given again.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::record::{PreviousKey, PreviousSecret};
use crate::clock::UnixMillis;

/// How often and when a record was used. Relaxed counters, never part of the change log.
#[derive(Debug, Default)]
pub struct Usage {
    accepted: AtomicU64,
    refused: AtomicU64,
    last: AtomicI64,
    previous: AtomicI64,
}

/// Use that is counted: of one process for a while, or of all of them ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// Requests that it verified.
    pub accepted: u64,
    /// Requests that named it and were refused.
    pub refused: u64,
    /// When it last verified one; `None` = never.
    pub last: Option<UnixMillis>,
    /// When what the last rotation replaced last verified one; `None` = not since that rotation.
    pub previous: Option<PreviousUse>,
}

/// The last use of values that a rotation replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousUse {
    /// Which values: see [`PreviousKey::mark`].
    pub mark: u64,
    /// When.
    pub at: UnixMillis,
}

impl PreviousKey {
    /// Tells the values apart from those of other rotations of the same key.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let secret = self.secret.as_ref().map_or(0, |secret| u64::from(secret.version));
        let api_key = self.api_key.and_then(|digest| digest.0.first_chunk().copied());
        api_key.map_or(0, u64::from_be_bytes) ^ secret
    }
}

impl PreviousSecret {
    /// As [`PreviousKey::mark`].
    #[must_use]
    pub fn mark(&self) -> u64 {
        u64::from(self.secret.version)
    }
}

impl Use {
    /// Adds what was counted elsewhere: sums, and the later of two times.
    pub fn add(&mut self, more: &Self) {
        self.accepted = self.accepted.saturating_add(more.accepted);
        self.refused = self.refused.saturating_add(more.refused);
        self.last = self.last.max(more.last);
        self.previous = match (self.previous, more.previous) {
            (Some(ours), Some(theirs)) if theirs.at < ours.at => Some(ours),
            (ours, theirs) => theirs.or(ours),
        };
    }

    /// When the values with this mark last verified a request.
    #[must_use]
    pub fn previous_with(&self, mark: u64) -> Option<UnixMillis> {
        self.previous.filter(|previous| previous.mark == mark).map(|previous| previous.at)
    }
}

/// How often the use of a replaced value is worth a line of the log, for each record: once a minute.
const TOLD_MILLIS: i64 = 60_000;

impl Usage {
    /// A request was verified with it.
    pub fn record_accepted(&self, now: UnixMillis) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        // Seldom newer by a millisecond, and to look costs less than to write.
        if self.last.load(Ordering::Relaxed) < now.0 {
            self.last.fetch_max(now.0, Ordering::Relaxed);
        }
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

    /// What was counted since it was taken last. `mark`: of the values that the last rotation replaced.
    #[must_use]
    pub fn so_far(&self, mark: Option<u64>) -> Use {
        self.with_counts(self.accepted.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed), mark)
    }

    /// The same, which counts as told from now on; `None` where there is nothing new.
    #[must_use]
    pub fn take(&self, mark: Option<u64>) -> Option<Use> {
        // Most records are idle: to look at them changes nothing.
        if self.accepted.load(Ordering::Relaxed) == 0 && self.refused.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let accepted = self.accepted.swap(0, Ordering::Relaxed);
        let refused = self.refused.swap(0, Ordering::Relaxed);
        Some(self.with_counts(accepted, refused, mark))
    }

    fn with_counts(&self, accepted: u64, refused: u64, mark: Option<u64>) -> Use {
        let previous = mark.zip(at(&self.previous)).map(|(mark, at)| PreviousUse { mark, at });
        Use { accepted, refused, last: at(&self.last), previous }
    }
}

fn at(time: &AtomicI64) -> Option<UnixMillis> {
    match time.load(Ordering::Relaxed) {
        0 => None,
        millis => Some(UnixMillis(millis)),
    }
}

#[cfg(test)]
mod tests {
    use super::{PreviousUse, Usage, Use};
    use crate::clock::UnixMillis;

    #[test]
    fn what_was_taken_is_not_given_again() {
        let usage = Usage::default();
        assert_eq!(usage.take(None), None);
        usage.record_accepted(UnixMillis(7));
        usage.record_refused();
        let taken = Use { accepted: 1, refused: 1, last: Some(UnixMillis(7)), previous: None };
        assert_eq!(usage.so_far(None), taken);
        assert_eq!(usage.take(None), Some(taken));
        assert_eq!(usage.take(None), None);
        assert_eq!(usage.so_far(None), Use { last: Some(UnixMillis(7)), ..Use::default() });
    }

    #[test]
    fn of_two_former_values_the_one_used_later_is_known() {
        let used = |mark, at| Use {
            accepted: 1,
            last: Some(UnixMillis(at)),
            previous: Some(PreviousUse { mark, at: UnixMillis(at) }),
            ..Use::default()
        };
        for (first, second) in [(used(1, 10), used(2, 20)), (used(2, 20), used(1, 10))] {
            let mut sum = first;
            sum.add(&second);
            assert_eq!((sum.accepted, sum.last), (2, Some(UnixMillis(20))));
            assert_eq!((sum.previous_with(2), sum.previous_with(1)), (Some(UnixMillis(20)), None));
        }
    }
}
