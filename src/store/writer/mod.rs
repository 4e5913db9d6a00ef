//! The one way to change records: plan against the mirror, commit with an audit event, apply.
//!
//! Not the admin API: it knows no HTTP and no field rules. Invariants:
//! - one commit of this process is in flight at a time;
//! - a plan is made from a mirror that has applied everything up to the audit head it commits against, so
//!   what it saw is what it changes; a lost race for the head is planned and tried anew, a bounded number of
//!   times;
//! - when [`Writer::write`] returns, the change and its audit event are durable, and the next request at
//!   this replica is judged by them.

mod applied;
mod census;
mod event;
mod plan;
mod reseal;
mod sealing;
mod trim;

use std::sync::Arc;
use std::time::Duration;

use super::{AuditLink, Change, Op, Store, StoreError};
use crate::clock::{Clock, UnixMillis};
use crate::keys::decode::Decoder;
use crate::keys::history::Mark;
use crate::keys::loss::Restoration;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Record, RecordKey};
use crate::store::answered::Answered;
use crate::store::fleet::Fleet;
use crate::store::seal::Keyring;

use applied::{Applied, removal};
pub use census::{Census, Under};
pub use plan::{Actor, Edit, Event, FIXED_ACTORS, Plan, Resource, Severity, WriteError};
pub use reseal::{RESEALED_AT_ONCE, Resealed};

/// How often a lost race for the audit head is tried again: bounded, so that a store in which others always
/// win is reported and not waited for.
const ATTEMPTS: usize = 50;

/// How long the mirror may take to reach the head that another writer moved.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Commits changes for this process.
pub struct Writer {
    store: Arc<dyn Store>,
    decoder: Decoder,
    mirror: Arc<Mirror>,
    clock: Arc<dyn Clock>,
    gate: tokio::sync::Mutex<()>,
    resealing: tokio::sync::Mutex<Option<reseal::Job>>,
}

impl Writer {
    /// A writer over a store, and the mirror that its changes show up in.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, decoder: Decoder, mirror: Arc<Mirror>, clock: Arc<dyn Clock>) -> Self {
        let (gate, resealing) = Default::default();
        Self { store, decoder, mirror, clock, gate, resealing }
    }

    /// The mirror that plans read.
    #[must_use]
    pub fn mirror(&self) -> &Arc<Mirror> {
        &self.mirror
    }

    /// The store that it commits to.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Wall time, for plans.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// What all sidecars of the namespace share beside its records.
    #[must_use]
    pub fn fleet(&self) -> &dyn Fleet {
        &*self.store
    }

    /// The key-encryption keys.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        self.decoder.keyring()
    }

    /// The namespace of its store.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.decoder.namespace()
    }

    /// Whether this sidecar holds a part of the records only.
    #[must_use]
    pub fn is_scoped(&self) -> bool {
        self.decoder.is_scoped()
    }

    /// Plans and commits one change. `plan` may run several times; what it returns the last time counts.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing is stored then.
    pub async fn write<T, E>(
        &self,
        actor: &Actor,
        plan: impl FnMut(&Mirror) -> Result<Plan<T>, E>,
    ) -> Result<T, WriteError<E>> {
        self.commit(actor, plan).await.map(|(output, _)| output)
    }

    /// The same, and the records that were written, in the order of the plan's edits, as they are stored now.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub async fn commit<T, E>(
        &self,
        actor: &Actor,
        plan: impl FnMut(&Mirror) -> Result<Plan<T>, E>,
    ) -> Result<(T, Vec<Record>), WriteError<E>> {
        self.commit_answered(actor, plan, |_, _| Ok(None)).await
    }

    /// The same, with the answer that `answer` makes of what the plan gave and of the records as they will be stored:
    /// it is kept in the same atomic step.
    ///
    /// # Errors
    /// As [`Writer::write`]; [`WriteError::Answered`] where an answer is kept under its id already.
    pub async fn commit_answered<T, E>(
        &self,
        actor: &Actor,
        plan: impl FnMut(&Mirror) -> Result<Plan<T>, E>,
        mut answer: impl FnMut(&T, &[Record]) -> Result<Option<Answered>, E>,
    ) -> Result<(T, Vec<Record>), WriteError<E>> {
        self.commit_with(actor, plan, |output, written, change| {
            change.answered = answer(output, written)?;
            Ok(())
        })
        .await
    }

    /// The same with whatever `complete` adds to the change, of what the plan gave and of the records as they will be
    /// stored.
    async fn commit_with<T, E>(
        &self,
        actor: &Actor,
        mut plan: impl FnMut(&Mirror) -> Result<Plan<T>, E>,
        mut complete: impl FnMut(&T, &[Record], &mut Change) -> Result<(), E>,
    ) -> Result<(T, Vec<Record>), WriteError<E>> {
        let _one_at_a_time = self.gate.lock().await;
        for _ in 0..ATTEMPTS {
            let head = self.store.head().await.map_err(unavailable)?;
            tokio::time::timeout(CATCH_UP, self.mirror.wait_for(head.epoch, head.position))
                .await
                .map_err(|_| WriteError::Unavailable("the key set in memory is not up to date".to_owned()))?;
            let plan = plan(&self.mirror).map_err(WriteError::Refused)?;
            let (mut change, applied) = self.encode(actor, plan.edits, plan.requires)?;
            let written: Vec<Record> = applied.iter().filter_map(Applied::record).cloned().collect();
            complete(&plan.output, &written, &mut change).map_err(WriteError::Refused)?;
            let event = self.event(actor, &plan.event, head.epoch)?;
            let mac = self.decoder.keyring().audit_mac(&head.mac, &event);
            let link = AuditLink { previous: head.mac, mac, event: Arc::from(event) };
            let audited = Arc::clone(&link.event);
            match self.store.commit(change, link).await {
                Ok(position) => {
                    event::tell(&audited, mac);
                    let touched = applied.iter().map(Applied::touched).collect();
                    self.mirror.mark_committed(head.epoch, Mark { position, mac, touched });
                    self.apply(applied);
                    return Ok((plan.output, written));
                }
                Err(StoreError::HeadMoved) => {}
                Err(StoreError::Answered) => return Err(WriteError::Answered),
                Err(StoreError::Crowded) => return Err(WriteError::Crowded),
                Err(StoreError::Conflict(conflict)) => return Err(WriteError::Conflict(conflict)),
                Err(StoreError::Unknown(why)) => {
                    tracing::error!(why, "it is not known whether a change is stored");
                    return Err(WriteError::Unknown(why));
                }
                Err(StoreError::NewerSchema { found, known }) => {
                    return Err(WriteError::NewerSchema { found, known });
                }
                Err(error) => return Err(unavailable(error)),
            }
        }
        Err(WriteError::Unavailable(format!("{ATTEMPTS} other writers were faster; try again")))
    }

    fn encode<E>(
        &self,
        actor: &Actor,
        edits: Vec<Edit>,
        requires: Vec<RecordKey>,
    ) -> Result<(Change, Vec<Applied>), WriteError<E>> {
        let now = self.clock.now();
        let mut change = Change { ops: Vec::new(), requires, answered: None, trim: None };
        let mut applied = Vec::new();
        for edit in edits {
            let (op, effect) = match edit {
                Edit::Create(mut record) => {
                    let meta = record.meta_mut();
                    meta.revision = 1;
                    meta.created_at = now;
                    meta.updated_at = now;
                    meta.created_by = Some(actor.identity());
                    let claims = record.claims();
                    self.put(record, None, claims, Vec::new())?
                }
                Edit::Update(mut record) => {
                    let key = record.key();
                    let held = self.claims_held(key);
                    let wanted = record.claims();
                    let meta = record.meta_mut();
                    let expected = meta.revision;
                    meta.revision = expected.saturating_add(1);
                    meta.updated_at = now;
                    let claims = wanted.iter().filter(|claim| !held.contains(claim)).cloned().collect();
                    let releases = held.iter().filter(|claim| !wanted.contains(claim)).cloned().collect();
                    self.put(record, Some(expected), claims, releases)?
                }
                Edit::Reseal(mut record) => {
                    let meta = record.meta_mut();
                    let expected = meta.revision;
                    meta.revision = expected.saturating_add(1);
                    self.put(record, Some(expected), Vec::new(), Vec::new())?
                }
                Edit::Delete(record) => removal(record.key(), record.meta().revision, record.claims()),
                Edit::Remove { key, revision, releases } => removal(key, revision, releases),
                Edit::Restore(restoration) => self.restore(restoration)?,
            };
            change.ops.push(op);
            applied.push(effect);
        }
        Ok((change, applied))
    }

    /// The record at the revision that was seen of it, or its removal at that.
    fn restore<E>(&self, lost: Restoration) -> Result<(Op, Applied), WriteError<E>> {
        let Restoration { key, record, revision, stored, claims: held } = lost;
        match (record, stored) {
            (Some(mut record), expected) => {
                record.meta_mut().revision = revision;
                let wanted = record.claims();
                let claims = wanted.iter().filter(|claim| !held.contains(claim)).cloned().collect();
                let releases = held.into_iter().filter(|claim| !wanted.contains(claim)).collect();
                self.put(record, expected, claims, releases)
            }
            (None, stored) => {
                let expected = stored.unwrap_or(0);
                Ok((Op::Delete { key, revision, expected, releases: held }, Applied::Removed(key, revision)))
            }
        }
    }

    fn put<E>(
        &self,
        record: Record,
        expected: Option<u64>,
        claims: Vec<String>,
        releases: Vec<String>,
    ) -> Result<(Op, Applied), WriteError<E>> {
        let key = record.key();
        // Whoever plans here sees only what is in scope, and could neither read nor undo the rest.
        if !self.decoder.holds(&record) {
            return Err(WriteError::OutOfScope(key));
        }
        let revision = record.meta().revision;
        let payload = record.encode().map_err(|error| WriteError::Unavailable(error.to_string()))?;
        let envelope = Arc::from(self.decoder.keyring().wrap(self.decoder.namespace(), &key, &payload));
        let op = Op::Put { key, revision, expected, envelope, claims, releases };
        Ok((op, Applied::Written(Box::new(record))))
    }

    fn apply(&self, applied: Vec<Applied>) {
        for effect in applied {
            match effect {
                Applied::Removed(key, revision) => self.mirror.remove(key, revision),
                Applied::Written(record) => {
                    let key = record.key();
                    match self.decoder.prepare(*record) {
                        Ok(decoded) => self.mirror.put(key, decoded),
                        // The log brings it as a damaged record, which is what it is.
                        Err(why) => {
                            tracing::error!(record = %key, why, "a record just written cannot be used");
                        }
                    }
                }
            }
        }
    }
}

fn unavailable<E>(error: StoreError) -> WriteError<E> {
    tracing::error!(%error, "a change could not be stored");
    WriteError::Unavailable(error.to_string())
}
