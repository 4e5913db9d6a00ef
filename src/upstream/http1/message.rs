//! A request in the form in which it goes up on a connection of HTTP/1.1 (RFC 9112 §3): its head as bytes, and its body.
//!
//! Invariants: names and values have been checked by the types that they come from, so that no line can end another; there is
//! one framing, which is that of the body.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Body;

/// Bytes that most heads take: one piece of memory.
const USUAL: usize = 1000;

/// The request. It is passed on in a box: it is large, and goes through many hands.
#[derive(Debug)]
pub struct Message<B> {
    pub(super) head: Vec<u8>,
    pub(super) body: B,
    pub(super) framing: Sent,
    /// Its answer has no body.
    pub(super) to_head: bool,
    /// To do it twice is to do it once, and nothing of it is used up by trying (RFC 9110 §9.2.2).
    pub(super) is_repeatable: bool,
}

/// How the body that goes up is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Length(u64),
    Chunked,
}

/// A head that is being written.
#[derive(Debug)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Begins with the request line and `Host`.
    #[must_use]
    pub fn begin(method: &Method, target: &str, host: &[u8]) -> Self {
        let mut head = Vec::with_capacity(USUAL);
        for part in
            [method.as_str().as_bytes(), b" ", target.as_bytes(), b" HTTP/1.1\r\nhost: ", host, b"\r\n"]
        {
            head.extend_from_slice(part);
        }
        Self(head)
    }

    /// Adds a field, whose value is these parts together.
    pub fn add(&mut self, name: &HeaderName, value: &[&[u8]]) {
        self.0.extend_from_slice(name.as_str().as_bytes());
        self.0.extend_from_slice(b": ");
        for part in value {
            self.0.extend_from_slice(part);
        }
        self.0.extend_from_slice(b"\r\n");
    }

    /// Adds what is left of a client's fields, but for those in `except`.
    pub fn add_all(&mut self, headers: &HeaderMap<HeaderValue>, except: &[HeaderName]) {
        for (name, value) in headers {
            if !except.contains(name) {
                self.add(name, &[value.as_bytes()]);
            }
        }
    }

    /// Ends with the framing of the body, whatever the client stated (RFC 9110 §8.6): `has_length` only that it stated a
    /// length, which is then stated of an empty body too.
    pub fn end<B>(mut self, method: &Method, body: B, has_length: bool) -> Box<Message<B>>
    where
        B: Body<Data = Bytes>,
    {
        let framing = match body.size_hint().exact() {
            Some(length) => {
                if length > 0 || has_length {
                    self.add(&CONTENT_LENGTH, &[length.to_string().as_bytes()]);
                }
                Sent::Length(length)
            }
            None => {
                self.0.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Sent::Chunked
            }
        };
        self.0.extend_from_slice(b"\r\n");
        Box::new(Message {
            head: self.0,
            framing,
            to_head: method == Method::HEAD,
            is_repeatable: method.is_idempotent() && body.is_end_stream(),
            body,
        })
    }
}
