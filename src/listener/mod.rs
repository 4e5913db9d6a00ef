//! Stage 1: accepts connections and turns their bytes into requests.
//!
//! HTTP/1.1 and HTTP/2 on one port: under TLS as ALPN says, else by prior knowledge (RFC 9112, RFC 9113 §3). It routes, limits and
//! answers nothing: the `Handler` makes every answer but those to bytes that are not HTTP, which hyper
//! gives (400, 414, 431). Invariants: no connection outlives its deadlines (`deadline`) but for a request
//! that is being handled; a client gets to read its answer before the socket closes (`io`); no fault of
//! one connection, and no lack of file descriptors, ends the accept loop.

mod activity;
mod bind;
mod connection;
mod connections;
mod deadline;
mod frames;
mod io;
mod place;
mod proxy_protocol;
mod secure;
mod shared;
mod sniff;
mod stalls;
mod takeover;
#[cfg(test)]
mod tests;
mod tuning;
mod unix;
mod waiting;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio::time::timeout_at;

use crate::client::TrustedProxies;
use crate::drain;
use place::{Accept, Plain as _};
use shared::Shared;

pub use bind::BindError;
pub use bind::Bound;
pub use bind::bind;
pub use connections::Connections;
pub use place::{Place, Socket};
pub use proxy_protocol::ProxyFault;
pub use secure::{ClientCertificate, HandshakeFailure, Peer, Secured};
pub use takeover::Takeover;
pub use tuning::LiveTuning;
pub use unix::UnixSocket;
pub use waiting::Waiting;

/// Any error, where only its text matters.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long accepting pauses after an error such as a lack of file descriptors, which would come at once
/// again. Short, as connections end all the time; long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Makes the answer to a request.
pub trait Handler: Clone + Send + Sync + 'static {
    /// What it answers with.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Answers one request of `peer`, of whose head, which is too large to be passed on, the handler takes what it wants.
    /// Dropped when the client of an HTTP/2 stream resets it, and when the connection ends. A client of HTTP/1.1 that leaves
    /// is noticed once the answer is slow ([`Waiting::is_long`]); one that only sends no more, as it says right after its
    /// request, gets its answer. An answer with a [`Takeover`] is the last of its connection. A panic closes the connection
    /// (HTTP/2: resets the stream) without an answer. An answer that leaves much of the body unread closes the connection
    /// after it; only the handler can say so in the head (`Connection: close`).
    fn handle(
        &self,
        head: &mut Parts,
        body: Incoming,
        peer: &Peer,
        waiting: Waiting<'_>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Limits of every connection. [`LiveTuning`] holds those in force.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// Under TLS: from accept to the end of the handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// From accept, later from a head's first byte, until the head is complete. Default 10 s.
    pub header_timeout: Duration,
    /// From the end of a response to the next request's first byte. Default 60 s.
    pub idle_timeout: Duration,
    /// While a request is in flight: how long output may wait for the peer to read some; of a stream of HTTP/2, a piece
    /// of 16 KiB. Default 30 s.
    pub send_timeout: Duration,
    /// Request bytes discarded at most after an early answer, so that the client gets to read it.
    /// Default 16 MiB; 0 closes at once.
    pub linger_bytes: u64,
    /// The longest that this takes. Default 2 s.
    pub linger_time: Duration,
    /// What requests in flight get to complete once the drain begins. Default 20 s.
    pub drain_timeout: Duration,
    /// Connections open at once in the whole process; more are closed when accepted. Default 10 000.
    pub max_connections: usize,
    /// The same from one address (of IPv6, one /64). Default 2000.
    pub max_connections_per_address: usize,
    /// Whose connections have no limit per address; nor have those over a Unix socket. Default: nobody's.
    pub trusted_proxies: TrustedProxies,
    /// Whether every connection begins with a PROXY header, which only trusted proxies may send. Default false.
    pub proxy_protocol: bool,
    /// Requests on one connection; the last one's answer closes it. Default 10 000.
    pub max_requests: u32,
    /// Header fields of one request (HTTP/1.1). Default 100.
    pub max_headers: usize,
    /// Bytes of one head. Default 64 KiB. Above 128 KiB it also bounds what is buffered for one connection.
    pub max_header_bytes: usize,
    /// HTTP/2: streams open at once on one connection. Default 100.
    pub h2_max_streams: u32,
    /// HTTP/2: streams that a peer may reset at once, or make us reset; the allowance comes back within ten
    /// seconds. Default 100.
    pub h2_resets: u32,
    /// HTTP/2: frames at once that bring no request on; the allowance comes back within ten seconds, and
    /// what we send pays for window updates. Default 1000.
    pub h2_control_frames: u32,
    /// HTTP/2: bytes that a stream may send before the handler reads them. Default 64 KiB.
    pub h2_stream_window: u32,
    /// HTTP/2: the same for all streams of a connection together. Default 1 MiB.
    pub h2_connection_window: u32,
    /// HTTP/2: pause between pings, which find a peer that is gone. Default 20 s.
    pub h2_ping_interval: Duration,
    /// HTTP/2: what the answer to a ping may take. Default 20 s.
    pub h2_ping_timeout: Duration,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(30),
            linger_bytes: 16 * 1024 * 1024,
            linger_time: Duration::from_secs(2),
            drain_timeout: Duration::from_secs(20),
            max_connections: 10_000,
            max_connections_per_address: 2000,
            trusted_proxies: TrustedProxies::default(),
            proxy_protocol: false,
            max_requests: 10_000,
            max_headers: 100,
            max_header_bytes: 64 * 1024,
            h2_max_streams: 100,
            h2_resets: 100,
            h2_control_frames: 1000,
            h2_stream_window: 64 * 1024,
            h2_connection_window: 1024 * 1024,
            h2_ping_interval: Duration::from_secs(20),
            h2_ping_timeout: Duration::from_secs(20),
        }
    }
}

/// Accepts on `socket` until the drain begins, then waits for the connections to end, `drain_timeout` at
/// most. One call per thread, each on its own current-thread runtime with its own socket of `bind`.
///
/// # Errors
///
/// When the socket cannot be handed to the runtime. Nothing that happens later is an error.
pub async fn serve<H: Handler>(
    socket: Socket,
    tuning: LiveTuning,
    handler: H,
    drain: drain::Watcher,
    counters: Arc<Connections>,
) -> std::io::Result<()> {
    let shared = Shared::new(tuning, counters);
    match socket {
        Socket::Tcp(socket) => serve_on(TcpListener::from_std(socket)?, shared, handler, drain).await,
        Socket::Unix(socket) => serve_on(socket.into_acceptor()?, shared, handler, drain).await,
    }
    Ok(())
}

async fn serve_on<L: Accept, H: Handler>(
    listener: L,
    shared: Arc<Shared>,
    handler: H,
    mut drain: drain::Watcher,
) {
    // Nothing is ever sent: every connection holds a sender, and the last to go closes the channel.
    let (alive, mut ended) = mpsc::channel::<()>(1);
    {
        let accepting = pin!(accept(listener, &shared, &handler, alive));
        tokio::select! {
            biased;
            () = drain.draining() => {}
            () = accepting => {}
        }
    }
    let end = shared.start_drain();
    let in_time = timeout_at(end, ended.recv()).await.is_ok();
    if !in_time {
        tracing::warn!("drain: connections that had not finished in time are closed");
    }
}

/// Never completes. Dropping it closes the socket.
async fn accept<L: Accept, H: Handler>(
    listener: L,
    shared: &Arc<Shared>,
    handler: &H,
    alive: mpsc::Sender<()>,
) {
    let mut failing = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_peer(&error) => continue,
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "cannot accept connections; trying on");
                }
                failing = true;
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        failing = false;
        let Some(permit) = shared.connections.admit(peer, &shared.tuning.now().settings) else {
            continue;
        };
        if let Err(error) = stream.set_prompt() {
            tracing::debug!(%peer, %error, "the peer is gone already");
            continue;
        }
        let connection = connection::run(stream, peer, Arc::clone(shared), handler.clone(), permit);
        let alive = alive.clone();
        tokio::spawn(async move {
            let _alive = alive;
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "connection ended before its first request");
            }
        });
    }
}

/// Errors that concern the one connection that was to be accepted: the next may be fine.
fn is_of_the_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}
