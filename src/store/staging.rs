//! How a whole key set takes an empty namespace: staged aside in batches, then put in place in one step.
//!
//! Not where the records come from (`transfer/`). Invariant: until the last step the namespace is as empty as it
//! was, so that a set which is staged in part is never taken for a key set; what is left of it is dropped by the
//! next one that begins.

use std::sync::Arc;

use uuid::Uuid;

use super::{AuditLink, Epoch};
use crate::keys::record::RecordKey;

/// One record of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Which record.
    pub key: RecordKey,
    /// Its revision, kept from where it comes from.
    pub revision: u64,
    /// Its stored form, sealed and signed for the namespace that it goes to.
    pub envelope: Arc<[u8]>,
    /// The unique values that it holds.
    pub claims: Vec<String>,
}

/// What ends the staging: the set's first event, and its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// How many records were staged; another number is refused.
    pub records: u64,
    /// The new life of the namespace.
    pub epoch: Epoch,
    /// The life that the set comes from.
    pub continues: Epoch,
    /// The first link of the new chain: `previous` is the default.
    pub audit: AuditLink,
}

/// A step. All steps of one set bear the same mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staging {
    /// The namespace must be free: no record and no event. One with an epoch and nothing else is. Drops what
    /// another set has left.
    Begin,
    /// Adds records. Repeating a batch does nothing.
    Add(Vec<Staged>),
    /// Puts the set in place with its epoch, change log and first event, durable when it returns.
    Install(Installed),
}

/// Whose steps these are: drawn by whoever begins.
pub type Mark = Uuid;
