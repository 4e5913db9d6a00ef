//! `/api/workspaces/{id}/webhook-keys` and `/api/webhook-keys/{keyId}`: list, get, delete; the changes are
//! in `create.rs`, `update.rs`, `rotate.rs` and `retire.rs`.
//!
//! Not the verification of a key. Invariants: a key is reached only through its own workspace or by its id
//! alone; no answer but those of create and rotate has a secret; the bound on keys that are tried without
//! `X-Webhook-Key-Id` is kept by every change that could exceed it ([`keep_bound`]).

pub(super) mod create;
pub(super) mod input;
pub(super) mod retire;
pub(super) mod rotate;
pub(super) mod update;
mod view;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde_json::json;
use uuid::Uuid;

use super::change::{self, Stop};
use super::conditional::{Call, tagged};
use super::page::Page;
use super::problem::Problem;
use super::rights::Rights;
use super::{AdminState, formats, workspaces};
use crate::clock::UnixMillis;
use crate::keys::decode::Decoded;
use crate::keys::entry::KeyEntry;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, RecordKey, WebhookKey};
use crate::store::writer::{Plan, Severity};
use view::KeyView;

/// Said where a change made a key need its id.
const ID_NEEDED: &str = "The workspace has as many signing keys as are tried without a key id: requireKeyId \
                         is true, and requests must send X-Webhook-Key-Id with this key's id.";

/// The key that a path names, and where it is looked for: in the workspace that the path names, if it does, and in those
/// that the caller may see.
#[derive(Debug, Clone)]
pub(super) struct KeyPath {
    rights: Rights,
    workspace: Option<Uuid>,
    key: RecordKey,
}

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let names = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Ok(Path(names)) = names else { return Err(unknown()) };
        let workspace = match names.get("workspace") {
            Some(id) => Some(formats::id(id).ok_or_else(unknown)?),
            None => None,
        };
        let id = names.get("key").and_then(|id| formats::id(id)).ok_or_else(unknown)?;
        let rights = Rights::from_request_parts(parts, state).await?;
        Ok(Self { rights, workspace, key: RecordKey { kind: Kind::WebhookKey, id } })
    }
}

impl KeyPath {
    fn find(&self, mirror: &Mirror) -> Result<Decoded, Problem> {
        let decoded = mirror.get(self.key).ok_or_else(unknown)?;
        match self.workspace {
            Some(_) if decoded.workspace() != self.workspace => Err(unknown()),
            _ if !self.rights.see(decoded.workspace()) => Err(unknown()),
            _ => Ok(decoded),
        }
    }

    fn entry(&self, mirror: &Mirror) -> Result<Arc<KeyEntry>, Problem> {
        match self.find(mirror)? {
            Decoded::Key(entry) => Ok(entry),
            Decoded::Damaged(damaged) => Err(change::damaged(&damaged)),
            _ => Err(unknown()),
        }
    }
}

/// `GET …/webhook-keys`
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    rights: Rights,
    Path(workspace): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let page = Page::of(query.as_deref(), &[])?;
    let mirror = state.writer.mirror();
    let workspace = workspaces::key_of(&workspace)?;
    workspaces::visible(mirror, workspace, &rights)?;
    let now = state.writer.now();
    let inside = |decoded: &Decoded| decoded.workspace() == Some(workspace.id);
    let found = page.find(mirror, Kind::WebhookKey, inside);
    let uses = state.uses.read(&found.keys()).await;
    Ok(found.answer(|key, decoded| match decoded {
        Decoded::Key(entry) => {
            let used = uses.as_ref().and_then(|uses| uses.get(key));
            serde_json::to_value(KeyView::of(&entry.record.record(), used, now, mirror)).ok()
        }
        _ => None,
    }))
}

/// `GET …/{keyId}`
pub(super) async fn get(
    State(state): State<Arc<AdminState>>,
    _: Call,
    path: KeyPath,
) -> Result<Response, Problem> {
    let entry = path.entry(state.writer.mirror())?;
    Ok(answer(&entry, &state).await)
}

/// `DELETE …/{keyId}`
pub(super) async fn delete(
    State(state): State<Arc<AdminState>>,
    call: Call,
    path: KeyPath,
) -> Result<Response, Problem> {
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let decoded = path.find(mirror)?;
        call.check(decoded.revision())?;
        change::owned_by_api(&decoded)?;
        let name = match &decoded {
            Decoded::Key(entry) => Some(entry.record.name()),
            _ => None,
        };
        let metadata = json!({ "name": name, "workspaceId": decoded.workspace() });
        Ok(Plan {
            edits: vec![change::removal(&decoded)],
            requires: Vec::new(),
            event: change::event("webhook_key.deleted", Severity::High, path.key, metadata),
            output: (),
        })
    };
    change::commit(&state, &call, plan).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Makes the key need its id where it would be one signing key too many. Whether it did.
///
/// The others are counted as they are: one more key never changes the verdict for the holder of another.
fn keep_bound(mirror: &Mirror, limit: usize, now: UnixMillis, key: &mut WebhookKey) -> bool {
    if !is_tried_unnamed(key, now) {
        return false;
    }
    let others = mirror.keys_of(key.workspace_id).into_iter().filter(|other| {
        other.record.meta.id != key.meta.id && other.is_usable(now) && !other.record.require_key_id
    });
    let full = others.count() >= limit;
    key.require_key_id |= full;
    full
}

/// Whether its secret is tried for requests that name no key.
pub(super) fn is_tried_unnamed(key: &WebhookKey, now: UnixMillis) -> bool {
    key.is_active && !key.require_key_id && key.expires_at.is_none_or(|expires| now < expires)
}

async fn answer(entry: &KeyEntry, state: &AdminState) -> Response {
    let record = entry.record.record();
    let used = state.uses.of(RecordKey { kind: Kind::WebhookKey, id: record.meta.id }).await;
    tagged(
        record.meta.revision,
        KeyView::of(&record, used.as_ref(), state.writer.now(), state.writer.mirror()),
    )
}

fn unknown() -> Problem {
    Problem::not_found("there is no such webhook key")
}
