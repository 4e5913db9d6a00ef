//! `/api/workspaces`: create, list, get, rename, delete.
//!
//! Not the keys inside (`webhook_keys/`). Invariants: a name is held by one workspace; a workspace goes
//! together with its keys and integrations, in one commit and one audit event that lists them.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::body::Required;
use super::change::{self, Outcome, Stop};
use super::conditional::{Call, tagged};
use super::idempotency::{self, Answer};
use super::page::Page;
use super::problem::Problem;
use super::rights::Rights;
use super::view::{MetaView, SERVER_SET};
use super::{AdminState, formats};
use crate::keys::decode::Decoded;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, Record, RecordKey, Workspace};
use crate::store::writer::{Edit, Plan, Severity};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkspaceView<'r> {
    #[serde(flatten)]
    meta: MetaView<'r>,
    name: &'r str,
}

/// `POST /api/workspaces`
pub(super) async fn create(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Required(mut fields): Required,
) -> Result<Response, Problem> {
    let once = call.once(&fields);
    let name = fields.required("name", formats::display_name);
    let name = fields.finish(name)?;
    let key = RecordKey { kind: Kind::Workspace, id: Uuid::now_v7() };
    let plan = |_: &Mirror| {
        let workspace = Workspace { meta: change::fresh_meta(key.id), name: name.clone() };
        let metadata = json!({ "name": name });
        Ok(Plan {
            edits: vec![Edit::Create(Record::Workspace(workspace))],
            requires: Vec::new(),
            event: change::event("workspace.created", Severity::High, key, metadata),
            output: (),
        })
    };
    let answer = |(): &(), records: &[Record]| {
        let [Record::Workspace(record)] = records else { return Err(idempotency::unshown()) };
        Answer::created(
            format!("/api/workspaces/{}", key.id),
            record.meta.revision,
            view(record, state.writer.mirror()),
        )
    };
    change::commit_once(&state, &call, once.as_ref(), plan, answer).await
}

/// `GET /api/workspaces`
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    rights: Rights,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let page = Page::of(query.as_deref(), &[])?;
    let show = |decoded: &Decoded| match decoded {
        Decoded::Workspace(record) => serde_json::to_value(view(record, state.writer.mirror())).ok(),
        _ => None,
    };
    Ok(page.answer(state.writer.mirror(), Kind::Workspace, |workspace| rights.see(id_of(workspace)), show))
}

/// `GET /api/workspaces/{workspace}`
pub(super) async fn get(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let mirror = state.writer.mirror();
    match visible(mirror, key_of(&id)?, &call.rights)? {
        Decoded::Workspace(record) => Ok(shown(&record, mirror)),
        Decoded::Damaged(damaged) => Err(change::damaged(&damaged)),
        _ => Err(unknown()),
    }
}

/// `PATCH /api/workspaces/{workspace}`: its name is all that changes. Keys and integrations name it by its id.
pub(super) async fn patch(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(id): Path<String>,
    Required(mut fields): Required,
) -> Result<Response, Problem> {
    fields.read_only(SERVER_SET, "is set by the server");
    let name = fields.plain("name", formats::display_name);
    let name = fields.finish(Some(name))?;
    let key = key_of(&id)?;
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let mut record = intact(mirror, &id)?;
        call.check(record.meta.revision)?;
        change::not_seeded(record.meta.is_seeded())?;
        let Some(name) = name.as_ref().filter(|name| **name != record.name) else {
            return Err(Stop::Unchanged);
        };
        record.name.clone_from(name);
        let metadata = json!({ "name": name, "fields": ["name"] });
        Ok(Plan {
            edits: vec![Edit::Update(Record::Workspace(record))],
            requires: Vec::new(),
            event: change::event("workspace.updated", Severity::Normal, key, metadata),
            output: (),
        })
    };
    let mirror = state.writer.mirror();
    match change::commit(&state, &call, plan).await? {
        Outcome::Done((), records) => match records.as_slice() {
            [Record::Workspace(record)] => Ok(shown(record, mirror)),
            _ => Err(Problem::unavailable("the record cannot be shown")),
        },
        Outcome::Unchanged => Ok(shown(&intact(mirror, &id)?, mirror)),
    }
}

/// `DELETE /api/workspaces/{workspace}`
pub(super) async fn delete(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let workspace = find(mirror, &id)?;
        call.check(workspace.revision())?;
        change::owned_by_api(&workspace)?;
        let key = key_of(&id)?;
        let keys = members(mirror, Kind::WebhookKey, key.id);
        let integrations = members(mirror, Kind::Integration, key.id);
        let name = match &workspace {
            Decoded::Workspace(record) => Some(record.name.clone()),
            _ => None,
        };
        let ids = |members: &[(RecordKey, Decoded)]| -> Vec<Uuid> {
            members.iter().map(|(key, _)| key.id).collect()
        };
        let metadata = json!({
            "name": name, "webhookKeys": ids(&keys), "integrations": ids(&integrations),
        });
        let members = keys.iter().chain(&integrations).map(|(_, member)| change::removal(member));
        Ok(Plan {
            edits: members.chain(std::iter::once(change::removal(&workspace))).collect(),
            requires: Vec::new(),
            event: change::event("workspace.deleted", Severity::High, key, metadata),
            output: (),
        })
    };
    change::commit(&state, &call, plan).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn members(mirror: &Mirror, kind: Kind, workspace: Uuid) -> Vec<(RecordKey, Decoded)> {
    mirror.list(kind, None, usize::MAX, |decoded| decoded.workspace() == Some(workspace))
}

fn find(mirror: &Mirror, id: &str) -> Result<Decoded, Problem> {
    mirror.get(key_of(id)?).ok_or_else(unknown)
}

/// One that can be read.
fn intact(mirror: &Mirror, id: &str) -> Result<Workspace, Problem> {
    match find(mirror, id)? {
        Decoded::Workspace(record) => Ok(record.as_ref().clone()),
        Decoded::Damaged(damaged) => Err(change::damaged(&damaged)),
        _ => Err(unknown()),
    }
}

/// A workspace that the caller may see; one that is hidden is as good as none.
pub(super) fn visible(mirror: &Mirror, key: RecordKey, rights: &Rights) -> Result<Decoded, Problem> {
    mirror.get(key).filter(|_| rights.see(Some(key.id))).ok_or_else(unknown)
}

fn id_of(workspace: &Decoded) -> Option<Uuid> {
    match workspace {
        Decoded::Workspace(record) => Some(record.meta.id),
        Decoded::Damaged(damaged) => Some(damaged.key.id),
        _ => None,
    }
}

/// The record that a path names; what is no id names none.
pub(super) fn key_of(id: &str) -> Result<RecordKey, Problem> {
    let id = formats::id(id).ok_or_else(unknown)?;
    Ok(RecordKey { kind: Kind::Workspace, id })
}

/// 404.
pub(super) fn unknown() -> Problem {
    Problem::not_found("there is no such workspace")
}

fn shown(record: &Workspace, mirror: &Mirror) -> Response {
    tagged(record.meta.revision, view(record, mirror))
}

fn view<'r>(record: &'r Workspace, mirror: &Mirror) -> WorkspaceView<'r> {
    WorkspaceView { meta: MetaView::of(&record.meta, mirror), name: &record.name }
}
