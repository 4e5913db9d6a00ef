//! How many interim answers (1xx, RFC 9110 §15.2) there may be before an answer over HTTP/2.
//!
//! Not a parser: hyper reads answers, drops interim ones and says nothing of them, so that an application that never came
//! to its answer, or sent ten thousand heads before it, would be waited for. Here they are only counted, on the way to
//! hyper. Invariant: no byte is changed or kept.

use std::io;

use smallvec::SmallVec;

use crate::frames::FrameHeads;
use crate::upstream::MOST_INTERIM;

/// There are more.
#[derive(Debug, thiserror::Error)]
#[error("the application has sent more than {MOST_INTERIM} interim answers to one request")]
pub(super) struct Excess;

/// As the fault of a connection, which ends it.
pub(super) fn excess() -> io::Error {
    tracing::warn!("{Excess}; its connection is closed");
    io::Error::new(io::ErrorKind::InvalidData, Excess)
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
            return *heads <= MOST_INTERIM + 1;
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
