//! HTTP/1.1 to the application, one exchange at a time on a connection (RFC 9112).
//!
//! A request goes up as bytes that are written once, and an answer's head is read into a map once: nothing of either is
//! copied on the way between the task of a request and that of its connection. Not a general client: the requests are ours,
//! the syntax of heads is httparse's, and what may be read in two ways is a fault, where a client would guess. Invariants:
//! see `connection`.

mod answer;
mod arriving;
mod chunked;
mod connection;
mod exchange;
mod fault;
mod link;
mod message;
mod slot;
mod switched;
mod upload;

pub(super) use arriving::Arriving;
pub(super) use fault::Unanswered;
pub use fault::{Fault, Flaw};
pub(super) use link::Link;
pub use message::{Lines, Message};
pub(super) use slot::Arrived;
pub use switched::Switched;

#[cfg(test)]
mod tests;
