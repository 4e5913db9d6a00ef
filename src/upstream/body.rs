//! The body of an answer, over whichever protocol it comes.
//!
//! It passes every frame on as it is. Invariant: what the answer holds, a connection or a seat on one, is held until its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::http1::{Arriving, Switched};
use super::multiplex::Seat;
use crate::listener::BoxError;

/// A response body.
#[derive(Debug)]
pub struct PooledBody<B: Send + 'static>(Way<B>);

#[derive(Debug)]
enum Way<B: Send + 'static> {
    /// HTTP/1.1.
    Alone(Arriving<B>),
    /// One of several answers on a connection.
    Among { body: Incoming, seat: Option<Seat> },
    /// None: the connection speaks another protocol now.
    Switched(Option<Box<Switched>>),
}

impl<B: Send + 'static> PooledBody<B> {
    pub(super) fn alone(body: Arriving<B>) -> Self {
        Self(Way::Alone(body))
    }

    pub(super) fn among(body: Incoming, seat: Seat) -> Self {
        let seat = (!body.is_end_stream()).then_some(seat);
        Self(Way::Among { body, seat })
    }

    pub(super) fn switched(connection: Box<Switched>) -> Self {
        Self(Way::Switched(Some(connection)))
    }

    /// Whether all of it is here already, taken or not: nothing goes on.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match &self.0 {
            Way::Alone(body) => body.is_whole(),
            Way::Among { body, .. } => body.is_end_stream(),
            Way::Switched(_) => true,
        }
    }

    /// The connection, where the answer was that it goes on in another protocol. Once.
    pub fn take_switched(&mut self) -> Option<Box<Switched>> {
        match &mut self.0 {
            Way::Switched(connection) => connection.take(),
            Way::Alone(_) | Way::Among { .. } => None,
        }
    }
}

impl<B: Send + 'static> Body for PooledBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Way::Alone(body) => body.poll_frame(cx).map_err(Into::into),
            Way::Among { body, seat } => {
                let frame = Pin::new(&mut *body).poll_frame(cx);
                // Whoever writes this body on does not ask again after its last frame.
                let is_over = match &frame {
                    Poll::Pending => false,
                    Poll::Ready(None | Some(Err(_))) => true,
                    Poll::Ready(Some(Ok(frame))) => frame.is_trailers() || body.is_end_stream(),
                };
                if is_over {
                    *seat = None;
                }
                frame.map_err(Into::into)
            }
            Way::Switched(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Way::Alone(body) => body.is_end_stream(),
            Way::Among { body, .. } => body.is_end_stream(),
            Way::Switched(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Way::Alone(body) => body.size_hint(),
            Way::Among { body, .. } => body.size_hint(),
            Way::Switched(_) => SizeHint::with_exact(0),
        }
    }
}
