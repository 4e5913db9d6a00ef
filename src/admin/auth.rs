//! Who may use the admin port: the holder of a bearer token (RFC 6750 §2.1), the configured one or an admin's.
//!
//! Not the traffic port's credentials, and not what a caller may do (`rights.rs`, [`permit`] but for the asking).
//! Invariants: a request without exactly one `Authorization` header that carries a token reaches no handler; the
//! comparison takes time that depends on no token, because digests of equal length are compared, all of them; an empty
//! configured token admits nobody; every cause of a 401 gets the same answer. A token that could be an admin's while
//! the key set is not at hand is a 503: nobody can tell. The configured token needs no key set.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::AdminState;
use super::change;
use super::envelope::RequestId;
use super::operations::Operation;
use super::problem::Problem;
use super::rights::Rights;
use super::serve::Peer;
use crate::credential::minted::ADMIN_TOKEN;
use crate::keys::decode::Decoded;
use crate::keys::record::{Admin, Kind};
use crate::secret::Secret;
use crate::store::writer::Actor;

/// The name under which the holder of the configured token acts.
pub(super) const BOOTSTRAP: &str = "bootstrap";

/// The layer inside the envelope: authenticates, and notes who asks and what they may do.
pub(super) async fn check(
    State(state): State<Arc<AdminState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(RequestId(request_id)) = request.extensions().get::<RequestId>().copied() else {
        return Problem::unauthenticated().into_response();
    };
    match caller(&state, &request, request_id) {
        Ok((actor, rights)) => {
            request.extensions_mut().insert(actor);
            request.extensions_mut().insert(rights);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The layer of one operation: refuses whom its permission does not name, with an audit event.
pub(super) async fn permit(
    State((state, operation)): State<(Arc<AdminState>, &'static Operation)>,
    request: Request,
    next: Next,
) -> Response {
    let extensions = request.extensions();
    let (Some(actor), Some(rights)) = (extensions.get::<Actor>(), extensions.get::<Rights>()) else {
        return Problem::unauthenticated().into_response();
    };
    if rights.allow(operation.permission) {
        return next.run(request).await;
    }
    state.denied.note(&state, actor, rights, operation).await;
    Problem::forbidden(rights.role(), operation.permission).into_response()
}

fn caller(state: &AdminState, request: &Request, id: Uuid) -> Result<(Actor, Rights), Problem> {
    let from = request.extensions().get::<Peer>().copied().unwrap_or_default().address;
    let now = state.ring.now();
    let offers_one = request.headers().contains_key(AUTHORIZATION);
    if offers_one && let Some(wait) = state.logins.locked(from, now) {
        state.refused.count();
        return Err(Problem::too_many_logins(wait));
    }
    match presented(request.headers()).map_or(Found::Nobody, |token| find(state, token)) {
        Found::Bootstrap => Ok((Actor::fixed(BOOTSTRAP, id), Rights::of_bootstrap())),
        Found::Admin(admin) => {
            let actor = Actor { name: admin.name.clone(), admin: Some(admin.meta.id), request_id: id };
            Ok((actor, Rights::of(admin)))
        }
        Found::Unknowable(problem) => Err(problem),
        Found::Nobody => {
            state.refused.count();
            if offers_one {
                state.logins.failed(from, now);
            }
            Err(Problem::unauthenticated())
        }
    }
}

/// Whose a token is.
enum Found {
    Bootstrap,
    Admin(Arc<Admin>),
    /// It could be an admin's, and what would tell is not at hand.
    Unknowable(Problem),
    Nobody,
}

fn find(state: &AdminState, token: &[u8]) -> Found {
    let digest = Sha256::digest(token);
    if is_configured(&digest, &state.token.now()) {
        return Found::Bootstrap;
    }
    if !ADMIN_TOKEN.is_well_formed(token) {
        return Found::Nobody;
    }
    if !state.ring.is_available() {
        let detail = "the store has not been heard of lately; an admin's token cannot be checked";
        return Found::Unknowable(Problem::unavailable(detail));
    }
    let mut found = Found::Nobody;
    // Each is compared, so that the time tells nothing of where, or whether, one is equal.
    for (_, decoded) in state.writer.mirror().list(Kind::Admin, None, usize::MAX, |_| true) {
        let equal = decoded.token().is_some_and(|known| bool::from(known.0.ct_eq(digest.as_slice())));
        match (equal, decoded) {
            (true, Decoded::Admin(admin)) => found = Found::Admin(admin),
            (true, Decoded::Damaged(damaged)) if matches!(found, Found::Nobody) => {
                found = Found::Unknowable(change::damaged(&damaged));
            }
            _ => {}
        }
    }
    found
}

fn is_configured(presented: &[u8], token: &Secret) -> bool {
    let expected = Sha256::digest(token.expose());
    !token.is_empty() && bool::from(presented.ct_eq(expected.as_slice()))
}

/// The token of a request that carries exactly one.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (scheme, token) = line.as_bytes().split_at_checked("Bearer ".len())?;
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}
