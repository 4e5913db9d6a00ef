//! What a store says when it does not do what was asked.
//!
//! Not who is told (`admin/problem.rs`, `cli/`). Invariant: no text holds a secret.

use uuid::Uuid;

use super::conflict::Conflict;

/// What can go wrong with a store. All but [`StoreError::Conflict`] and [`StoreError::HeadMoved`] are
/// faults of ours, never a sender's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The namespace has no epoch.
    #[error(
        "the store is not initialised; run `countersign store init` for an empty key set, or `countersign import \
         FILE` for an exported one"
    )]
    Uninitialised,
    /// There are records but no epoch: not ours, or damaged.
    #[error("the store holds records but no epoch: it is foreign or damaged, and is left untouched")]
    Foreign,
    /// The namespace was initialised anew since it was read.
    #[error("the store was initialised anew (epoch {found}, expected {expected})")]
    OtherEpoch {
        /// What stands there.
        found: Uuid,
        /// What was read before.
        expected: Uuid,
    },
    /// It was initialised under a key-encryption key that is not at hand. Waiting does not cure it.
    #[error("the store was initialised under the key-encryption key {id:?}: {why}")]
    WrongKek {
        /// Id of the key.
        id: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is of a later schema than this version writes: a record written again would lose what was added.
    #[error(
        "the store has schema {found} and this version writes {known}: make changes with the newer version"
    )]
    NewerSchema {
        /// The schema of the store.
        found: u32,
        /// The schema that this version writes.
        known: u32,
    },
    /// Another writer's commit came first.
    #[error("another writer committed first")]
    HeadMoved,
    /// The change does not fit what is stored.
    #[error("the change does not fit what is stored: {0}")]
    Conflict(Conflict),
    /// The answer to the same request is kept: its change was made.
    #[error("the change was made already")]
    Answered,
    /// As many answers are kept as can be.
    #[error("too many changes with an Idempotency-Key were made lately")]
    Crowded,
    /// A whole key set can't take a namespace that has one.
    #[error("the namespace {namespace:?} holds {records} records and an audit of {events} events")]
    Occupied {
        /// The namespace.
        namespace: String,
        /// Its records.
        records: u64,
        /// Its audit events.
        events: u64,
    },
    /// Somebody else began to put a key set in place.
    #[error("another import into this namespace has begun since")]
    Overtaken,
    /// Another process holds the file.
    #[error(
        "{path} is in use by another process: stop it (a `countersign serve`?), or name another store.path"
    )]
    InUse {
        /// The file.
        path: String,
    },
    /// No room: nothing was written.
    #[error("no space left for the store: {0}")]
    Full(String),
    /// It cannot be reached, read or written.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A change was sent, and it cannot be told whether it is stored, or as durably as asked for.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// What it holds is not what it should be.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}
