//! `/api/admins`: list, get, delete; the changes are in `create.rs`, `update.rs` and `rotate.rs`.
//!
//! Not the judging of a token (`auth.rs`), nor of what a role has (`operations.rs`). Invariants: a name is held by one
//! admin, whatever its case and Unicode form, and by none of those who act without a record; a token is in the answer
//! that made it and nowhere else; there is always a platform admin left, unless the holder of the configured token says
//! otherwise ([`keep_one`]).

pub(super) mod create;
mod input;
pub(super) mod rotate;
pub(super) mod update;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::change::{self, Stop};
use super::conditional::{Call, tagged};
use super::page::Page;
use super::problem::Problem;
use super::rights::Rights;
use super::view::MetaView;
use super::{AdminState, formats};
use crate::credential::minted::{self, ADMIN_TOKEN};
use crate::keys::decode::Decoded;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Admin, AdminRole, Kind, RecordKey, TokenDigest};
use crate::secret::Secret;
use crate::store::seal;
use crate::store::writer::{Plan, Severity};

/// What every answer shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdminView<'r> {
    #[serde(flatten)]
    meta: MetaView<'r>,
    name: &'r str,
    role: AdminRole,
    workspaces: Option<Vec<Uuid>>,
    token_prefix: &'r str,
}

/// The answer to create and rotate: the admin, and the token this once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Once<'r> {
    #[serde(flatten)]
    admin: AdminView<'r>,
    token: Option<&'r str>,
    warning: &'static str,
}

impl<'r> AdminView<'r> {
    fn of(record: &'r Admin, mirror: &Mirror) -> Self {
        let confined = record.role == AdminRole::WorkspaceAdmin;
        Self {
            meta: MetaView::of(&record.meta, mirror),
            name: &record.name,
            role: record.role,
            workspaces: confined.then(|| record.workspaces.iter().copied().collect()),
            token_prefix: &record.token_prefix,
        }
    }
}

/// `GET /api/admins`
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let page = Page::of(query.as_deref(), &[])?;
    let mirror = state.writer.mirror();
    let show = |decoded: &Decoded| match decoded {
        Decoded::Admin(record) => serde_json::to_value(AdminView::of(record, mirror)).ok(),
        _ => None,
    };
    Ok(page.answer(mirror, Kind::Admin, |_| true, show))
}

/// `GET /api/admins/{admin}`
pub(super) async fn get(
    State(state): State<Arc<AdminState>>,
    _: Call,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let mirror = state.writer.mirror();
    Ok(shown(&*intact(mirror, key_of(&id)?)?, mirror))
}

/// `DELETE /api/admins/{admin}`
pub(super) async fn delete(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let key = key_of(&id)?;
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let decoded = mirror.get(key).ok_or_else(unknown)?;
        call.check(decoded.revision())?;
        change::owned_by_api(&decoded)?;
        let metadata = match &decoded {
            Decoded::Admin(record) => {
                keep_one(mirror, record, &call.rights)?;
                json!({ "name": record.name, "role": record.role })
            }
            _ => json!({ "name": null }),
        };
        Ok(Plan {
            edits: vec![change::removal(&decoded)],
            requires: Vec::new(),
            event: change::event("admin.deleted", Severity::High, key, metadata),
            output: (),
        })
    };
    change::commit(&state, &call, plan).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Refuses to take the last platform admin away.
fn keep_one(mirror: &Mirror, leaving: &Admin, rights: &Rights) -> Result<(), Problem> {
    if leaving.role != AdminRole::PlatformAdmin || rights.are_bootstrap() {
        return Ok(());
    }
    let other = |decoded: &Decoded| match decoded {
        Decoded::Admin(admin) => admin.role == AdminRole::PlatformAdmin && admin.meta.id != leaving.meta.id,
        _ => false,
    };
    if mirror.list(Kind::Admin, None, 1, other).is_empty() {
        return Err(Problem::last_platform_admin());
    }
    Ok(())
}

fn intact(mirror: &Mirror, key: RecordKey) -> Result<Arc<Admin>, Problem> {
    match mirror.get(key).ok_or_else(unknown)? {
        Decoded::Admin(record) => Ok(record),
        Decoded::Damaged(damaged) => Err(change::damaged(&damaged)),
        _ => Err(unknown()),
    }
}

/// The record that a path names; what is no id names none.
fn key_of(id: &str) -> Result<RecordKey, Problem> {
    let id = formats::id(id).ok_or_else(unknown)?;
    Ok(RecordKey { kind: Kind::Admin, id })
}

fn shown(record: &Admin, mirror: &Mirror) -> Response {
    tagged(record.meta.revision, AdminView::of(record, mirror))
}

fn shown_once<'r>(record: &'r Admin, token: &'r Secret, mirror: &Mirror) -> Once<'r> {
    Once {
        admin: AdminView::of(record, mirror),
        token: token.expose_text(),
        warning: "token is shown this once and cannot be read again.",
    }
}

/// A token of 32 random bytes, and its digest.
fn generated() -> Result<(Secret, TokenDigest), Problem> {
    let random = zeroize::Zeroizing::new(seal::random::<32>().map_err(change::not_sealed)?);
    let token = ADMIN_TOKEN.generate(&random);
    let digest = TokenDigest(minted::digest(token.expose()));
    Ok((token, digest))
}

fn unknown() -> Problem {
    Problem::not_found("there is no such admin")
}
