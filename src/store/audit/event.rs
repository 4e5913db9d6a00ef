//! An audit event as stored, read.
//!
//! Not proof of anything: only the chain (`chain.rs`) tells whether it is the one that was written. Invariant: what a
//! later version adds is passed over; what lacks a field of this version is no event.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::clock::UnixMillis;
use crate::store::Epoch;

/// What happened, by whom, and under which key its MAC was made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// Its id.
    pub id: Uuid,
    /// When, by the clock of the process that made it.
    pub at: UnixMillis,
    /// Who asked for it, by the name of that time.
    pub actor: String,
    /// Id of the admin who did; absent for those of a fixed name.
    #[serde(default)]
    pub actor_id: Option<Uuid>,
    /// `webhook_key.created` …
    pub action: String,
    /// `HIGH` or `NORMAL`.
    pub severity: String,
    /// Kind of what it is about: `webhook-key`, `namespace` …
    pub resource_type: String,
    /// Id of that.
    pub resource_id: Uuid,
    /// Id of the admin request.
    pub request_id: Uuid,
    /// Changed fields and the like; never the value of a secret.
    pub metadata: Value,
    /// The namespace that it was made for; absent from events of versions that did not say.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The life of that; absent likewise.
    #[serde(default)]
    pub epoch: Option<Uuid>,
    /// Id of the KEK that its MAC was made under.
    pub kek: String,
}

impl AuditEvent {
    /// The event in these bytes; `None` where there is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether it was made for this life of this namespace, as far as it says: under one KEK, the log of one could stand
    /// in the place of another's.
    #[must_use]
    pub fn is_of(&self, namespace: &str, epoch: Epoch) -> bool {
        self.namespace.as_deref().is_none_or(|made_for| made_for == namespace)
            && self.epoch.is_none_or(|made_in| made_in == epoch.0)
    }
}
