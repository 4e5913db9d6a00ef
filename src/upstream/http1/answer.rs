//! The head of an answer, read (RFC 9112 §4, §5), and how its body ends (§6.3).
//!
//! The syntax is httparse's. Invariants: an answer of which two readers could find two ends is a flaw; the values of fields
//! are the bytes that arrived.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Buf as _, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;

use super::fault::Flaw;
use crate::proxy::head::is_number;

/// Fields of an answer, and of its trailers.
pub(super) const MAX_FIELDS: usize = 100;

/// Bytes of a head, and of trailers.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Fields that we add at most on the way back: room for them is made at once.
const ADDED: usize = 2;

/// What the bytes that are there begin with.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Less than a head.
    More,
    /// An interim answer, which is dropped (RFC 9110 §15.2).
    Interim,
    /// An answer.
    Answer(Head),
}

/// The head of an answer.
#[derive(Debug)]
pub(in crate::upstream) struct Head {
    pub(in crate::upstream) status: StatusCode,
    pub(in crate::upstream) headers: HeaderMap,
    pub(in crate::upstream) framing: Framing,
    /// Nothing may follow on this connection.
    pub(in crate::upstream) is_last: bool,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum Framing {
    Length(u64),
    Chunked,
    /// With the connection.
    Close,
}

/// Takes a head out of `buffer`. `to_head`: it answers a HEAD.
pub(super) fn parse(buffer: &mut BytesMut, to_head: bool) -> Result<Parsed, Flaw> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, buffer, &mut fields)
        .map_err(Flaw::Head)?;
    let httparse::Status::Complete(length) = parsed else {
        return if buffer.len() > MAX_HEAD { Err(Flaw::TooLarge) } else { Ok(Parsed::More) };
    };
    if length > MAX_HEAD {
        return Err(Flaw::TooLarge);
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Flaw::Status)?;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        buffer.advance(length);
        return Ok(Parsed::Interim);
    }
    let is_old = response.version != Some(1);
    let base = buffer.as_ptr().addr();
    let mut places = SmallVec::<[[Range<usize>; 2]; 16]>::new();
    places.extend(
        response.headers.iter().map(|field| [place(base, field.name.as_bytes()), place(base, field.value)]),
    );
    let head = buffer.split_to(length).freeze();
    let mut reading = Reading::default();
    let mut headers = HeaderMap::with_capacity(places.len() + ADDED);
    for [name, value] in places.iter().cloned() {
        let name = head.get(name).and_then(|name| HeaderName::from_bytes(name).ok()).ok_or(Flaw::Field)?;
        let value = (value.end <= head.len()).then(|| head.slice(value)).ok_or(Flaw::Field)?;
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| Flaw::Field)?;
        reading.look(&name, &value)?;
        headers.append(name, value);
    }
    let framing = reading.framing(status, to_head, is_old)?;
    Ok(Parsed::Answer(Head { status, headers, framing, is_last: is_old || reading.closes }))
}

fn place(base: usize, part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(base);
    start..start + part.len()
}

/// What the fields say of the message.
#[derive(Default)]
struct Reading {
    length: Option<u64>,
    is_chunked: bool,
    closes: bool,
}

impl Reading {
    fn look(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), Flaw> {
        if *name == CONTENT_LENGTH {
            let length = number(value.as_bytes()).ok_or(Flaw::Length)?;
            if self.length.replace(length).is_some() {
                return Err(Flaw::Length);
            }
        } else if *name == TRANSFER_ENCODING {
            if self.is_chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(Flaw::Coding);
            }
            self.is_chunked = true;
        } else if *name == CONNECTION {
            let mut options = value.as_bytes().split(|byte| *byte == b',');
            self.closes |= options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
        }
        Ok(())
    }

    fn framing(&self, status: StatusCode, to_head: bool, is_old: bool) -> Result<Framing, Flaw> {
        if self.is_chunked && (is_old || self.length.is_some()) {
            return Err(Flaw::Coding);
        }
        let has_none = to_head
            || matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS
            );
        Ok(match (has_none, self.is_chunked, self.length) {
            (true, ..) => Framing::Length(0),
            (false, true, _) => Framing::Chunked,
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) => Framing::Close,
        })
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = is_number(text).then_some(text)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
