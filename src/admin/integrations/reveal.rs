//! `POST /api/integrations/{integration}/handshake/reveal`.
//!
//! For senders whose console asks for the secret that they handed over (Notion): shows it once, to the admin who
//! asks first. Invariants: only a secret that a handshake brought, within an hour, and once: that it was shown is
//! durable, and audited, before it is.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::view::{IntegrationView, Once};
use super::{entry, key_of};
use crate::admin::AdminState;
use crate::admin::body::Optional;
use crate::admin::change::{self, Outcome, Stop};
use crate::admin::conditional::{Call, tagged};
use crate::admin::problem::Problem;
use crate::keys::entry::IntegrationEntry;
use crate::keys::handshake::Captured;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, Record, RecordKey};
use crate::secret::Secret;
use crate::store::writer::{Edit, Plan, Severity};

/// The handler.
pub(in crate::admin) async fn reveal(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(named): Path<String>,
    Optional(fields): Optional,
) -> Result<Response, Problem> {
    fields.finish(Some(()))?;
    let plan = |mirror: &Mirror| -> Result<Plan<(Arc<IntegrationEntry>, Secret)>, Stop> {
        let entry = entry(mirror, &named)?;
        let before = &entry.record;
        call.check(before.meta.revision)?;
        change::not_seeded(before.meta.is_seeded())?;
        let now = state.writer.now();
        let captured =
            before.captured.filter(|captured| captured.reveal_until().is_some_and(|until| now < until));
        let Some(captured) = captured else {
            let detail = "no handshake brought a secret within the last hour that was not shown yet";
            return Err(Problem::conflict(detail).into());
        };
        let key = RecordKey { kind: Kind::Integration, id: before.meta.id };
        let secret = state.writer.open(key, &before.secret).map_err(change::not_sealed)?;
        let mut record = before.clone();
        record.captured = Some(Captured { revealed: true, ..captured });
        let metadata = json!({ "name": record.name, "workspaceId": record.workspace_id });
        Ok(Plan {
            edits: vec![Edit::Update(Record::Integration(record))],
            requires: Vec::new(),
            event: change::event("integration.secret_revealed", Severity::High, key, metadata),
            output: (Arc::clone(&entry), secret),
        })
    };
    let Outcome::Done((before, secret), records) = change::commit(&state, &call, plan).await? else {
        return Err(Problem::unavailable("the record cannot be shown"));
    };
    let [Record::Integration(record)] = records.as_slice() else {
        return Err(Problem::unavailable("the record cannot be shown"));
    };
    let used = state.uses.of(key_of(record)).await;
    let answer = Once {
        integration: IntegrationView::of(record, &before.scheme, used.as_ref(), &state),
        webhook_secret: secret.expose_text(),
        setup: before.scheme.spec().setup.as_deref(),
        warning: "webhookSecret is shown this once and cannot be read again.".to_owned(),
    };
    Ok(tagged(record.meta.revision, answer))
}
