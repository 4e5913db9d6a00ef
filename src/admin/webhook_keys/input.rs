//! The fields of a webhook key that an admin may set, read from a body once for create and update.
//!
//! Not secrets: those are made, never given. Invariant: reading has no effect; [`Settings::apply`] names
//! every field whose value it changed, for the audit.

use ipnet::IpNet;

use crate::admin::fields::{Change, Fields};
use crate::admin::formats;
use crate::admin::view::SERVER_SET;
use crate::clock::UnixMillis;
use crate::keys::record::{WebhookKey, WorkspaceScheme};

const SCHEMES: &[(&str, WorkspaceScheme)] =
    &[("workspace", WorkspaceScheme::Workspace), ("signed-request", WorkspaceScheme::SignedRequest)];

/// What a body says, besides the name.
#[derive(Debug)]
pub(in crate::admin) struct Settings {
    pub(super) name: Option<String>,
    scheme: Option<WorkspaceScheme>,
    pub(in crate::admin) require_key_id: Option<bool>,
    is_active: Option<bool>,
    pub(super) expires_at: Change<UnixMillis>,
    allowed_cidrs: Change<Vec<IpNet>>,
    routes: Change<Vec<String>>,
}

impl Settings {
    /// Takes the fields; `name` is taken by the caller, who knows whether it must be there. `routes` are the names
    /// of those that are configured.
    pub(in crate::admin) fn of(fields: &mut Fields, routes: &[String], name: Option<String>) -> Self {
        fields.read_only(SERVER_SET, "is set by the server");
        fields.read_only(&["workspaceId"], "is named by the path and does not change");
        fields.read_only(&["apiKeyPrefix", "secretPrefix", "lastUsedAt"], "is set by the server");
        fields.read_only(&["apiKey", "secret"], "is made by the server; rotate to have a new one");
        Self {
            name,
            scheme: fields.plain("scheme", formats::one_of(SCHEMES)),
            require_key_id: fields.plain("requireKeyId", formats::boolean),
            is_active: fields.plain("isActive", formats::boolean),
            expires_at: fields.nullable("expiresAt", formats::time),
            allowed_cidrs: fields.nullable("allowedCidrs", formats::address_ranges),
            routes: fields.nullable("routes", formats::names_of(routes)),
        }
    }

    /// Sets what the body names; gives the names of fields whose value is another now.
    pub(in crate::admin) fn apply(&self, key: &mut WebhookKey) -> Vec<&'static str> {
        let before = key.clone();
        key.name = self.name.clone().unwrap_or_else(|| before.name.clone());
        key.scheme = self.scheme.unwrap_or(before.scheme);
        key.require_key_id = self.require_key_id.unwrap_or(before.require_key_id);
        key.is_active = self.is_active.unwrap_or(before.is_active);
        key.expires_at = self.expires_at.of(before.expires_at);
        key.allowed_cidrs = self.allowed_cidrs.of(before.allowed_cidrs.clone());
        key.routes = self.routes.of(before.routes.clone());
        changed(&before, key)
    }
}

/// The names of fields in which two forms of a key differ.
pub(in crate::admin) fn changed(before: &WebhookKey, after: &WebhookKey) -> Vec<&'static str> {
    let differs = [
        ("name", before.name != after.name),
        ("scheme", before.scheme != after.scheme),
        ("requireKeyId", before.require_key_id != after.require_key_id),
        ("isActive", before.is_active != after.is_active),
        ("expiresAt", before.expires_at != after.expires_at),
        ("allowedCidrs", before.allowed_cidrs != after.allowed_cidrs),
        ("routes", before.routes != after.routes),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
