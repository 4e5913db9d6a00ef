//! `PATCH …/{keyId}`.
//!
//! Invariants: what the body does not name stays; secrets cannot be changed here; a former value whose time
//! is over is dropped with the change, so that nothing keeps it for longer than it is good for.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::input::{self, Settings};
use super::view::{KeyView, Once};
use super::{ID_NEEDED, KeyPath, answer, is_tried_unnamed, keep_bound};
use crate::admin::body::Required;
use crate::admin::change::{self, Outcome, Stop};
use crate::admin::conditional::{Call, tagged};
use crate::admin::problem::Problem;
use crate::admin::{AdminState, formats};
use crate::keys::mirror::Mirror;
use crate::keys::record::Record;
use crate::store::writer::{Edit, Plan, Severity};

/// The handler.
pub(in crate::admin) async fn patch(
    State(state): State<Arc<AdminState>>,
    call: Call,
    path: KeyPath,
    Required(mut fields): Required,
) -> Result<Response, Problem> {
    let name = fields.plain("name", formats::display_name);
    let settings = Settings::of(&mut fields, &state.settings.load().route_names, name);
    let settings = fields.finish(Some(settings))?;

    let plan = |mirror: &Mirror| -> Result<Plan<bool>, Stop> {
        let entry = path.entry(mirror)?;
        call.check(entry.record.meta.revision)?;
        change::not_seeded(entry.record.meta.is_seeded())?;
        let now = state.writer.now();
        let before = entry.record.record();
        let mut record = before.clone();
        settings.apply(&mut record);
        let joins = !is_tried_unnamed(&before, now) && is_tried_unnamed(&record, now);
        let bound = joins && keep_bound(mirror, state.settings.load().candidate_secrets, now, &mut record);
        let fields = input::changed(&before, &record);
        if fields.is_empty() && !bound {
            return Err(Stop::Unchanged);
        }
        record.previous = record.previous.filter(|previous| now < previous.until);
        let metadata = json!({ "name": record.name, "workspaceId": record.workspace_id, "fields": fields });
        Ok(Plan {
            edits: vec![Edit::Update(Record::WebhookKey(record))],
            requires: Vec::new(),
            event: change::event("webhook_key.updated", Severity::Normal, path.key, metadata),
            output: bound,
        })
    };
    let outcome = change::commit(&state, &call, plan).await?;
    match &outcome {
        Outcome::Done(bound, records) => {
            let [Record::WebhookKey(record)] = records.as_slice() else {
                return Err(Problem::unavailable("the record cannot be shown"));
            };
            let used = state.uses.of(path.key).await;
            let key = KeyView::of(record, used.as_ref(), state.writer.now(), state.writer.mirror());
            let warning = if *bound { ID_NEEDED.to_owned() } else { String::new() };
            Ok(tagged(record.meta.revision, Once { key, api_key: None, secret: None, warning }))
        }
        Outcome::Unchanged => Ok(answer(&*path.entry(state.writer.mirror())?, &state).await),
    }
}
