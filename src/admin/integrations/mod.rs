//! `/api/integrations`: list, get, delete; the changes are in `create.rs`, `update.rs`, `rotate.rs` and
//! `retire.rs`.
//!
//! Not the verification of a delivery. Invariants: a path names an integration by id or by name, and no name
//! has the form of an id; no answer but those of create, rotate and reveal has a secret; a stored integration's
//! scheme resolves and takes its secret, because every change is checked against both.

pub(super) mod create;
pub(super) mod handshake;
pub(super) mod input;
pub(super) mod retire;
pub(super) mod reveal;
pub(super) mod rotate;
mod scheme;
pub(super) mod test;
pub(super) mod update;
mod view;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::change::{self, Stop};
use super::conditional::{Call, tagged};
use super::page::Page;
use super::problem::{Fault, Problem};
use super::{AdminState, formats};
use crate::keys::decode::Decoded;
use crate::keys::entry::{IntegrationEntry, Use};
use crate::keys::mirror::Mirror;
use crate::keys::record::{Integration, Kind, RecordKey};
use crate::store::writer::{Plan, Severity};
use view::IntegrationView;

/// `GET /api/integrations`
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let page = Page::of(query.as_deref(), &["workspaceId"])?;
    let workspace = match page.filter("workspaceId") {
        Some(text) => Some(formats::id(text).ok_or_else(|| {
            Problem::invalid(vec![Fault::parameter("workspaceId", "format", "must be a UUID")])
        })?),
        None => None,
    };
    let inside = |decoded: &Decoded| workspace.is_none() || decoded.workspace() == workspace;
    let found = page.find(state.writer.mirror(), Kind::Integration, inside);
    let uses = state.uses.read(&found.keys()).await;
    Ok(found.answer(|key, decoded| match decoded {
        Decoded::Integration(entry) => {
            let used = uses.as_ref().and_then(|uses| uses.get(key));
            serde_json::to_value(shown(entry, used, &state)).ok()
        }
        _ => None,
    }))
}

/// `GET /api/integrations/{integration}`
pub(super) async fn get(
    State(state): State<Arc<AdminState>>,
    _: Call,
    Path(named): Path<String>,
) -> Result<Response, Problem> {
    let entry = entry(state.writer.mirror(), &named)?;
    Ok(answer(&entry, &state).await)
}

/// `DELETE /api/integrations/{integration}`
pub(super) async fn delete(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(named): Path<String>,
) -> Result<Response, Problem> {
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let (key, decoded) = find(mirror, &named)?;
        call.check(decoded.revision())?;
        change::owned_by_api(&decoded)?;
        let name = match &decoded {
            Decoded::Integration(entry) => Some(entry.record.name.as_str()),
            _ => None,
        };
        let metadata = json!({ "name": name, "workspaceId": decoded.workspace() });
        Ok(Plan {
            edits: vec![change::removal(&decoded)],
            requires: Vec::new(),
            event: change::event("integration.deleted", Severity::High, key, metadata),
            output: (),
        })
    };
    change::commit(&state, &call, plan).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn find(mirror: &Mirror, named: &str) -> Result<(RecordKey, Decoded), Problem> {
    let found = match formats::id(named) {
        Some(id) => {
            let key = RecordKey { kind: Kind::Integration, id };
            mirror.get(key).map(|decoded| (key, decoded))
        }
        None => match mirror.integration_named(named) {
            Some(entry) => {
                let key = RecordKey { kind: Kind::Integration, id: entry.record.meta.id };
                Some((key, Decoded::Integration(entry)))
            }
            None => damaged_named(mirror, named),
        },
    };
    found.ok_or_else(unknown)
}

/// Damaged records are not indexed by name, and are few: look through them.
fn damaged_named(mirror: &Mirror, named: &str) -> Option<(RecordKey, Decoded)> {
    let claims = |decoded: &Decoded| match decoded {
        Decoded::Damaged(damaged) => damaged.name.as_deref() == Some(named),
        _ => false,
    };
    mirror.list(Kind::Integration, None, 1, claims).pop()
}

fn entry(mirror: &Mirror, named: &str) -> Result<Arc<IntegrationEntry>, Problem> {
    match find(mirror, named)?.1 {
        Decoded::Integration(entry) => Ok(entry),
        Decoded::Damaged(damaged) => Err(change::damaged(&damaged)),
        _ => Err(unknown()),
    }
}

async fn answer(entry: &IntegrationEntry, state: &AdminState) -> Response {
    let used = state.uses.of(key_of(&entry.record)).await;
    tagged(entry.record.meta.revision, shown(entry, used.as_ref(), state))
}

fn shown<'r>(entry: &'r IntegrationEntry, used: Option<&Use>, state: &AdminState) -> IntegrationView<'r> {
    IntegrationView::of(&entry.record, &entry.scheme, used, state)
}

/// The id of the one that a path names.
pub(super) fn id_of(mirror: &Mirror, named: &str) -> Result<Uuid, Problem> {
    find(mirror, named).map(|(key, _)| key.id)
}

fn key_of(record: &Integration) -> RecordKey {
    RecordKey { kind: Kind::Integration, id: record.meta.id }
}

fn unknown() -> Problem {
    Problem::not_found("there is no such integration")
}
