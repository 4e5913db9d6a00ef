//! epoll, level-triggered, and sockets for it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use socket2::{Domain, Socket, Type};

/// Events taken by one call.
const EVENTS: usize = 256;

pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS) })
    }

    /// Watches for input. Closing the socket ends it.
    pub(crate) fn add(&self, source: &impl AsFd, token: usize) -> io::Result<()> {
        let data = epoll::EventData::new_u64(u64::try_from(token).unwrap_or(u64::MAX));
        Ok(epoll::add(&self.epoll, source, data, epoll::EventFlags::IN)?)
    }

    /// Waits, and returns the tokens of what has input.
    pub(crate) fn wait(&mut self) -> io::Result<impl Iterator<Item = usize>> {
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), None)?;
        Ok(self.events.drain(..).map(|event| usize::try_from(event.data.u64()).unwrap_or(usize::MAX)))
    }
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)
}

/// `None` where there is nothing to read yet.
pub(crate) fn unless_blocked(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        other => other.map(Some),
    }
}
