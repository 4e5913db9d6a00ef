//! Every refusal: the one map from cause to status, answer and reason.
//!
//! Not a log: the cause goes to the decision record, never into the answer. Invariants: whatever is wrong
//! with a credential gets one and the same 401, byte for byte but for the request id (RFC 9457 body, RFC 9110
//! §11.6.1 challenge); a fault of ours is a 5xx, never a 4xx; 410 is never answered, because senders disable
//! an endpoint that says so.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};

use super::answer::AnswerBody;
use super::body::BodyFault;
use super::head::HeadFault;
use super::path::PathFault;
use super::request_id::RequestId;
use super::size::SizeFault;
use super::target_rule::TargetFault;
use super::websocket::WebSocketFault;
use crate::client::ClientFault;
use crate::credential::CredentialFault;
use crate::guard::GuardError;
use crate::keys::LookupError;
use crate::store::capture::CaptureError;
use crate::telemetry::reason::Reason;
use crate::upstream::UpstreamError;
use crate::verify::Refusal;
use crate::verify::handshake::Fault as HandshakeFault;
use crate::verify::timestamp::TimestampFault;

/// The header that names the request in every answer.
pub const REQUEST_ID: &str = "countersign-request-id";

/// Seconds after which a sender may try again when the fault is ours.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a request is not forwarded, or why its answer is not the upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The head is too large.
    #[error(transparent)]
    Size(#[from] SizeFault),
    /// The head can be read in more than one way.
    #[error(transparent)]
    Head(#[from] HeadFault),
    /// Trusted proxies do not say clearly who the client is.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// It came from here: the upstream leads back to us.
    #[error("the request has been here before: its way leads in a circle")]
    Loop,
    /// It asks for a WebSocket in a way that is none.
    #[error(transparent)]
    WebSocket(#[from] WebSocketFault),
    /// The path can be read in more than one way.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// No route takes the path.
    #[error("no route takes the path")]
    NoRoute,
    /// Routes take the path with these methods only.
    #[error("no route takes the method")]
    MethodNotAllowed(Vec<Method>),
    /// The route asks for a credential and there is none.
    #[error("there is no credential")]
    Absent,
    /// There is one, and it cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// It leads to no record, or nobody can tell.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It is not verified.
    #[error(transparent)]
    Verify(#[from] Refusal),
    /// It covers neither the target nor a body.
    #[error(transparent)]
    Target(#[from] TargetFault),
    /// Verified, and not admitted.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The body was not read to its end.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// The upstream did not answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The scheme signs the URL that senders call, which is ours to configure: nobody can judge.
    #[error("the scheme signs the URL and listener.public_url is not set")]
    NoPublicUrl,
    /// A handshake that is not answered.
    #[error(transparent)]
    Handshake(#[from] HandshakeFault),
    /// A secret that was handed over and not kept.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A panic, or a state that should not be.
    #[error("an internal fault")]
    Internal,
}

/// What a refusal looks like to the client.
struct Answer {
    status: StatusCode,
    title: &'static str,
    detail: &'static str,
}

const BAD_REQUEST: Answer = answer(
    StatusCode::BAD_REQUEST,
    "Bad Request",
    "The request is malformed or ambiguous and was not forwarded.",
);
const UNAUTHORIZED: Answer =
    answer(StatusCode::UNAUTHORIZED, "Unauthorized", "The request does not carry a valid credential.");
const FORBIDDEN: Answer =
    answer(StatusCode::FORBIDDEN, "Forbidden", "The credential is valid and not allowed here.");
const NOT_FOUND: Answer = answer(StatusCode::NOT_FOUND, "Not Found", "There is nothing at this path.");
const METHOD_NOT_ALLOWED: Answer =
    answer(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", "The method is not allowed at this path.");
const REQUEST_TIMEOUT: Answer =
    answer(StatusCode::REQUEST_TIMEOUT, "Request Timeout", "The request body did not arrive in time.");
const TOO_LARGE: Answer =
    answer(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large", "The request body is over the limit.");
const TARGET_TOO_LONG: Answer =
    answer(StatusCode::URI_TOO_LONG, "URI Too Long", "The request target is over the limit.");
const TOO_MANY_FIELDS: Answer = answer(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "Request Header Fields Too Large",
    "The request has more header fields than the limit.",
);
const EXPECTATION_FAILED: Answer =
    answer(StatusCode::EXPECTATION_FAILED, "Expectation Failed", "The expectation is not known.");
const BAD_GATEWAY: Answer = answer(
    StatusCode::BAD_GATEWAY,
    "Bad Gateway",
    "The application could not be reached or gave no valid answer.",
);
const UNAVAILABLE: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    "Service Unavailable",
    "The request could not be judged now; try again.",
);
const GATEWAY_TIMEOUT: Answer =
    answer(StatusCode::GATEWAY_TIMEOUT, "Gateway Timeout", "The application did not answer in time.");

const fn answer(status: StatusCode, title: &'static str, detail: &'static str) -> Answer {
    Answer { status, title, detail }
}

impl Rejection {
    /// The reason for records and metrics, from a closed set; `None` where no credential was judged.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Absent | Self::Capture(CaptureError::Closed) => Reason::Absent,
            Self::Handshake(HandshakeFault::Challenge(_)) => Reason::Malformed,
            Self::Handshake(HandshakeFault::Token | HandshakeFault::Credential) => Reason::Mismatch,
            Self::Credential(CredentialFault::Duplicate(_)) => Reason::Duplicate,
            Self::Credential(CredentialFault::Malformed(_)) => Reason::Malformed,
            Self::Credential(CredentialFault::TimestampMissing) => Reason::TimestampMissing,
            Self::Lookup(LookupError::Unknown) => Reason::UnknownKey,
            Self::Lookup(LookupError::Unavailable | LookupError::Damaged)
            | Self::Guard(GuardError::Keys(_))
            | Self::Capture(CaptureError::Unavailable) => Reason::StoreUnavailable,
            Self::Verify(refusal) => match refusal {
                Refusal::Inactive => Reason::Inactive,
                Refusal::Expired => Reason::Expired,
                Refusal::Address => Reason::Address,
                Refusal::Timestamp(TimestampFault::Old) => Reason::TimestampOld,
                Refusal::Timestamp(TimestampFault::Future) => Reason::TimestampFuture,
                Refusal::BodyEmpty => Reason::BodyEmpty,
                Refusal::Mismatch | Refusal::Challenge => Reason::Mismatch,
                Refusal::RequireFailed => Reason::RequireFailed,
            },
            Self::Target(TargetFault::Method) => Reason::Method,
            Self::Target(TargetFault::BodyEmpty) => Reason::BodyEmpty,
            Self::Guard(GuardError::Revoked) => Reason::Inactive,
            Self::Guard(GuardError::Route) => Reason::RequireFailed,
            Self::Body(BodyFault::OverBudget) => Reason::OverBudget,
            Self::NoPublicUrl | Self::Internal | Self::Handshake(HandshakeFault::Unprepared) => {
                Reason::Internal
            }
            Self::Size(_)
            | Self::Head(_)
            | Self::Client(_)
            | Self::Loop
            | Self::WebSocket(_)
            | Self::Path(_)
            | Self::NoRoute
            | Self::MethodNotAllowed(_)
            | Self::Body(_)
            | Self::Upstream(_) => return None,
        })
    }

    /// Whether nobody can tell where the next request begins, so that the connection ends (RFC 9112 §6.3).
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        matches!(self, Self::Head(_))
    }

    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.answer().status
    }

    fn answer(&self) -> &'static Answer {
        match self {
            Self::Head(HeadFault::Method) | Self::MethodNotAllowed(_) => &METHOD_NOT_ALLOWED,
            Self::Head(HeadFault::Expectation) => &EXPECTATION_FAILED,
            Self::Head(
                HeadFault::Target
                | HeadFault::Host
                | HeadFault::TransferEncoding
                | HeadFault::ContentLength
                | HeadFault::MaxForwards,
            )
            | Self::Client(_)
            | Self::Path(_)
            | Self::WebSocket(_)
            | Self::Upstream(UpstreamError::Host)
            | Self::Body(BodyFault::Broken) => &BAD_REQUEST,
            Self::Size(SizeFault::Target) => &TARGET_TOO_LONG,
            Self::Size(SizeFault::Fields) => &TOO_MANY_FIELDS,
            Self::NoRoute => &NOT_FOUND,
            Self::Absent
            | Self::Credential(_)
            | Self::Lookup(LookupError::Unknown)
            | Self::Verify(_)
            | Self::Handshake(
                HandshakeFault::Challenge(_) | HandshakeFault::Token | HandshakeFault::Credential,
            )
            | Self::Capture(CaptureError::Closed)
            | Self::Target(_)
            | Self::Guard(GuardError::Revoked) => &UNAUTHORIZED,
            Self::Guard(GuardError::Route) => &FORBIDDEN,
            Self::Body(BodyFault::TooLarge) => &TOO_LARGE,
            Self::Body(BodyFault::TooSlow) => &REQUEST_TIMEOUT,
            Self::Upstream(UpstreamError::Timeout) => &GATEWAY_TIMEOUT,
            Self::Upstream(UpstreamError::Body(fault)) => match fault {
                BodyFault::TooLarge => &TOO_LARGE,
                BodyFault::TooSlow => &REQUEST_TIMEOUT,
                BodyFault::Broken => &BAD_REQUEST,
                BodyFault::OverBudget => &UNAVAILABLE,
            },
            Self::Upstream(UpstreamError::Busy) => &UNAVAILABLE,
            Self::Upstream(
                UpstreamError::Connect | UpstreamError::Tls | UpstreamError::Protocol | UpstreamError::Broken,
            )
            | Self::Loop => &BAD_GATEWAY,
            Self::Lookup(LookupError::Unavailable | LookupError::Damaged)
            | Self::Guard(GuardError::Keys(_))
            | Self::Body(BodyFault::OverBudget)
            | Self::Capture(CaptureError::Unavailable)
            | Self::Handshake(HandshakeFault::Unprepared)
            | Self::Upstream(UpstreamError::Gone)
            | Self::NoPublicUrl
            | Self::Internal => &UNAVAILABLE,
        }
    }

    /// The answer. `reject_status` is what an integration asks for in place of 401.
    #[must_use]
    pub fn respond(&self, id: &RequestId, reject_status: Option<StatusCode>) -> Response<AnswerBody> {
        let mut answer = self.answer();
        if answer.status == StatusCode::UNAUTHORIZED {
            answer = match reject_status {
                Some(StatusCode::BAD_REQUEST) => &BAD_REQUEST,
                Some(StatusCode::FORBIDDEN) => &FORBIDDEN,
                Some(StatusCode::NOT_FOUND) => &NOT_FOUND,
                _ => answer,
            };
        }
        let mut response = Response::new(AnswerBody::Own(Some(problem(answer, id))));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match answer.status {
            StatusCode::UNAUTHORIZED => {
                headers
                    .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Countersign realm=\"countersign\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, self.retry_after(id));
            }
            _ => {}
        }
        if answer.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, self.allowed());
        }
        response
    }

    /// Whoever was one too many comes back spread over some seconds, or all of them were one too many again.
    fn retry_after(&self, id: &RequestId) -> HeaderValue {
        match self {
            Self::Body(BodyFault::OverBudget) | Self::Upstream(UpstreamError::Busy) => {
                let spread = id.uuid().as_u128() % u128::from(RETRY_AFTER_SECONDS);
                HeaderValue::from(u64::try_from(spread).unwrap_or(0) + 1)
            }
            _ => HeaderValue::from(RETRY_AFTER_SECONDS),
        }
    }

    fn allowed(&self) -> HeaderValue {
        let methods: Vec<&str> = match self {
            Self::MethodNotAllowed(methods) => methods.iter().map(Method::as_str).collect(),
            _ => Vec::new(),
        };
        HeaderValue::from_str(&methods.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

fn problem(answer: &Answer, id: &RequestId) -> Bytes {
    Bytes::from(format!(
        "{{\"type\":\"about:blank\",\"title\":\"{}\",\"status\":{},\"detail\":\"{}\",\"instance\":\"urn:uuid:{id}\"}}\n",
        answer.title,
        answer.status.as_u16(),
        answer.detail,
    ))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::Rejection;
    use crate::credential::CredentialFault;
    use crate::guard::GuardError;
    use crate::keys::LookupError;
    use crate::proxy::body::BodyFault;
    use crate::store::capture::CaptureError;
    use crate::upstream::UpstreamError;
    use crate::verify::Refusal;
    use crate::verify::handshake::Fault as HandshakeFault;

    #[test]
    fn whatever_is_wrong_with_a_credential_is_a_401() {
        for rejection in [
            Rejection::Absent,
            Rejection::Credential(CredentialFault::Duplicate("x")),
            Rejection::Credential(CredentialFault::TimestampMissing),
            Rejection::Lookup(LookupError::Unknown),
            Rejection::Verify(Refusal::Inactive),
            Rejection::Verify(Refusal::Expired),
            Rejection::Verify(Refusal::Address),
            Rejection::Verify(Refusal::Mismatch),
            Rejection::Verify(Refusal::RequireFailed),
            Rejection::Guard(GuardError::Revoked),
            Rejection::Handshake(HandshakeFault::Token),
            Rejection::Capture(CaptureError::Closed),
        ] {
            assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED, "{rejection}");
        }
    }

    #[test]
    fn a_fault_of_ours_is_never_blamed_on_the_sender() {
        for rejection in [
            Rejection::Lookup(LookupError::Unavailable),
            Rejection::Lookup(LookupError::Damaged),
            Rejection::Guard(GuardError::Keys(LookupError::Unavailable)),
            Rejection::Body(BodyFault::OverBudget),
            Rejection::Upstream(UpstreamError::Gone),
            Rejection::NoPublicUrl,
            Rejection::Handshake(HandshakeFault::Unprepared),
            Rejection::Capture(CaptureError::Unavailable),
            Rejection::Internal,
        ] {
            assert_eq!(rejection.status(), StatusCode::SERVICE_UNAVAILABLE, "{rejection}");
        }
    }
}
