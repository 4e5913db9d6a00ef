//! A connection under TLS: its handshake, what it says of the client, and how it is closed.
//!
//! Not the files and the rules (`tls`). Invariants: a handshake has a limit and a place among the open connections, as
//! any connection has; what a client is known by was verified in this very connection; `close_notify` is sent where a
//! connection ends as it should (RFC 8446 §6.1), and never where an answer was cut, which is how a client can tell.
//! ALPN decides what is spoken (RFC 7301): without it, HTTP/1.1.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use data_encoding::{BASE64, HEXLOWER};
use http::HeaderValue;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::place::Plain;
use super::sniff::Protocol;
use crate::client::Address;
use crate::tls::ServerTls;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address, or that of whom a PROXY header names.
    pub address: Address,
    /// Set under TLS.
    pub tls: Option<Arc<Secured>>,
}

/// What a handshake said.
#[derive(Debug, Default)]
pub struct Secured {
    /// The client's certificate, where it showed one. It was verified.
    pub client: Option<ClientCertificate>,
}

/// A verified certificate as the application is told of it.
#[derive(Debug)]
pub struct ClientCertificate {
    /// RFC 9440 §2.2: the DER as a byte sequence of structured fields.
    pub certificate: HeaderValue,
    /// SHA-256 of the DER, in hex.
    pub sha256: HeaderValue,
}

/// Why a handshake came to nothing, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum HandshakeFailure {
    /// It took too long.
    Timeout,
    /// What came is not TLS: plain HTTP, most likely.
    NotTls,
    /// The client's certificate is missing or not good.
    ClientCertificate,
    /// The client left, or there is no version or cipher suite that both know.
    Other,
}

impl HandshakeFailure {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::Timeout, Self::NotTls, Self::ClientCertificate, Self::Other];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NotTls => "not_tls",
            Self::ClientCertificate => "client_certificate",
            Self::Other => "other",
        }
    }

    fn of(error: &io::Error) -> Self {
        use rustls::Error;
        let tls = error.get_ref().and_then(|source| source.downcast_ref::<Error>());
        match tls {
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => Self::ClientCertificate,
            _ => Self::Other,
        }
    }
}

/// A stream that may have more to say when it is dropped.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// It is this connection's from now on.
    fn attach(&mut self, _activity: &Arc<Activity>) {}
}

impl Transport for TcpStream {}

impl Transport for UnixStream {}

/// The stream of a connection under TLS.
pub(super) struct Secure<S: Plain> {
    stream: TlsStream<S>,
    activity: Option<Arc<Activity>>,
}

/// Agrees on TLS. The caller bounds the time.
pub(super) async fn handshake<S: Plain>(tls: &ServerTls, stream: S) -> Result<Secure<S>, HandshakeFailure> {
    match TlsAcceptor::from(tls.config()).accept(stream).await {
        Ok(stream) => Ok(Secure { stream, activity: None }),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake failed");
            Err(HandshakeFailure::of(&error))
        }
    }
}

impl<S: Plain> Secure<S> {
    /// What was agreed on.
    pub(super) fn protocol(&self) -> Protocol {
        match self.stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        }
    }

    /// What is known of the client.
    pub(super) fn secured(&self) -> Secured {
        let shown = self.stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        Secured { client: shown.and_then(ClientCertificate::of) }
    }

    /// Says that nothing more comes, as far as that can be said without waiting.
    fn farewell(&mut self) {
        let (socket, tls) = self.stream.get_mut();
        tls.send_close_notify();
        let mut bytes = Vec::new();
        while tls.wants_write() && tls.write_tls(&mut bytes).is_ok_and(|written| written > 0) {}
        let _sent = socket.write_now(&bytes);
    }
}

impl ClientCertificate {
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let field = format!(":{}:", BASE64.encode(certificate));
        let sha256 = HEXLOWER.encode(&Sha256::digest(certificate));
        Some(Self {
            certificate: HeaderValue::try_from(field).ok()?,
            sha256: HeaderValue::try_from(sha256).ok()?,
        })
    }
}

impl<S: Plain> Transport for Secure<S> {
    fn attach(&mut self, activity: &Arc<Activity>) {
        self.activity = Some(Arc::clone(activity));
    }
}

impl<S: Plain> Drop for Secure<S> {
    fn drop(&mut self) {
        if self.activity.as_ref().is_some_and(|activity| activity.is_over()) {
            self.farewell();
        }
    }
}

impl<S: Plain> AsyncRead for Secure<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Plain> AsyncWrite for Secure<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
