//! Stage 7, forward: takes [`Admitted`], and nothing else opens the way to the application.
//!
//! Not a load balancer: there is one upstream, over TCP or a Unix socket. It speaks HTTP/1.1, one request at a time on a
//! connection (`pool`), or HTTP/2, many (`multiplex`). Invariants: the target and the body go up as they arrived; the host
//! is the client's; identity headers are set after everything that a client sent was stripped; a request is sent once, and
//! again only as `pool` and `multiplex` say.

mod body;
mod cap;
pub mod connect;
pub mod http1;
mod identity;
mod lease;
pub mod limits;
mod multiplex;
pub mod pool;
mod request;

use std::error::Error as StdError;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request};
use tokio::time::{Instant, timeout_at};

use crate::client::Client;
use crate::guard::Admitted;
use crate::listener::{Secured, Waiting};
use crate::proxy::body::{BodyFault, ForwardBody, Progress};
use crate::proxy::request_id::RequestId;
use connect::{ConnectError, Dialer, Target};
use http1::Message;
pub use lease::{Answer, Lease, SendError};
use limits::Limits;
use multiplex::Multiplex;
use pool::Pool;

/// After this an answer is slow, and it is worth looking whether anybody still waits for it. Most requests never
/// get there, and cost nothing for it.
const SLOW: Duration = Duration::from_millis(100);

/// Interim answers that one request may get: some `100`, a few `103` (RFC 8297), and a `102` now and then.
const MOST_INTERIM: u8 = 16;

/// A response body: returns its connection to the pool when it ends as it should.
pub type ResponseBody = body::PooledBody<ForwardBody>;
pub use body::PooledBody;

/// The application, as one runtime sees it: its own connections.
pub struct Upstream {
    way: Way,
}

enum Way {
    /// HTTP/1.1.
    Alone(Pool<ForwardBody>),
    /// HTTP/2; whether under TLS.
    Together(Multiplex, bool),
}

/// A request, stripped and ready. What goes up is taken out of it.
#[derive(Debug)]
pub struct Outbound<'a> {
    /// As received.
    pub method: Method,
    /// Path and query as received.
    pub target: PathAndQuery,
    /// What is added to `Via`.
    pub via: &'a HeaderValue,
    /// What is left of the client's headers.
    pub headers: HeaderMap,
    /// Host and port as received.
    pub host: &'a HeaderValue,
    /// Where it came from.
    pub client: &'a Client,
    /// What TLS said of the client, where there is TLS.
    pub tls: Option<&'a Secured>,
    /// The request's id.
    pub request_id: &'a RequestId,
    /// Whether it asks to go on as a WebSocket, which the answer may then be.
    pub is_websocket: bool,
    /// Whether the client has said that it takes trailers; asked for only where [`Upstream::may_send_trailers`].
    pub takes_trailers: bool,
    /// The body, verified or streaming.
    pub body: &'a mut ForwardBody,
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
    /// It was to speak HTTP/2 and does not.
    #[error("the upstream does not speak HTTP/2")]
    Protocol,
    /// The host is one that HTTP/2 cannot name.
    #[error("the host cannot be said in HTTP/2")]
    Host,
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
            Self::Protocol => "protocol",
            Self::Host => "host",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Body(_) => "body",
        }
    }
}

impl Upstream {
    /// An upstream that speaks HTTP/1.1, over these connections.
    #[must_use]
    pub fn new(pool: Pool<ForwardBody>) -> Self {
        Self { way: Way::Alone(pool) }
    }

    /// One that speaks HTTP/2.
    #[must_use]
    pub fn over_http2(target: Target, dialer: Option<Dialer>, limits: Arc<Limits>) -> Self {
        let is_https = dialer.is_some();
        Self { way: Way::Together(Multiplex::new(target, dialer, limits), is_https) }
    }

    /// Whether it is asked for trailers where a client takes them.
    #[must_use]
    pub fn may_send_trailers(&self) -> bool {
        matches!(self.way, Way::Together(..))
    }

    /// Sends an admitted request and returns the answer as soon as its head is there, which must be within
    /// `response_timeout` unless the route says otherwise.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub fn forward<'u>(
        &'u self,
        admitted: Admitted,
        outbound: &mut Outbound<'_>,
        response_timeout: Duration,
        waiting: Waiting<'u>,
    ) -> impl Future<Output = Result<(Answer<ForwardBody>, Admitted), UpstreamError>> + use<'u> {
        let limit = admitted.route().timeout.unwrap_or(response_timeout);
        let progress = outbound.body.progress();
        let may_switch = outbound.is_websocket;
        let going = match &self.way {
            Way::Alone(pool) => Ok(Going::Alone(pool, request::message(&admitted, outbound))),
            Way::Together(multiplex, is_https) => request::request(&admitted, outbound, *is_https)
                .map(|request| Going::Together(multiplex, Box::new(request))),
        };
        async move {
            let answer = match going? {
                Going::Alone(pool, message) => {
                    let lease = pool.checkout().await.map_err(|error| unreached(&error))?;
                    let begun = lease.since();
                    let answer = pin!(lease.send(message));
                    let answer = within(begun, limit, progress, waiting, answer, cause);
                    pin!(answer).await?
                }
                Going::Together(multiplex, request) => {
                    Box::pin(among_others(multiplex, *request, limit, progress, waiting)).await?
                }
            };
            let status = answer.status;
            if status.is_informational() && !(may_switch && status == 101) {
                // 101 without our asking: what follows would not be HTTP (RFC 9110 §15.2.2).
                tracing::warn!(status = status.as_u16(), "the upstream switched protocols unasked");
                return Err(UpstreamError::Broken);
            }
            Ok((answer, admitted))
        }
    }
}

/// A request in the form of its protocol, and its way.
enum Going<'u> {
    Alone(&'u Pool<ForwardBody>, Box<Message<ForwardBody>>),
    Together(&'u Multiplex, Box<Request<ForwardBody>>),
}

/// The same over a connection that carries other requests.
async fn among_others(
    multiplex: &Multiplex,
    request: Request<ForwardBody>,
    limit: Duration,
    progress: Option<Progress>,
    waiting: Waiting<'_>,
) -> Result<Answer<ForwardBody>, UpstreamError> {
    let seat = multiplex.seat().await.map_err(|error| unreached(&error))?;
    let trust = Multiplex::trust(&seat);
    let answer = pin!(multiplex.send(seat, request));
    let cause = |fault: &multiplex::Fault| match fault {
        multiplex::Fault::Connect(error) => unreached(error),
        multiplex::Fault::Body(fault) => UpstreamError::Body(*fault),
        multiplex::Fault::Exchange(error) => broken(error),
    };
    let answer = pin!(within(Instant::now(), limit, progress, waiting, answer, cause)).await;
    if matches!(answer, Err(UpstreamError::Timeout)) {
        multiplex.doubt(&trust);
    }
    answer
}

/// Waits for an answer for `limit` after the request's last sign of movement: a body that streams through
/// slowly is not the application's delay. A client that has to wait is looked after: it may give up.
async fn within<T, E>(
    begun: Instant,
    limit: Duration,
    progress: Option<Progress>,
    waiting: Waiting<'_>,
    mut answer: Pin<&mut impl Future<Output = Result<T, E>>>,
    cause: impl FnOnce(&E) -> UpstreamError,
) -> Result<T, UpstreamError> {
    let mut end = begun + limit;
    let slow = end.min(begun + SLOW);
    if let Some(answer) = waiting.until(slow, answer.as_mut()).await {
        return answer.map_err(|error| cause(&error));
    }
    waiting.is_long();
    loop {
        match timeout_at(end, answer.as_mut()).await {
            Ok(answer) => return answer.map_err(|error| cause(&error)),
            Err(_elapsed) => {
                let moved = progress.as_ref().map(|progress| progress.last() + limit);
                end = moved.filter(|moved| *moved > end).ok_or(UpstreamError::Timeout)?;
            }
        }
    }
}

fn unreached(error: &ConnectError) -> UpstreamError {
    tracing::warn!(%error, "the upstream cannot be reached");
    match error {
        ConnectError::Busy => UpstreamError::Busy,
        ConnectError::Tls(_) => UpstreamError::Tls,
        ConnectError::NotHttp2 => UpstreamError::Protocol,
        _ => UpstreamError::Connect,
    }
}

fn broken(error: &dyn StdError) -> UpstreamError {
    tracing::warn!(%error, "the upstream gave no valid answer");
    UpstreamError::Broken
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
        SendError::Exchange { .. } => broken(error),
    }
}
