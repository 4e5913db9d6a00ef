//! What went wrong with the store in ways that waiting does not cure, counted and kept for the operator.
//!
//! Not the log, which says it too, and not the errors of an outage (`readiness.rs`). Invariants: an alarm names records
//! by id and never by content; each is counted once, however often it is met.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::decode::DamageCause;

/// Kinds of alarm: a closed set, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Alarm {
    /// The store has lost changes that were seen; what is known of them is kept.
    LostChanges,
    /// The store went back further than is remembered here.
    RolledBack,
    /// The store has no epoch any more, another one that no person began, or a former one.
    Epoch,
    /// A record was written by somebody without a key-encryption key.
    Forged,
    /// A record's key-encryption key is not at hand.
    Unopenable,
    /// A record has no reading.
    Corrupt,
    /// What the store has lost cannot be given back to it.
    NotRestored,
}

impl Alarm {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::LostChanges,
        Self::RolledBack,
        Self::Epoch,
        Self::Forged,
        Self::Unopenable,
        Self::Corrupt,
        Self::NotRestored,
    ];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LostChanges => "lost_changes",
            Self::RolledBack => "rolled_back",
            Self::Epoch => "epoch",
            Self::Forged => "forged",
            Self::Unopenable => "unopenable",
            Self::Corrupt => "corrupt",
            Self::NotRestored => "not_restored",
        }
    }
}

impl From<DamageCause> for Alarm {
    fn from(cause: DamageCause) -> Self {
        match cause {
            DamageCause::Forged => Self::Forged,
            DamageCause::Unopenable => Self::Unopenable,
            DamageCause::Corrupt => Self::Corrupt,
        }
    }
}

/// Why a key set was read as a whole: a closed set, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Resync {
    /// The first time.
    Boot,
    /// The log does not reach back to what was applied last.
    Gap,
    /// The store has lost what was applied last.
    Rollback,
    /// Another epoch was taken.
    Epoch,
}

impl Resync {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::Boot, Self::Gap, Self::Rollback, Self::Epoch];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Gap => "gap",
            Self::Rollback => "rollback",
            Self::Epoch => "epoch",
        }
    }
}

/// The counts of one sidecar, and its last alarm.
#[derive(Debug, Default)]
pub struct Alarms {
    alarms: [AtomicU64; Alarm::ALL.len()],
    resyncs: [AtomicU64; Resync::ALL.len()],
    last: Mutex<Option<(Instant, String)>>,
}

impl Alarms {
    /// Notes an alarm, in words for the operator.
    pub fn raise(&self, alarm: Alarm, at: Instant, words: String) {
        if let Some(count) = self.alarms.get(alarm as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        *self.last.lock() = Some((at, words));
    }

    /// Notes that a key set was read as a whole and is in force.
    pub fn resynced(&self, cause: Resync) {
        if let Some(count) = self.resyncs.get(cause as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many alarms of this kind there were.
    #[must_use]
    pub fn raised(&self, alarm: Alarm) -> u64 {
        self.alarms.get(alarm as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How many key sets were read for this cause.
    #[must_use]
    pub fn resyncs(&self, cause: Resync) -> u64 {
        self.resyncs.get(cause as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Key sets that were swapped in since the start.
    #[must_use]
    pub fn generation(&self) -> u64 {
        Resync::ALL.into_iter().map(|cause| self.resyncs(cause)).sum()
    }

    /// The last alarm, and when it was raised.
    #[must_use]
    pub fn last(&self) -> Option<(Instant, String)> {
        self.last.lock().clone()
    }
}
