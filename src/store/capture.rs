//! The one write that a request of a sender can cause: the secret that it hands over in a handshake is kept.
//!
//! Not on the data path: a task of its own commits, one at a time, through the writer; the request waits for it
//! within a bound. Invariants: a secret is kept only while the integration waits for one, which the commit itself
//! judges and ends, so exactly one is; it is sealed before it is stored; what is answered as kept is durable.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::seal::SealError;
use super::writer::{Actor, Edit, Event, Plan, Severity, WriteError, Writer};
use crate::keys::decode::Decoded;
use crate::keys::handshake::Captured;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, Record, RecordKey};
use crate::secret::Secret;

/// Who keeps a secret, in audit events.
const ACTOR: &str = "handshake";
/// Requests that may wait at once: each is of another integration, or comes too late.
const WAITING: usize = 16;
/// How long a request waits. Senders wait a few seconds more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a secret was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// The integration does not wait for a secret, or not any more.
    #[error("the integration does not wait for a secret")]
    Closed,
    /// A fault of ours; it may have been kept nevertheless.
    #[error("the secret could not be stored")]
    Unavailable,
}

struct Offered {
    integration: Uuid,
    secret: Secret,
    request_id: Uuid,
    kept: oneshot::Sender<Result<(), CaptureError>>,
}

/// Where requests hand in secrets.
#[derive(Debug, Clone)]
pub struct Captures(mpsc::Sender<Offered>);

/// The task that keeps them.
pub struct CaptureTask {
    offers: mpsc::Receiver<Offered>,
    writer: Arc<Writer>,
}

impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Offered(integration {})", self.integration)
    }
}

/// The two ends.
#[must_use]
pub fn captures(writer: Arc<Writer>) -> (Captures, CaptureTask) {
    let (sender, offers) = mpsc::channel(WAITING);
    (Captures(sender), CaptureTask { offers, writer })
}

impl Captures {
    /// Keeps a secret; durable when it returns `Ok`.
    ///
    /// # Errors
    /// See [`CaptureError`].
    pub async fn keep(
        &self,
        integration: Uuid,
        secret: Secret,
        request_id: Uuid,
    ) -> Result<(), CaptureError> {
        let (kept, outcome) = oneshot::channel();
        let offered = Offered { integration, secret, request_id, kept };
        self.0.try_send(offered).map_err(|_| CaptureError::Unavailable)?;
        match timeout(PATIENCE, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(CaptureError::Unavailable),
        }
    }
}

impl CaptureTask {
    /// Runs while anybody may hand in a secret.
    pub async fn run(mut self) {
        while let Some(offered) = self.offers.recv().await {
            if offered.kept.is_closed() {
                // The sender was told that it failed.
                continue;
            }
            let outcome = self.keep(&offered).await;
            // Nobody waits any more where the sender has hung up.
            let _gone = offered.kept.send(outcome).is_err();
        }
    }

    async fn keep(&self, offered: &Offered) -> Result<(), CaptureError> {
        let actor = Actor::fixed(ACTOR, offered.request_id);
        match self.writer.write(&actor, |mirror| self.plan(mirror, offered)).await {
            Ok(()) => Ok(()),
            Err(WriteError::Refused(error)) => Err(error),
            // Another change came first: what it left of the wait is not known here.
            Err(
                WriteError::Conflict(_)
                | WriteError::OutOfScope(_)
                | WriteError::NewerSchema { .. }
                | WriteError::Answered
                | WriteError::Crowded
                | WriteError::Unavailable(_)
                | WriteError::Unknown(_),
            ) => Err(CaptureError::Unavailable),
        }
    }

    fn plan(&self, mirror: &Mirror, offered: &Offered) -> Result<Plan<()>, CaptureError> {
        let key = RecordKey { kind: Kind::Integration, id: offered.integration };
        let Some(Decoded::Integration(entry)) = mirror.get(key) else { return Err(CaptureError::Closed) };
        let now = self.writer.now();
        if !entry.awaits_secret(now) {
            return Err(CaptureError::Closed);
        }
        let mut record = entry.record.clone();
        let version = record.secret.version.saturating_add(1);
        record.secret =
            self.writer.seal(key, version, &offered.secret).map_err(|error| not_sealed(&error))?;
        record.secret_prefix = offered.secret.prefix();
        // What was there before was never the sender's, or is what the admin had replaced.
        record.previous = None;
        record.handshake = None;
        record.captured = Some(Captured { at: now, revealed: false });
        let metadata = json!({
            "name": record.name, "workspaceId": record.workspace_id, "fields": ["webhookSecret", "handshake"],
            "secretPrefix": record.secret_prefix,
        });
        Ok(Plan {
            edits: vec![Edit::Update(Record::Integration(record))],
            requires: Vec::new(),
            event: Event {
                action: "integration.secret_captured",
                severity: Severity::High,
                resource: key.into(),
                metadata,
            },
            output: (),
        })
    }
}

fn not_sealed(error: &SealError) -> CaptureError {
    tracing::error!(%error, "a captured secret could not be sealed");
    CaptureError::Unavailable
}
