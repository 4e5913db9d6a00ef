//! Re-sealing online: what is under other KEKs comes under the one that seals, some records at a time.
//!
//! Not who may ask for it, nor whether the other sidecars can follow (`admin/keks.rs`). Invariants: each batch is one
//! audited commit, and other changes get their turn between batches; a secret keeps its value and version, and its
//! record all that an admin set, `updatedAt` included, while the revision grows, so that every follower takes the new
//! form; stopped anywhere, it goes on from what the store then holds; a record that cannot be re-sealed is named and
//! left as it is; a plaintext lives as long as it takes to seal it anew, and is zeroed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::census::{Census, sealed_under};
use super::{Actor, Edit, Event, Plan, Resource, Severity, WriteError, Writer, unavailable};
use crate::keys::decode::{Decoded, SECRET_FIELD, VERIFY_TOKEN_FIELD};
use crate::keys::mirror::Mirror;
use crate::keys::record::{Record, RecordKey, Sealed};
use crate::store::seal::SealError;
use crate::store::{Change, Epoch};

/// Records of one commit: some milliseconds of work, in which no other change is made.
pub const RESEALED_AT_ONCE: usize = 100;

/// What is still to do; kept between calls, so that the store is read once and not for each of them.
#[derive(Debug, Default)]
pub(super) struct Job {
    former: Vec<(RecordKey, u64)>,
    left: BTreeSet<RecordKey>,
}

/// What one call did.
#[derive(Debug, Default)]
pub struct Resealed {
    /// Records that are under the KEK that seals since.
    pub records: u64,
    /// Secrets in them that were sealed anew.
    pub secrets: u64,
    /// Records to go, as far as is known.
    pub remaining: u64,
    /// Records that cannot be re-sealed.
    pub left: Vec<RecordKey>,
    /// Set where nothing is left to do: what is under which KEK now.
    pub done: Option<Census>,
}

/// Why a batch was not committed.
enum Stop<E> {
    /// Whoever asks may not any more.
    Refused(E),
    /// Everything was gone or rewritten meanwhile, or cannot be re-sealed: these.
    Nothing(Vec<RecordKey>),
}

/// What a batch came to.
#[derive(Default)]
struct Batch {
    edits: Vec<Edit>,
    secrets: u64,
    left: Vec<RecordKey>,
}

impl Writer {
    /// Re-seals at most `at_most` records, in batches, each only where `permit` allows it at its commit: it takes its time,
    /// and whoever asked may have lost the right meanwhile. The call that finds nothing more to do says so, and makes the
    /// KEK that seals the one that the namespace asks for, if nothing is under any other that is at hand.
    ///
    /// # Errors
    /// As [`Writer::write`]. What was committed before stays.
    pub async fn reseal<E>(
        &self,
        actor: &Actor,
        at_most: usize,
        permit: impl Fn(&Mirror) -> Result<(), E>,
    ) -> Result<Resealed, WriteError<E>> {
        let mut slot = self.resealing.lock().await;
        let mut job = slot.take().unwrap_or_default();
        let mut resealed = Resealed::default();
        if job.former.is_empty() {
            let mut census = self.census().await.map_err(unavailable)?;
            job.former = std::mem::take(&mut census.former);
            job.former.retain(|(key, _)| !job.left.contains(key));
            if job.former.is_empty() {
                job.left.extend(&census.damaged);
                resealed.left = job.left.into_iter().collect();
                self.finish(actor, &permit, &resealed.left, &mut census).await?;
                resealed.done = Some(census);
                return Ok(resealed);
            }
        }
        let mut budget = at_most;
        while budget > 0 && !job.former.is_empty() {
            let size = RESEALED_AT_ONCE.min(budget).min(job.former.len());
            let batch = job.former.split_off(job.former.len() - size);
            budget -= size;
            let (records, secrets, left) = self.reseal_batch(actor, &permit, &batch).await?;
            resealed.records += records;
            resealed.secrets += secrets;
            job.left.extend(left);
        }
        resealed.remaining = job.former.len() as u64;
        *slot = Some(job);
        Ok(resealed)
    }

    async fn reseal_batch<E>(
        &self,
        actor: &Actor,
        permit: &impl Fn(&Mirror) -> Result<(), E>,
        batch: &[(RecordKey, u64)],
    ) -> Result<(u64, u64, Vec<RecordKey>), WriteError<E>> {
        let plan = |mirror: &Mirror| {
            permit(mirror).map_err(Stop::Refused)?;
            let Batch { edits, secrets, left } = self.planned(mirror, batch);
            if edits.is_empty() {
                return Err(Stop::Nothing(left));
            }
            let records = edits.len() as u64;
            let metadata = json!({
                "to": self.decoder.keyring().seal_with(), "records": records, "secrets": secrets,
            });
            let event = self.rotation_event(mirror, "kek.rotated", metadata);
            Ok(Plan { edits, requires: Vec::new(), event, output: (records, secrets, left) })
        };
        match self.write(actor, plan).await {
            Ok(done) => Ok(done),
            Err(error) => error.recast(|stop| match stop {
                Stop::Refused(why) => Err(WriteError::Refused(why)),
                Stop::Nothing(left) => Ok((0, 0, left)),
            }),
        }
    }

    fn planned(&self, mirror: &Mirror, batch: &[(RecordKey, u64)]) -> Batch {
        let mut planned = Batch::default();
        for (key, seen) in batch {
            let record = match mirror.get(*key) {
                None => continue,
                Some(Decoded::Damaged(_)) => None,
                Some(decoded) => decoded.record(),
            };
            match record.map(|record| self.reseal_record(record)) {
                // Its secrets are under the KEK that seals, and so is a MAC made since the store was read.
                Some(Ok((record, 0))) if record.meta().revision > *seen => {}
                Some(Ok((record, secrets))) => {
                    planned.secrets += secrets;
                    planned.edits.push(Edit::Reseal(record));
                }
                Some(Err(error)) => {
                    tracing::error!(record = %key, %error, "a record cannot be re-sealed and is left");
                    planned.left.push(*key);
                }
                None => planned.left.push(*key),
            }
        }
        planned
    }

    /// The record with every secret under the KEK that seals, and how many were not.
    fn reseal_record(&self, mut record: Record) -> Result<(Record, u64), SealError> {
        let (key, to) = (record.key(), self.decoder.keyring().seal_with());
        let mut count = 0;
        for (field, sealed) in secrets_of(&mut record) {
            if sealed.kek != to {
                *sealed = self.resealed(key, field, sealed)?;
                count += 1;
            }
        }
        // One that `secrets_of` has forgotten would be lost with its KEK.
        let bytes = record.encode().map_err(|_| SealError::Malformed)?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| SealError::Malformed)?;
        let mut under = Vec::new();
        sealed_under(&value, &mut under);
        match under.into_iter().find(|kek| *kek != to) {
            None => Ok((record, count)),
            Some(_) => Err(SealError::Malformed),
        }
    }

    /// With the event that tells of the end, the checkpoint of the audit log comes under the KEK that seals.
    async fn finish<E>(
        &self,
        actor: &Actor,
        permit: &impl Fn(&Mirror) -> Result<(), E>,
        left: &[RecordKey],
        census: &mut Census,
    ) -> Result<(), WriteError<E>> {
        let keyring = self.decoder.keyring();
        let trim = self.checkpoint_resealed().await?;
        if trim.is_some() {
            census.checkpoint = None;
        }
        let unused = census.unused(keyring.ids().filter(|id| *id != keyring.seal_with()));
        let others = keyring.ids().count() - 1;
        // An event under the KEK that seals, so that the audit log's end needs no other.
        let plan = |mirror: &Mirror| {
            permit(mirror)?;
            let metadata = json!({ "to": keyring.seal_with(), "unused": unused, "left": left.len() });
            let event = self.rotation_event(mirror, "kek.rotation_completed", metadata);
            Ok(Plan { edits: Vec::new(), requires: Vec::new(), event, output: () })
        };
        let complete = |(): &(), _: &[Record], change: &mut Change| {
            change.trim.clone_from(&trim);
            Ok(())
        };
        self.commit_with(actor, plan, complete).await?;
        if unused.len() == others {
            self.store.ask_for_sealing_kek().await.map_err(unavailable)?;
        }
        Ok(())
    }

    fn rotation_event(&self, mirror: &Mirror, action: &'static str, metadata: Value) -> Event {
        let epoch = mirror.applied().map_or(Epoch(uuid::Uuid::nil()), |head| head.epoch);
        Event { action, severity: Severity::High, resource: Resource::Namespace(epoch), metadata }
    }
}

/// Every secret of a record, with the field that it is sealed for.
fn secrets_of(record: &mut Record) -> Vec<(&'static str, &mut Sealed)> {
    match record {
        Record::Workspace(_) | Record::Admin(_) => Vec::new(),
        Record::WebhookKey(record) => {
            let previous = record.previous.as_mut().and_then(|previous| previous.secret.as_mut());
            let secrets = std::iter::once(&mut record.secret).chain(previous);
            secrets.map(|sealed| (SECRET_FIELD, sealed)).collect()
        }
        Record::Integration(record) => {
            let previous = record.previous.as_mut().map(|previous| &mut previous.secret);
            let token = record.handshake.as_mut().and_then(|handshake| handshake.verify_token.as_mut());
            let secrets = std::iter::once(&mut record.secret).chain(previous);
            let secrets = secrets.map(|sealed| (SECRET_FIELD, sealed));
            secrets.chain(token.map(|sealed| (VERIFY_TOKEN_FIELD, sealed))).collect()
        }
    }
}
