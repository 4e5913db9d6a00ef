//! The composition root: a checked configuration becomes a running sidecar.
//!
//! Not a place for logic: it makes the parts, hands them to each other and starts the threads. Invariants:
//! everything that can be refused is refused before the first socket is bound; the traffic port opens with an
//! unloaded mirror, which answers 503, never with an open door; each thread has one job:
//!
//! | thread | runs |
//! |---|---|
//! | `traffic-N` | one runtime, one socket, one pool of upstream connections per core; none with role admin |
//! | `store-sync` | snapshot and change log into the mirror |
//! | `behind` | what is written behind the traffic: the use of records, deliveries |
//! | `admin` | the ops port and, but for role data, the admin port, the keeping of secrets that senders hand over, the seed file |

mod mapping;
mod parts;
mod reload;
mod secure;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::admin::Token;
use crate::clock::Clock;
use crate::config::Config;
use crate::drain::{self, Trigger};
use crate::keys::ring::KeyRing;
use crate::listener::{self, BindError, Bound, Place};
use crate::proxy::route::Table;
use crate::readiness::Readiness;
use crate::secret::Secret;
use crate::store::open::{OpenError, open_store, refuse_wrong_keks};
use crate::store::writer::Writer;
use crate::tls::MaterialFault;
use parts::{Parts, Writing};
use secure::Security;

pub use reload::{Outcome, Reloader};

/// Why a sidecar does not start. The text tells an operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be bound.
    #[error("{option} = {address} cannot be bound: {source}; {hint} or set {option}")]
    Bind {
        /// The option that names the address.
        option: &'static str,
        /// The address.
        address: Place,
        /// What the system said.
        source: std::io::Error,
        /// What would help.
        hint: &'static str,
    },
    /// The store or its keys cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The routes contradict each other.
    #[error("routes: {0}")]
    Routes(String),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] MaterialFault),
    /// The role has an admin port, and nobody may be let in.
    #[error("no admin token")]
    NoToken,
    /// A thread or runtime cannot be had.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A sidecar that runs.
pub struct Running {
    /// Where traffic is taken; `None` with role admin.
    pub traffic: Option<Place>,
    /// Where admins are served; `None` with role data.
    pub admin: Option<SocketAddr>,
    /// Where probes are answered.
    pub ops: SocketAddr,
    /// Changes records as the admin port does.
    pub writer: Arc<Writer>,
    /// Looks records up as the traffic port does.
    pub keys: Arc<KeyRing>,
    readiness: Arc<Readiness>,
    security: Security,
    reloader: Arc<Reloader>,
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

    /// Takes a changed configuration.
    #[must_use]
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    /// Looks at the files of certificates and keys now; they are looked at every few seconds anyhow. Blocks.
    pub fn look_at_certificates(&self) {
        self.security.look();
    }

    /// Says that it goes, and serves on for `drain.delay`, so that whoever balances the load has heard of it before
    /// the port closes; then [`Running::stop`]. Blocks; not for a runtime's thread.
    pub fn leave(self) {
        self.readiness.set_draining();
        std::thread::sleep(self.reloader.drain_delay());
        self.stop();
    }

    /// Drains and stops: not ready at once, requests in flight finish within `drain.timeout`, and the ops port
    /// answers until they have. Blocks; not for a runtime's thread.
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

/// Starts everything that the role has. Returns once every socket is bound; the mirror loads meanwhile. The
/// token is needed where there is an admin port.
///
/// # Errors
/// See [`StartError`]; nothing keeps running then.
pub fn start(
    config: &Config,
    admin_token: Option<Secret>,
    clock: Arc<dyn Clock>,
) -> Result<Running, StartError> {
    if config.role.serves_admin() && admin_token.is_none() {
        return Err(StartError::NoToken);
    }
    let routes = Table::new(config.routes.clone()).map_err(|faults| {
        StartError::Routes(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let security = Security::open(config, &clock)?;
    let (store, keyring) = open_store(config)?;
    refuse_wrong_keks(config, &keyring)?;
    let sockets = Sockets::bind(config)?;
    let (parts, capture_task, delivery_task) =
        Parts::new(config, (routes, security.clone()), (store, keyring), clock);
    let (drain, drain_watcher) = drain::channel();
    let (end, end_watcher) = drain::channel();

    let traffic = sockets.traffic.as_ref().map(|bound| bound.place.clone());
    let admin = sockets.admin.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
    let ops = sockets.ops.local_addr()?;
    // Without an admin port nothing is ever written: the task that would is not run, and whoever hands in a secret
    // gets 503.
    let admin_token = admin_token.map(Token::from);
    let reloader = Arc::new(parts.reloader(config, admin_token.clone()));
    let writing = sockets.admin.zip(admin_token).map(|(socket, token)| Writing {
        socket,
        state: parts.admin_state(config, token),
        captures: capture_task,
        seed: parts.seed_task(config),
        restores: parts.restores(),
        retention: parts.retention(config),
    });
    let other_threads = vec![
        parts.spawn_sync(config.store.init, end_watcher.clone())?,
        parts.spawn_behind(delivery_task, end_watcher.clone())?,
        parts.spawn_side_ports(writing, sockets.ops, end_watcher)?,
    ];
    let traffic_threads = match sockets.traffic {
        Some(bound) => parts.spawn_traffic(config, bound.sockets, &drain_watcher)?,
        None => Vec::new(),
    };
    parts.readiness.set_listening();
    Ok(Running {
        traffic,
        admin,
        ops,
        writer: parts.writer,
        keys: parts.ring,
        readiness: parts.readiness,
        reloader,
        security,
        drain,
        end,
        traffic_threads,
        other_threads,
    })
}

/// Judges the certificates and keys that the role would serve under; nothing is served.
///
/// # Errors
/// What is wrong with the first faulty file.
pub fn judge_certificates(config: &Config, clock: &Arc<dyn Clock>) -> Result<(), MaterialFault> {
    Security::open(config, clock).map(drop)
}

/// Every socket of the role, bound before anything runs.
struct Sockets {
    traffic: Option<Bound>,
    admin: Option<std::net::TcpListener>,
    ops: std::net::TcpListener,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, StartError> {
        let threads = match config.listener.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let fault = |error: BindError| {
            let hint = error.hint();
            StartError::Bind { option: "listener.address", address: error.place, source: error.source, hint }
        };
        let role = config.role;
        let traffic = role.serves_traffic().then(|| listener::bind(&config.listener.address, threads));
        let admin = role.serves_admin().then(|| bind_one("admin.address", config.admin.address));
        Ok(Self {
            traffic: traffic.transpose().map_err(fault)?,
            admin: admin.transpose()?,
            ops: bind_one("ops.address", config.ops.address)?,
        })
    }
}

fn bind_one(option: &'static str, address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let fault =
        |source| StartError::Bind { option, address: Place::Tcp(address), source, hint: "free the port" };
    let socket = std::net::TcpListener::bind(address).map_err(fault)?;
    socket.set_nonblocking(true).map_err(fault)?;
    Ok(socket)
}
