//! `POST /api/integrations/{integration}/retire-previous`: ends the secret before the last rotation, before its
//! time.
//!
//! Not a rotation: the present secret stays as it is. Invariants: what is retired leaves the record, so that no
//! clock of any sidecar can make it valid again; where the record holds no former secret there is nothing to
//! change, and the answer is the record as it is, so that the call may be repeated.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::view::IntegrationView;
use super::{answer, entry, key_of};
use crate::admin::body::Optional;
use crate::admin::change::{self, Outcome, Stop};
use crate::admin::conditional::{Call, tagged};
use crate::admin::problem::Problem;
use crate::admin::{AdminState, formats};
use crate::keys::entry::IntegrationEntry;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, Record, RecordKey};
use crate::store::writer::{Edit, Plan, Severity};

/// The handler.
pub(in crate::admin) async fn retire(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(named): Path<String>,
    Optional(fields): Optional,
) -> Result<Response, Problem> {
    fields.finish(Some(()))?;
    let plan = |mirror: &Mirror| -> Result<Plan<Arc<IntegrationEntry>>, Stop> {
        let entry = entry(mirror, &named)?;
        call.check(entry.record.meta.revision)?;
        change::not_seeded(entry.record.meta.is_seeded())?;
        let mut record = entry.record.clone();
        let Some(previous) = record.previous.take() else { return Err(Stop::Unchanged) };
        let key = RecordKey { kind: Kind::Integration, id: record.meta.id };
        let metadata = json!({
            "name": record.name, "workspaceId": record.workspace_id,
            "until": formats::shown_time(previous.until),
        });
        Ok(Plan {
            edits: vec![Edit::Update(Record::Integration(record))],
            requires: Vec::new(),
            event: change::event("integration.previous_retired", Severity::High, key, metadata),
            output: Arc::clone(&entry),
        })
    };
    match change::commit(&state, &call, plan).await? {
        Outcome::Done(before, records) => {
            let [Record::Integration(record)] = records.as_slice() else {
                return Err(Problem::unavailable("the record cannot be shown"));
            };
            let used = state.uses.of(key_of(record)).await;
            Ok(tagged(
                record.meta.revision,
                IntegrationView::of(record, &before.scheme, used.as_ref(), &state),
            ))
        }
        Outcome::Unchanged => {
            let entry = entry(state.writer.mirror(), &named)?;
            Ok(answer(&entry, &state).await)
        }
    }
}
