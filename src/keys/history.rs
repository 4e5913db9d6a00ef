//! What was applied lately, and what this process committed since: how a store that went back in time is told from
//! one that only forgot its log.
//!
//! Not the log and not the records. Invariants: entries stand in the order of the store; what this process committed
//! is remembered from the moment it was acknowledged, seen in the log or not; memory is bounded by
//! `REMEMBERED`, and what is forgotten is taken for certain, never for lost.

use std::collections::{HashMap, HashSet, VecDeque};

use super::record::RecordKey;
use crate::store::{AuditMac, Head, Position};

/// Entries and changes of single records that are remembered, together: some 2 MB. A failover loses seconds of them; a backup that is
/// older than all of them is refused.
const REMEMBERED: usize = 20_000;

/// Records that an entry changed, each with its revision after it.
pub type Touched = Box<[(RecordKey, u64)]>;

/// One entry of the log.
#[derive(Debug, Clone)]
pub struct Mark {
    /// Its place.
    pub position: Position,
    /// The audit head after it.
    pub mac: AuditMac,
    /// What it changed.
    pub touched: Touched,
}

impl Mark {
    fn weight(&self) -> usize {
        self.touched.len() + 1
    }
}

/// Entries, oldest first. What came before them is taken for certain.
#[derive(Debug)]
pub(super) struct History {
    applied: VecDeque<Mark>,
    /// Commits of this process that the log has not brought yet.
    ahead: Vec<Mark>,
    weight: usize,
}

impl History {
    /// Nothing but the place of a snapshot.
    pub(super) fn from(head: Head) -> Self {
        let base = Mark { position: head.position, mac: head.mac, touched: Box::default() };
        let weight = base.weight();
        Self { applied: VecDeque::from([base]), ahead: Vec::new(), weight }
    }

    /// The log has brought this entry.
    pub(super) fn apply(&mut self, mark: Mark) {
        self.ahead.retain(|own| own.mac != mark.mac);
        self.weight += mark.weight();
        self.applied.push_back(mark);
        while self.weight > REMEMBERED
            && self.applied.len() > 1
            && let Some(oldest) = self.applied.pop_front()
        {
            self.weight -= oldest.weight();
        }
    }

    /// This process has committed it.
    pub(super) fn commit(&mut self, mark: Mark) {
        if self.applied.back().is_none_or(|last| last.position < mark.position) {
            self.ahead.push(mark);
        }
    }

    /// Records that this process changed behind this place.
    pub(super) fn changed_behind(&self, place: Position) -> HashSet<RecordKey> {
        let later = self.ahead.iter().filter(|mark| mark.position > place);
        later.flat_map(|mark| mark.touched.iter().map(|(key, _)| *key)).collect()
    }

    /// Commits of this process that the log has not brought yet.
    pub(super) fn ahead(&self) -> Vec<(Position, AuditMac)> {
        self.ahead.iter().map(|mark| (mark.position, mark.mac)).collect()
    }

    /// Every place that the log has brought, oldest first.
    pub(super) fn places(&self) -> Vec<(Position, AuditMac)> {
        self.applied.iter().map(|mark| (mark.position, mark.mac)).collect()
    }

    /// Forgets what came after the `kept` oldest places, and these commits of this process: the store has lost
    /// them. Gives the records that were changed then, each with the revision before the first of those changes.
    pub(super) fn fork(&mut self, kept: usize, lost: &[AuditMac]) -> HashMap<RecordKey, u64> {
        let mut before: HashMap<RecordKey, u64> = HashMap::new();
        let own = std::mem::take(&mut self.ahead).into_iter();
        let (own, held): (Vec<Mark>, Vec<Mark>) = own.partition(|mark| lost.contains(&mark.mac));
        self.ahead = held;
        for mark in self.applied.split_off(kept.min(self.applied.len())).iter().chain(&own) {
            for (key, revision) in &mark.touched {
                let first = revision.saturating_sub(1);
                before.entry(*key).and_modify(|before| *before = first.min(*before)).or_insert(first);
            }
        }
        self.weight = self.applied.iter().map(Mark::weight).sum();
        before
    }

    /// What the store says of its past, up to the place where this began: oldest first.
    pub(super) fn recall(&mut self, past: Vec<Mark>) {
        let Some(base) = self.applied.pop_front() else { return };
        let later = std::mem::take(&mut self.applied);
        self.weight = 0;
        let mut is_base_known = false;
        for mark in past.into_iter().filter(|mark| mark.position <= base.position) {
            is_base_known = mark.position == base.position && mark.mac == base.mac;
            self.apply(mark);
        }
        if !is_base_known {
            self.apply(base);
        }
        later.into_iter().for_each(|mark| self.apply(mark));
    }

    /// The same store at a place that was reached without its log.
    pub(super) fn skip_to(&mut self, head: Head) {
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.retain(|own| own.position > head.position);
        *self = Self { ahead, ..Self::from(head) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::record::Kind;
    use crate::store::Epoch;
    use uuid::Uuid;

    fn mark(place: u64, touched: usize) -> Mark {
        let key = RecordKey { kind: Kind::WebhookKey, id: Uuid::from_u128(u128::from(place)) };
        let mut mac = [0; 32];
        mac[..8].copy_from_slice(&place.to_be_bytes());
        let position = Position { major: place, minor: 0 };
        Mark { position, mac: AuditMac(mac), touched: vec![(key, 2); touched].into() }
    }

    fn head(place: u64) -> Head {
        let Mark { position, mac, .. } = mark(place, 0);
        Head { epoch: Epoch(Uuid::nil()), position, mac }
    }

    #[test]
    fn memory_is_bounded_whatever_entries_hold() {
        for touched in [0, 1, 1000] {
            let mut history = History::from(head(1));
            for place in 2..30_000 / (touched as u64 + 1) * 3 {
                history.apply(mark(place, touched));
                assert!(history.weight <= REMEMBERED);
            }
            assert_eq!(history.weight, history.applied.iter().map(Mark::weight).sum::<usize>());
            assert!(history.places().len() * (touched + 1) > REMEMBERED - 2 * (touched + 1));
        }
        // One entry that is larger than all that is allowed is kept alone.
        let mut history = History::from(head(1));
        history.apply(mark(2, REMEMBERED + 1));
        assert_eq!(history.places().len(), 1);
    }

    #[test]
    fn a_past_that_is_recalled_comes_before_what_was_seen() {
        let mut history = History::from(head(5));
        history.apply(mark(6, 1));
        history.recall((2..=6).map(|place| mark(place, 1)).collect());
        assert_eq!(
            history.places(),
            (2..=6).map(|place| (head(place).position, head(place).mac)).collect::<Vec<_>>()
        );
        // One that does not hold the place where this began leaves it.
        let mut history = History::from(head(5));
        history.recall(vec![mark(2, 1), mark(3, 1)]);
        assert_eq!(history.places().len(), 3);
        assert_eq!(history.fork(2, &[]).len(), 0, "the snapshot is not of one entry");
        assert_eq!(history.fork(1, &[]).len(), 1);
    }

    #[test]
    fn commits_of_this_process_are_ahead_until_the_log_brings_them_or_passes_them() {
        let mut history = History::from(head(1));
        for place in 2..=4 {
            history.commit(mark(place, 1));
        }
        history.apply(mark(2, 1));
        history.commit(mark(2, 1));
        assert_eq!(history.ahead().len(), 2);
        let lost = history.fork(2, &[mark(3, 0).mac]);
        assert_eq!((lost.len(), history.ahead().len()), (1, 1));
        history.skip_to(head(9));
        assert_eq!((history.ahead(), history.places().len()), (Vec::new(), 1));
    }
}
