//! `POST …/{keyId}/retire-previous`: ends the values before the last rotation, before their time.
//!
//! Not a rotation: the present values stay as they are. Invariants: what is retired leaves the record, so that no
//! clock of any sidecar can make it valid again; where the record holds no former values there is nothing to
//! change, and the answer is the record as it is, so that the call may be repeated.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::view::KeyView;
use super::{KeyPath, answer};
use crate::admin::body::Optional;
use crate::admin::change::{self, Outcome, Stop};
use crate::admin::conditional::{Call, tagged};
use crate::admin::problem::Problem;
use crate::admin::{AdminState, formats};
use crate::keys::mirror::Mirror;
use crate::keys::record::Record;
use crate::store::writer::{Edit, Plan, Severity};

/// The handler.
pub(in crate::admin) async fn retire(
    State(state): State<Arc<AdminState>>,
    call: Call,
    path: KeyPath,
    Optional(fields): Optional,
) -> Result<Response, Problem> {
    fields.finish(Some(()))?;
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let entry = path.entry(mirror)?;
        call.check(entry.record.meta.revision)?;
        change::not_seeded(entry.record.meta.is_seeded())?;
        let mut record = entry.record.record();
        let Some(previous) = record.previous.take() else { return Err(Stop::Unchanged) };
        let metadata = json!({
            "name": record.name, "workspaceId": record.workspace_id,
            "what": previous.what(), "until": formats::shown_time(previous.until),
        });
        Ok(Plan {
            edits: vec![Edit::Update(Record::WebhookKey(record))],
            requires: Vec::new(),
            event: change::event("webhook_key.previous_retired", Severity::High, path.key, metadata),
            output: (),
        })
    };
    let outcome = change::commit(&state, &call, plan).await?;
    match outcome {
        Outcome::Done((), records) => {
            let [Record::WebhookKey(record)] = records.as_slice() else {
                return Err(Problem::unavailable("the record cannot be shown"));
            };
            let used = state.uses.of(path.key).await;
            Ok(tagged(
                record.meta.revision,
                KeyView::of(record, used.as_ref(), state.writer.now(), state.writer.mirror()),
            ))
        }
        Outcome::Unchanged => Ok(answer(&*path.entry(state.writer.mirror())?, &state).await),
    }
}
