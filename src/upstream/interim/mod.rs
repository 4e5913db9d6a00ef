//! How many interim answers (1xx, RFC 9110 §15.2) there may be before an answer.
//!
//! Not a parser: hyper reads answers, drops interim ones and says nothing of them, so that an application that never came
//! to its answer, or sent ten thousand heads before it, would be waited for. Here they are only counted, on the way to
//! hyper. Invariants: no byte is changed or kept; an answer of HTTP/1.1 that is no interim one costs a look at two bytes;
//! what is counted is what hyper takes for an interim answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use smallvec::SmallVec;

use super::cap::Place;
use super::held::Holder;
use super::written::Record;
use crate::frames::FrameHeads;

/// Interim answers that one request may get: some `100`, a few `103` (RFC 8297), and a `102` now and then.
pub(super) const MOST: u8 = 16;

/// There are more.
#[derive(Debug, thiserror::Error)]
#[error("the application has sent more than {MOST} interim answers to one request")]
pub(super) struct Excess;

/// As the fault of a connection, which ends it.
pub(super) fn excess() -> io::Error {
    tracing::warn!("{Excess}; its connection is closed");
    io::Error::new(io::ErrorKind::InvalidData, Excess)
}

/// Whether that is why a connection of HTTP/1.1 has ended.
pub(super) fn is_excess(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.and_then(io::Error::get_ref).is_some_and(<dyn std::error::Error + Send + Sync>::is::<Excess>)
}

/// Whether an answer is awaited on a connection of HTTP/1.1, of which nothing has come: said by who sends, heard by who
/// reads.
pub(super) type Awaited = Arc<AtomicBool>;

/// A connection of HTTP/1.1, which carries one exchange at a time, with its place.
#[derive(Debug)]
pub(super) struct Exchanges {
    _place: Place,
    awaited: Awaited,
    heads: Heads,
    record: Record,
}

impl Exchanges {
    pub(super) fn new(place: Place, awaited: Awaited, record: Record) -> Self {
        Self { _place: place, awaited, heads: Heads::default(), record }
    }
}

impl Holder for Exchanges {
    fn on_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !bytes.is_empty() && self.awaited.load(Relaxed) {
            self.awaited.store(false, Relaxed);
            self.heads = Heads { at: At::Status(0), interim: 0 };
        }
        if self.heads.take(bytes) { Ok(()) } else { Err(excess()) }
    }

    fn on_write(&mut self, slices: &[io::IoSlice<'_>]) {
        self.record.take(slices);
    }
}

/// The heads of answers as they pass (RFC 9112 §4): as far as it takes to tell an interim one, and where it ends.
#[derive(Debug, Default)]
struct Heads {
    at: At,
    interim: u8,
}

/// Where in a head the next byte is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Behind the status of the answer, or where none is awaited.
    #[default]
    Elsewhere,
    /// In `HTTP/1.1 1xx`, so many bytes along; or in the empty lines before it (RFC 9112 §2.2).
    Status(usize),
    /// Behind the status of an interim answer. `is_empty`: the line has nothing yet, and would end the head.
    Fields { is_empty: bool },
}

/// Where the digits of a status are.
const FIRST: usize = "HTTP/1.1 ".len();
const SECOND: usize = FIRST + 1;
const THIRD: usize = FIRST + 2;

impl Heads {
    /// Bytes have come. False: they hold one interim answer too many.
    fn take(&mut self, bytes: &[u8]) -> bool {
        match (self.at, bytes) {
            (At::Elsewhere, _) => true,
            // Nearly always: the whole line is there, and it is no interim answer's.
            (At::Status(0), [b'H', _, _, _, _, _, _, _, _, class, ..]) if *class != b'1' => {
                self.at = At::Elsewhere;
                true
            }
            _ => bytes.iter().all(|byte| self.step(*byte)),
        }
    }

    fn step(&mut self, byte: u8) -> bool {
        self.at = match (self.at, byte) {
            (At::Status(0), b'\r' | b'\n') => At::Status(0),
            (At::Status(FIRST), b'1') => At::Status(SECOND),
            (At::Status(SECOND), b'0') => At::Status(THIRD),
            // 101 is an answer: what follows is another protocol.
            (At::Status(FIRST), _) | (At::Status(THIRD), b'1') => At::Elsewhere,
            (At::Status(SECOND | THIRD), _) => {
                self.interim = self.interim.saturating_add(1);
                At::Fields { is_empty: false }
            }
            (At::Status(at), _) => At::Status(at + 1),
            (At::Fields { is_empty: true }, b'\n') => At::Status(0),
            (At::Fields { .. }, b'\n') => At::Fields { is_empty: true },
            (At::Fields { is_empty }, b'\r') => At::Fields { is_empty },
            (At::Fields { .. }, _) => At::Fields { is_empty: false },
            (At::Elsewhere, _) => At::Elsewhere,
        };
        self.interim <= MOST
    }
}

/// Streams whose heads are remembered at most: twice as many as there are, for those that nobody waits for any more.
const REMEMBERED: usize = 200;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

/// END_STREAM of a HEADERS frame.
const END_STREAM: u8 = 1;

/// A connection of HTTP/2. What a head says is packed; but one that does not end its stream is an interim answer or the
/// answer, and after that comes DATA, or a head that does end it (RFC 9113 §8.1).
#[derive(Debug, Default)]
pub(super) struct Streams {
    frames: FrameHeads,
    /// Heads of streams that have had nothing else yet.
    heads: SmallVec<[(u32, u8); 8]>,
}

impl Streams {
    /// Bytes have come. False: they hold one interim answer too many.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(frame) = self.frames.next(&mut bytes) {
            let known = self.heads.iter().position(|(stream, _)| *stream == frame.stream);
            let within = match (frame.kind, known) {
                (HEADERS, known) if frame.flags & END_STREAM == 0 => self.count(frame.stream, known),
                (DATA | HEADERS | RST_STREAM, Some(known)) => {
                    self.heads.remove(known);
                    true
                }
                _ => true,
            };
            if !within {
                return false;
            }
        }
        true
    }

    /// One more head of a stream. False: it is one too many.
    fn count(&mut self, stream: u32, known: Option<usize>) -> bool {
        if let Some((_, heads)) = known.and_then(|known| self.heads.get_mut(known)) {
            *heads = heads.saturating_add(1);
            // One of them may be the answer.
            return *heads <= MOST + 1;
        }
        if self.heads.len() >= REMEMBERED {
            self.heads.remove(0);
        }
        self.heads.push((stream, 1));
        true
    }
}

#[cfg(test)]
mod tests;
