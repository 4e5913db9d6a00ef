//! What a committed operation means in memory.
//!
//! Not the committing. Invariant: what is applied is what was committed, revision included.

use super::Writer;
use crate::keys::record::{Record, RecordKey};
use crate::store::Op;

/// What a committed operation means for the mirror.
pub(super) enum Applied {
    /// It is like this now.
    Written(Box<Record>),
    /// It is gone, at this revision.
    Removed(RecordKey, u64),
}

impl Applied {
    /// The record and its revision after the change.
    pub(super) fn touched(&self) -> (RecordKey, u64) {
        match self {
            Self::Written(record) => (record.key(), record.meta().revision),
            Self::Removed(key, revision) => (*key, *revision),
        }
    }

    /// The record that was written.
    pub(super) fn record(&self) -> Option<&Record> {
        match self {
            Self::Written(record) => Some(record),
            Self::Removed(..) => None,
        }
    }
}

impl Writer {
    /// The unique values that the record holds, as far as the mirror knows.
    pub(super) fn claims_held(&self, key: RecordKey) -> Vec<String> {
        self.mirror
            .get(key)
            .and_then(|decoded| decoded.record())
            .map(|record| record.claims())
            .unwrap_or_default()
    }
}

/// The removal of a record that is stored at `expected`.
pub(super) fn removal(key: RecordKey, expected: u64, releases: Vec<String>) -> (Op, Applied) {
    let revision = expected.saturating_add(1);
    (Op::Delete { key, revision, expected, releases }, Applied::Removed(key, revision))
}
