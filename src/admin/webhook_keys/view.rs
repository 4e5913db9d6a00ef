//! A webhook key as answers show it.
//!
//! Not the record. Invariant: digests and sealed forms have no field here; the secrets of a new key are in
//! [`Once`], which only create and rotate make.

use ipnet::IpNet;
use serde::Serialize;
use uuid::Uuid;

use crate::admin::rotation::still_ahead;
use crate::admin::view::{MetaView, Shown};
use crate::clock::UnixMillis;
use crate::keys::entry::Use;
use crate::keys::mirror::Mirror;
use crate::keys::record::{PreviousKey, WebhookKey, WorkspaceScheme};
use crate::secret::Secret;

/// What every answer shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyView<'r> {
    #[serde(flatten)]
    meta: MetaView<'r>,
    workspace_id: Uuid,
    name: &'r str,
    api_key_prefix: &'r str,
    secret_prefix: &'r str,
    scheme: WorkspaceScheme,
    require_key_id: bool,
    is_active: bool,
    expires_at: Option<Shown>,
    allowed_cidrs: Option<&'r [IpNet]>,
    routes: Option<&'r [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Option<Shown>>,
    previous: Option<PreviousView<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreviousView<'r> {
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_prefix: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_prefix: Option<&'r str>,
    until: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Option<Shown>>,
}

/// The answer to a change: the key, what is shown this once, and what to know about it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Once<'r> {
    #[serde(flatten)]
    pub(super) key: KeyView<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<&'r str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) warning: String,
}

impl<'r> KeyView<'r> {
    /// As it stands at `now`; a former value whose time is over is not shown, nor a use that is not known.
    pub(super) fn of(record: &'r WebhookKey, used: Option<&Use>, now: UnixMillis, mirror: &Mirror) -> Self {
        Self {
            meta: MetaView::of(&record.meta, mirror),
            workspace_id: record.workspace_id,
            name: &record.name,
            api_key_prefix: &record.api_key_prefix,
            secret_prefix: &record.secret_prefix,
            scheme: record.scheme,
            require_key_id: record.require_key_id,
            is_active: record.is_active,
            expires_at: record.expires_at.map(Shown),
            allowed_cidrs: record.allowed_cidrs.as_deref(),
            routes: record.routes.as_deref(),
            last_used_at: used.map(|used| used.last.map(Shown)),
            previous: record.previous.as_ref().and_then(|previous| PreviousView::of(previous, used, now)),
        }
    }
}

impl<'r> PreviousView<'r> {
    fn of(previous: &'r PreviousKey, used: Option<&Use>, now: UnixMillis) -> Option<Self> {
        let until = still_ahead(previous.until, now)?;
        Some(Self {
            what: previous.what(),
            api_key_prefix: previous.api_key_prefix.as_deref(),
            secret_prefix: previous.secret_prefix.as_deref(),
            until,
            last_used_at: used.map(|used| used.previous_with(previous.mark()).map(Shown)),
        })
    }
}

/// A generated secret as text, for the one answer that shows it.
pub(super) fn exposed(secret: Option<&Secret>) -> Option<&str> {
    secret.and_then(Secret::expose_text)
}
