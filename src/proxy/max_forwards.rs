//! `Max-Forwards` of OPTIONS: how many hops are left (RFC 9110 §7.6.2).
//!
//! TRACE is not served, and for other methods the header has no meaning and passes. Invariants: never made by us; a
//! request without a hop left is answered here, after everything that any request must pass.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, MAX_FORWARDS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};

use super::answer::AnswerBody;
use super::head::HeadFault;
use super::route::Route;

/// The hops left, where the method counts them and the client says so.
///
/// # Errors
/// [`HeadFault::MaxForwards`]: several, or not a number.
pub fn read(parts: &Parts) -> Result<Option<u64>, HeadFault> {
    if parts.method != Method::OPTIONS {
        return Ok(None);
    }
    let mut lines = parts.headers.get_all(MAX_FORWARDS).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => number(line.as_bytes()).map(Some).ok_or(HeadFault::MaxForwards),
        (Some(_), Some(_)) => Err(HeadFault::MaxForwards),
    }
}

/// Digits; more than fit are as many as fit.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(text.iter().fold(0, digit))
}

/// Takes one hop for us; where none is left, the answer of the last one.
#[must_use]
pub fn spend(headers: &mut HeaderMap, left: Option<u64>, route: &Route) -> Option<Response<AnswerBody>> {
    let Some(fewer) = left?.checked_sub(1) else { return Some(answer(route)) };
    headers.insert(MAX_FORWARDS, HeaderValue::from(fewer));
    None
}

/// Nothing but what the route takes (RFC 9110 §9.3.7).
fn answer(route: &Route) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Own(Some(Bytes::new())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    let methods: Vec<&str> = route.methods.iter().flatten().map(Method::as_str).collect();
    if let Ok(methods) = HeaderValue::from_str(&methods.join(", "))
        && !methods.is_empty()
    {
        headers.insert(ALLOW, methods);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_is_digits_and_never_overflows() {
        for (text, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551616", Some(u64::MAX)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1 ", None),
            ("1.0", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }
}
