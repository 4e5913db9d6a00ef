//! Who may use the admin port: the holder of the bearer token (RFC 6750 §2.1).
//!
//! Not the traffic port's credentials. Invariants: a request without exactly one `Authorization` header that
//! carries the token reaches no handler; the comparison takes time that depends on neither token, because
//! digests of equal length are compared; an empty configured token admits nobody; every cause of a refusal
//! gets the same answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::AdminState;
use super::envelope::RequestId;
use super::problem::Problem;
use crate::secret::Secret;
use crate::store::writer::Actor;

/// The name under which the holder of the configured token acts.
const BOOTSTRAP: &str = "bootstrap";

/// The layer inside the envelope: authenticates, and notes who asks.
pub(super) async fn check(
    State(state): State<Arc<AdminState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    match id {
        Some(RequestId(request_id)) if holds_token(request.headers(), &state.token) => {
            request.extensions_mut().insert(Actor { name: BOOTSTRAP.to_owned(), request_id });
            next.run(request).await
        }
        _ => {
            state.refused.count();
            Problem::unauthenticated().into_response()
        }
    }
}

fn holds_token(headers: &HeaderMap, expected: &Secret) -> bool {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let Some((scheme, token)) = line.as_bytes().split_at_checked("Bearer ".len()) else { return false };
    if !scheme.eq_ignore_ascii_case(b"Bearer ") || token.is_empty() || expected.is_empty() {
        return false;
    }
    let presented = Sha256::digest(token);
    let expected = Sha256::digest(expected.expose());
    bool::from(presented.as_slice().ct_eq(expected.as_slice()))
}
