//! The way into one connection of HTTP/1.1: hyper's, which also says to `interim` when an answer is awaited.
//!
//! It keeps nothing and repeats nothing: `pool` does.

use std::sync::atomic::Ordering::Relaxed;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;

use super::body::Outgoing;
use super::interim::Awaited;

/// For one request after the other.
#[derive(Debug)]
pub(super) struct Sender<B> {
    http: SendRequest<Outgoing<B>>,
    awaited: Awaited,
}

impl<B> Sender<B> {
    pub(super) fn new(http: SendRequest<Outgoing<B>>, awaited: Awaited) -> Self {
        Self { http, awaited }
    }

    /// Whether it takes a request now.
    pub(super) fn is_ready(&self) -> bool {
        self.http.is_ready()
    }

    /// Whether it never will again.
    pub(super) fn is_closed(&self) -> bool {
        self.http.is_closed()
    }

    /// Waits until it takes a request.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        self.http.ready().await
    }
}

impl<B: Body + Send + 'static> Sender<B> {
    /// Sends a request, or gives it back where no byte of it was written.
    pub(super) fn try_send(
        &mut self,
        request: Request<Outgoing<B>>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing<B>>>>> + use<B> {
        self.awaited.store(true, Relaxed);
        self.http.try_send_request(request)
    }
}
