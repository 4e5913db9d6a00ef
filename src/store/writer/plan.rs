//! What a planner says: which records become what, and what the audit says of it.
//!
//! Not how it is committed. Invariant: nothing here holds a secret in the clear.

use serde::Serialize;
use uuid::Uuid;

use crate::keys::loss::Restoration;
use crate::keys::record::{Record, RecordKey};
use crate::store::{Conflict, Epoch};

/// Who asks for a change.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Name of the admin, or a fixed one.
    pub name: String,
    /// Id of the admin's record; `None` for those of a fixed name.
    pub admin: Option<Uuid>,
    /// Id of the admin request, for the audit event and the answer.
    pub request_id: Uuid,
}

/// Who acts under a fixed name: no admin has one of these.
pub const FIXED_ACTORS: [&str; 5] = ["bootstrap", "countersign", "countersign import", "handshake", "seed"];

impl Actor {
    /// One of [`FIXED_ACTORS`].
    #[must_use]
    pub fn fixed(name: &str, request_id: Uuid) -> Self {
        Self { name: name.to_owned(), admin: None, request_id }
    }

    /// Who it is, whatever the name becomes: what a record notes of its creator.
    #[must_use]
    pub fn identity(&self) -> String {
        self.admin.map_or_else(|| self.name.clone(), |id| id.to_string())
    }
}

/// What happens to one record. The writer sets id-independent metadata: revision, times, creator.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A record that does not exist yet.
    Create(Record),
    /// The new form of a record; its `meta.revision` is the one that the plan saw.
    Update(Record),
    /// The same content in another stored form; its `meta.revision` is the one that the plan saw, and only that grows.
    Reseal(Record),
    /// The record that goes, as the plan saw it.
    Delete(Record),
    /// A damaged record that goes: what is known of it without reading it.
    Remove {
        /// Which record.
        key: RecordKey,
        /// The revision that the plan saw.
        revision: u64,
        /// Unique values that it may hold; a store releases only those that this very record holds.
        releases: Vec<String>,
    },
    /// What the store has lost, as it was, revision included.
    Restore(Restoration),
}

/// How much an audit event matters to a reviewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Creates, rotates and deletes.
    High,
    /// Everything else.
    Normal,
}

impl Edit {
    /// Which record.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Create(record) | Self::Update(record) | Self::Reseal(record) | Self::Delete(record) => {
                record.key()
            }
            Self::Remove { key, .. } => *key,
            Self::Restore(restoration) => restoration.key,
        }
    }
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// One record.
    Record(RecordKey),
    /// The namespace as a whole, by its epoch.
    Namespace(Epoch),
}

impl From<RecordKey> for Resource {
    fn from(key: RecordKey) -> Self {
        Self::Record(key)
    }
}

impl Resource {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Record(key) => key.kind.name(),
            Self::Namespace(_) => "namespace",
        }
    }

    pub(super) fn id(&self) -> Uuid {
        match self {
            Self::Record(key) => key.id,
            Self::Namespace(epoch) => epoch.0,
        }
    }
}

/// What the audit says of a change. Never values of secrets.
#[derive(Debug, Clone)]
pub struct Event {
    /// `integration.created`, `webhook_key.rotated` …
    pub action: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What the change is about.
    pub resource: Resource,
    /// Changed fields, ids that a cascade took along, and the like.
    pub metadata: serde_json::Value,
}

/// A change, and what its planner wants to answer with.
#[derive(Debug)]
pub struct Plan<T> {
    /// What happens.
    pub edits: Vec<Edit>,
    /// Records that must exist still.
    pub requires: Vec<RecordKey>,
    /// What the audit says.
    pub event: Event,
    /// Given back by [`super::Writer::write`].
    pub output: T,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The planner refused.
    #[error("the change was refused")]
    Refused(E),
    /// It does not fit what is stored.
    #[error(transparent)]
    Conflict(Conflict),
    /// This sidecar would not hold the record that it makes. Nothing was written.
    #[error("{0} would be outside the scope of this sidecar")]
    OutOfScope(RecordKey),
    /// The store is of a later schema than this version writes. Nothing was written.
    #[error("the store has schema {found} and this version writes {known}")]
    NewerSchema {
        /// The schema of the store.
        found: u32,
        /// The schema that this version writes.
        known: u32,
    },
    /// The answer to the same request is kept: its change was made.
    #[error("the change was made already")]
    Answered,
    /// As many answers are kept as can be. Nothing was written.
    #[error("too many changes with an Idempotency-Key were made lately")]
    Crowded,
    /// A fault of ours: nothing is known to have been written.
    #[error("the change could not be stored: {0}")]
    Unavailable(String),
    /// It was sent, and may be stored or not.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

impl<E> WriteError<E> {
    /// What it comes to for a caller to whom a refusal means something else.
    pub(super) fn recast<F, T>(
        self,
        refused: impl FnOnce(E) -> Result<T, WriteError<F>>,
    ) -> Result<T, WriteError<F>> {
        Err(match self {
            Self::Refused(why) => return refused(why),
            Self::Conflict(conflict) => WriteError::Conflict(conflict),
            Self::OutOfScope(key) => WriteError::OutOfScope(key),
            Self::NewerSchema { found, known } => WriteError::NewerSchema { found, known },
            Self::Answered => WriteError::Answered,
            Self::Crowded => WriteError::Crowded,
            Self::Unavailable(why) => WriteError::Unavailable(why),
            Self::Unknown(why) => WriteError::Unknown(why),
        })
    }
}
