//! Why an exchange over a connection of HTTP/1.1 has no answer, or not the whole of it.
//!
//! Not what the client is told: `proxy/rejection.rs` says that.

use std::io;

use super::message::Message;
use crate::listener::BoxError;
use crate::upstream::MOST_INTERIM;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Before an answer, or in the middle of it.
    #[error("the connection ended too soon")]
    Ended,
    /// The same with an error.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
    /// What came cannot be told where it ends, or is no answer at all.
    #[error("what came is no answer of HTTP/1.1: {0}")]
    Flawed(#[from] Flaw),
    /// It never came to its answer.
    #[error("more than {MOST_INTERIM} interim answers came to one request")]
    Interim,
    /// The body that goes up failed, or is not as long as it said.
    #[error("the request's body failed: {0}")]
    Body(#[source] BoxError),
}

/// What is wrong with an answer (RFC 9112 §4 to §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Its syntax.
    #[error("its head is malformed ({0})")]
    Head(httparse::Error),
    /// Its size.
    #[error("its head is over the limit")]
    TooLarge,
    /// A name or a value.
    #[error("a field of it is malformed")]
    Field,
    /// The status is no three digits from 100 on.
    #[error("its status is none")]
    Status,
    /// `Content-Length` is no number, or there are several (§6.3).
    #[error("its Content-Length is malformed")]
    Length,
    /// Anything but `chunked`, or with a length beside it, or under HTTP/1.0 (§6.1).
    #[error("its Transfer-Encoding cannot be undone")]
    Coding,
    /// A chunk is malformed (§7.1).
    #[error("its chunked coding is malformed")]
    Chunk,
}

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Unanswered<B> {
    pub(crate) fault: Fault,
    /// The request, if it may still be whole: it was not begun, or it has no body and nothing at all has come.
    pub(crate) request: Option<Box<Message<B>>>,
    /// No byte of it was written.
    pub(crate) unsent: bool,
}
