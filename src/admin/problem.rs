//! What the admin port says when it refuses: problem details (RFC 9457) with one entry per fault.
//!
//! Not the map of the traffic port (`proxy/rejection.rs`). Invariants: no text here contains a value that the
//! caller sent, a file path or a store address, so a rejected secret is never echoed; a handler gives a
//! [`Problem`], and `envelope.rs` alone writes it, because only the envelope knows the request id.
//! Pointers are JSON pointers (RFC 6901).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::operations::Permission;
use crate::keys::record::AdminRole;

/// Seconds after which a caller may try again what a fault of ours refused.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// A refusal that is not yet an answer.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    detail: String,
    errors: Vec<Fault>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fault {
    #[serde(flatten)]
    place: Place,
    code: &'static str,
    detail: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Pointer(String),
    Parameter(String),
}

/// The document on the wire.
#[derive(Serialize)]
struct Document<'p> {
    #[serde(rename = "type")]
    kind: String,
    title: &'p str,
    status: u16,
    detail: &'p str,
    instance: String,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'p [Fault],
}

impl Fault {
    /// A fault of a member of the body.
    pub(super) fn at(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { place: Place::Pointer(pointer.into()), code, detail: detail.into() }
    }

    /// Where in the body it is, as a JSON pointer, and what is wrong there.
    pub(super) fn parts(&self) -> (&str, &str) {
        let (Place::Pointer(place) | Place::Parameter(place)) = &self.place;
        (place, &self.detail)
    }

    /// A fault of a query parameter.
    pub(super) fn parameter(name: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { place: Place::Parameter(name.into()), code, detail: detail.into() }
    }
}

impl Problem {
    fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self(Box::new(Inner { status, slug, title, detail, errors: Vec::new(), header: None }))
    }

    /// 401: the caller did not prove to be an admin. One answer for every cause.
    pub(super) fn unauthenticated() -> Self {
        let detail = "send Authorization: Bearer <admin token>";
        let mut problem =
            Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Admin token required", detail);
        problem.0.header = Some((
            http::header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"countersign-admin\""),
        ));
        problem
    }

    /// 400: what arrived is not a readable request.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", detail)
    }

    /// 403: the caller's role does not have it.
    pub(super) fn forbidden(role: AdminRole, permission: Permission) -> Self {
        let roles: Vec<&str> = permission.roles().iter().map(|role| role.name()).collect();
        let detail = format!("your role, {}, may not do this; it takes {}", role.name(), roles.join(" or "));
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 403: a web page of another site made the request.
    pub(super) fn cross_site() -> Self {
        let detail = "requests that a web page of another site makes are refused (Origin, Sec-Fetch-Site)";
        Self::new(StatusCode::FORBIDDEN, "cross-site", "Request of another site", detail)
    }

    /// 421: called by a name that is not ours.
    pub(super) fn misdirected() -> Self {
        let detail = "this is not the host that Host names; a name is allowed by admin.hosts";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", "Another host", detail)
    }

    /// 429: too many wrong tokens from this address.
    pub(super) fn too_many_logins(wait: Duration) -> Self {
        let detail = "too many wrong tokens came from this address; try again after Retry-After";
        let mut problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-logins", "Too many wrong tokens", detail);
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        problem.0.header = Some((RETRY_AFTER, HeaderValue::from(seconds)));
        problem
    }

    /// 404.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 405; the router adds `Allow`.
    pub(super) fn method_not_allowed() -> Self {
        let detail = "this path does not take this method; see Allow";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
    }

    /// 408: the body did not arrive in time.
    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "Body too slow", "the body did not arrive in time")
    }

    /// 409: the request is right and the state is not.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Conflict", detail)
    }

    /// 409 about one member of the body.
    pub(super) fn taken(pointer: &str, detail: &str) -> Self {
        Self::conflict_at(pointer, "taken", detail)
    }

    /// 409, and the member of the body that it is about or that would make the change possible.
    pub(super) fn conflict_at(pointer: &str, code: &'static str, detail: &str) -> Self {
        let mut problem = Self::conflict(detail);
        problem.0.errors.push(Fault::at(pointer, code, detail));
        problem
    }

    /// 409 with everything that stands in the way, all about one member of the body.
    pub(super) fn conflict_by(pointer: &str, code: &'static str, detail: &str, reasons: Vec<String>) -> Self {
        let mut problem = Self::conflict(detail);
        problem.0.errors = reasons.into_iter().map(|reason| Fault::at(pointer, code, reason)).collect();
        problem
    }

    /// 409: without this one only the configured token could manage admins.
    pub(super) fn last_platform_admin() -> Self {
        let detail =
            "this is the last platform-admin; make another one first, or ask with the configured token";
        Self::conflict_at("/role", "last_platform_admin", detail)
    }

    /// 409: the record is the seed file's.
    pub(super) fn seeded() -> Self {
        let detail = "this record is managed by the seed file (seed.file) and read-only here: change its entry \
                      there; to delete it, remove the entry while seed.prune is true";
        Self::new(StatusCode::CONFLICT, "managed-by-seed", "Managed by the seed file", detail)
    }

    /// The faults of a body, where that is what is wrong.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.0.errors
    }

    /// 412: `If-Match` names another revision.
    pub(super) fn changed_meanwhile(revision: u64) -> Self {
        let detail = format!("the record is at revision {revision}; read it again before changing it");
        Self::new(StatusCode::PRECONDITION_FAILED, "changed", "Changed meanwhile", detail)
    }

    /// 413.
    pub(super) fn too_large(limit: usize) -> Self {
        let detail = format!("a body has at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large", detail)
    }

    /// 415.
    pub(super) fn media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Unsupported media type", detail)
    }

    /// 422: every fault of the fields at once.
    pub(super) fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.len() {
            1 => "one field is not as it should be; see errors".to_owned(),
            count => format!("{count} fields are not as they should be; see errors"),
        };
        let mut problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Fields are not valid", detail);
        problem.0.errors = errors;
        problem
    }

    /// 422: the `Idempotency-Key` came with another request.
    pub(super) fn key_used() -> Self {
        let detail =
            "this Idempotency-Key came with another method, path or body within ten minutes; use a new one";
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-used",
            "Idempotency-Key used before",
            detail,
        )
    }

    /// 503: a fault of ours. `detail` is for people and names no file and no address.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available", detail);
        problem.0.header = Some((RETRY_AFTER, RETRY_SECONDS));
        problem
    }

    /// A status that the router or an extractor chose.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found("there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            status if status.is_client_error() => {
                let title = status.canonical_reason().unwrap_or("Refused");
                Self::new(status, "malformed", title, "the request cannot be read")
            }
            _ => Self::unavailable("the request failed by a fault of the server; see its log"),
        }
    }

    /// The answer, with the id of its request.
    pub(super) fn render(&self, request: Uuid) -> Response {
        let document = Document {
            kind: format!("urn:countersign:problem:{}", self.0.slug),
            title: self.0.title,
            status: self.0.status.as_u16(),
            detail: &self.0.detail,
            instance: request.urn().to_string(),
            errors: &self.0.errors,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let media_type = HeaderValue::from_static("application/problem+json");
        let mut response = (self.0.status, [(http::header::CONTENT_TYPE, media_type)], body).into_response();
        if let Some((name, value)) = &self.0.header {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
