//! The opening handshake of a WebSocket, as an intermediary sees it (RFC 6455 §4).
//!
//! Not a WebSocket endpoint: no frame is ever read. Invariants: only a route that says so lets one through; it is a
//! plain request until the application has agreed to it with every header that agreeing takes, and what the client
//! sends before that goes nowhere (RFC 9931); HTTP/1.0 asks for nothing (RFC 9110 §7.8).

use data_encoding::BASE64;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use sha1::{Digest as _, Sha1};

use super::route::Route;

/// What is hashed after the key, so that nobody agrees by accident (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client asks for a WebSocket, in a way that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketFault {
    /// Another method than GET, or with a body.
    #[error("a WebSocket begins with a GET without a body")]
    Request,
    /// `Upgrade` names more than `websocket`, or `Connection` does not name `Upgrade`.
    #[error("Upgrade and Connection do not ask for a WebSocket alone")]
    Upgrade,
    /// `Sec-WebSocket-Key` is not exactly one of 16 bytes.
    #[error("Sec-WebSocket-Key is not one key of 16 bytes")]
    Key,
    /// `Sec-WebSocket-Version` is not exactly `13`.
    #[error("Sec-WebSocket-Version is not 13")]
    Version,
}

/// The one `Sec-WebSocket-Accept` by which the application agrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accept(String);

/// A handshake that is well-formed, and the connection that it would take.
pub(super) struct Opening {
    pub(super) accept: Accept,
    pub(super) client: OnUpgrade,
}

/// What a request asks for; `None` = an ordinary one, whose `Upgrade`, if there is one, is ignored.
pub(super) fn asked(route: &Route, parts: &Parts, has_body: bool) -> Result<Option<Accept>, WebSocketFault> {
    if !route.websocket || parts.version != Version::HTTP_11 || !names(&parts.headers, &UPGRADE, b"websocket")
    {
        return Ok(None);
    }
    if parts.method != Method::GET || has_body {
        return Err(WebSocketFault::Request);
    }
    if !is_one(&parts.headers, &UPGRADE, b"websocket") || !names(&parts.headers, &CONNECTION, b"upgrade") {
        return Err(WebSocketFault::Upgrade);
    }
    if !is_one(&parts.headers, &SEC_WEBSOCKET_VERSION, b"13") {
        return Err(WebSocketFault::Version);
    }
    let key = only(&parts.headers, &SEC_WEBSOCKET_KEY).ok_or(WebSocketFault::Key)?;
    match BASE64.decode(key) {
        Ok(bytes) if bytes.len() == 16 => Ok(Some(Accept::of(key))),
        _ => Err(WebSocketFault::Key),
    }
}

impl Accept {
    fn of(key: &[u8]) -> Self {
        Self(BASE64.encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize()))
    }

    /// Takes what the connection needs to go on from a request.
    pub(super) fn open(self, parts: &mut Parts) -> Option<Opening> {
        Some(Opening { accept: self, client: parts.extensions.remove::<OnUpgrade>()? })
    }

    /// Whether an answer agrees to this handshake and to nothing else.
    pub(super) fn is_given_by(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        status == StatusCode::SWITCHING_PROTOCOLS
            && is_one(headers, &UPGRADE, b"websocket")
            && names(headers, &CONNECTION, b"upgrade")
            && only(headers, &SEC_WEBSOCKET_ACCEPT) == Some(self.0.as_bytes())
    }
}

/// Sets what asks for, or agrees to, a WebSocket on this hop.
pub(super) fn set(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    lines.next().is_none().then(|| first.as_bytes().trim_ascii())
}

fn is_one(headers: &HeaderMap, name: &HeaderName, value: &[u8]) -> bool {
    only(headers, name).is_some_and(|only| only.eq_ignore_ascii_case(value))
}

/// Whether a list names this, in any of its lines.
fn names(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|each| each.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Request, StatusCode};

    use super::{Accept, WebSocketFault, asked};
    use crate::proxy::route::{Pattern, Route, Verify};

    /// The example of RFC 6455 §1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn route(websocket: bool) -> Route {
        Route {
            name: "a".to_owned(),
            pattern: Pattern::parse("/").unwrap(),
            methods: None,
            verify: Verify::None,
            bearer: false,
            max_body: None,
            timeout: None,
            websocket,
        }
    }

    fn request(headers: &[(&str, &str)]) -> http::request::Parts {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn handshake() -> Vec<(&'static str, &'static str)> {
        vec![
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
        ]
    }

    #[test]
    fn the_example_of_the_rfc_is_a_handshake() {
        let accept = asked(&route(true), &request(&handshake()), false).unwrap().unwrap();
        assert_eq!(accept, Accept(ACCEPT.to_owned()));
    }

    #[test]
    fn without_the_routes_word_or_over_http_1_0_it_is_an_ordinary_request() {
        assert_eq!(asked(&route(false), &request(&handshake()), false), Ok(None));
        let mut old = request(&handshake());
        old.version = http::Version::HTTP_10;
        assert_eq!(asked(&route(true), &old, false), Ok(None));
        assert_eq!(
            asked(&route(true), &request(&[("upgrade", "h2c"), ("connection", "upgrade")]), false),
            Ok(None)
        );
        assert_eq!(asked(&route(true), &request(&[]), false), Ok(None));
    }

    #[test]
    fn a_handshake_that_is_none_is_refused() {
        let with = |name: &'static str, value: &'static str| {
            let mut headers = handshake();
            headers.retain(|(each, _)| *each != name);
            headers.push((name, value));
            asked(&route(true), &request(&headers), false)
        };
        for upgrade in ["websocket, h2c", "h2c, websocket", "websocket, websocket"] {
            assert_eq!(with("upgrade", upgrade), Err(WebSocketFault::Upgrade), "{upgrade}");
        }
        assert_eq!(with("connection", "close"), Err(WebSocketFault::Upgrade));
        for version in ["8", "13, 8", "", "013"] {
            assert_eq!(with("sec-websocket-version", version), Err(WebSocketFault::Version), "{version}");
        }
        for key in ["", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZSBub25jZSE="] {
            assert_eq!(with("sec-websocket-key", key), Err(WebSocketFault::Key), "{key}");
        }
        let mut twice = handshake();
        twice.push(("sec-websocket-key", KEY));
        assert_eq!(asked(&route(true), &request(&twice), false), Err(WebSocketFault::Key));
        assert_eq!(asked(&route(true), &request(&handshake()), true), Err(WebSocketFault::Request));
        let mut post = request(&handshake());
        post.method = http::Method::POST;
        assert_eq!(asked(&route(true), &post, false), Err(WebSocketFault::Request));
    }

    #[test]
    fn only_the_whole_answer_agrees() {
        let accept = Accept(ACCEPT.to_owned());
        let answer = |headers: &[(&str, &str)]| -> HeaderMap { request(headers).headers };
        let whole = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", ACCEPT)];
        assert!(accept.is_given_by(StatusCode::SWITCHING_PROTOCOLS, &answer(&whole)));
        assert!(!accept.is_given_by(StatusCode::OK, &answer(&whole)));
        for lacking in 0..whole.len() {
            let mut headers = whole.to_vec();
            headers.remove(lacking);
            assert!(!accept.is_given_by(StatusCode::SWITCHING_PROTOCOLS, &answer(&headers)), "{headers:?}");
        }
        for (name, value) in
            [("upgrade", "h2c"), ("sec-websocket-accept", "x"), ("sec-websocket-accept", ACCEPT)]
        {
            let mut headers = whole.to_vec();
            headers.push((name, value));
            assert!(
                !accept.is_given_by(StatusCode::SWITCHING_PROTOCOLS, &answer(&headers)),
                "{name}: {value}"
            );
        }
    }
}
