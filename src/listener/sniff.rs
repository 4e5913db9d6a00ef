//! Tells HTTP/2 with prior knowledge from HTTP/1.1 by the first bytes (RFC 9113 §3.4).
//!
//! It parses nothing and has no deadline of its own: the caller bounds it. Invariant: the bytes read are
//! all in `Replay`, in order, and no more than the preface was read.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::ReadBuf;

const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// The bytes that were read to find out, to be read again.
#[derive(Debug, Default)]
pub(super) struct Replay {
    bytes: [u8; PREFACE.len()],
    start: usize,
    end: usize,
}

impl Replay {
    /// Moves as many bytes as fit into `buffer`. Returns false if there were none to move.
    pub(super) fn read(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let waiting = self.bytes.get(self.start..self.end).unwrap_or_default();
        let fitting = waiting.get(..buffer.remaining()).unwrap_or(waiting);
        if fitting.is_empty() {
            return false;
        }
        buffer.put_slice(fitting);
        self.start += fitting.len();
        true
    }

    /// Whether all of it was read again.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Reads as many bytes as fit, in place of those that were read again. 0 = the stream has ended.
    pub(super) fn poll_fill<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        S: AsyncRead + Unpin,
    {
        let mut buffer = ReadBuf::new(&mut self.bytes);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        (self.start, self.end) = (0, buffer.filled().len());
        Poll::Ready(Ok(self.end))
    }
}

/// Reads until the preface is complete or a byte differs from it. `None`: the peer closed before either.
pub(super) async fn sniff<S>(stream: &mut S) -> io::Result<Option<(Protocol, Replay)>>
where
    S: AsyncRead + Unpin,
{
    let mut replay = Replay::default();
    loop {
        let free = replay.bytes.get_mut(replay.end..).unwrap_or_default();
        let read = stream.read(free).await?;
        if read == 0 {
            return Ok(None);
        }
        replay.end += read;
        let seen = replay.bytes.get(..replay.end).unwrap_or_default();
        if !PREFACE.starts_with(seen) {
            return Ok(Some((Protocol::Http1, replay)));
        }
        if seen.len() == PREFACE.len() {
            return Ok(Some((Protocol::Http2, replay)));
        }
    }
}
