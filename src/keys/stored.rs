//! The webhook key as a reader of its stored form meets it: one flat object.
//!
//! Not another form: the same names, and each field goes where [`record::WebhookKey`] has it. It is there because
//! serde reads a flattened struct by way of a copy of every value, at several times the cost, and a sidecar that
//! starts reads all keys there are.

use ipnet::IpNet;
use serde::Deserialize;
use uuid::Uuid;

use super::record::{self, ApiKeyDigest, Meta, PreviousKey, Sealed, WorkspaceScheme};
use crate::clock::UnixMillis;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookKey {
    id: Uuid,
    revision: u64,
    created_at: UnixMillis,
    updated_at: UnixMillis,
    #[serde(default)]
    created_by: Option<String>,
    managed_by: String,
    workspace_id: Uuid,
    name: String,
    api_key: ApiKeyDigest,
    api_key_prefix: String,
    secret: Sealed,
    secret_prefix: String,
    scheme: WorkspaceScheme,
    #[serde(default)]
    require_key_id: bool,
    is_active: bool,
    #[serde(default)]
    expires_at: Option<UnixMillis>,
    #[serde(default)]
    allowed_cidrs: Option<Vec<IpNet>>,
    #[serde(default)]
    routes: Option<Vec<String>>,
    #[serde(default)]
    previous: Option<PreviousKey>,
}

impl From<WebhookKey> for record::WebhookKey {
    fn from(read: WebhookKey) -> Self {
        Self {
            meta: Meta {
                id: read.id,
                revision: read.revision,
                created_at: read.created_at,
                updated_at: read.updated_at,
                created_by: read.created_by,
                managed_by: read.managed_by,
            },
            workspace_id: read.workspace_id,
            name: read.name,
            api_key: read.api_key,
            api_key_prefix: read.api_key_prefix,
            secret: read.secret,
            secret_prefix: read.secret_prefix,
            scheme: read.scheme,
            require_key_id: read.require_key_id,
            is_active: read.is_active,
            expires_at: read.expires_at,
            allowed_cidrs: read.allowed_cidrs,
            routes: read.routes,
            previous: read.previous,
        }
    }
}
