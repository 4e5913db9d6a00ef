//! The head of a request as it goes up: what is left of the client's, what we add, and what the hop asks for.
//!
//! Invariants: the target is the one that arrived, and so is the host, in `Host` (RFC 9112 §3.2) or `:authority` (RFC 9113
//! §8.3.1); one framing; nothing in HTTP/2 that belongs to a connection, but `TE: trailers` (RFC 9113 §8.2.2).

use http::header::{CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, VIA};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};
use http_body::Body;

use super::{Outbound, UpstreamError, identity};
use crate::guard::Admitted;
use crate::proxy::body::ForwardBody;

/// What is spoken to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    Http1,
    Http2 { is_https: bool },
}

/// The request. Refused is a host that HTTP/1.1 can name and a URI cannot.
pub(super) fn make(
    admitted: &Admitted,
    outbound: Outbound,
    hop: Hop,
) -> Result<Request<ForwardBody>, UpstreamError> {
    let mut headers = outbound.headers;
    // Growing once costs less than growing twice, with every header moved each time.
    headers.reserve(identity::MOST);
    identity::set(&mut headers, admitted, &outbound.request_id);
    headers.append(VIA, outbound.via);
    identity::set_hop(&mut headers, &outbound.client, &outbound.host);
    if let Some(client) = outbound.tls.as_ref().and_then(|tls| tls.client.as_ref()) {
        identity::set_client_certificate(&mut headers, client);
    }
    let (target, host) = (outbound.target, outbound.host);
    let mut request = Request::new(outbound.body);
    *request.method_mut() = outbound.method;
    match hop {
        Hop::Http1 => {
            *request.uri_mut() = Uri::from(target);
            headers.insert(HOST, host);
        }
        Hop::Http2 { is_https } => {
            headers.remove(HOST);
            *request.uri_mut() = absolute(is_https, &host, target)?;
            *request.version_mut() = Version::HTTP_2;
            if outbound.takes_trailers {
                headers.insert(TE, HeaderValue::from_static("trailers"));
            }
        }
    }
    set_framing(&mut headers, request.body(), hop);
    *request.headers_mut() = headers;
    Ok(request)
}

/// What HTTP/2 has in place of `Host`: there is none beside it that could say something else.
fn absolute(is_https: bool, host: &HeaderValue, target: PathAndQuery) -> Result<Uri, UpstreamError> {
    let mut parts = Parts::default();
    parts.scheme = Some(if is_https { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| UpstreamError::Host)?);
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| UpstreamError::Host)
}

/// States the framing of the body that goes up, whatever the client stated (RFC 9110 §8.6). hyper would send a header's
/// word on for a body that is none, and would drop the body of a GET or HEAD whose length is not known.
fn set_framing(headers: &mut HeaderMap, body: &ForwardBody, hop: Hop) {
    match body.size_hint().exact() {
        Some(0) if !headers.contains_key(CONTENT_LENGTH) => {}
        Some(length) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => {
            headers.remove(CONTENT_LENGTH);
            // HTTP/2 frames what it carries (RFC 9113 §8.2.2).
            if hop == Hop::Http1 {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
    }
}
