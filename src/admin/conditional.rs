//! What a changing request carries besides its body: who asks, and which revision they saw.
//!
//! Not the change. Invariants: a handler that takes a [`Call`] cannot run unauthenticated, because only
//! `auth.rs` puts an [`Actor`] into a request; a query on such a request is refused, so that nobody believes
//! that `?force=true` did something. Spec: RFC 9110 §13.1.1 (`If-Match`, strong comparison).

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::fields::Fields;
use super::idempotency::{self, Once};
use super::problem::{Fault, Problem};
use super::rights::Rights;
use crate::store::writer::Actor;

/// A request for one record.
pub(super) struct Call {
    /// Who asks.
    pub(super) actor: Actor,
    /// What they may do.
    pub(super) rights: Rights,
    if_match: Option<Vec<String>>,
    /// `Idempotency-Key`, and what it is for.
    repeatable: Option<Repeatable>,
}

struct Repeatable {
    key: String,
    method: Method,
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = parts.extensions.get::<Actor>().cloned().ok_or_else(Problem::unauthenticated)?;
        let rights = parts.extensions.get::<Rights>().cloned().ok_or_else(Problem::unauthenticated)?;
        match parts.uri.query() {
            None | Some("") => {
                let repeatable = idempotency::key(&parts.headers)?.map(|key| Repeatable {
                    key,
                    method: parts.method.clone(),
                    path: parts.uri.path().to_owned(),
                });
                Ok(Self { actor, rights, if_match: if_match(&parts.headers), repeatable })
            }
            Some(query) => {
                let name: String = query.chars().take_while(|c| !matches!(c, '=' | '&')).take(64).collect();
                let fault = Fault::parameter(name, "unknown", "there is no such parameter");
                Err(Problem::invalid(vec![fault]))
            }
        }
    }
}

impl Call {
    /// The request with this body, where it may be sent again. To be asked before the fields are taken.
    pub(super) fn once(&self, fields: &Fields) -> Option<Once> {
        let Repeatable { key, method, path } = self.repeatable.as_ref()?;
        Some(Once::of(&self.actor, key, method.as_str(), path, fields.digest()))
    }

    /// Refuses where the caller saw another revision.
    pub(super) fn check(&self, revision: u64) -> Result<(), Problem> {
        let current = tag(revision);
        match &self.if_match {
            Some(tags) if !tags.iter().any(|tag| tag == "*" || *tag == current) => {
                Err(Problem::changed_meanwhile(revision))
            }
            _ => Ok(()),
        }
    }
}

fn if_match(headers: &HeaderMap) -> Option<Vec<String>> {
    headers.contains_key(IF_MATCH).then(|| {
        let lines = headers.get_all(IF_MATCH).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned()).collect()
    })
}

fn tag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// A record as an answer, with its revision as the entity tag.
pub(super) fn tagged(revision: u64, body: impl serde::Serialize) -> Response {
    let mut response = axum::Json(body).into_response();
    if let Ok(value) = HeaderValue::from_str(&tag(revision)) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}
