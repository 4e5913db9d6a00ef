//! Binds one port for every core.
//!
//! It accepts nothing, and it does not choose the address. `SO_REUSEPORT` alone would let a second sidecar
//! of the same user share the port in silence, each getting half of the traffic, so the port is bound once
//! without it first. Invariant: every socket returned is bound to the same address and listens.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

/// Connections that the kernel holds for each socket before they are accepted.
const BACKLOG: i32 = 1024;

/// Listening sockets on one address.
#[derive(Debug)]
pub struct Bound {
    /// The address, with the port that the system chose where 0 was asked for.
    pub address: SocketAddr,
    /// The sockets: listening, not blocking, one for each thread that accepts.
    pub sockets: Vec<TcpListener>,
}

/// The address could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl BindError {
    /// Whether somebody else listens there already.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

/// Binds `address` for `sockets` threads (at least one). Port 0 lets the system choose one port for all.
///
/// # Errors
///
/// When the port is in use, even by a process that shares it, or the address is not ours.
pub fn bind(address: SocketAddr, sockets: usize) -> Result<Bound, BindError> {
    bind_all(address, sockets.max(1)).map_err(|source| BindError { address, source })
}

fn bind_all(address: SocketAddr, sockets: usize) -> io::Result<Bound> {
    // Held until the others listen, so that nobody takes a port that the system chose in between. It never
    // listens itself: with SO_REUSEADDR on both, that is what lets the others bind beside it.
    let probe = open(address, false)?;
    let address =
        probe.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    let mut bound = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        let socket = open(address, true)?;
        socket.listen(BACKLOG)?;
        bound.push(TcpListener::from(socket));
    }
    Ok(Bound { address, sockets: bound })
}

fn open(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A port whose last connections are in TIME_WAIT is free.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
