//! Where records live: the trait that every backend keeps, and what passes over it.
//!
//! Not the mirror (`keys/`), which answers requests from memory, and not the meaning of records: a store
//! moves bytes that it cannot read. Invariants, checked for every backend by one conformance suite:
//! - [`Store::commit`] is one atomic step: records, unique claims, change log and audit event, or nothing;
//! - a commit is refused unless the audit head is the one that the writer saw, so writers are serialised;
//! - the log replays every commit in order; where it no longer can, it says [`Followed::Gap`];
//! - a namespace without its epoch is a fault, never an empty key set.

pub mod answered;
pub mod audit;
pub mod capture;
mod conflict;
pub mod deliveries;
pub mod embedded;
mod epoch;
mod error;
pub mod fleet;
mod log;
pub mod open;
pub mod redis;
pub mod restore;
pub mod retention;
pub mod seal;
pub mod staging;
pub mod transfer;
pub mod uses;
pub mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use self::answered::{AnswerId, Answered};
use self::staging::{Mark, Staging};
use crate::clock::UnixMillis;
use crate::keys::record::RecordKey;

pub use conflict::Conflict;
pub use epoch::{Epoch, Life, Origin};
pub use error::StoreError;
pub use log::{AuditMac, Followed, Head, LogEntry, Logged, Position};

/// How long [`Store::follow`] waits when there is nothing new. Also the period of the sign of life that
/// staleness is measured by.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// A boxed future: what a method of a trait object returns.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Unique values by the record that holds them.
pub type Claims = BTreeMap<RecordKey, Vec<String>>;

/// What one record becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Write a record.
    Put {
        /// Which record.
        key: RecordKey,
        /// Its revision after this change.
        revision: u64,
        /// The revision that must be stored now; `None` = it must not exist.
        expected: Option<u64>,
        /// The stored form with its MAC; see `seal.rs`.
        envelope: Arc<[u8]>,
        /// Unique values that it holds from now on, beyond those it held.
        claims: Vec<String>,
        /// Unique values that it gives up.
        releases: Vec<String>,
    },
    /// Remove a record for good.
    Delete {
        /// Which record.
        key: RecordKey,
        /// The revision of the removal: one above the last.
        revision: u64,
        /// The revision that must be stored now.
        expected: u64,
        /// Unique values that it gives up.
        releases: Vec<String>,
    },
}

/// Several operations that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// In order. At most one per record.
    pub ops: Vec<Op>,
    /// Records that must exist for the change to make sense: the workspace of a new key.
    pub requires: Vec<RecordKey>,
    /// The answer to keep for whoever asks for the same change again.
    pub answered: Option<Answered>,
    /// The oldest audit events, which go, and the checkpoint that they leave.
    pub trim: Option<Trim>,
}

/// The oldest events of the audit log give way to a checkpoint; see `audit/checkpoint.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trim {
    /// The checkpoint that must be stored now; `None` = there must be none.
    pub expected: Option<Arc<[u8]>>,
    /// The one that takes its place.
    pub checkpoint: Arc<[u8]>,
    /// How many events go. 0 = only the checkpoint is another.
    pub events: u64,
    /// The place of the last of them: exactly `events` must stand up to here, and another one after it. Means nothing
    /// where none goes, nor does its MAC.
    pub through: Position,
    /// The MAC of the last of them.
    pub mac: AuditMac,
}

/// One link of the audit chain, ready to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLink {
    /// The head that the writer saw; the commit is refused if it has moved.
    pub previous: AuditMac,
    /// The head after this event: its MAC.
    pub mac: AuditMac,
    /// The event, JSON.
    pub event: Arc<[u8]>,
}

/// One event of the audit chain: its place, its MAC and its JSON.
pub type AuditEntry = (Position, AuditMac, Arc<[u8]>);

/// What a reader of a snapshot is given, record by record.
pub type RecordSink<'a> = &'a mut (dyn FnMut(RecordKey, Arc<[u8]>) + Send);

/// A place that keeps records.
pub trait Store: fleet::Fleet + uses::Uses + deliveries::Deliveries + Send + Sync + 'static {
    /// The backend's name in logs and `/readyz?verbose`: `embedded`, `redis`.
    fn name(&self) -> &'static str;

    /// What it is and what an acknowledged change survives, for `/readyz?verbose`. No secrets.
    fn describe(&self) -> String {
        self.name().to_owned()
    }

    /// Writes an epoch if the namespace is empty and has none; gives the epoch that stands. One that stands is
    /// kept with its origin, but that [`Origin::Command`] takes the place of [`Origin::Start`]: a person has
    /// accepted what a sidecar began.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] where there are records but no epoch.
    fn initialise(&self, origin: Origin) -> StoreFuture<'_, Epoch>;

    /// The same, by a sidecar at its start.
    ///
    /// # Errors
    /// As [`Store::initialise`].
    fn init(&self) -> StoreFuture<'_, Epoch> {
        self.initialise(Origin::Start)
    }

    /// The epoch that stands and how it came to be.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn life(&self) -> StoreFuture<'_, Life>;

    /// Where the log stands now.
    ///
    /// # Errors
    /// [`StoreError::Uninitialised`] where the namespace has no epoch.
    fn head(&self) -> StoreFuture<'_, Head>;

    /// Gives every record to `sink` and returns the head from *before* the first was read: applying the
    /// log from there makes the result exact.
    ///
    /// # Errors
    /// As [`Store::head`]. The sink may have been given some of the records by then: they are no snapshot.
    fn snapshot<'a>(&'a self, sink: RecordSink<'a>) -> StoreFuture<'a, Head>;

    /// Entries after `after`, whose own entry must still be the one with the MAC `mac` (the default
    /// position needs none). Waits for at most one heartbeat (1 s) when there is nothing new.
    ///
    /// # Errors
    /// As [`Store::head`]; [`StoreError::OtherEpoch`] where the namespace was initialised anew.
    fn follow(&self, epoch: Epoch, after: Position, mac: AuditMac) -> StoreFuture<'_, Followed>;

    /// The latest entries of the log, oldest first, no more than it takes to have `limit` changes of records: as far
    /// back as they can be read.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn latest(&self, limit: usize) -> StoreFuture<'_, Vec<LogEntry>>;

    /// Whether the commit with this place and audit head is part of the store's past, trimmed from the log or not.
    /// So is the place before the first commit. One that stands in neither log any more counts as none of it.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn holds(&self, position: Position, mac: AuditMac) -> StoreFuture<'_, bool>;

    /// One atomic step: the change, its log entry and its audit event, durable when it returns.
    ///
    /// Everything is judged by the state before the change, so the order of its operations does not matter:
    /// a claim may pass from one record to another in it. A claim whose holder is gone is free. A release of
    /// what another record holds does nothing. A revision must be above the one expected.
    ///
    /// # Errors
    /// [`StoreError::HeadMoved`] where another writer was first; [`StoreError::Conflict`] where a revision,
    /// a claim, a required record or what is to be trimmed is not as expected; [`StoreError::Answered`] where an answer is kept under this
    /// id already, and [`StoreError::Crowded`] where too many are. Nothing is written then, nor with
    /// [`StoreError::Full`] and [`StoreError::Unavailable`]; with [`StoreError::Unknown`] it may be.
    fn commit(&self, change: Change, audit: AuditLink) -> StoreFuture<'_, Position>;

    /// The answer that is kept under this id, as durable as a commit that has returned; `None` where there is none, or
    /// its time is over at `now`.
    ///
    /// # Errors
    /// As [`Store::head`]; [`StoreError::Unknown`] where it is there and not as durable as asked for.
    fn answered(&self, id: AnswerId, now: UnixMillis) -> StoreFuture<'_, Option<Arc<[u8]>>>;

    /// Audit events after `after`, oldest first, at most `limit`, each with its place and MAC. One that has no reading
    /// as the backend keeps it is given without content and with the MAC that no event has, of zeros: whoever checks
    /// the chain names it.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn audit(&self, after: Position, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>>;

    /// The unique values that these records hold, whatever the records themselves say.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn claims_of(&self, holders: BTreeSet<RecordKey>) -> StoreFuture<'_, Claims>;

    /// The same before `before`, or from the end of the log, newest first.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn audit_before(&self, before: Option<Position>, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>>;

    /// How many audit events there are, without those that gave way to a checkpoint.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn audit_count(&self) -> StoreFuture<'_, u64>;

    /// The checkpoint that the audit log begins with, as it was committed; `None` where nothing was ever removed.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn checkpoint(&self) -> StoreFuture<'_, Option<Arc<[u8]>>>;

    /// How many records there are, those of kinds that this version does not know included.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn count(&self) -> StoreFuture<'_, u64>;

    /// One step of putting a whole key set in place. Needs no epoch.
    ///
    /// # Errors
    /// [`StoreError::Occupied`] where the namespace is not free; [`StoreError::Overtaken`] where another set was
    /// begun since; [`StoreError::Conflict`] where two records of the set have one key or one claim;
    /// [`StoreError::Unavailable`] as for [`Store::commit`]: beginning anew is always safe.
    fn stage(&self, mark: Mark, step: Staging) -> StoreFuture<'_, ()>;
}
