//! `POST …/{keyId}/rotate`.
//!
//! Invariants: what is rotated is replaced by new random values, shown in this one answer; what was replaced
//! stays valid until the overlap ends and not longer; the version of a sealed secret grows with each
//! rotation, so no two secrets of a key have the same.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::KeyPath;
use super::create::{generated_api_key, generated_secret};
use super::view::{KeyView, Once, exposed};
use crate::admin::body::Optional;
use crate::admin::change::{self, Stop};
use crate::admin::conditional::Call;
use crate::admin::idempotency::{self, Answer};
use crate::admin::problem::Problem;
use crate::admin::rotation::{self, Overlap};
use crate::admin::{AdminState, formats};
use crate::clock::UnixMillis;
use crate::credential::api_key;
use crate::keys::mirror::Mirror;
use crate::keys::record::{ApiKeyDigest, PreviousKey, Record, RecordKey, WebhookKey};
use crate::secret::Secret;
use crate::store::writer::{Edit, Plan, Severity, Writer};

/// What is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    ApiKey,
    Secret,
    Both,
}

const WHAT: &[(&str, What)] = &[("apiKey", What::ApiKey), ("secret", What::Secret), ("both", What::Both)];

/// The new values.
struct Fresh {
    api_key: Option<Secret>,
    secret: Option<Secret>,
}

/// The handler.
pub(in crate::admin) async fn rotate(
    State(state): State<Arc<AdminState>>,
    call: Call,
    path: KeyPath,
    Optional(mut fields): Optional,
) -> Result<Response, Problem> {
    let once = call.once(&fields);
    let what = fields.plain("what", formats::one_of(WHAT)).unwrap_or(What::Both);
    let overlap = Overlap::of(&mut fields);
    fields.finish(Some(()))?;
    let fresh = Fresh::of(what)?;
    let used = state.uses.of(path.key).await;
    let seen = values(&path.entry(state.writer.mirror())?.record.record());

    let plan = |mirror: &Mirror| -> Result<Plan<UnixMillis>, Stop> {
        let before = &path.entry(mirror)?.record.record();
        call.check(before.meta.revision)?;
        change::not_seeded(before.meta.is_seeded())?;
        if values(before) != seen {
            return Err(rotation::overtaken().into());
        }
        let now = state.writer.now();
        overlap.check(before.previous.as_ref().map(|previous| previous.until), now)?;
        let mut record = fresh.replace(&state.writer, path.key, before)?;
        record.previous = overlap.until(now).map(|until| fresh.former(before, until));
        let rotated: Vec<&str> = [("apiKey", &fresh.api_key), ("secret", &fresh.secret)]
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|_| name))
            .collect();
        let metadata = json!({
            "name": record.name, "workspaceId": record.workspace_id, "fields": rotated,
            "overlapSeconds": overlap.seconds, "force": overlap.force,
        });
        Ok(Plan {
            edits: vec![Edit::Update(Record::WebhookKey(record))],
            requires: Vec::new(),
            event: change::event("webhook_key.rotated", Severity::High, path.key, metadata),
            output: now,
        })
    };
    let answer = |rotated_at: &UnixMillis, records: &[Record]| {
        let [Record::WebhookKey(record)] = records else { return Err(idempotency::unshown()) };
        let note = overlap.note(*rotated_at);
        let body = Once {
            key: KeyView::of(record, used.as_ref(), *rotated_at, state.writer.mirror()),
            api_key: exposed(fresh.api_key.as_ref()),
            secret: exposed(fresh.secret.as_ref()),
            warning: format!("New values are shown this once and cannot be read again. {note}"),
        };
        Answer::shown(record.meta.revision, body)
    };
    change::commit_once(&state, &call, once.as_ref(), plan, answer).await
}

/// What tells the present values of a key from others: the digest of its API key, the version of its secret.
fn values(key: &WebhookKey) -> (ApiKeyDigest, u32) {
    (key.api_key, key.secret.version)
}

impl Fresh {
    fn of(what: What) -> Result<Self, Problem> {
        let api_key = if what == What::Secret { None } else { Some(generated_api_key()?) };
        let secret = if what == What::ApiKey { None } else { Some(generated_secret()?) };
        Ok(Self { api_key, secret })
    }

    /// The record with the new values in the place of the present ones.
    fn replace(&self, writer: &Writer, key: RecordKey, before: &WebhookKey) -> Result<WebhookKey, Problem> {
        let mut record = before.clone();
        if let Some(api_key) = &self.api_key {
            record.api_key = api_key::digest(api_key.expose_text().unwrap_or_default());
            record.api_key_prefix = api_key.prefix();
        }
        if let Some(secret) = &self.secret {
            let version = before.secret.version.saturating_add(1);
            record.secret = writer.seal(key, version, secret).map_err(change::not_sealed)?;
            record.secret_prefix = secret.prefix();
        }
        Ok(record)
    }

    /// The values that are replaced, valid until `until`.
    fn former(&self, before: &WebhookKey, until: UnixMillis) -> PreviousKey {
        let api_key = self.api_key.as_ref();
        let secret = self.secret.as_ref();
        PreviousKey {
            api_key: api_key.map(|_| before.api_key),
            api_key_prefix: api_key.map(|_| before.api_key_prefix.clone()),
            secret: secret.map(|_| before.secret.clone()),
            secret_prefix: secret.map(|_| before.secret_prefix.clone()),
            until,
        }
    }
}
