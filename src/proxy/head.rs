//! Whether the head of a request can be read in one way only.
//!
//! Not a parser: hyper has parsed it (RFC 9112). This refuses what hyper lets through and another parser
//! might read differently. Invariants: one framing, one host, one target, and all of them plain.
//!
//! RFC 9112 §3.2 (Host), §3.2.2 (absolute-form), §6.1 (Transfer-Encoding), §6.3 (Content-Length), RFC 9110 §10.1.1 (Expect).

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Version};

use super::max_forwards;

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// CONNECT and TRACE are not served: one makes a tunnel past verification, the other reflects headers.
    #[error("the method is not served")]
    Method,
    /// Authority-form, asterisk-form, or a target that does not begin with a slash.
    #[error("the target is not a path")]
    Target,
    /// Missing, several, malformed, or another one than the target names.
    #[error("the Host header is missing, repeated or invalid")]
    Host,
    /// Anything but exactly one `chunked`.
    #[error("the transfer coding is not exactly one chunked")]
    TransferEncoding,
    /// Repeated, or no number. hyper has seen to it in HTTP/1.1; nobody has in HTTP/2.
    #[error("the Content-Length header is repeated or no number")]
    ContentLength,
    /// `Max-Forwards` that is repeated or no number, where it counts.
    #[error("the Max-Forwards header is repeated or no number")]
    MaxForwards,
    /// An expectation other than `100-continue`.
    #[error("the expectation is not known")]
    Expectation,
}

/// What the checked head says.
#[derive(Debug, Clone)]
pub struct CheckedHead {
    /// Host and port as received: what goes upstream as `Host`.
    pub host: HeaderValue,
    /// How many hops are left, where the method counts them.
    pub max_forwards: Option<u64>,
}

/// Checks method, target, host, framing and expectation.
///
/// # Errors
/// The first fault found.
pub fn check(parts: &Parts) -> Result<CheckedHead, HeadFault> {
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(HeadFault::Method);
    }
    if !parts.uri.path().starts_with('/') {
        return Err(HeadFault::Target);
    }
    // A target like `abc` is authority-form to the URI parser: no scheme, an authority, and a path made up.
    if parts.uri.scheme().is_none() && parts.uri.authority().is_some() {
        return Err(HeadFault::Target);
    }
    let lines = Lines::of(&parts.headers)?;
    check_transfer_encoding(parts.version, lines.coding)?;
    let host = check_host(parts, lines.host)?;
    Ok(CheckedHead { host, max_forwards: max_forwards::read(parts)? })
}

/// What is looked at of the fields, found in one pass: to look for each by its name would cost three times as much.
#[derive(Default)]
struct Lines<'h> {
    host: Option<&'h HeaderValue>,
    coding: Option<&'h HeaderValue>,
    length: Option<&'h HeaderValue>,
}

impl<'h> Lines<'h> {
    fn of(headers: &'h HeaderMap) -> Result<Self, HeadFault> {
        let mut lines = Self::default();
        for (name, value) in headers {
            let (place, repeated) = if *name == HOST {
                (&mut lines.host, HeadFault::Host)
            } else if *name == CONTENT_LENGTH {
                (&mut lines.length, HeadFault::ContentLength)
            } else if *name == TRANSFER_ENCODING {
                (&mut lines.coding, HeadFault::TransferEncoding)
            } else if *name == EXPECT {
                check_expectation(value)?;
                continue;
            } else {
                continue;
            };
            if place.replace(value).is_some() {
                return Err(repeated);
            }
        }
        match lines.length {
            Some(length) if !is_number(length.as_bytes()) => Err(HeadFault::ContentLength),
            _ => Ok(lines),
        }
    }
}

fn check_transfer_encoding(version: Version, coding: Option<&HeaderValue>) -> Result<(), HeadFault> {
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    match coding {
        None => Ok(()),
        Some(coding) if version == Version::HTTP_11 && is_chunked(coding) => Ok(()),
        Some(_) => Err(HeadFault::TransferEncoding),
    }
}

/// Digits alone: no sign, no blank (RFC 9110 §8.6).
pub(crate) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn check_expectation(value: &HeaderValue) -> Result<(), HeadFault> {
    let is_known = value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue");
    if is_known { Ok(()) } else { Err(HeadFault::Expectation) }
}

/// The host, from `Host` or `:authority`. Where both are there they must agree.
fn check_host(parts: &Parts, header: Option<&HeaderValue>) -> Result<HeaderValue, HeadFault> {
    if let Some(header) = header
        && !is_host(header.as_bytes())
    {
        return Err(HeadFault::Host);
    }
    match (header, parts.uri.authority()) {
        (Some(header), None) => Ok(header.clone()),
        (header, Some(authority)) => {
            let agrees = header.is_none_or(|header| names_same_host(header, authority));
            // HTTP/2 has `:authority` instead of Host (RFC 9113 §8.3.1); HTTP/1.1 always needs Host.
            let may_lack = parts.version == Version::HTTP_2;
            if !agrees || (header.is_none() && !may_lack) || !is_host(authority.as_str().as_bytes()) {
                return Err(HeadFault::Host);
            }
            HeaderValue::from_str(authority.as_str()).map_err(|_| HeadFault::Host)
        }
        (None, None) => Err(HeadFault::Host),
    }
}

fn names_same_host(header: &HeaderValue, authority: &Authority) -> bool {
    header.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2), without userinfo, and never empty.
#[must_use]
pub fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (literal, after) = rest.split_at(end);
            let is_literal = !literal.is_empty()
                && literal.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            let after = after.get(1..).unwrap_or_default();
            match (is_literal, after.split_first()) {
                (true, None) => return true,
                (true, Some((b':', port))) => return is_port(port),
                _ => return false,
            }
        }
        None => match value.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let (host, port) = value.split_at(colon);
                (host, port.get(1..))
            }
            None => (value, None),
        },
    };
    !host.is_empty() && host.iter().all(is_in_name) && port.is_none_or(is_port)
}

/// Sub-delimiters are legal in a reg-name (RFC 3986 §3.2.2), but a comma is two hosts to somebody.
const NAME_MARKS: &[u8] = b"-._~%!$&'()*+;=";

/// Which ASCII bytes may be in a reg-name, a bit each: looked up, because it is asked of each byte of each request's host.
const IN_NAME: u128 = {
    let mut bits = 0;
    let mut byte = 0;
    while byte < 128_u8 {
        if byte.is_ascii_alphanumeric() {
            bits |= 1 << byte;
        }
        byte += 1;
    }
    let mut marks = NAME_MARKS;
    while let [mark, rest @ ..] = marks {
        bits |= 1 << *mark;
        marks = rest;
    }
    bits
};

fn is_in_name(byte: &u8) -> bool {
    byte.is_ascii() && IN_NAME >> *byte & 1 == 1
}

fn is_port(port: &[u8]) -> bool {
    port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{HeadFault, check, is_host};

    fn parts(build: http::request::Builder) -> http::request::Parts {
        build.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_plain_request_passes() {
        let plain = parts(Request::get("/a?b=c").header("host", "app.example:8080"));
        assert_eq!(check(&plain).unwrap().host, "app.example:8080");
    }

    #[test]
    fn a_missing_repeated_or_invalid_host_is_refused() {
        assert_eq!(check(&parts(Request::get("/"))).unwrap_err(), HeadFault::Host);
        let twice = parts(Request::get("/").header("host", "a").header("host", "a"));
        assert_eq!(check(&twice).unwrap_err(), HeadFault::Host);
        for invalid in
            ["", "a b", "user@a", "a,b", "a:b", "a:123456", "[::1", "[]", "[::1]x", "a/b", "[::1]:x"]
        {
            assert!(!is_host(invalid.as_bytes()), "{invalid:?}");
        }
        for valid in
            ["a", "a:80", "a.example", "127.0.0.1:8080", "[::1]", "[::1]:8080", "a:", "xn--bcher-kva.example"]
        {
            assert!(is_host(valid.as_bytes()), "{valid:?}");
        }
    }

    #[test]
    fn absolute_form_must_agree_with_host() {
        let agrees = parts(Request::get("http://app.example/a").header("host", "APP.example"));
        assert!(check(&agrees).is_ok());
        let differs = parts(Request::get("http://other.example/a").header("host", "app.example"));
        assert_eq!(check(&differs).unwrap_err(), HeadFault::Host);
        let lacks = parts(Request::get("http://other.example/a"));
        assert_eq!(check(&lacks).unwrap_err(), HeadFault::Host);
        let userinfo = parts(Request::get("http://u@app.example/a").header("host", "u@app.example"));
        assert_eq!(check(&userinfo).unwrap_err(), HeadFault::Host);
    }

    #[test]
    fn only_one_chunked_is_a_transfer_coding() {
        for good in ["chunked", "Chunked", " chunked "] {
            let request = parts(Request::post("/").header("host", "a").header("transfer-encoding", good));
            assert!(check(&request).is_ok(), "{good:?}");
        }
        for bad in ["gzip, chunked", "chunked, chunked", "identity", "", "xchunked", "chunked;q=1"] {
            let request = parts(Request::post("/").header("host", "a").header("transfer-encoding", bad));
            assert_eq!(check(&request).unwrap_err(), HeadFault::TransferEncoding, "{bad:?}");
        }
        let two = Request::post("/").header("host", "a").header("transfer-encoding", "chunked");
        let two = parts(two.header("transfer-encoding", "chunked"));
        assert_eq!(check(&two).unwrap_err(), HeadFault::TransferEncoding);
    }

    #[test]
    fn connect_trace_authority_form_and_asterisk_are_refused() {
        for (method, target, fault) in [
            ("CONNECT", "a:80", HeadFault::Method),
            ("TRACE", "/", HeadFault::Method),
            ("GET", "abc", HeadFault::Target),
            ("OPTIONS", "*", HeadFault::Target),
        ] {
            let request = parts(Request::builder().method(method).uri(target).header("host", "a"));
            assert_eq!(check(&request).unwrap_err(), fault, "{method} {target}");
        }
    }

    #[test]
    fn an_unknown_expectation_is_refused() {
        let known = parts(Request::post("/").header("host", "a").header("expect", "100-Continue"));
        assert!(check(&known).is_ok());
        let unknown = parts(Request::post("/").header("host", "a").header("expect", "tea"));
        assert_eq!(check(&unknown).unwrap_err(), HeadFault::Expectation);
    }
}
