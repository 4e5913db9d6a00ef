//! An audit event as the writer makes it: its stored form, and its line in the log of this process.
//!
//! Not its MAC (`store/seal/`) nor the reading (`store/audit/`). Invariant: the line is written once the event is
//! durable, and holds no part of a secret.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Actor, Event, Severity, WriteError, Writer};
use crate::clock::UnixMillis;
use crate::store::{AuditMac, Epoch};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredEvent<'e> {
    id: Uuid,
    at: UnixMillis,
    actor: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<Uuid>,
    action: &'static str,
    severity: Severity,
    resource_type: &'static str,
    resource_id: Uuid,
    request_id: Uuid,
    metadata: &'e serde_json::Value,
    namespace: &'e str,
    epoch: Uuid,
    kek: &'e str,
}

impl Writer {
    /// Bound to the namespace and its life: the chain of another under the same KEK does not pass for this one.
    pub(super) fn event<E>(
        &self,
        actor: &Actor,
        event: &Event,
        epoch: Epoch,
    ) -> Result<Vec<u8>, WriteError<E>> {
        let stored = StoredEvent {
            id: Uuid::now_v7(),
            at: self.clock.now(),
            actor: &actor.name,
            actor_id: actor.admin,
            action: event.action,
            severity: event.severity,
            resource_type: event.resource.name(),
            resource_id: event.resource.id(),
            request_id: actor.request_id,
            metadata: &event.metadata,
            namespace: self.decoder.namespace(),
            epoch: epoch.0,
            kek: self.decoder.keyring().seal_with(),
        };
        serde_json::to_vec(&stored).map_err(|error| WriteError::Unavailable(error.to_string()))
    }
}

/// The event in the log of this process, for whoever collects it. Logs go further than the store: not even the first
/// characters of a secret, which the event has for admins, are in it.
pub(super) fn tell(event: &[u8], mac: AuditMac) {
    let mac = data_encoding::HEXLOWER.encode(&mac.0);
    let mut event: Value = serde_json::from_slice(event).unwrap_or_default();
    drop_prefixes(&mut event);
    tracing::info!(target: "audit", mac, %event, "audit event");
}

fn drop_prefixes(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.ends_with("Prefix"));
            members.values_mut().for_each(drop_prefixes);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_prefixes),
        _ => {}
    }
}
