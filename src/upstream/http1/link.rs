//! The way into one connection of HTTP/1.1 to the application.
//!
//! It keeps no connection and repeats nothing: `pool` and `lease` do. Invariant: a connection that nobody holds closes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;

use super::connection::Shared;
use super::fault::{Fault, Unanswered};
use super::message::Message;
use super::slot::{Arrived, Taken};
use crate::listener::BoxError;
use crate::upstream::cap::Place;
use crate::upstream::connect::Stream;

/// Bytes of a body from which on a request is written by whoever sends it, not by the connection's task: later they would
/// no longer be in the cache. Less is sooner written together with what others send.
const LARGE: u64 = 16 * 1024;

/// One connection, for one request after the other.
#[derive(Debug)]
pub(crate) struct Link<B>(Arc<Shared<B>>);

impl<B> Link<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Begins to speak HTTP on a new connection.
    pub(crate) fn over(stream: Stream, place: Place) -> Self {
        let connection = Shared::new(stream, place);
        tokio::spawn(Arc::clone(&connection).run());
        Self(connection)
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(&self, request: Box<Message<B>>) -> Result<Arrived, Unanswered<B>> {
        let is_large = request.body.size_hint().lower() >= LARGE;
        let mut request = Some(request);
        poll_fn(|cx| match request.take() {
            Some(request) => {
                self.0.send(request, is_large, cx)?;
                Poll::Pending
            }
            None => self.0.poll_answer(cx),
        })
        .await
    }
}

impl<B> Link<B> {
    /// What comes next of the answer.
    pub(super) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Result<Taken, Fault>> {
        self.0.poll_body(cx)
    }

    /// Whether it takes a request now.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.is_ready()
    }
}

impl<B> Drop for Link<B> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}
