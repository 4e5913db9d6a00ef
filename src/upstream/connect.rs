//! Opens a connection to the application.
//!
//! It keeps none and retries nothing: `pool` does. Names are looked up for each connection, so that a
//! change of DNS is followed. Invariants: nothing here takes longer than the limit that it is given; under TLS,
//! nothing is sent to whoever is not proven to be the application (RFC 9110 §4.3.4).

use std::io;
use std::io::IoSlice;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::net::UnixStream;
use tokio::net::lookup_host;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tokio_rustls::client::TlsStream;

use crate::tls::{ClientTls, DialError, dial};

/// Where the application listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A name or an address (IPv6 without brackets), and a port.
    Tcp {
        /// Looked up anew for each connection.
        host: String,
        /// Not 0.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// No connection could be had. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name is not known, or the resolver failed.
    #[error("cannot look up the application's name: {0}")]
    Lookup(#[source] io::Error),
    /// Every address refused; the last one's reason.
    #[error("cannot connect to the application: {0}")]
    Refused(#[source] io::Error),
    /// There are as many connections as there may be, and none became free in time.
    #[error("every connection to the application is in use")]
    Busy,
    /// The limit passed.
    #[error("the application did not take the connection in time")]
    Timeout,
    /// It is not who it should be, or there is no TLS that both speak.
    #[error("cannot agree on TLS with the application: {0}")]
    Tls(#[source] DialError),
    /// It chose another protocol, or what it said first is not HTTP/2.
    #[error("the application does not speak HTTP/2, which upstream.http2 = true asks of it")]
    NotHttp2,
    /// hyper did not take the connection.
    #[error("cannot speak HTTP to the application: {0}")]
    Handshake(#[source] hyper::Error),
}

/// TLS to the application.
#[derive(Clone)]
pub struct Dialer {
    /// The files, followed.
    pub tls: Arc<ClientTls>,
    /// What its certificate must be for.
    pub name: ServerName<'static>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Connects within `limit`, agreement on TLS with `dialer` included. Of a name's several addresses each is tried, in the resolver's order, for an
/// equal share of what is left, so that one that answers nothing leaves time for the next.
///
/// # Errors
///
/// When no address took the connection in time.
pub async fn connect(
    target: &Target,
    dialer: Option<&Dialer>,
    limit: Duration,
) -> Result<Stream, ConnectError> {
    let end = Instant::now() + limit;
    match target {
        Target::Tcp { host, port } => {
            let stream = connect_tcp(host, *port, end).await?;
            let Some(Dialer { tls, name }) = dialer else { return Ok(Stream::Tcp(stream)) };
            let agreed = timeout_at(end, dial(tls, name, stream)).await;
            let agreed = agreed.map_err(|_elapsed| ConnectError::Timeout)?;
            agreed.map(|stream| Stream::Tls(Box::new(stream))).map_err(ConnectError::Tls)
        }
        Target::Unix(path) => timeout_at(end, UnixStream::connect(path))
            .await
            .map_err(|_elapsed| ConnectError::Timeout)?
            .map(Stream::Unix)
            .map_err(ConnectError::Refused),
    }
}

async fn connect_tcp(host: &str, port: u16, end: Instant) -> Result<TcpStream, ConnectError> {
    let addresses: Vec<_> = timeout_at(end, lookup_host((host, port)))
        .await
        .map_err(|_elapsed| ConnectError::Timeout)?
        .map_err(ConnectError::Lookup)?
        .collect();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut last = ConnectError::Lookup(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    for address in addresses {
        let now = Instant::now();
        let share = end.saturating_duration_since(now) / left.max(1);
        left = left.saturating_sub(1);
        last = match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(ConnectError::Refused)?;
                return Ok(stream);
            }
            Ok(Err(error)) => ConnectError::Refused(error),
            Err(_elapsed) => ConnectError::Timeout,
        };
    }
    Err(last)
}

/// A connection to the application.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP, without Nagle's delay.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over TCP, under TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
