//! The admin port: workspaces, webhook keys and integrations over HTTP and JSON.
//!
//! | path | methods |
//! |---|---|
//! | `/api/workspaces` | `POST` create, `GET` list |
//! | `/api/workspaces/{id}` | `GET`, `DELETE` (takes keys and integrations along) |
//! | `/api/workspaces/{id}/webhook-keys` | `POST` create, `GET` list |
//! | `/api/workspaces/{id}/webhook-keys/{keyId}`, `/api/webhook-keys/{keyId}` | `GET`, `PATCH`, `DELETE` |
//! | `…/{keyId}/rotate`, `…/{keyId}/retire-previous` | `POST` |
//! | `/api/integrations` | `POST` create, `GET` list (`?workspaceId=`) |
//! | `/api/integrations/{id or name}` | `GET`, `PATCH`, `DELETE` |
//! | `/api/integrations/{id or name}/rotate-secret`, `…/retire-previous` | `POST` |
//! | `/api/integrations/{id or name}/handshake/reveal` | `POST` |
//! | `/api/audit-events`, `/api/audit-events/verify` | `GET` |
//! | `/api/sidecars`, `/api/keks` | `GET` |
//! | `/api/keks/rotate`, `/api/store/migrate` | `POST` |
//!
//! Not the data path: nothing here verifies a request of a sender. Invariants: no handler runs without the
//! admin token; a secret is in the answer that created it and nowhere else; a field that nothing enforces is
//! refused; nothing is read or planned from a key set that is not loaded or too old; every change is one
//! commit with one audit event, durable before its answer.
//!
//! The way of a request: `envelope` (id, headers, panics) → `auth` → freshness → a resource, which reads
//! `body` and `fields`, plans through `change`, and refuses through `problem`.

mod audit;
mod auth;
mod body;
mod change;
mod conditional;
mod envelope;
mod fields;
mod fleet;
mod formats;
mod integrations;
mod page;
mod problem;
mod refused;
mod rotation;
mod schemes;
pub mod seed;
mod serve;
mod view;
mod webhook_keys;
mod workspaces;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use refused::Refused;
pub use serve::serve;

use crate::keys::ring::KeyRing;
use crate::secret::Secret;
use crate::store::writer::Writer;
use problem::Problem;

/// What the admin port works on.
pub struct AdminState {
    /// Commits changes; its mirror is what reads answer from.
    pub writer: Arc<Writer>,
    /// Says whether the key set is fresh enough to answer from.
    pub ring: Arc<KeyRing>,
    /// The bootstrap admin's bearer token. An empty one admits nobody.
    pub token: Secret,
    /// Counts who came without it.
    pub refused: Arc<Refused>,
    /// `limits.candidate_secrets`: signing keys of a workspace that may go without `X-Webhook-Key-Id`.
    pub candidate_secrets: usize,
    /// Names of the configured routes, which a key may be confined to.
    pub route_names: Vec<String>,
    /// `listener.public_url`, for the URL that a sender must call.
    pub public_url: Option<String>,
    /// Path of the first route that takes integrations, with `{integration}` to replace.
    pub integration_path: Option<String>,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("token", &self.token).finish_non_exhaustive()
    }
}

/// The admin port's routes, complete with authentication.
pub fn router(state: Arc<AdminState>) -> Router {
    let key = || get(webhook_keys::get).patch(webhook_keys::update::patch).delete(webhook_keys::delete);
    let rotate_key = || post(webhook_keys::rotate::rotate);
    let retire_key = || post(webhook_keys::retire::retire);
    Router::new()
        .route("/api/workspaces", get(workspaces::list).post(workspaces::create))
        .route("/api/workspaces/{workspace}", get(workspaces::get).delete(workspaces::delete))
        .route(
            "/api/workspaces/{workspace}/webhook-keys",
            get(webhook_keys::list).post(webhook_keys::create::create),
        )
        .route("/api/workspaces/{workspace}/webhook-keys/{key}", key())
        .route("/api/workspaces/{workspace}/webhook-keys/{key}/rotate", rotate_key())
        .route("/api/workspaces/{workspace}/webhook-keys/{key}/retire-previous", retire_key())
        .route("/api/webhook-keys/{key}", key())
        .route("/api/webhook-keys/{key}/rotate", rotate_key())
        .route("/api/webhook-keys/{key}/retire-previous", retire_key())
        .route("/api/integrations", get(integrations::list).post(integrations::create::create))
        .route(
            "/api/integrations/{integration}",
            get(integrations::get).patch(integrations::update::patch).delete(integrations::delete),
        )
        .route("/api/integrations/{integration}/rotate-secret", post(integrations::rotate::rotate))
        .route("/api/integrations/{integration}/retire-previous", post(integrations::retire::retire))
        .route("/api/integrations/{integration}/handshake/reveal", post(integrations::reveal::reveal))
        .route("/api/sidecars", get(fleet::sidecars))
        .route("/api/keks", get(fleet::keks))
        .route("/api/keks/rotate", post(fleet::rotate))
        .route("/api/store/migrate", post(fleet::migrate))
        .route_layer(from_fn_with_state(Arc::clone(&state), require_fresh_keys))
        // Read from the store itself, and wanted most when it is in doubt.
        .route("/api/audit-events", get(audit::list))
        .route("/api/audit-events/verify", get(audit::verify))
        .route("/api/schemes", get(schemes::list))
        .route("/api/schemes/{scheme}", get(schemes::get))
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(Arc::clone(&state), auth::check))
        .layer(from_fn(envelope::wrap))
        .with_state(state)
}

/// Refuses while the key set is not loaded or too old: an answer from it could be wrong.
async fn require_fresh_keys(State(state): State<Arc<AdminState>>, request: Request, next: Next) -> Response {
    if state.ring.is_available() {
        next.run(request).await
    } else {
        Problem::unavailable("the store has not been heard of lately; keys cannot be read or changed")
            .into_response()
    }
}
