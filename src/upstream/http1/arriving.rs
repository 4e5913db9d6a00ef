//! The body of an answer as it comes. At its end the connection goes back to the pool.
//!
//! Invariants: it goes back only where the connection says that it takes another request; a body that fails or is dropped
//! early takes it with it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::answer::Framing;
use super::fault::Fault;
use super::link::Link;
use super::slot::{Arrived, Piece};
use crate::upstream::pool::Pool;

/// The body.
#[derive(Debug)]
pub(crate) struct Arriving<B: Send + 'static> {
    pool: Pool<B>,
    /// `None` once it is over.
    link: Option<Link<B>>,
    first: Option<Bytes>,
    /// Bytes that are still to be taken, where that is known.
    left: Option<u64>,
    /// There is no more than `first`.
    is_over: bool,
}

impl<B: Send + 'static> Arriving<B> {
    pub(crate) fn new(arrived: &mut Arrived, pool: Pool<B>, link: Link<B>) -> Self {
        let left = match arrived.answered.head.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::Close => None,
        };
        let Arrived { is_over, is_ready, .. } = *arrived;
        let mut body = Self { pool, link: Some(link), first: arrived.first.take(), left, is_over };
        // What is left of the request goes up as long as somebody may want the answer.
        if is_over && (is_ready || body.first.is_none()) {
            body.finish(is_ready);
        }
        body
    }

    fn finish(&mut self, is_ready: bool) {
        if let Some(link) = self.link.take()
            && is_ready
        {
            self.pool.put_back(link);
        }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(first) = self.first.take() {
            if self.is_over {
                self.link = None;
            }
            return Poll::Ready(Some(Ok(self.data(first))));
        }
        let Some(link) = &self.link else { return Poll::Ready(None) };
        let taken = match ready!(link.poll_body(cx)) {
            Ok(taken) => taken,
            Err(fault) => {
                self.link = None;
                return Poll::Ready(Some(Err(fault)));
            }
        };
        if taken.is_over {
            self.finish(taken.is_ready);
        }
        Poll::Ready(taken.piece.map(|piece| {
            Ok(match piece {
                Piece::Data(data) => self.data(data),
                Piece::Trailers(trailers) => Frame::trailers(trailers),
            })
        }))
    }

    fn data(&mut self, data: Bytes) -> Frame<Bytes> {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.left = self.left.map(|left| left.saturating_sub(length));
        Frame::data(data)
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.is_whole()
    }

    /// Whether all that comes is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_over || self.link.is_none()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}
