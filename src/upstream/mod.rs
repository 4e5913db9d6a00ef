//! Stage 7, forward: takes [`Admitted`], and nothing else opens the way to the application.
//!
//! Not a load balancer: there is one upstream, HTTP/1.1, over TCP or a Unix socket. Invariants: the target
//! and the body go up as they arrived; `Host` is the client's; identity headers are set after everything that
//! a client sent was stripped; a request is sent once, and again only as `pool` says.

mod body;
pub mod cap;
pub mod connect;
pub mod identity;
pub mod pool;

use std::error::Error as StdError;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, VIA};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body;
use tokio::time::{Instant, timeout_at};

use crate::client::Client;
use crate::guard::Admitted;
use crate::listener::{Secured, Waiting};
use crate::proxy::body::{BodyFault, ForwardBody, Progress};
use crate::proxy::request_id::RequestId;
use connect::ConnectError;
use pool::{Pool, SendError};

/// After this an answer is slow, and it is worth looking whether anybody still waits for it. Most requests never
/// get there, and cost nothing for it.
const SLOW: Duration = Duration::from_millis(100);

/// A response body: returns its connection to the pool when it ends as it should.
pub type ResponseBody = body::PooledBody<ForwardBody>;
pub use body::PooledBody;

/// The application, as one runtime sees it: its own pool of connections.
pub struct Upstream {
    pool: Pool<ForwardBody>,
}

/// A request, stripped and ready.
#[derive(Debug)]
pub struct Outbound {
    /// As received.
    pub method: Method,
    /// Path and query as received.
    pub target: PathAndQuery,
    /// What is added to `Via`.
    pub via: HeaderValue,
    /// What is left of the client's headers.
    pub headers: HeaderMap,
    /// Host and port as received.
    pub host: HeaderValue,
    /// Where it came from.
    pub client: Client,
    /// What TLS said of the client, where there is TLS.
    pub tls: Option<Arc<Secured>>,
    /// The request's id.
    pub request_id: RequestId,
    /// Whether it asks to go on as a WebSocket, which the answer may then be.
    pub is_websocket: bool,
    /// The body, verified or streaming.
    pub body: ForwardBody,
}

/// Why there is no answer from the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// As many connections as there may be are in use.
    #[error("every connection to the upstream is in use")]
    Busy,
    /// No connection could be made in time.
    #[error("the upstream cannot be reached")]
    Connect,
    /// The same while the process is on its way out: the application has gone first.
    #[error("the upstream cannot be reached any more")]
    Gone,
    /// It is not who it should be, or there is no TLS that both speak.
    #[error("the upstream's TLS is not good")]
    Tls,
    /// Its answer did not begin in time.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// The connection broke, or the answer is not HTTP.
    #[error("the upstream gave no valid answer")]
    Broken,
    /// The client's body ended the exchange.
    #[error("the request body ended the exchange: {0}")]
    Body(BodyFault),
}

impl UpstreamError {
    /// The label in metrics.
    #[must_use]
    pub fn cause(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Connect => "connect",
            Self::Gone => "gone",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Body(_) => "body",
        }
    }
}

impl Upstream {
    /// An upstream with these connections.
    #[must_use]
    pub fn new(pool: Pool<ForwardBody>) -> Self {
        Self { pool }
    }

    /// Sends an admitted request and returns the answer as soon as its head is there, which must be within
    /// `response_timeout` unless the route says otherwise.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub fn forward(
        &self,
        admitted: Admitted,
        outbound: Outbound,
        response_timeout: Duration,
        waiting: Waiting<'_>,
    ) -> impl Future<Output = Result<(Response<ResponseBody>, Admitted), UpstreamError>> {
        let limit = admitted.route().timeout.unwrap_or(response_timeout);
        let progress = outbound.body.progress();
        let may_switch = outbound.is_websocket;
        let request = request(&admitted, outbound);
        async move {
            let lease = self.pool.checkout().await.map_err(|error| {
                tracing::warn!(%error, "the upstream cannot be reached");
                unreached(&error)
            })?;
            let answer = pin!(lease.send(request));
            let response = pin!(within(limit, progress, waiting, answer)).await?;
            let mut response = response.map_err(|error| cause(&error))?;
            if response.status().is_informational() && !(may_switch && response.status() == 101) {
                // 101 without our asking: what follows would not be HTTP (RFC 9110 §15.2.2).
                tracing::warn!(
                    status = response.status().as_u16(),
                    "the upstream switched protocols unasked"
                );
                return Err(UpstreamError::Broken);
            }
            // The version is of this hop, not of the one behind us (RFC 9110 §2.5).
            *response.version_mut() = Version::HTTP_11;
            Ok((response, admitted))
        }
    }
}

/// Waits for an answer for `limit` after the request's last sign of movement: a body that streams through
/// slowly is not the application's delay. A client that has to wait is looked after: it may give up.
async fn within<T>(
    limit: Duration,
    progress: Option<Progress>,
    waiting: Waiting<'_>,
    mut answer: Pin<&mut impl Future<Output = T>>,
) -> Result<T, UpstreamError> {
    let begun = Instant::now();
    let mut end = begun + limit;
    let slow = end.min(begun + SLOW);
    if let Ok(answer) = timeout_at(slow, answer.as_mut()).await {
        return Ok(answer);
    }
    waiting.is_long();
    loop {
        match timeout_at(end, answer.as_mut()).await {
            Ok(answer) => return Ok(answer),
            Err(_elapsed) => {
                let moved = progress.as_ref().map(|progress| progress.last() + limit);
                end = moved.filter(|moved| *moved > end).ok_or(UpstreamError::Timeout)?;
            }
        }
    }
}

fn request(admitted: &Admitted, outbound: Outbound) -> Request<ForwardBody> {
    let mut headers = outbound.headers;
    // Growing once costs less than growing twice, with every header moved each time.
    headers.reserve(identity::MOST);
    identity::set(&mut headers, admitted, &outbound.request_id);
    headers.append(VIA, outbound.via);
    identity::set_hop(&mut headers, &outbound.client, &outbound.host);
    if let Some(client) = outbound.tls.as_ref().and_then(|tls| tls.client.as_ref()) {
        identity::set_client_certificate(&mut headers, client);
    }
    headers.insert(HOST, outbound.host);
    set_framing(&mut headers, &outbound.body);
    let mut request = Request::new(outbound.body);
    *request.method_mut() = outbound.method;
    *request.uri_mut() = Uri::from(outbound.target);
    *request.headers_mut() = headers;
    request
}

/// States the framing of the body that goes up, whatever the client stated (RFC 9110 §8.6). hyper would send a header's
/// word on for a body that is none, and would drop the body of a GET or HEAD whose length is not known.
fn set_framing(headers: &mut HeaderMap, body: &ForwardBody) {
    match body.size_hint().exact() {
        Some(0) if !headers.contains_key(CONTENT_LENGTH) => {}
        Some(length) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

fn unreached(error: &ConnectError) -> UpstreamError {
    match error {
        ConnectError::Busy => UpstreamError::Busy,
        ConnectError::Tls(_) => UpstreamError::Tls,
        _ => UpstreamError::Connect,
    }
}

/// A fault of the client's body is told apart from one of the upstream, so that each gets its own status.
fn cause(error: &SendError) -> UpstreamError {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(fault) = error.downcast_ref::<BodyFault>() {
            return UpstreamError::Body(*fault);
        }
        source = error.source();
    }
    match error {
        SendError::Connect(error) => unreached(error),
        SendError::Exchange { .. } => {
            tracing::warn!(%error, "the upstream gave no valid answer");
            UpstreamError::Broken
        }
    }
}
