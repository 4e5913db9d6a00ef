//! Stage 3, look up: from what the head says about who this could be to the records held in memory.
//!
//! Not the store: nothing here waits for one while a request is on its way. Invariants: a lookup takes no
//! lock, makes no store command and allocates nothing; an unknown key is a definite answer because the
//! mirror holds the whole set, or the whole of its scope; "I cannot know" ([`LookupError::Unavailable`],
//! [`LookupError::Damaged`]) is never given as "unknown"; a revocation once seen is never undone by a rebuild.

pub mod admin;
pub mod adoption;
pub mod alarms;
pub mod decode;
pub mod entry;
pub mod handshake;
pub mod held;
pub mod history;
pub mod loss;
pub mod mirror;
pub mod record;
pub mod ring;
pub mod scope;
pub mod sync;

mod aside;
mod catalogue;
mod claims;
mod decoded;
pub mod digest;
mod digests;
mod indexes;
mod removed;
mod resync;
mod shards;
mod stored;
mod usage;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::credential::signature::SignatureLocator;
use entry::{IntegrationEntry, KeyEntry};
use record::ApiKeyDigest;

/// Who a request could be from, as its path and head say.
#[derive(Debug, Clone, Copy)]
pub enum Locator<'r> {
    /// The digest of the API key it carries.
    ApiKey(ApiKeyDigest),
    /// The workspace, and perhaps the key, that it names.
    Signature(SignatureLocator),
    /// The integration that its path names.
    Integration(&'r str),
}

/// Records that the locator leads to. Finding them proves nothing.
#[derive(Debug, Clone)]
pub enum Candidates {
    /// The key whose API key has this digest.
    ApiKey {
        /// The key.
        entry: Arc<KeyEntry>,
        /// Whether the digest is the one before the last rotation.
        previous: bool,
    },
    /// The keys of the workspace that are tried: at most `limits.candidate_secrets`.
    Signature {
        /// The keys.
        entries: SmallVec<[Arc<KeyEntry>; 4]>,
        /// Whether the workspace has a damaged key beside them, which could have been the sender's: what
        /// none of `entries` verifies, nobody can judge.
        damaged: bool,
    },
    /// The integration.
    Integration(Arc<IntegrationEntry>),
}

/// Why there are no candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No such key, workspace or integration. Definite.
    #[error("no such key, workspace or integration")]
    Unknown,
    /// The mirror is not loaded, or older than `keys.max_stale`: nobody can tell.
    #[error("keys are not available")]
    Unavailable,
    /// There is a record, and it is corrupt or cannot be opened with the KEKs at hand.
    #[error("the record is damaged or cannot be opened")]
    Damaged,
}
