//! What was applied lately, and what this process committed since: how a store that went back in time is told from
//! one that only forgot its log.
//!
//! Not the log and not the records. Invariants: entries stand in the order of the store; what this process committed
//! is remembered from the moment it was acknowledged, seen in the log or not; memory is bounded by
//! [`REMEMBERED`], and what is forgotten is taken for certain, never for lost.

use std::collections::{HashMap, VecDeque};

use super::record::RecordKey;
use crate::store::{AuditMac, Head, Position};

/// Changes of single records that are remembered: some 2 MB. A failover loses seconds of them; a backup that is
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

/// Entries, oldest first. What came before them is taken for certain.
#[derive(Debug)]
pub(super) struct History {
    applied: VecDeque<Mark>,
    /// Commits of this process that the log has not brought yet.
    ahead: Vec<Mark>,
    changes: usize,
}

impl History {
    /// Nothing but the place of a snapshot.
    pub(super) fn from(head: Head) -> Self {
        let base = Mark { position: head.position, mac: head.mac, touched: Box::default() };
        Self { applied: VecDeque::from([base]), ahead: Vec::new(), changes: 0 }
    }

    /// The log has brought this entry.
    pub(super) fn apply(&mut self, mark: Mark) {
        self.ahead.retain(|own| own.mac != mark.mac);
        self.changes += mark.touched.len();
        self.applied.push_back(mark);
        while self.changes > REMEMBERED
            && self.applied.len() > 1
            && let Some(oldest) = self.applied.pop_front()
        {
            self.changes -= oldest.touched.len();
        }
    }

    /// This process has committed it.
    pub(super) fn commit(&mut self, mark: Mark) {
        if self.applied.back().is_none_or(|last| last.position < mark.position) {
            self.ahead.push(mark);
        }
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
        self.changes = self.applied.iter().map(|mark| mark.touched.len()).sum();
        before
    }

    /// What the store says of its past, up to the place where this began: oldest first.
    pub(super) fn recall(&mut self, past: Vec<Mark>) {
        let Some(base) = self.applied.pop_front() else { return };
        let later = std::mem::take(&mut self.applied);
        self.changes = 0;
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
