//! `PATCH /api/admins/{admin}`: name, role and workspaces.
//!
//! Invariants: the token stays; what gives or takes rights is an event of high severity; whoever is the last platform
//! admin stays one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::input::Input;
use super::{intact, keep_one, key_of, shown};
use crate::admin::AdminState;
use crate::admin::body::Required;
use crate::admin::change::{self, Outcome, Stop};
use crate::admin::conditional::Call;
use crate::admin::problem::Problem;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Admin, Record};
use crate::store::writer::{Edit, Plan, Severity};

/// The handler.
pub(in crate::admin) async fn patch(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(id): Path<String>,
    Required(mut fields): Required,
) -> Result<Response, Problem> {
    let key = key_of(&id)?;
    let input = Input::of(&mut fields, false);
    let input = fields.finish(Some(input))?;
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let before = intact(mirror, key)?;
        call.check(before.meta.revision)?;
        change::not_seeded(before.meta.is_seeded())?;
        let mut record = Admin::clone(&before);
        input.apply(mirror, &mut record)?;
        if record.role != before.role {
            keep_one(mirror, &before, &call.rights)?;
        }
        let changed = [
            ("name", record.name != before.name),
            ("role", record.role != before.role),
            ("workspaces", record.workspaces != before.workspaces),
        ];
        let fields: Vec<&str> =
            changed.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
        if fields.is_empty() {
            return Err(Stop::Unchanged);
        }
        let severity = if fields == ["name"] { Severity::Normal } else { Severity::High };
        let metadata = json!({
            "name": record.name, "role": record.role, "workspaces": record.workspaces, "fields": fields,
        });
        Ok(Plan {
            requires: Input::requires(&before.workspaces, &record),
            edits: vec![Edit::Update(Record::Admin(record))],
            event: change::event("admin.updated", severity, key, metadata),
            output: (),
        })
    };
    let mirror = state.writer.mirror();
    match change::commit(&state, &call, plan).await? {
        Outcome::Done((), records) => match records.as_slice() {
            [Record::Admin(record)] => Ok(shown(record, mirror)),
            _ => Err(Problem::unavailable("the record cannot be shown")),
        },
        Outcome::Unchanged => Ok(shown(&*intact(mirror, key)?, mirror)),
    }
}
