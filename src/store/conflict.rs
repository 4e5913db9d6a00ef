//! Why a change does not fit what is stored.
//!
//! Not a fault of the store: whoever asked for the change is told.

use crate::keys::record::RecordKey;

/// Why a change does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The record has another revision, is gone, or exists already.
    #[error("{key} is not at the expected revision")]
    Revision {
        /// Which record.
        key: RecordKey,
    },
    /// Another record holds a unique value.
    #[error("{claim} is taken")]
    Claim {
        /// The value, as [`crate::keys::record::Record::claims`] writes it.
        claim: String,
    },
    /// Another checkpoint stands, or other events than those that were to go.
    #[error("the audit log was trimmed meanwhile, or is not as it was read")]
    Trimmed,
    /// A record that the change needs is gone.
    #[error("{key} does not exist")]
    Missing {
        /// Which record.
        key: RecordKey,
    },
}
