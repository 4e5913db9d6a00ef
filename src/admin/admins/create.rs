//! `POST /api/admins`.
//!
//! Invariant: the token is made here, from the system's random numbers, digested before it is stored, and shown in this
//! one answer.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;

use super::input::Input;
use super::{generated, shown_once};
use crate::admin::AdminState;
use crate::admin::body::Required;
use crate::admin::change::{self, Stop};
use crate::admin::conditional::Call;
use crate::admin::idempotency::{self, Answer};
use crate::admin::problem::Problem;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Admin, Kind, Record, RecordKey};
use crate::store::writer::{Edit, Plan, Severity};

/// The handler.
pub(in crate::admin) async fn create(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Required(mut fields): Required,
) -> Result<Response, Problem> {
    let once = call.once(&fields);
    let input = Input::of(&mut fields, true);
    let (name, role) = fields.finish(input.name.clone().zip(input.role))?;
    let key = RecordKey { kind: Kind::Admin, id: Uuid::now_v7() };
    let (secret, token) = generated()?;
    let fresh = Admin {
        meta: change::fresh_meta(key.id),
        name,
        role,
        workspaces: Default::default(),
        token,
        token_prefix: secret.prefix(),
    };
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let mut record = fresh.clone();
        input.apply(mirror, &mut record)?;
        let metadata = json!({
            "name": record.name, "role": record.role, "workspaces": record.workspaces,
            "tokenPrefix": record.token_prefix,
        });
        let requires = Input::requires(&Default::default(), &record);
        Ok(Plan {
            edits: vec![Edit::Create(Record::Admin(record))],
            requires,
            event: change::event("admin.created", Severity::High, key, metadata),
            output: (),
        })
    };
    let answer = |(): &(), records: &[Record]| {
        let [Record::Admin(record)] = records else { return Err(idempotency::unshown()) };
        let body = shown_once(record, &secret, state.writer.mirror());
        Answer::created(format!("/api/admins/{}", key.id), record.meta.revision, body)
    };
    change::commit_once(&state, &call, once.as_ref(), plan, answer).await
}
