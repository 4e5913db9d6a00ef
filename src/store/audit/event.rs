//! An audit event as stored, read.
//!
//! Not proof of anything: only the chain (`chain.rs`) tells whether it is the one that was written. Invariant: what a
//! later version adds is passed over; what lacks a field of this version is no event.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::clock::UnixMillis;

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
    /// Id of the KEK that its MAC was made under.
    pub kek: String,
}

impl AuditEvent {
    /// The event in these bytes; `None` where there is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
