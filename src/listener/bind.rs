//! Binds one place for every core.
//!
//! It accepts nothing, and it does not choose the place. `SO_REUSEPORT` alone would let a second sidecar
//! of the same user share the port in silence, each getting half of the traffic, so the port is bound once
//! without it first. Invariant: every socket returned is bound to the same place and listens.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;

use socket2::Domain;
use socket2::Protocol;
use socket2::Type;

use super::place::{Place, Socket};
use super::unix;

/// Connections that the kernel holds for each socket before they are accepted.
pub(super) const BACKLOG: i32 = 1024;

/// Listening sockets at one place.
#[derive(Debug)]
pub struct Bound {
    /// The place, with the port that the system chose where 0 was asked for.
    pub place: Place,
    /// The sockets, one for each thread that accepts.
    pub sockets: Vec<Socket>,
}

/// The place could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}: {source}")]
pub struct BindError {
    /// The place that was asked for.
    pub place: Place,
    /// What the system said, or what is in the way.
    pub source: io::Error,
}

impl BindError {
    /// Whether somebody else listens there already.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

    /// What would help.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        use io::ErrorKind::{AddrInUse, AlreadyExists, NotFound, PermissionDenied};
        match (&self.place, self.source.kind()) {
            (Place::Tcp(_), _) => "free the port",
            (Place::Unix { .. }, AddrInUse) => "end that process",
            (Place::Unix { .. }, AlreadyExists) => "remove it",
            (Place::Unix { .. }, NotFound) => "make its directory",
            (Place::Unix { .. }, PermissionDenied) => "let this process read and write its directory",
            (Place::Unix { .. }, _) => "free the place",
        }
    }
}

/// Binds `place` for `sockets` threads (at least one). Port 0 lets the system choose one port for all. The file of a Unix
/// socket is removed when the last of them is dropped.
///
/// # Errors
///
/// When the port is in use, even by a process that shares it, or the address is not ours. When there is anything at the
/// path but a socket that nobody listens on.
pub fn bind(place: &Place, sockets: usize) -> Result<Bound, BindError> {
    let sockets = sockets.max(1);
    let bound = match place {
        Place::Tcp(address) => bind_port(*address, sockets),
        Place::Unix { path, mode } => unix::bind(path, *mode, sockets).map(|sockets| Bound {
            place: place.clone(),
            sockets: sockets.into_iter().map(Socket::Unix).collect(),
        }),
    };
    bound.map_err(|source| BindError { place: place.clone(), source })
}

fn bind_port(address: SocketAddr, sockets: usize) -> io::Result<Bound> {
    // Held until the others listen, so that nobody takes a port that the system chose in between. It never
    // listens itself: with SO_REUSEADDR on both, that is what lets the others bind beside it.
    let probe = open(address, false)?;
    let address =
        probe.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    let mut bound = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        let socket = open(address, true)?;
        socket.listen(BACKLOG)?;
        bound.push(Socket::Tcp(TcpListener::from(socket)));
    }
    Ok(Bound { place: Place::Tcp(address), sockets: bound })
}

fn open(address: SocketAddr, shared: bool) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A port whose last connections are in TIME_WAIT is free.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
