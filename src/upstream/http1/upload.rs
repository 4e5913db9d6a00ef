//! A request on its way up: what is written of it, and what is still to come.
//!
//! Invariants: at most [`MAX_QUEUED`] bytes of a body wait here for the application; a body is as long as its head says or
//! fails, and no byte beyond that is written; what has no body stays whole until somebody else says that it is over.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::Body;
use tokio::io::AsyncWrite as _;

use super::fault::Fault;
use super::message::{Message, Sent};
use crate::gather;
use crate::listener::BoxError;
use crate::upstream::connect::Stream;

/// Bytes of a body that are taken before they are written. Most bodies that were read whole then go up in one write, with
/// their head: what waits are the chunks that are held anyway.
const MAX_QUEUED: usize = 256 * 1024;

/// Pieces that one write takes.
const MAX_PIECES: usize = 16;

/// A body's length is not the one that its head said.
#[derive(Debug, thiserror::Error)]
#[error("it is not as long as it was said to be")]
struct OtherLength;

#[derive(Debug)]
pub(super) struct Upload<B> {
    message: Box<Message<B>>,
    /// Bytes of the head that are written.
    written: usize,
    queue: VecDeque<Bytes>,
    queued: usize,
    /// Bytes of the body that were taken.
    taken: u64,
    /// Nothing more comes of the body.
    is_ended: bool,
    is_flushed: bool,
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    pub(super) fn of(message: Box<Message<B>>) -> Self {
        let is_ended = message.body.is_end_stream();
        Self { message, written: 0, queue: VecDeque::new(), queued: 0, taken: 0, is_ended, is_flushed: true }
    }

    /// Writes on. Ready once all of it is written.
    pub(super) fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            self.take(cx)?;
            if self.written == self.message.head.len() && self.queue.is_empty() {
                if !self.is_flushed {
                    ready!(Pin::new(&mut *stream).poll_flush(cx)).map_err(Fault::Io)?;
                    self.is_flushed = true;
                }
                return if self.is_ended { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            match ready!(self.write(stream, cx)) {
                Ok(0) => return Poll::Ready(Err(Fault::Io(io::ErrorKind::WriteZero.into()))),
                Ok(written) => self.advance(written),
                Err(error) => return Poll::Ready(Err(Fault::Io(error))),
            }
        }
    }

    /// Takes what is there of the body.
    fn take(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while !self.is_ended && self.queued < MAX_QUEUED {
            match Pin::new(&mut self.message.body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Err(error))) => return Err(Fault::Body(error.into())),
                Poll::Ready(None) => self.is_ended = true,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.queue(data)?;
                    }
                    self.is_ended = self.message.body.is_end_stream();
                }
            }
            if self.is_ended {
                self.end()?;
            }
        }
        Ok(())
    }

    fn queue(&mut self, data: Bytes) -> Result<(), Fault> {
        // An empty chunk would be the end.
        if data.is_empty() {
            return Ok(());
        }
        self.taken = self.taken.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        match self.message.framing {
            // A byte more would be the beginning of another request.
            Sent::Length(length) if self.taken > length => return Err(Fault::Body(OtherLength.into())),
            Sent::Length(_) => self.push(data),
            Sent::Chunked => {
                self.push(format!("{:x}\r\n", data.len()).into());
                self.push(data);
                self.push(Bytes::from_static(b"\r\n"));
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.message.framing {
            Sent::Length(length) if length != self.taken => Err(Fault::Body(OtherLength.into())),
            Sent::Length(_) => Ok(()),
            Sent::Chunked => {
                self.push(Bytes::from_static(b"0\r\n\r\n"));
                Ok(())
            }
        }
    }

    fn push(&mut self, piece: Bytes) {
        self.queued += piece.len();
        self.queue.push_back(piece);
    }

    fn write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let head = self.message.head.get(self.written..).unwrap_or_default();
        if self.queue.is_empty() {
            return Pin::new(stream).poll_write(cx, head);
        }
        let head = (!head.is_empty()).then_some(head);
        let pieces = head.into_iter().chain(self.queue.iter().map(Bytes::as_ref));
        let mut slices = [IoSlice::new(&[]); MAX_PIECES];
        let filled = slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
        gather::poll_write(stream, cx, slices.get(..filled).unwrap_or_default())
    }

    fn advance(&mut self, mut written: usize) {
        self.is_flushed = false;
        let of_head = written.min(self.message.head.len() - self.written);
        self.written += of_head;
        written -= of_head;
        self.queued = self.queued.saturating_sub(written);
        while let Some(piece) = self.queue.front_mut() {
            let of_piece = written.min(piece.len());
            piece.advance(of_piece);
            written -= of_piece;
            if !piece.is_empty() {
                break;
            }
            self.queue.pop_front();
        }
    }
}

impl<B> Upload<B> {
    pub(super) fn is_repeatable(&self) -> bool {
        self.message.is_repeatable
    }

    /// The request, if it is whole.
    pub(super) fn into_repeatable(self) -> Option<Box<Message<B>>> {
        self.is_repeatable().then_some(self.message)
    }
}
