//! What is taken from a request's headers before it goes upstream, and from a response's before it goes down.
//!
//! Not what is added: identity headers are `upstream/identity.rs`'s, and they are added afterwards, so that
//! nothing a client names in `Connection` can delete them. Invariants: hop-by-hop headers go, and those that
//! `Connection` names (RFC 9110 §7.6.1); identity, credential and forwarding headers go in every spelling
//! that some application reads as the same name (`_`, `.` and the like for `-`, any case).

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE,
};
use smallvec::SmallVec;

use crate::credential::api_key;

/// Names that only we or proxies before us may set, or that carry a credential, with `-` for every separator. The
/// last three are for applications that take a path or a proxy from a header: what was judged is what they get.
const RESERVED: [&str; 12] = [
    "x-api-key",
    "x-workspace-id",
    "x-webhook-key-id",
    "x-webhook-signature",
    "forwarded",
    "x-real-ip",
    "x-forwarded",
    "client-cert",
    "client-cert-chain",
    "x-original-url",
    "x-rewrite-url",
    "proxy",
];

/// Names that say where a message ends or whom it is for, which an application may read out of another spelling.
const FRAMING: [&str; 4] = ["transfer-encoding", "content-length", "content-type", "keep-alive"];

/// Beginnings of names that only we may set.
const RESERVED_PREFIXES: [&str; 2] = ["countersign-", "x-forwarded-"];

/// Takes out of a request what must not go upstream. `credentials` are the headers that carried what was
/// verified; they go in every spelling too.
pub fn strip_request(headers: &mut HeaderMap, credentials: &[HeaderName]) {
    strip(headers, |name| {
        // We have judged the credential and read or stream the body: there is nothing left to wait for.
        matches!(name, "trailer" | "expect")
            || is_reserved(name)
            || credentials.iter().any(|credential| is_same(name, credential.as_str()))
    });
}

/// Whether the client says that it takes trailers (RFC 9110 §10.1.4).
#[must_use]
pub fn asks_for_trailers(headers: &HeaderMap) -> bool {
    let members = headers.get_all(TE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.into_iter().any(|member| member.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Puts the cookie lines of an HTTP/2 request back into one, as HTTP/1.1 needs them (RFC 9113 §8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    if lines.next().is_none() || lines.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

/// Takes out of a response what belongs to the upstream hop or only we may say.
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers, |name| starts_with(name, "countersign-"));
}

/// Takes out of an answer's trailers the same, and what frames a message or tells whom it is for, which none of them may
/// do (RFC 9110 §6.5.1).
pub fn strip_trailers(trailers: &mut HeaderMap) {
    strip(trailers, |name| {
        starts_with(name, "countersign-")
            || matches!(name, "trailer" | "host")
            || FRAMING.iter().any(|framing| is_same(name, framing))
    });
}

/// Takes out what is for one hop, and what is `doomed`. One look at each name that is there costs a third of
/// looking for each name that could be.
fn strip(headers: &mut HeaderMap, doomed: impl Fn(&str) -> bool) {
    let mut going: SmallVec<[HeaderName; 8]> = SmallVec::new();
    for name in headers.keys() {
        if is_hop_by_hop(name.as_str()) || doomed(name.as_str()) {
            // A copy of the client's own would be allocated, and nearly every request has this one.
            going.push(if *name == api_key::HEADER { api_key::HEADER } else { name.clone() });
        }
    }
    if going.contains(&CONNECTION) {
        add_named(headers, &mut going);
    }
    for name in &going {
        headers.remove(name);
    }
}

/// Headers for one hop, whether `Connection` names them or not.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "http2-settings"
    )
}

/// Adds what `Connection` names.
fn add_named(headers: &HeaderMap, going: &mut SmallVec<[HeaderName; 8]>) {
    for line in headers.get_all(CONNECTION) {
        for token in line.as_bytes().split(|byte| *byte == b',') {
            // These say what the message is; a client that names them here wants to make it ambiguous.
            if let Ok(name) = HeaderName::from_bytes(token.trim_ascii())
                && ![HOST, CONTENT_LENGTH, CONTENT_TYPE].contains(&name)
            {
                going.push(name);
            }
        }
    }
}

fn is_reserved(name: &str) -> bool {
    // Most names have no separator but `-`, and then only the name itself is meant.
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    }
    RESERVED.iter().chain(&FRAMING).any(|reserved| is_same(name, reserved))
        || RESERVED_PREFIXES.iter().any(|prefix| starts_with(name, prefix))
}

/// Whether an application may read both as one name. `HeaderName` is lower case already.
fn is_same(name: &str, other: &str) -> bool {
    name.len() == other.len() && starts_with(name, other)
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| is_alike(a, b))
}

/// CGI turns `-` into `_`, PHP turns `.` into `_` as well: every character that is neither letter nor digit
/// counts as one. Most names differ in their first letter, so that is found out first.
fn is_alike(a: u8, b: u8) -> bool {
    a == b || !(a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{HeaderName, HeaderValue};

    use super::{strip_request, strip_response};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn identity_and_credential_headers_go_in_every_spelling() {
        for name in [
            "Countersign-Verified",
            "COUNTERSIGN_WORKSPACE_ID",
            "countersign.key.id",
            "countersign_key-id",
            "X-API-Key",
            "X_Api_Key",
            "x.api.key",
            "X-Workspace_Id",
            "x_webhook_key_id",
            "X-Webhook_Signature",
            "X-Forwarded-For",
            "x_forwarded_for",
            "Forwarded",
            "X-Real_IP",
            "X-Original-URL",
            "X_Rewrite_URL",
            "Proxy",
            "Content_Length",
            "Transfer_Encoding",
            "transfer.encoding",
            "Client-Cert",
            "client_cert",
            "Client-Cert_Chain",
        ] {
            let mut map = headers(&[(name, "forged"), ("accept", "*/*")]);
            strip_request(&mut map, &[]);
            assert_eq!(map.len(), 1, "{name} survived");
        }
    }

    #[test]
    fn the_headers_of_the_credential_go_in_every_spelling() {
        let mut map =
            headers(&[("x-hub-signature-256", "a"), ("x_hub_signature_256", "b"), ("x-other", "c")]);
        strip_request(&mut map, &[HeaderName::from_static("x-hub-signature-256")]);
        assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other"]);
    }

    #[test]
    fn what_connection_names_goes_but_never_what_frames_the_message() {
        let mut map = headers(&[
            ("connection", "x-one, HOST , content-length"),
            ("connection", "x-two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("host", "a"),
            ("content-length", "3"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-connection", "x"),
            ("expect", "100-continue"),
            ("trailer", "x"),
        ]);
        strip_request(&mut map, &[]);
        let mut left: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-three"]);
    }

    #[test]
    fn cookie_crumbs_become_one_line() {
        let mut map = headers(&[("cookie", "a=1"), ("cookie", "b=2"), ("accept", "*/*")]);
        super::join_cookies(&mut map);
        assert_eq!(map.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn a_response_cannot_speak_for_us() {
        let mut map = headers(&[("countersign-request-id", "x"), ("connection", "close"), ("etag", "1")]);
        strip_response(&mut map);
        assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["etag"]);
    }
}
