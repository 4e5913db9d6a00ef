//! The commit of a retention, and the checkpoint under another KEK.
//!
//! Not what is removed, nor when (`store/retention.rs`). Invariants: the checkpoint, the removal and the event that tells of
//! them are one commit; a checkpoint that stands for the same events is signed anew only where it held.

use std::sync::Arc;

use serde_json::Value;

use super::{Actor, Event, Plan, Resource, Severity, WriteError, Writer, unavailable};
use crate::keys::mirror::Mirror;
use crate::store::audit::checkpoint::{Checkpoint, Judged, TRIMMED};
use crate::store::{Epoch, StoreError, Trim};

impl Writer {
    /// Commits the trim with its event.
    ///
    /// # Errors
    /// As [`Writer::write`]; [`WriteError::Conflict`] where another one was faster.
    pub async fn trim(&self, actor: &Actor, trim: Trim, metadata: Value) -> Result<(), WriteError<()>> {
        let plan = |mirror: &Mirror| {
            let epoch = mirror.applied().map_or(Epoch(uuid::Uuid::nil()), |head| head.epoch);
            let resource = Resource::Namespace(epoch);
            let event =
                Event { action: TRIMMED, severity: Severity::High, resource, metadata: metadata.clone() };
            Ok(Plan { edits: Vec::new(), requires: Vec::new(), event, output: () })
        };
        self.commit_with(actor, plan, |(), _, change| {
            change.trim = Some(trim.clone());
            Ok(())
        })
        .await
        .map(drop)
    }

    /// The checkpoint that stands, judged, and its stored form.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn checkpoint(&self) -> Result<(Judged, Option<Arc<[u8]>>), StoreError> {
        let epoch = self.store.life().await?.epoch;
        let stored = self.store.checkpoint().await?;
        let judged = Judged::of(stored.as_deref(), (self.decoder.namespace(), self.keyring()), epoch);
        Ok((judged, stored))
    }

    /// The trim that removes nothing and puts the checkpoint under the KEK that seals; `None` where there is nothing to
    /// do, or nothing that held.
    pub(super) async fn checkpoint_resealed<E>(&self) -> Result<Option<Trim>, WriteError<E>> {
        let (judged, expected) = self.checkpoint().await.map_err(unavailable)?;
        let keyring = self.decoder.keyring();
        let Judged::Holds(checkpoint) = judged else { return Ok(None) };
        if checkpoint.kek == keyring.seal_with() {
            return Ok(None);
        }
        let (through, mac) = (checkpoint.position(), checkpoint.mac().unwrap_or_default());
        let anew = Checkpoint { kek: keyring.seal_with().to_owned(), ..*checkpoint };
        let checkpoint = anew.sealed(keyring);
        Ok(checkpoint.map(|checkpoint| Trim { expected, checkpoint, events: 0, through, mac }))
    }
}
