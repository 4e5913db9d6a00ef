//! `POST /api/integrations/{integration}/rotate-secret`.
//!
//! Invariants: a secret that was not given is made here in the form that the scheme's senders take, and shown
//! in this one answer; what was replaced stays valid until the overlap ends and not longer; the version of a
//! sealed secret grows with each rotation.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;
use zeroize::Zeroizing;

use super::input;
use super::view::{IntegrationView, Once};
use super::{entry, key_of};
use crate::admin::AdminState;
use crate::admin::body::Optional;
use crate::admin::change::{self, Stop};
use crate::admin::conditional::Call;
use crate::admin::idempotency::{self, Answer};
use crate::admin::problem::{Fault, Problem};
use crate::admin::rotation::{self, Overlap};
use crate::clock::UnixMillis;
use crate::keys::entry::IntegrationEntry;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, PreviousSecret, Record, RecordKey};
use crate::secret::Secret;
use crate::store::seal;
use crate::store::writer::{Edit, Plan, Severity};

/// What a plan gives back.
struct Rotated {
    entry: Arc<IntegrationEntry>,
    secret: Secret,
    at: UnixMillis,
}

/// The handler.
pub(in crate::admin) async fn rotate(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(named): Path<String>,
    Optional(mut fields): Optional,
) -> Result<Response, Problem> {
    let once = call.once(&fields);
    let given = fields.nullable("webhookSecret", input::secret).of(None);
    let overlap = Overlap::of(&mut fields);
    fields.finish(Some(()))?;
    let found = entry(state.writer.mirror(), &named)?;
    let (seen, used) = (found.record.secret.version, state.uses.of(key_of(&found.record)).await);
    let random = Zeroizing::new(seal::random::<32>().map_err(change::not_sealed)?);

    let plan = |mirror: &Mirror| -> Result<Plan<Rotated>, Stop> {
        let entry = entry(mirror, &named)?;
        let before = &entry.record;
        call.check(before.meta.revision)?;
        change::not_seeded(before.meta.is_seeded())?;
        if before.secret.version != seen {
            return Err(rotation::overtaken().into());
        }
        let now = state.writer.now();
        overlap.check(before.previous.as_ref().map(|previous| previous.until), now)?;
        let secret = match &given {
            Some(secret) => {
                input::usable(&entry.scheme, secret).map_err(|detail| {
                    Problem::invalid(vec![Fault::at("/webhookSecret", "format", detail)])
                })?;
                secret.clone()
            }
            None if !entry.scheme.generates_secrets() => {
                return Err(Problem::invalid(vec![input::sender_holds_the_key()]).into());
            }
            None => entry.scheme.generate_secret(&random),
        };
        let key = RecordKey { kind: Kind::Integration, id: before.meta.id };
        let mut record = before.clone();
        let version = before.secret.version.saturating_add(1);
        record.secret = state.writer.seal(key, version, &secret).map_err(change::not_sealed)?;
        record.secret_prefix = secret.prefix();
        record.captured = None;
        record.previous = overlap.until(now).map(|until| PreviousSecret {
            secret: before.secret.clone(),
            secret_prefix: before.secret_prefix.clone(),
            until,
        });
        let metadata = json!({
            "name": record.name, "workspaceId": record.workspace_id, "fields": ["webhookSecret"],
            "overlapSeconds": overlap.seconds, "force": overlap.force, "secretGiven": given.is_some(),
        });
        Ok(Plan {
            edits: vec![Edit::Update(Record::Integration(record))],
            requires: Vec::new(),
            event: change::event("integration.secret_rotated", Severity::High, key, metadata),
            output: Rotated { entry: Arc::clone(&entry), secret, at: now },
        })
    };
    let answer = |rotated: &Rotated, records: &[Record]| {
        let [Record::Integration(record)] = records else { return Err(idempotency::unshown()) };
        let note = overlap.note(rotated.at);
        let body = Once {
            integration: IntegrationView::of(record, &rotated.entry.scheme, used.as_ref(), &state),
            webhook_secret: rotated.secret.expose_text(),
            setup: rotated.entry.scheme.spec().setup.as_deref(),
            warning: format!("webhookSecret is shown this once and cannot be read again. {note}"),
        };
        Answer::shown(record.meta.revision, body)
    };
    change::commit_once(&state, &call, once.as_ref(), plan, answer).await
}
