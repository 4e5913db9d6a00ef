//! Revisions that must not come back: of records that were removed, or that left.
//!
//! Not a log of removals. An id is never used twice, so a removal is remembered for as long as a store could bring the
//! record back. Invariant: of the latest [`GENERATION`] notes every one stands, and at most twice as many are held
//! (some 60 MB, after half a million deletions in one process). One that was forgotten could only be undone by a store
//! that went back further than that, and such a store is refused (`history.rs`).

use std::collections::HashMap;

use super::record::RecordKey;

/// Notes that are kept for certain; fewer where a test fills them.
const GENERATION: usize = if cfg!(test) { 1 << 10 } else { 1 << 18 };

/// Why a revision must not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody deleted the record.
    Deleted,
    /// It is another sidecar's now, or stands there damaged.
    Left,
}

/// The notes, in two generations.
#[derive(Debug, Default)]
pub(super) struct Removed {
    young: HashMap<RecordKey, (u64, Why)>,
    old: HashMap<RecordKey, (u64, Why)>,
}

impl Removed {
    /// The revision up to which nothing of this record is taken, and why.
    pub(super) fn get(&self, key: &RecordKey) -> Option<(u64, Why)> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    /// Whether this revision must not come back.
    pub(super) fn covers(&self, key: &RecordKey, revision: u64) -> bool {
        self.get(key).is_some_and(|(removed, _)| removed >= revision)
    }

    /// Notes a removal. The highest revision stands, and a deletion is never made less.
    pub(super) fn note(&mut self, key: RecordKey, revision: u64, why: Why) {
        let (revision, why) = match self.get(&key) {
            Some((known, Why::Deleted)) => (known.max(revision), Why::Deleted),
            Some((known, Why::Left)) => (known.max(revision), why),
            None => (revision, why),
        };
        self.young.insert(key, (revision, why));
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::record::Kind;

    fn key(n: usize) -> RecordKey {
        RecordKey { kind: Kind::WebhookKey, id: uuid::Uuid::from_u128(n as u128) }
    }

    #[test]
    fn the_highest_revision_stands_and_a_deletion_stays_one() {
        let mut removed = Removed::default();
        removed.note(key(1), 5, Why::Left);
        removed.note(key(1), 3, Why::Deleted);
        removed.note(key(1), 4, Why::Left);
        assert_eq!(removed.get(&key(1)), Some((5, Why::Deleted)));
        assert!(removed.covers(&key(1), 5) && !removed.covers(&key(1), 6) && !removed.covers(&key(2), 1));
    }

    #[test]
    fn memory_is_bounded_and_the_latest_notes_stand() {
        let mut removed = Removed::default();
        for n in 0..3 * GENERATION + 7 {
            removed.note(key(n), 2, Why::Deleted);
            assert!(removed.young.len() + removed.old.len() <= 2 * GENERATION);
        }
        assert!((2 * GENERATION + 7..3 * GENERATION + 7).all(|n| removed.covers(&key(n), 2)));
    }
}
