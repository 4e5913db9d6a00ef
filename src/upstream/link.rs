//! The way into one connection of HTTP/1.1 to the application.
//!
//! It keeps no connection and repeats nothing: `pool` and `lease` do. hyper's own task drives the connection. Invariants:
//! what is awaited is said to `interim`, and what may have to be sent again to `written`, before it is sent.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::body::Outgoing;
use super::cap::Place;
use super::connect::Stream;
use super::held::Held;
use super::interim::{Awaited, Exchanges};
use super::written::Record;
use crate::listener::BoxError;

/// One connection, for one request after the other.
#[derive(Debug)]
pub(super) struct Link<B> {
    sender: SendRequest<Outgoing<B>>,
    awaited: Awaited,
    written: Record,
}

impl<B> Link<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Begins to speak HTTP on a new connection.
    ///
    /// # Errors
    ///
    /// hyper's, of a connection that has ended already.
    pub(super) async fn over(stream: Stream, place: Place, builder: &http1::Builder) -> hyper::Result<Self> {
        let (awaited, written) = (Awaited::default(), Record::default());
        let held = Held::new(stream, Exchanges::new(place, Arc::clone(&awaited), Arc::clone(&written)));
        let (sender, connection) = builder.handshake(TokioIo::new(held)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection to the application ended");
            }
        });
        Ok(Self { sender, awaited, written })
    }

    /// Sends a request and waits for the head of its answer. `repeatable`: [`Self::repeat`] gives it once more.
    ///
    /// # Errors
    ///
    /// hyper's, with the request where no byte of it was written.
    pub(super) fn send(
        &mut self,
        request: Request<Outgoing<B>>,
        repeatable: bool,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing<B>>>>> + use<B> {
        self.awaited.store(true, Relaxed);
        self.written.begin(&request, repeatable);
        self.sender.try_send_request(request)
    }

    /// The request that was sent last, if it was repeatable and a byte of it may have been written.
    pub(super) fn repeat(&self, body: Outgoing<B>) -> Option<Request<Outgoing<B>>> {
        self.written.request(body)
    }
}

impl<B> Link<B> {
    /// The answer has begun: nothing is repeated any more.
    pub(super) fn forget(&self) {
        self.written.forget();
    }

    /// Whether it takes a request now.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it never will again.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until it takes a request.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        self.sender.ready().await
    }
}
