//! A request of our own making, on the way of any sender's: through the pipeline, in memory.
//!
//! Not the traffic port: TLS, the PROXY protocol and the limits of connections are not on this way. Invariants: what it
//! meets from its first byte of HTTP on is what a sender's request meets, and there is no other way past a check; only a
//! request that began here is marked as a test, to the application and in its delivery.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::pipeline::{Proxy, Shared};
use crate::deliveries::Delivery;
use crate::listener::{Handler, Peer, Waiting};
use crate::upstream::Upstream;

/// To the application: this request is no sender's.
const TEST: HeaderName = HeaderName::from_static("countersign-test");
/// Bytes in memory between the two ends.
const PIPE: usize = 64 << 10;
/// Bytes of an answer that are waited for; the rest is not read.
const LONGEST: usize = 1 << 20;
/// How long it may take in all. An admin waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way.
pub struct Rehearsal(Proxy);

/// The mark of such a request, and where its delivery is left.
#[derive(Debug, Clone, Default)]
pub struct Mark(Arc<Mutex<Option<Delivery>>>);

/// What came of it.
#[derive(Debug)]
pub struct Rehearsed {
    /// What a sender would have been answered; `None` where no answer came in time.
    pub status: Option<StatusCode>,
    /// What became of it, where it was on the integration.
    pub delivery: Option<Delivery>,
}

impl Mark {
    /// Its delivery.
    pub(super) fn leave(&self, delivery: Delivery) {
        *self.0.lock() = Some(delivery);
    }
}

/// Tells the application of a test, once nothing of its client's making is left.
pub(super) fn tell(headers: &mut HeaderMap) {
    headers.insert(TEST, HeaderValue::from_static("true"));
}

impl Rehearsal {
    /// Over connections of its own to the application.
    #[must_use]
    pub fn new(shared: Arc<Shared>, upstream: Upstream) -> Self {
        Self(Proxy::new(shared, upstream))
    }

    /// Sends a request as from this address. Needs a runtime.
    pub async fn run(&self, request: Request<Full<Bytes>>, from: IpAddr) -> Rehearsed {
        let mark = Mark::default();
        let exchange = exchange(self.0.clone(), request, from, mark.clone());
        let status = tokio::time::timeout(PATIENCE, exchange).await.ok().flatten();
        let delivery = mark.0.lock().take();
        Rehearsed { status, delivery }
    }
}

async fn exchange(
    proxy: Proxy,
    request: Request<Full<Bytes>>,
    from: IpAddr,
    mark: Mark,
) -> Option<StatusCode> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(mark.clone());
        let proxy = proxy.clone();
        let peer = Peer { address: from.into(), tls: None };
        async move {
            let (mut head, body) = request.into_parts();
            Ok::<_, Infallible>(proxy.handle(&mut head, body, &peer, Waiting::within()).await)
        }
    });
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), answer);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.ok()?;
    // Ends the other two when it ends: its end of the connection goes with it.
    let asking = async move {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status();
        // To its end, so that the application sees a client that reads.
        let _read = Limited::new(response.into_body(), LONGEST).collect().await.is_ok();
        Some(status)
    };
    let (status, _ended, _served) = tokio::join!(asking, connection, serving);
    status
}
