//! What becomes of a record of which memory and store disagree, after the store has lost changes.
//!
//! Not the committing (`store/restore.rs`). Pure. Invariants: nothing that was seen revoked is honoured because the
//! store forgot it, nor because somebody changed the older form meanwhile; a deletion is final, since an id is
//! never used twice; where two forms are as good as each other, the one that lets less in stands.

use super::decode::Decoded;
use super::record::{Record, RecordKey};

/// A record that the store holds in an older form than was seen, or does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    /// The revision that is stored; `None` = there is no such record.
    pub(super) stored: Option<u64>,
    /// Unique values that the stored form holds.
    pub(super) claims: Vec<String>,
}

/// How to make the store whole again for one record.
#[derive(Debug, Clone)]
pub struct Restoration {
    /// Which record.
    pub key: RecordKey,
    /// What it must become, at its revision; `None` = it must go.
    pub record: Option<Record>,
    /// The revision that it gets.
    pub revision: u64,
    /// The revision that must be stored now; `None` = there must be no such record.
    pub stored: Option<u64>,
    /// Unique values that the stored form holds.
    pub claims: Vec<String>,
}

/// Which of two forms of a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// The one in memory.
    Known,
    /// The one in the store.
    Stored,
}

impl Loss {
    pub(super) fn of(stored: &Decoded) -> Self {
        let claims = stored.record().map(|record| record.claims()).unwrap_or_default();
        Self { stored: Some(stored.revision()), claims }
    }
}

/// Judges two forms. `before` is the revision up to which both have the same past.
pub(super) fn judge(known: &Decoded, stored: &Decoded, before: u64) -> Stands {
    let (ours, theirs) = (known.revision(), stored.revision());
    if matches!(stored, Decoded::Damaged(_)) {
        return Stands::Stored;
    }
    if theirs <= before {
        return if ours > theirs { Stands::Known } else { Stands::Stored };
    }
    // Both were changed since: somebody worked on what the store had left.
    if content(known) == content(stored) {
        return if theirs >= ours { Stands::Stored } else { Stands::Known };
    }
    match (known.is_switched_off(), stored.is_switched_off()) {
        (true, false) => Stands::Known,
        (false, true) => Stands::Stored,
        _ if theirs > ours => Stands::Stored,
        _ => Stands::Known,
    }
}

/// The record without what every change changes.
fn content(decoded: &Decoded) -> Option<Record> {
    let mut record = decoded.record()?;
    let meta = record.meta_mut();
    (meta.revision, meta.updated_at) = (0, meta.created_at);
    Some(record)
}
