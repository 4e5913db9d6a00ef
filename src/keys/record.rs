//! The records that the sidecar keeps: workspaces, webhook keys, integrations and admins, as they are stored.
//!
//! Not their form on the admin API (see `admin/`) and not their prepared form for the request path (see
//! `keys/entry.rs`). Invariants: no field holds a secret in the clear (API keys are SHA-256 digests, HMAC
//! secrets are [`Sealed`]); `revision` starts at 1 and grows by one with each change; readers ignore
//! fields they do not know, so that a newer sidecar may add some.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::admin::{Admin, AdminRole};
pub use super::digest::{ApiKeyDigest, TokenDigest};
use super::handshake::{Captured, HandshakeSettings};
use crate::clock::UnixMillis;
use crate::verify::scheme::SchemeChoice;

/// What kind of record an id belongs to. The name is part of what seals and record MACs cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A tenant: groups webhook keys and, optionally, integrations.
    Workspace,
    /// An API key and an HMAC secret of one workspace.
    WebhookKey,
    /// A sender of webhooks, named in the path.
    Integration,
    /// Somebody who may use the admin port.
    Admin,
}

impl Kind {
    /// Every kind, in the order in which a snapshot is best read: owners before what they own.
    pub const ALL: [Self; 4] = [Self::Workspace, Self::WebhookKey, Self::Integration, Self::Admin];

    /// The stable name, as stored and as shown in logs and audit events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::WebhookKey => "webhook-key",
            Self::Integration => "integration",
            Self::Admin => "admin",
        }
    }

    /// The kind with this stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Which record: its kind and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    /// Kind of the record.
    pub kind: Kind,
    /// Id of the record, a UUIDv7.
    pub id: Uuid,
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.id)
    }
}

/// What every record carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// UUIDv7, made by us at creation.
    pub id: Uuid,
    /// 1 at creation, one more with each change.
    pub revision: u64,
    /// When it was created, wall time.
    pub created_at: UnixMillis,
    /// When it was last changed, wall time. Use and counters do not count as change.
    pub updated_at: UnixMillis,
    /// Who created it: the id of an admin, or the name of what is no record (`bootstrap`, `seed`). Of an admin
    /// who is gone nothing is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who owns its content: [`MANAGED_BY_API`] or [`MANAGED_BY_SEED`].
    pub managed_by: String,
}

/// Made and changed over the admin port.
pub const MANAGED_BY_API: &str = "api";
/// Made and changed by the seed file alone.
pub const MANAGED_BY_SEED: &str = "seed";

impl Meta {
    /// Whether the seed file owns the record, so that the admin port only shows it.
    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.managed_by == MANAGED_BY_SEED
    }
}

/// A secret as it is stored: encrypted under a key-encryption key. See `store/seal.rs`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// Id of the key-encryption key that opens it.
    pub kek: String,
    /// Version of the secret within its record; part of the additional data.
    pub version: u32,
    /// Nonce and ciphertext, base64.
    pub data: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(kek {}, version {})", self.kek, self.version)
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Id, revision, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Unique, 1–120 characters, NFC.
    pub name: String,
}

/// An API key and HMAC secret of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "super::stored::WebhookKey")]
pub struct WebhookKey {
    /// Id, revision, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// The workspace that owns it and is deleted with it.
    pub workspace_id: Uuid,
    /// 1–120 characters, NFC; for people, not unique.
    pub name: String,
    /// Digest of the API key; globally unique.
    pub api_key: ApiKeyDigest,
    /// First characters of the API key and `...`.
    pub api_key_prefix: String,
    /// The HMAC secret.
    pub secret: Sealed,
    /// First characters of the secret and `...`.
    pub secret_prefix: String,
    /// How its holder signs.
    pub scheme: WorkspaceScheme,
    /// Whether it is tried only when `X-Webhook-Key-Id` names it.
    #[serde(default)]
    pub require_key_id: bool,
    /// Whether it verifies anything at all.
    pub is_active: bool,
    /// From when on it verifies nothing; absent = never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
    /// Addresses that may use it; absent = any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<Vec<IpNet>>,
    /// Names of the routes it is good for; absent = every route that takes its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// What still verifies beside the current values, during the overlap of a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousKey>,
}

/// The values that a rotation of a webhook key replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousKey {
    /// The API key before the rotation, where it was rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyDigest>,
    /// Its redacted form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_prefix: Option<String>,
    /// The HMAC secret before the rotation, where it was rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sealed>,
    /// Its redacted form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_prefix: Option<String>,
    /// From when on it no longer verifies.
    pub until: UnixMillis,
}

impl PreviousKey {
    /// Whether the values are the same ones, however they are sealed: no two secrets of a key have one version.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let version = |previous: &Self| previous.secret.as_ref().map(|secret| secret.version);
        self.api_key == other.api_key && version(self) == version(other)
    }

    /// What was rotated, as the admin API names it.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match (self.api_key.is_some(), self.secret.is_some()) {
            (true, true) => "both",
            (true, false) => "apiKey",
            (false, _) => "secret",
        }
    }
}

/// The two ways in which the holder of a webhook key signs. Both are data: `config/schemes/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkspaceScheme {
    /// `X-Webhook-Signature: sha256=<hex>` over the body.
    Workspace,
    /// `X-Webhook-Signature: v1=<hex>` over `{timestamp}.{method}.{target}.{body}`.
    SignedRequest,
}

impl WorkspaceScheme {
    /// The name of its preset.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::SignedRequest => "signed-request",
        }
    }
}

/// A sender of webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Integration {
    /// Id, revision, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Unique; names the path. `[a-z0-9][a-z0-9_-]{0,62}`.
    pub name: String,
    /// The workspace that owns it and is deleted with it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<Uuid>,
    /// A preset's name or one of the four types that set defaults.
    #[serde(rename = "type")]
    pub kind: String,
    /// The effective scheme: a preset by name, or one written out.
    pub scheme: SchemeChoice,
    /// The secret that the sender signs with.
    pub secret: Sealed,
    /// First characters of the secret and `...`.
    pub secret_prefix: String,
    /// How far a signed timestamp may be from now, either way, in seconds; absent = the scheme's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance_seconds: Option<u32>,
    /// For how long a message counts as seen, in minutes.
    pub deduplication_window_minutes: u32,
    /// Whether it verifies anything at all.
    pub is_active: bool,
    /// Addresses that may use it; absent = any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<Vec<IpNet>>,
    /// Status of a refusal that is the sender's fault: 400, 401, 403 or 404; absent = 401.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_status: Option<u16>,
    /// The secret that still verifies during the overlap of a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousSecret>,
    /// Set while the handshake of its scheme is answered; absent = it is refused as any unverified request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<HandshakeSettings>,
    /// Set where the sender handed over the present secret in a handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Captured>,
}

/// The secret that a rotation of an integration replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousSecret {
    /// The secret before the rotation.
    pub secret: Sealed,
    /// Its redacted form.
    pub secret_prefix: String,
    /// From when on it no longer verifies.
    pub until: UnixMillis,
}

impl PreviousSecret {
    /// Whether the secret is the same one, however it is sealed.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.secret.version == other.secret.version
    }
}

/// Any record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A tenant.
    Workspace(Workspace),
    /// An API key and HMAC secret of a workspace.
    WebhookKey(WebhookKey),
    /// A sender of webhooks.
    Integration(Integration),
    /// Somebody who may use the admin port.
    Admin(Admin),
}

impl Record {
    /// What every record carries.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Workspace(record) => &record.meta,
            Self::WebhookKey(record) => &record.meta,
            Self::Integration(record) => &record.meta,
            Self::Admin(record) => &record.meta,
        }
    }

    /// Mutable access for the writer, which sets revision and times.
    pub fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Workspace(record) => &mut record.meta,
            Self::WebhookKey(record) => &mut record.meta,
            Self::Integration(record) => &mut record.meta,
            Self::Admin(record) => &mut record.meta,
        }
    }

    /// Kind and id.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        let kind = match self {
            Self::Workspace(_) => Kind::Workspace,
            Self::WebhookKey(_) => Kind::WebhookKey,
            Self::Integration(_) => Kind::Integration,
            Self::Admin(_) => Kind::Admin,
        };
        RecordKey { kind, id: self.meta().id }
    }

    /// The stored form: JSON.
    ///
    /// # Errors
    /// Only where serde_json cannot write the record, which its types exclude.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Workspace(record) => serde_json::to_vec(record),
            Self::WebhookKey(record) => serde_json::to_vec(record),
            Self::Integration(record) => serde_json::to_vec(record),
            Self::Admin(record) => serde_json::to_vec(record),
        }
    }

    /// Reads the stored form of a record of the given kind.
    ///
    /// # Errors
    /// Where the bytes are not such a record.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Workspace => Self::Workspace(serde_json::from_slice(bytes)?),
            Kind::WebhookKey => Self::WebhookKey(serde_json::from_slice(bytes)?),
            Kind::Integration => Self::Integration(serde_json::from_slice(bytes)?),
            Kind::Admin => Self::Admin(serde_json::from_slice(bytes)?),
        })
    }
}
