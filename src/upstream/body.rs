//! The two bodies of an exchange, watched so that the pool knows whether it ended cleanly.
//!
//! They pass every frame on as it is. Invariants: the connection goes back only at the end that the
//! response's framing says, and only if the request had been sent whole by then; a body that fails or is
//! dropped early takes the connection with it, or its stream where the connection carries others.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;

use super::link::Link;
use super::multiplex::Seat;
use super::pool::Pool;
use crate::listener::BoxError;

/// Whether a request body was handed to hyper whole.
#[derive(Debug, Default)]
pub(super) struct Sent(Option<Arc<AtomicBool>>);

impl Sent {
    /// True from the start for a request without a body, which costs no allocation.
    fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|whole| whole.load(Ordering::Acquire))
    }

    fn set_whole(&self) {
        if let Some(whole) = &self.0 {
            whole.store(true, Ordering::Release);
        }
    }
}

pin_project_lite::pin_project! {
    /// A request body on its way to the application.
    #[derive(Debug)]
    pub struct Outgoing<B> {
        #[pin]
        body: B,
        sent: Sent,
    }
}

impl<B: Body> Outgoing<B> {
    pub(super) fn new(body: B) -> (Self, Sent) {
        if body.is_end_stream() {
            return (Self { body, sent: Sent(None) }, Sent(None));
        }
        let whole = Arc::new(AtomicBool::new(false));
        (Self { body, sent: Sent(Some(Arc::clone(&whole))) }, Sent(Some(whole)))
    }
}

impl<B: Body> Body for Outgoing<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        let whole = match &frame {
            None => true,
            // hyper does not ask again after the last frame of a body that knows its end.
            Some(Ok(frame)) => frame.is_trailers() || this.body.is_end_stream(),
            Some(Err(_)) => false,
        };
        if whole {
            this.sent.set_whole();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response body. At its end the connection goes back to the pool.
#[derive(Debug)]
pub struct PooledBody<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    body: Incoming,
    exchange: Exchange<B>,
}

/// What an answer holds until its end.
#[derive(Debug)]
enum Exchange<B> {
    /// A connection.
    Alone {
        pool: Pool<B>,
        link: Link<B>,
        sent: Sent,
    },
    /// A seat on one.
    Among {
        _seat: Seat,
    },
    Over,
}

impl<B> PooledBody<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(body: Incoming, pool: Pool<B>, link: Link<B>, sent: Sent) -> Self {
        Self { body, exchange: Exchange::Alone { pool, link, sent } }.looked_at()
    }

    /// One of several answers on a connection.
    pub(super) fn among(body: Incoming, seat: Seat) -> Self {
        Self { body, exchange: Exchange::Among { _seat: seat } }.looked_at()
    }

    fn looked_at(mut self) -> Self {
        if self.body.is_end_stream() {
            self.finish();
        }
        self
    }

    fn finish(&mut self) {
        if let Exchange::Alone { pool, link, sent } = std::mem::replace(&mut self.exchange, Exchange::Over)
            && sent.is_whole()
        {
            pool.settle(link);
        }
    }
}

impl<B> Body for PooledBody<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            None => this.finish(),
            // Whoever writes this body on does not ask again after its last frame.
            Some(Ok(frame)) if frame.is_trailers() || this.body.is_end_stream() => this.finish(),
            Some(Ok(_)) => {}
            Some(Err(_)) => this.exchange = Exchange::Over,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
