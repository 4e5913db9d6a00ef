//! The way into one connection of HTTP/1.1 to the application.
//!
//! It keeps no connection and repeats nothing: `pool` and `lease` do. Invariant: a connection that nobody holds closes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;

use super::connection::Connection;
use super::fault::{Fault, Unanswered};
use super::message::Message;
use super::slot::{Arrived, Slot, Taken};
use crate::listener::BoxError;
use crate::upstream::cap::Place;
use crate::upstream::connect::Stream;

/// One connection, for one request after the other.
#[derive(Debug)]
pub(crate) struct Link<B>(Arc<Slot<B>>);

impl<B> Link<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Begins to speak HTTP on a new connection.
    pub(crate) fn over(stream: Stream, place: Place) -> Self {
        let slot = Slot::new();
        tokio::spawn(Connection::new(stream, place, Arc::clone(&slot)).run());
        Self(slot)
    }
}

impl<B> Link<B> {
    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(&self, request: Box<Message<B>>) -> Result<Arrived, Unanswered<B>> {
        self.0.send(request)?;
        poll_fn(|cx| self.0.poll_answer(cx)).await
    }

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
