//! `POST /api/admins/{admin}/rotate-token`.
//!
//! Invariants: of two rotations at once one wins; the former token ends with this change; a person can put a new one in the place of it at once, so there
//! is no overlap.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::{generated, intact, key_of, shown_once};
use crate::admin::AdminState;
use crate::admin::body::Optional;
use crate::admin::change::{self, Stop};
use crate::admin::conditional::Call;
use crate::admin::idempotency::{self, Answer};
use crate::admin::problem::Problem;
use crate::admin::rotation;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Admin, Record};
use crate::store::writer::{Edit, Plan, Severity};

/// The handler.
pub(in crate::admin) async fn rotate(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(id): Path<String>,
    Optional(fields): Optional,
) -> Result<Response, Problem> {
    let once = call.once(&fields);
    let key = key_of(&id)?;
    fields.finish(Some(()))?;
    let seen = intact(state.writer.mirror(), key)?.token;
    let (secret, token) = generated()?;
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let before = intact(mirror, key)?;
        call.check(before.meta.revision)?;
        change::not_seeded(before.meta.is_seeded())?;
        if before.token != seen {
            return Err(rotation::overtaken().into());
        }
        let record = Admin { token, token_prefix: secret.prefix(), ..Admin::clone(&before) };
        let metadata = json!({ "name": record.name, "tokenPrefix": record.token_prefix });
        Ok(Plan {
            edits: vec![Edit::Update(Record::Admin(record))],
            requires: Vec::new(),
            event: change::event("admin.token_rotated", Severity::High, key, metadata),
            output: (),
        })
    };
    let answer = |(): &(), records: &[Record]| {
        let [Record::Admin(record)] = records else { return Err(idempotency::unshown()) };
        Answer::shown(record.meta.revision, shown_once(record, &secret, state.writer.mirror()))
    };
    change::commit_once(&state, &call, once.as_ref(), plan, answer).await
}
