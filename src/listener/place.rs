//! Where a listener is, the sockets that it accepts on, and what is accepted there: TCP or a Unix socket.
//!
//! It binds nothing (`bind`, `unix`) and serves nothing. Invariant: what serves a connection is generic over what it came
//! on, so that neither kind costs the other a branch for a read or a write.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::secure::Transport;
use super::unix::{self, UnixAcceptor};
use crate::client::Address;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address and a port. 0 lets the system choose the port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix {
        /// At most 107 bytes. Its directory is there.
        path: PathBuf,
        /// Who may connect: the permission bits of the file, of which only writing counts.
        mode: u32,
    },
}

impl Place {
    /// The address and the port, where there are any.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix { .. } => None,
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => Display::fmt(address, f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens, not blocking: what one thread accepts on.
#[derive(Debug)]
pub enum Socket {
    /// Of its own, beside others on the same port.
    Tcp(std::net::TcpListener),
    /// The same one for all threads.
    Unix(unix::UnixSocket),
}

/// What connections come from.
pub(super) trait Accept: Send + Sized {
    type Stream: Plain;

    /// The next connection, and where it comes from.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Address)>> + Send;
}

/// A connection as it was accepted.
pub(super) trait Plain: Transport {
    /// What is written leaves at once.
    fn set_prompt(&self) -> io::Result<()>;

    /// Writes as much as can be written without waiting.
    fn write_now(&self, bytes: &[u8]) -> io::Result<usize>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Address)> {
        let (stream, peer) = self.accept().await?;
        Ok((stream, peer.ip().into()))
    }
}

impl Plain for TcpStream {
    fn set_prompt(&self) -> io::Result<()> {
        self.set_nodelay(true)
    }

    fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }
}

impl Accept for UnixAcceptor {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Address)> {
        Ok((self.accept().await?, Address::UNIX))
    }
}

impl Plain for UnixStream {
    /// Nothing is ever held back.
    fn set_prompt(&self) -> io::Result<()> {
        Ok(())
    }

    fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }
}
