//! The head of a request as it goes up: what is left of the client's, what we add, and what the hop asks for.
//!
//! Invariants: the target is the one that arrived, and so is the host, in `Host` (RFC 9112 §3.2) or `:authority` (RFC 9113
//! §8.3.1); one framing; nothing in HTTP/2 that belongs to a connection, but `TE: trailers` (RFC 9113 §8.2.2).

use http::header::{CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, VIA};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};
use http_body::Body;

use super::http1::{Lines, Message};
use super::identity::Fields;
use super::{Outbound, UpstreamError, identity};
use crate::guard::Admitted;
use crate::proxy::body::ForwardBody;

/// The request over HTTP/1.1.
pub(super) fn message(admitted: &Admitted, outbound: &mut Outbound<'_>) -> Box<Message<ForwardBody>> {
    let mut lines = Lines::begin(&outbound.method, outbound.target.as_str(), outbound.host.as_bytes());
    lines.add_all(&outbound.headers, &[HOST, CONTENT_LENGTH, TRANSFER_ENCODING]);
    set_ours(&mut lines, admitted, outbound);
    let has_length = outbound.headers.contains_key(CONTENT_LENGTH);
    let body = take_body(outbound);
    lines.end(&outbound.method, body, has_length)
}

/// The request over HTTP/2. Refused is a host that HTTP/1.1 can name and a URI cannot.
pub(super) fn request(
    admitted: &Admitted,
    outbound: &mut Outbound<'_>,
    is_https: bool,
) -> Result<Request<ForwardBody>, UpstreamError> {
    let mut headers = std::mem::take(&mut outbound.headers);
    // Growing once costs less than growing twice, with every header moved each time.
    headers.reserve(identity::MOST);
    set_ours(&mut headers, admitted, outbound);
    headers.remove(HOST);
    set_length(&mut headers, outbound.body);
    if outbound.takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let mut request = Request::new(take_body(outbound));
    *request.method_mut() = std::mem::take(&mut outbound.method);
    *request.uri_mut() = absolute(is_https, outbound.host, outbound.target.clone())?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

fn take_body(outbound: &mut Outbound<'_>) -> ForwardBody {
    std::mem::replace(outbound.body, ForwardBody::Empty)
}

/// What we say, whatever is spoken.
fn set_ours(fields: &mut impl Fields, admitted: &Admitted, outbound: &Outbound<'_>) {
    identity::set(fields, admitted, outbound.request_id);
    fields.append(VIA, outbound.via);
    identity::set_hop(fields, outbound.client, outbound.host);
    if let Some(client) = outbound.tls.and_then(|tls| tls.client.as_ref()) {
        identity::set_client_certificate(fields, client);
    }
}

/// What HTTP/2 has in place of `Host`: there is none beside it that could say something else.
fn absolute(is_https: bool, host: &HeaderValue, target: PathAndQuery) -> Result<Uri, UpstreamError> {
    let mut parts = Parts::default();
    parts.scheme = Some(if is_https { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| UpstreamError::Host)?);
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| UpstreamError::Host)
}

/// States the length of the body that goes up, whatever the client stated (RFC 9110 §8.6): HTTP/2 frames what it carries
/// (RFC 9113 §8.2.2), so there is nothing to state of one whose length is not known.
fn set_length(headers: &mut HeaderMap, body: &ForwardBody) {
    match body.size_hint().exact() {
        Some(0) if !headers.contains_key(CONTENT_LENGTH) => {}
        Some(length) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => {
            headers.remove(CONTENT_LENGTH);
        }
    }
}
