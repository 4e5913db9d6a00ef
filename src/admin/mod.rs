//! The admin port: workspaces, webhook keys, integrations and admins over HTTP and JSON.
//!
//! Its operations, and who may ask for each, are the table in `operations.rs`.
//!
//! Not the data path: nothing here verifies a request of a sender. Invariants: no handler runs without the
//! admin token; a secret is in the answer that created it and nowhere else; a field that nothing enforces is
//! refused; nothing is read or planned from a key set that is not loaded or too old; every change is one
//! commit with one audit event, durable before its answer.
//!
//! The way of a request: `envelope` (id, headers, panics) → `browser` (Host, Origin) → `auth` (who, and whether they may) →
//! freshness → a resource, which reads
//! `body` and `fields`, plans through `change`, and refuses through `problem`.

mod admins;
mod audit;
mod auth;
mod body;
mod browser;
mod change;
mod conditional;
mod deliveries;
mod denied;
mod envelope;
mod fields;
mod fleet;
mod formats;
mod idempotency;
mod integrations;
mod logins;
mod openapi;
mod operations;
mod page;
mod problem;
mod refused;
mod rights;
mod rotation;
mod schemes;
pub mod seed;
mod serve;
mod token;
mod view;
mod webhook_keys;
mod workspaces;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};

pub use denied::Denied;
pub use logins::Logins;
pub use operations::{OPERATIONS, Operation, Permission};
pub use refused::Refused;
pub use serve::{Peer, serve};
pub use token::Token;

use crate::keys::ring::KeyRing;
use crate::proxy::rehearsal::Rehearsal;
use crate::proxy::settings::LiveSettings;
use crate::store::uses::UseBook;
use crate::store::writer::Writer;
use problem::Problem;

/// What the admin port works on.
pub struct AdminState {
    /// Commits changes; its mirror is what reads answer from.
    pub writer: Arc<Writer>,
    /// How often and when records were used, over all sidecars.
    pub uses: Arc<UseBook>,
    /// Says whether the key set is fresh enough to answer from.
    pub ring: Arc<KeyRing>,
    /// The bootstrap admin's bearer token. An empty one admits nobody.
    pub token: Token,
    /// Counts who came without it.
    pub refused: Arc<Refused>,
    /// Routes, which a key may be confined to; the URL that a sender must call; keys that are tried for a request.
    pub settings: Arc<LiveSettings>,
    /// Wrong tokens by address.
    pub logins: Logins,
    /// Calls of admins that their role does not allow.
    pub denied: Denied,
    /// `admin.hosts`: names under which the port answers, beside its own.
    pub hosts: Vec<String>,
    /// The way of a request of our own; `None` where this process takes no traffic.
    pub rehearsal: Option<Rehearsal>,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("token", &self.token).finish_non_exhaustive()
    }
}

/// The admin port's routes, complete with authentication.
pub fn router(state: Arc<AdminState>) -> Router {
    let nothing_here = async || Problem::not_found("there is nothing at this path");
    let other_method = async || Problem::method_not_allowed();
    let check = || from_fn_with_state(Arc::clone(&state), auth::check);
    let guarded = routes(&state, |operation| operation.permission != Permission::Public)
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(check())
        .layer(from_fn(browser::check_origin));
    let public = routes(&state, |operation| operation.permission == Permission::Public)
        .method_not_allowed_fallback(other_method);
    let named = from_fn_with_state(Arc::clone(&state), browser::check_host);
    guarded.merge(public).layer(named).layer(from_fn(envelope::wrap)).with_state(state)
}

fn routes(state: &Arc<AdminState>, which: impl Fn(&&'static Operation) -> bool) -> Router<Arc<AdminState>> {
    let fresh = || from_fn_with_state(Arc::clone(state), require_fresh_keys);
    OPERATIONS.iter().filter(which).fold(Router::new(), |router, operation| {
        let route = operation.route();
        let route = if operation.needs_keys { route.route_layer(fresh()) } else { route };
        let route = match operation.permission {
            Permission::Public => route,
            _ => route.route_layer(from_fn_with_state((Arc::clone(state), operation), auth::permit)),
        };
        router.route(operation.path, route)
    })
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
