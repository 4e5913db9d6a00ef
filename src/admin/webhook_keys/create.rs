//! `POST /api/workspaces/{id}/webhook-keys`.
//!
//! Invariants: API key and secret are made here, from the system's random numbers, sealed or digested before
//! they are stored, and shown in this one answer; the workspace exists still when the key is committed.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::input::Settings;
use super::view::{KeyView, Once, exposed};
use super::{ID_NEEDED, keep_bound};
use crate::admin::body::Required;
use crate::admin::change::{self, Stop};
use crate::admin::conditional::Call;
use crate::admin::fields::Change;
use crate::admin::idempotency::{self, Answer};
use crate::admin::problem::{Fault, Problem};
use crate::admin::{AdminState, formats, workspaces};
use crate::credential::api_key;
use crate::keys::entry::Use;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, Record, RecordKey, Sealed, WebhookKey, WorkspaceScheme};
use crate::secret::Secret;
use crate::store::seal;
use crate::store::writer::{Edit, Plan, Severity};

const SHOWN_ONCE: &str = "apiKey and secret are shown this once and cannot be read again.";

/// The handler.
pub(in crate::admin) async fn create(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(workspace): Path<String>,
    Required(mut fields): Required,
) -> Result<Response, Problem> {
    let once = call.once(&fields);
    let workspace = workspaces::key_of(&workspace)?;
    let name = fields.required("name", formats::display_name);
    let settings = Settings::of(&mut fields, &state.settings.load().route_names, name);
    if matches!(&settings.expires_at, Change::Set(expires) if *expires <= state.writer.now()) {
        fields.fault(Fault::at("/expiresAt", "range", "must be in the future"));
    }
    let name = fields.finish(settings.name.clone())?;

    let key = RecordKey { kind: Kind::WebhookKey, id: Uuid::now_v7() };
    let api_key = generated_api_key()?;
    let secret = generated_secret()?;
    let sealed = state.writer.seal(key, 1, &secret).map_err(change::not_sealed)?;
    let fresh = fresh(key.id, workspace.id, name, &api_key, &secret, sealed);

    let plan = |mirror: &Mirror| -> Result<Plan<bool>, Stop> {
        workspaces::visible(mirror, workspace, &call.rights)?;
        let mut record = fresh.clone();
        settings.apply(&mut record);
        let bound =
            keep_bound(mirror, state.settings.load().candidate_secrets, state.writer.now(), &mut record);
        let metadata = json!({
            "name": record.name, "workspaceId": workspace.id, "scheme": record.scheme,
            "requireKeyId": record.require_key_id, "apiKeyPrefix": record.api_key_prefix,
        });
        Ok(Plan {
            edits: vec![Edit::Create(Record::WebhookKey(record))],
            requires: vec![workspace],
            event: change::event("webhook_key.created", Severity::High, key, metadata),
            output: bound,
        })
    };
    let answer = |bound: &bool, records: &[Record]| {
        let [Record::WebhookKey(record)] = records else { return Err(idempotency::unshown()) };
        let body = Once {
            key: KeyView::of(record, Some(&Use::default()), state.writer.now(), state.writer.mirror()),
            api_key: exposed(Some(&api_key)),
            secret: exposed(Some(&secret)),
            warning: if *bound { format!("{SHOWN_ONCE} {ID_NEEDED}") } else { SHOWN_ONCE.to_owned() },
        };
        let path = format!("/api/workspaces/{}/webhook-keys/{}", workspace.id, key.id);
        Answer::created(path, record.meta.revision, body)
    };
    change::commit_once(&state, &call, once.as_ref(), plan, answer).await
}

fn fresh(
    id: Uuid,
    workspace_id: Uuid,
    name: String,
    api_key: &Secret,
    secret: &Secret,
    sealed: Sealed,
) -> WebhookKey {
    WebhookKey {
        meta: change::fresh_meta(id),
        workspace_id,
        name,
        api_key: api_key::digest(api_key.expose_text().unwrap_or_default()),
        api_key_prefix: api_key.prefix(),
        secret: sealed,
        secret_prefix: secret.prefix(),
        scheme: WorkspaceScheme::Workspace,
        require_key_id: false,
        is_active: true,
        expires_at: None,
        allowed_cidrs: None,
        routes: None,
        previous: None,
    }
}

/// An API key of 32 random bytes.
pub(in crate::admin) fn generated_api_key() -> Result<Secret, Problem> {
    let random = Zeroizing::new(seal::random::<32>().map_err(change::not_sealed)?);
    Ok(api_key::generate(&random))
}

/// A secret of 32 random bytes, as 64 hex characters. Both workspace schemes key with the text itself.
pub(in crate::admin) fn generated_secret() -> Result<Secret, Problem> {
    let random = Zeroizing::new(seal::random::<32>().map_err(change::not_sealed)?);
    Ok(Secret::new(data_encoding::HEXLOWER.encode(random.as_slice()).into_bytes()))
}
