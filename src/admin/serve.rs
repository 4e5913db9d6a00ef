//! The admin port's own accept loop.
//!
//! Not the traffic listener: HTTP/1.1 only, few connections, no pipelining tricks. Invariants: every request knows which
//! connection it came by ([`Peer`]); a silent
//! connection is closed after [`HEAD_TIME`]; at most [`CONNECTIONS`] are open, further ones wait in the
//! backlog; when the drain begins, idle connections are closed and requests under way have [`DRAIN_TIME`]; under TLS
//! nothing is read from whoever has not finished the handshake within [`HANDSHAKE_TIME`].

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use crate::drain::Watcher;
use crate::tls::ServerTls;

/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long a request's head may take, and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Open connections. Admins are few; a flood must not take the process's file descriptors.
const CONNECTIONS: usize = 256;
/// How long requests under way may take once the drain began: more than any commit, less than any patience.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Pause after a failed accept: it fails for want of file descriptors, which pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the drain begins and the requests under way are answered.
///
/// # Errors
/// None: a fault of one connection ends that connection. The type is that of every port's `serve`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<ServerTls>>,
    mut drain: Watcher,
) -> io::Result<()> {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Reap what has ended, so that the set holds open connections only.
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = drain.draining() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let (router, tls, drain) = (router.clone(), tls.clone(), drain.clone());
        connections.spawn(async move {
            match (Peer::of(&stream), tls) {
                // A connection that is gone already has no ends.
                (Err(_), _) => {}
                (Ok(peer), None) => converse(stream, peer, router, drain).await,
                (Ok(peer), Some(tls)) => converse_under(&tls, stream, peer, router, drain).await,
            }
            drop(permit);
        });
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIME, finished).await.is_err() {
        tracing::warn!(open = connections.len(), "admin connections were closed before their answer");
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "the admin port could not accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// The two ends of the connection that a request came by, in its extensions. Unspecified where there was none.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Who called.
    pub address: IpAddr,
    /// Which of our addresses was called.
    pub reached: IpAddr,
}

impl Default for Peer {
    fn default() -> Self {
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { address: unspecified, reached: unspecified }
    }
}

impl Peer {
    fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self { address: stream.peer_addr()?.ip(), reached: stream.local_addr()?.ip() })
    }
}

async fn converse_under(tls: &ServerTls, stream: TcpStream, peer: Peer, router: Router, drain: Watcher) {
    let agreed = TlsAcceptor::from(tls.config()).accept(stream);
    match tokio::time::timeout(HANDSHAKE_TIME, agreed).await {
        Ok(Ok(stream)) => converse(stream, peer, router, drain).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake on the admin port failed"),
        Err(_elapsed) => tracing::debug!("a TLS handshake on the admin port took too long"),
    }
}

async fn converse<S>(stream: S, peer: Peer, router: Router, mut drain: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.draining() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection ended early");
    }
}
