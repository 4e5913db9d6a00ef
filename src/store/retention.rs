//! Retention of the audit log: removes what is older than it is to be kept, and leaves a signed checkpoint.
//!
//! Not the check of what is left (`audit/chain.rs`). Off unless `audit.keep` is set, and of a process with an admin port
//! only. Invariants: an event goes only with every event before it, at most `BATCH` in one commit, which writes the
//! checkpoint and an event of its own in the same atomic step and counts only where the checkpoint is still the one that
//! was read: of several sidecars one removes, and the others find it done; what does not follow on what is before it is
//! never removed, because it is evidence; the last event stays.
//!
//! That a run is an event itself puts it on record, and ties the checkpoint to the chain: whoever cuts that event off with
//! the end of the log leaves a checkpoint without it.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use uuid::Uuid;

use super::audit::AuditEvent;
use super::audit::chain::shown;
use super::audit::checkpoint::{Checkpoint, Judged, REMOVED, TRIMMED};
use super::writer::{Actor, WriteError, Writer};
use super::{AuditEntry, AuditMac, Head, Position, StoreError, Trim};
use crate::clock::UnixMillis;

/// Who removes, in audit events.
const ACTOR: &str = "countersign";
/// Events of one commit at most: some milliseconds, in which a shared server does nothing else.
const BATCH: usize = 1000;
/// Bytes of the events of one commit, about: a cascade over thousands of records is one large event.
const BATCH_BYTES: usize = 1 << 20;
/// An event may get older than it is to be kept by this before a round begins, or by a tenth of that, so that a log which
/// grows slowly is not made of events of its own trimming.
const SLACK: Duration = Duration::from_secs(24 * 3600);
/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(3600);
/// After a round that the store did not allow; doubled up to [`PERIOD`].
const RETRY: Duration = Duration::from_secs(1);

/// The task. Only of a process that may write.
pub struct RetentionTask {
    writer: Arc<Writer>,
    keep: Duration,
}

/// Why a round went no further.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// What would go is not what was written, or cannot be judged: a person must look.
    #[error("{0}; nothing more is removed: see `countersign audit verify`")]
    Doubtful(String),
    /// The store does not answer, or others write all the time.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What one commit removes.
struct Batch {
    events: u64,
    last: (Position, AuditMac, UnixMillis),
    /// The import that the log begins with.
    source: Option<Value>,
}

impl RetentionTask {
    /// A task that is not running yet. `keep`: how long an event stays.
    #[must_use]
    pub fn new(writer: Arc<Writer>, keep: Duration) -> Self {
        Self { writer, keep }
    }

    /// Runs for ever.
    pub async fn run(self) {
        let (mut retry, mut said) = (RETRY, None);
        loop {
            let pause = match self.round().await {
                Ok(_) => {
                    (retry, said) = (RETRY, None);
                    PERIOD
                }
                Err(Halt::Unavailable(_)) => {
                    let pause = retry;
                    retry = (retry * 2).min(PERIOD);
                    pause
                }
                Err(Halt::Doubtful(why)) => {
                    if said.as_ref() != Some(&why) {
                        tracing::error!(target: "audit", why, "retention has stopped: the audit log is in doubt");
                    }
                    said = Some(why);
                    PERIOD
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Removes whatever is old enough now; how many events that were.
    ///
    /// # Errors
    /// See [`Halt`]; what was removed before stays so.
    pub async fn round(&self) -> Result<u64, Halt> {
        let mut removed = 0;
        loop {
            let slack = if removed == 0 { SLACK.min(self.keep / 10) } else { Duration::ZERO };
            match self.step(slack).await? {
                0 => return Ok(removed),
                events => removed += events,
            }
        }
    }

    async fn step(&self, slack: Duration) -> Result<u64, Halt> {
        let (judged, expected) = self.writer.checkpoint().await?;
        let stands = match judged {
            Judged::Absent => None,
            Judged::Holds(checkpoint) => Some(*checkpoint),
            Judged::Unverified(checkpoint) => {
                let kek = checkpoint.kek;
                let why = format!(
                    "the checkpoint of the audit log is under the key-encryption key {kek:?}, which is not in keys.kek_dir: put it back, and run `countersign keks rotate`"
                );
                return Err(Halt::Doubtful(why));
            }
            Judged::Wrong(why) => {
                return Err(Halt::Doubtful(format!("the checkpoint of the audit log is not ours: {why}")));
            }
        };
        let store = self.writer.store();
        let head = store.head().await?;
        let entries = store.audit(Position::default(), BATCH + 1).await?;
        if store.checkpoint().await? != expected {
            // Another sidecar is at it: what was read is of two moments.
            return Ok(0);
        }
        let Some(batch) = self.batch(stands.as_ref(), &entries, head, slack)? else { return Ok(0) };
        let checkpoint = self.next(stands, head.epoch.0, &batch)?;
        let trim = Trim {
            expected,
            checkpoint: checkpoint.sealed(self.writer.keyring()).ok_or_else(no_kek)?,
            events: batch.events,
            through: batch.last.0,
            mac: batch.last.1,
        };
        let metadata = json!({
            "removed": batch.events, REMOVED: checkpoint.removed, "until": checkpoint.last_at,
            "head": checkpoint.head,
        });
        let actor = Actor::fixed(ACTOR, Uuid::now_v7());
        match self.writer.trim(&actor, trim, metadata).await {
            Ok(()) => {
                tracing::info!(
                    target: "audit", removed = batch.events, in_all = checkpoint.removed, head = checkpoint.head,
                    "audit events that are older than audit.keep were removed"
                );
                Ok(batch.events)
            }
            // Another sidecar was faster; what it has left is for the next round.
            Err(WriteError::Conflict(_)) => Ok(0),
            Err(WriteError::Unavailable(why) | WriteError::Unknown(why)) => Err(Halt::Unavailable(why)),
            Err(error) => Err(Halt::Doubtful(error.to_string())),
        }
    }

    /// What goes: the longest row of old events at the beginning that a commit takes, if it is whole.
    fn batch(
        &self,
        stands: Option<&Checkpoint>,
        entries: &[AuditEntry],
        head: Head,
        slack: Duration,
    ) -> Result<Option<Batch>, Halt> {
        let cutoff = before(self.writer.now(), self.keep);
        let begin = before(self.writer.now(), self.keep + slack);
        let (place, mut mac) = match stands {
            Some(checkpoint) => (checkpoint.position(), checkpoint.mac().ok_or_else(no_kek)?),
            None => (Position::default(), AuditMac::default()),
        };
        let (mut batch, mut bytes, mut is_worth_it) = (None::<Batch>, 0, false);
        for (position, stored, json) in entries {
            let event = AuditEvent::read(json);
            let is_old = event
                .as_ref()
                .is_some_and(|event| event.at < cutoff && (batch.is_some() || event.at < begin));
            let is_room =
                batch.as_ref().is_none_or(|batch| batch.events < BATCH as u64 && bytes < BATCH_BYTES);
            let goes = is_old && is_room && *position < head.position;
            // The first one that stays vouches for the MAC of the last one that goes.
            let event = event.filter(|event| {
                let expected = self.writer.keyring().audit_mac_with(&event.kek, &mac, json);
                let is_ours = event.is_of(self.writer.namespace(), head.epoch);
                is_ours && *position > place && expected.is_none_or(|expected| expected == *stored)
            });
            let Some(event) = event else {
                let words = format!("the event at {} does not follow on what is before it", shown(*position));
                return Err(Halt::Doubtful(words));
            };
            if !goes {
                break;
            }
            (mac, bytes) = (*stored, bytes + json.len());
            is_worth_it |= event.action != TRIMMED;
            let last = (*position, *stored, event.at);
            let first =
                batch.get_or_insert_with(|| Batch { events: 0, last, source: source(stands, &event) });
            (first.events, first.last) = (first.events + 1, last);
        }
        Ok(batch.filter(|_| is_worth_it))
    }

    fn next(&self, stands: Option<Checkpoint>, epoch: Uuid, batch: &Batch) -> Result<Checkpoint, Halt> {
        let (position, mac, last_at) = batch.last;
        let before = stands.map_or(0, |stands| stands.removed);
        let removed = before.checked_add(batch.events);
        Ok(Checkpoint {
            namespace: self.writer.namespace().to_owned(),
            epoch,
            removed: removed.ok_or_else(|| Halt::Doubtful("the checkpoint counts too many".to_owned()))?,
            major: position.major,
            minor: position.minor,
            head: HEXLOWER.encode(&mac.0),
            last_at,
            at: self.writer.now(),
            source: batch.source.clone(),
            kek: self.writer.keyring().seal_with().to_owned(),
        })
    }
}

/// What the log began with, where that was an import.
fn source(stands: Option<&Checkpoint>, first: &AuditEvent) -> Option<Value> {
    match stands {
        Some(checkpoint) => checkpoint.source.clone(),
        None => (first.action == "store.imported").then(|| first.metadata.clone()),
    }
}

fn before(now: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

fn no_kek() -> Halt {
    Halt::Unavailable("the key-encryption key that seals is gone".to_owned())
}
