//! The composition root: a checked configuration becomes a running sidecar.
//!
//! Not a place for logic: it makes the parts, hands them to each other and starts the threads. Invariants:
//! everything that can be refused is refused before the first socket is bound; the traffic port opens with an
//! unloaded mirror, which answers 503, never with an open door; each thread has one job:
//!
//! | thread | runs |
//! |---|---|
//! | `traffic-N` | one runtime, one socket, one pool of upstream connections per core |
//! | `store-sync` | snapshot and change log into the mirror |
//! | `admin` | the admin and ops ports, and the keeping of secrets that senders hand over |

mod parts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::clock::Clock;
use crate::config::Config;
use crate::drain::{self, Trigger};
use crate::keys::ring::KeyRing;
use crate::listener::{self, BindError, Bound};
use crate::proxy::route::Table;
use crate::readiness::Readiness;
use crate::secret::Secret;
use crate::store::open::{OpenError, open_store, refuse_wrong_keks};
use crate::store::writer::Writer;
use parts::Parts;

/// Why a sidecar does not start. The text tells an operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be bound.
    #[error("{option} = {address} cannot be bound: {source}; free the port or set {option}")]
    Bind {
        /// The option that names the address.
        option: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store or its keys cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The routes contradict each other.
    #[error("routes: {0}")]
    Routes(String),
    /// A thread or runtime cannot be had.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A sidecar that runs.
pub struct Running {
    /// Where traffic is taken.
    pub traffic: SocketAddr,
    /// Where admins are served.
    pub admin: SocketAddr,
    /// Where probes are answered.
    pub ops: SocketAddr,
    /// Changes records as the admin port does.
    pub writer: Arc<Writer>,
    /// Looks records up as the traffic port does.
    pub keys: Arc<KeyRing>,
    readiness: Arc<Readiness>,
    drain: Trigger,
    end: Trigger,
    traffic_threads: Vec<JoinHandle<()>>,
    other_threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Whether the sockets are bound and the keys are loaded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.readiness.missing().is_empty() && self.keys.is_available()
    }

    /// Drains and stops: not ready at once, requests in flight finish within `limits.drain_timeout`, and the
    /// ops port answers until they have. Blocks; not for a runtime's thread.
    pub fn stop(self) {
        self.readiness.set_draining();
        self.drain.start();
        join(self.traffic_threads);
        self.end.start();
        join(self.other_threads);
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread ended by a panic");
        }
    }
}

/// Starts everything. Returns once every socket is bound; the mirror loads meanwhile.
///
/// # Errors
/// See [`StartError`]; nothing keeps running then.
pub fn start(config: &Config, admin_token: Secret, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
    let routes = Table::new(config.routes.clone()).map_err(|faults| {
        StartError::Routes(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let (store, keyring) = open_store(config)?;
    refuse_wrong_keks(config, &keyring)?;
    let sockets = Sockets::bind(config)?;
    let (parts, capture_task) = Parts::new(config, &routes, store, keyring, clock);
    let (drain, drain_watcher) = drain::channel();
    let (end, end_watcher) = drain::channel();

    let admin_state = parts.admin_state(config, &routes, admin_token);
    let (traffic, admin, ops) =
        (sockets.traffic.address, sockets.admin.local_addr()?, sockets.ops.local_addr()?);
    let other_threads = vec![
        parts.spawn_sync(config.store.init, end_watcher.clone())?,
        parts.spawn_side_ports(admin_state, sockets.admin, sockets.ops, capture_task, end_watcher)?,
    ];
    let traffic_threads = parts.spawn_traffic(config, routes, sockets.traffic.sockets, &drain_watcher)?;
    parts.readiness.set_listening();
    Ok(Running {
        traffic,
        admin,
        ops,
        writer: parts.writer,
        keys: parts.ring,
        readiness: parts.readiness,
        drain,
        end,
        traffic_threads,
        other_threads,
    })
}

/// Every socket, bound before anything runs.
struct Sockets {
    traffic: Bound,
    admin: std::net::TcpListener,
    ops: std::net::TcpListener,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, StartError> {
        let threads = match config.listener.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let address = config.listener.address;
        let fault =
            |error: BindError| StartError::Bind { option: "listener.address", address, source: error.source };
        Ok(Self {
            traffic: listener::bind(address, threads).map_err(fault)?,
            admin: bind_one("admin.address", config.admin.address)?,
            ops: bind_one("ops.address", config.ops.address)?,
        })
    }
}

fn bind_one(option: &'static str, address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let fault = |source| StartError::Bind { option, address, source };
    let socket = std::net::TcpListener::bind(address).map_err(fault)?;
    socket.set_nonblocking(true).map_err(fault)?;
    Ok(socket)
}
