//! A Unix socket to listen on: its file, from the bind to the end.
//!
//! It serves nothing, and it has no address that counts (`client::Address`): whoever may write to the file may connect.
//! Invariants: nobody can connect before the file has its mode, because the socket does not listen until then (unix(7):
//! until then a connect is refused); nothing but a socket that nobody listens on is ever removed from its place; what is
//! removed in the end is the file that was made here, by device and inode, which cannot be another's while the socket is
//! open.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixStream;

use super::bind::BACKLOG;

/// How often a directory that another process holds is tried, and the pause after each: 2 s in all.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why the place cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceTaken {
    /// It may be somebody's data: it is not touched.
    #[error("what is there is no socket")]
    NotASocket,
    /// Somebody answers.
    #[error("another process listens there")]
    InUse,
    /// Another process that starts would be done by now.
    #[error("another process has held a lock on its directory for 2 s: use a directory of its own")]
    Locked,
    /// It may be somebody's.
    #[error("whether anybody listens there cannot be told: {0}")]
    Unclear(io::Error),
}

/// One thread's hold of a socket that listens. The last to be dropped removes the file.
#[derive(Debug)]
pub struct UnixSocket {
    // Before the listener, so that it is dropped before: as long as the file is there, somebody answers.
    file: Arc<SocketFile>,
    listener: UnixListener,
}

/// The same in a runtime.
pub(super) struct UnixAcceptor {
    // As above.
    _file: Arc<SocketFile>,
    listener: tokio::net::UnixListener,
}

impl UnixSocket {
    /// Needs a runtime.
    pub(super) fn into_acceptor(self) -> io::Result<UnixAcceptor> {
        let listener = tokio::net::UnixListener::from_std(self.listener)?;
        Ok(UnixAcceptor { _file: self.file, listener })
    }
}

impl UnixAcceptor {
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

/// The file of a socket that is ours. Dropped: it is gone.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: made.dev(), inode: made.ino() })
    }

    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.is_there() {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the file of the traffic socket is left behind");
        }
    }
}

/// Listens at `path` for `threads` threads, which share the socket: there is no `SO_REUSEPORT` for one.
pub(super) fn bind(path: &Path, mode: u32, threads: usize) -> io::Result<Vec<UnixSocket>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    // Of two processes that start at once, the second finds the first one listening.
    let directory = File::open(directory.unwrap_or_else(|| Path::new(".")))?;
    lock(&directory)?;
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = Arc::new(SocketFile::of(path)?);
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    let listener = UnixListener::from(socket);
    let share = |_| Ok(UnixSocket { file: Arc::clone(&file), listener: listener.try_clone()? });
    (0..threads).map(share).collect()
}

/// Holds a directory, unless another process does for long: anybody who may read it can.
fn lock(directory: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, PlaceTaken::Locked))
}

/// Removes a socket that a process has left behind, which would be in the way for ever.
fn clear(path: &Path) -> io::Result<()> {
    let taken = |kind, fault| Err(io::Error::new(kind, fault));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return taken(io::ErrorKind::AlreadyExists, PlaceTaken::NotASocket);
        }
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Else it would wait where the queue of whoever listens is full.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(()) => taken(io::ErrorKind::AddrInUse, PlaceTaken::InUse),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            taken(io::ErrorKind::AddrInUse, PlaceTaken::InUse)
        }
        Err(error) => taken(error.kind(), PlaceTaken::Unclear(error)),
    }
}
