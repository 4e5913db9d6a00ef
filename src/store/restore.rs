//! Gives the store back what it has lost: removals and newer forms of records that this process has seen.
//!
//! Not the finding out (`keys/catalogue.rs`). Invariants: each record is committed with a compare-and-set on the
//! revision that the store holds and on the audit head, so that of several sidecars exactly one restores it and the
//! others see it done; it is audited; what cannot be restored is kept in memory and said once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::writer::{Actor, Edit, Event, Plan, Severity, WriteError, Writer};
use crate::keys::alarms::Alarm;
use crate::keys::loss::Restoration;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, Record, RecordKey};
use crate::keys::ring::KeyRing;

/// Who restores, in audit events.
const ACTOR: &str = "countersign";
/// Between two rounds while something is left; doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
/// What cannot be restored is tried this seldom.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The task. Only of a process that may write.
pub struct RestoreTask {
    writer: Arc<Writer>,
    ring: Arc<KeyRing>,
}

/// The store has the record again.
struct Done;

impl RestoreTask {
    /// A task that is not running yet.
    #[must_use]
    pub fn new(writer: Arc<Writer>, ring: Arc<KeyRing>) -> Self {
        Self { writer, ring }
    }

    /// Runs for ever.
    pub async fn run(self) {
        let mut losses = self.ring.mirror().losses();
        let mut said = HashSet::new();
        let mut pause = PAUSE;
        // The sender lives as long as the mirror, so the wait cannot fail.
        while losses.wait_for(|losses| *losses > 0).await.is_ok() {
            for key in self.ring.mirror().lost() {
                self.restore(key, &mut said).await;
            }
            if *losses.borrow() > 0 {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                pause = PAUSE;
                said.clear();
            }
        }
    }

    async fn restore(&self, key: RecordKey, said: &mut HashSet<(RecordKey, String)>) {
        let actor = Actor::fixed(ACTOR, Uuid::now_v7());
        let why = match self.writer.write(&actor, |mirror| plan(mirror, key)).await {
            Ok(revision) => {
                tracing::warn!(record = %key, revision, "the store had lost a change; it is written back");
                return;
            }
            Err(WriteError::Refused(Done)) => return,
            // An outage is said elsewhere; there is a next round, which finds what is stored by then.
            Err(WriteError::Unavailable(_) | WriteError::Unknown(_)) => return,
            Err(
                error @ (WriteError::Conflict(_)
                | WriteError::OutOfScope(_)
                | WriteError::NewerSchema { .. }
                | WriteError::Answered
                | WriteError::Crowded),
            ) => error.to_string(),
        };
        if said.insert((key, why.clone())) {
            let words =
                format!("{key} cannot be written back to the store: {why}; it is kept in memory here");
            tracing::error!(record = %key, why, "a change that the store has lost cannot be written back");
            self.ring.alarms().raise(Alarm::NotRestored, self.ring.now(), words);
        }
    }
}

fn plan(mirror: &Mirror, key: RecordKey) -> Result<Plan<u64>, Done> {
    let lost = mirror.restoration(key).ok_or(Done)?;
    let Restoration { record, revision, stored, .. } = &lost;
    // A removal of what the store does not hold is no loss.
    if record.is_none() && stored.is_none() {
        return Err(Done);
    }
    let revision = *revision;
    let action = if stored.is_none() { "store.record_restored" } else { "store.revocation_restored" };
    let metadata = json!({ "revision": revision, "stored": stored, "removed": record.is_none() });
    let requires = record.as_ref().and_then(owner).into_iter().collect();
    let event = Event { action, severity: Severity::High, resource: key.into(), metadata };
    Ok(Plan { edits: vec![Edit::Restore(lost)], requires, event, output: revision })
}

/// The workspace that must be there for the record to make sense.
fn owner(record: &Record) -> Option<RecordKey> {
    let id = match record {
        Record::Workspace(_) | Record::Admin(_) => None,
        Record::WebhookKey(key) => Some(key.workspace_id),
        Record::Integration(integration) => integration.workspace_id,
    };
    id.map(|id| RecordKey { kind: Kind::Workspace, id })
}
