//! The way to the server: which connection is used for what, and when it is given up.
//!
//! Not the commands of the store. Which server it is now is asked of `address.rs`, a connection to it is made
//! by `connect.rs`, what is at its end is checked by `server.rs`, and a redirect of a Cluster is followed by
//! `redirect.rs`. Invariants: a connection is handed out only after its server passed every check; where the server is
//! is asked anew for each connection; one whose answer did not come, or whose server is no longer the one, is
//! never used again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::runtime::{self, Handle};
use tokio::sync::MutexGuard;

use super::address::Whereabouts;
use super::connect::{Connector, Login};
use super::connection::Connection;
use super::fault::{self, Fault};
use super::forms::Names;
use super::redirect;
use super::replicas;
use super::server::{self, Server};
use crate::config::{RedisConfig, ServerAddress};
use crate::store::StoreError;
use crate::store::seal::Keyring;

/// What a kept connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Use {
    /// Everything that is answered at once.
    Shared,
    /// Commits that wait for replicas: meanwhile the server answers nothing else on it.
    Commits,
}

/// The way to one server and one namespace on it.
pub(super) struct Link {
    pub(super) settings: RedisConfig,
    pub(super) names: Names,
    pub(super) namespace: String,
    pub(super) keyring: Arc<Keyring>,
    /// The store in messages: `redis://host:port/0`, without user and password.
    pub(super) place: String,
    pub(super) whereabouts: Whereabouts,
    connector: Arc<Connector>,
    /// One for each runtime that uses the store: a connection is driven by the runtime that made it, and a
    /// commit must not wait for a thread that decodes a snapshot.
    kept: tokio::sync::Mutex<HashMap<(runtime::Id, Use), Connection>>,
    commits: tokio::sync::Mutex<()>,
    /// What the last connection found.
    server: Mutex<Option<(Arc<ServerAddress>, Server)>>,
    warned: AtomicBool,
    short_of_replicas: AtomicBool,
    /// Whether it leads to what is no record: then the namespace is not looked at.
    is_beside: bool,
}

impl Link {
    pub(super) fn new(settings: RedisConfig, namespace: &str, keyring: Arc<Keyring>) -> Self {
        let connector = Arc::new(Connector::new(settings.clone()));
        Self {
            place: settings.place(),
            whereabouts: Whereabouts::of(&settings.topology, &connector),
            connector,
            settings,
            names: Names::of(namespace),
            namespace: namespace.to_owned(),
            keyring,
            kept: tokio::sync::Mutex::default(),
            commits: tokio::sync::Mutex::default(),
            server: Mutex::new(None),
            warned: AtomicBool::default(),
            short_of_replicas: AtomicBool::default(),
            is_beside: false,
        }
    }

    /// The way to what is no record, under a hash tag of its own. Nobody goes it before the namespace was found to be
    /// ours.
    pub(super) fn beside(settings: RedisConfig, namespace: &str, keyring: Arc<Keyring>) -> Self {
        Self { is_beside: true, ..Self::new(settings, namespace, keyring) }
    }

    /// A new connection to a server that passed every check.
    pub(super) async fn open(&self, answer: Duration) -> Result<Connection, StoreError> {
        let mut said = Vec::new();
        for address in self.whereabouts.now().await? {
            match self.open_at(address, answer).await {
                Ok(connection) => {
                    // Beside the records, nothing was asked yet that only the owner answers.
                    if let Whereabouts::Slots(slots) = &self.whereabouts
                        && !self.is_beside
                    {
                        slots.learn(connection.address());
                    }
                    return Ok(connection);
                }
                Err(StoreError::Unavailable(why)) => said.push(why),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable(said.join("; ")))
    }

    /// The same, to the server at this address, or, in a Cluster, to the one that it names.
    async fn open_at(&self, address: ServerAddress, answer: Duration) -> Result<Connection, StoreError> {
        let redis = self.connector.connect(&address, Login::Store, answer).await?;
        let mut connection = Connection::new(redis, address, answer);
        if self.is_beside {
            let server = server::check(self, &mut connection).await;
            server.map_err(|fault| server::unwelcome(self, fault))?;
            connection.set_checked();
            return Ok(connection);
        }
        let server = server::inspect(self, &mut connection).await?;
        self.note(connection.address(), server);
        connection.set_checked();
        Ok(connection)
    }

    /// A bare connection to another node of the same Cluster that passed every check but of the namespace.
    pub(super) async fn reach(
        &self,
        node: &ServerAddress,
        answer: Duration,
    ) -> Result<MultiplexedConnection, StoreError> {
        let mut redis = self.connector.connect(node, Login::Store, answer).await?;
        let server = server::check(self, &mut redis).await;
        let server = server.map_err(|fault| server::unwelcome(self, fault))?;
        self.note(&Arc::new(node.clone()), server);
        Ok(redis)
    }

    fn note(&self, address: &Arc<ServerAddress>, server: Server) {
        if server.config_denied && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                server = %self.place,
                "CONFIG GET is denied, so maxmemory-policy cannot be checked: make sure that it is noeviction"
            );
        }
        let replicas = server.replicas;
        *self.server.lock() = Some((Arc::clone(address), server));
        self.saw_replicas(replicas);
    }

    /// The connection for everything but following the log; made where there is none.
    pub(super) async fn shared(&self) -> Result<Connection, StoreError> {
        self.kept(Use::Shared).await
    }

    /// Gives the shared connection up: the next use makes a new one.
    pub(super) async fn forget(&self) {
        self.give_up(Use::Shared).await;
    }

    /// The connection for commits: the shared one, unless they wait for replicas.
    pub(super) async fn committing(&self) -> Result<Connection, StoreError> {
        self.kept(self.use_of_commits()).await
    }

    /// Gives the connection for commits up.
    pub(super) async fn forget_committing(&self) {
        self.give_up(self.use_of_commits()).await;
    }

    /// Held for a commit that waits for replicas: what is waited for on its connection is then that commit.
    pub(super) async fn alone(&self) -> Option<MutexGuard<'_, ()>> {
        match self.use_of_commits() {
            Use::Shared => None,
            Use::Commits => Some(self.commits.lock().await),
        }
    }

    fn use_of_commits(&self) -> Use {
        if replicas::demanded(self) > 0 { Use::Commits } else { Use::Shared }
    }

    async fn kept(&self, purpose: Use) -> Result<Connection, StoreError> {
        let key = (Handle::current().id(), purpose);
        let mut kept = self.kept.lock().await;
        if let Some(connection) = kept.get(&key)
            && !self.whereabouts.has_left(connection.address())
        {
            return Ok(connection.clone());
        }
        let connection = self.open(self.answer()).await?;
        kept.insert(key, connection.clone());
        Ok(connection)
    }

    async fn give_up(&self, purpose: Use) {
        self.kept.lock().await.remove(&(Handle::current().id(), purpose));
    }

    /// Runs a command that only reads the key; once more on a new connection where the first is broken.
    pub(super) async fn read(&self, key: &str, command: &Cmd) -> Result<Value, StoreError> {
        let mut connection = self.shared().await?;
        match run(self, &mut connection, key, command).await {
            Err(Fault::Lost(_)) => self.forget().await,
            answer => return answer.map_err(StoreError::from),
        }
        let mut connection = self.shared().await?;
        let answer = run(self, &mut connection, key, command).await;
        if answer.as_ref().is_err_and(Fault::is_lost) {
            self.forget().await;
        }
        answer.map_err(StoreError::from)
    }

    /// For an ordinary answer. A server that takes longer is as good as gone.
    pub(super) fn answer(&self) -> Duration {
        self.connector.answer()
    }

    /// What the server was like when it was last connected to.
    pub(super) fn server(&self) -> Option<Server> {
        self.server.lock().as_ref().map(|(_, server)| server.clone())
    }

    /// The server that was connected to last, where the deployment has several.
    pub(super) fn address(&self) -> Option<String> {
        let several = !matches!(self.whereabouts, Whereabouts::Fixed(_));
        self.server.lock().as_ref().filter(|_| several).map(|(address, _)| address.to_string())
    }

    /// Notes how many replicas are connected now, and says so where it matters.
    pub(super) fn saw_replicas(&self, connected: usize) {
        if let Some((_, server)) = self.server.lock().as_mut() {
            server.replicas = connected;
        }
        let demanded = replicas::demanded(self);
        let short = connected < demanded;
        if self.short_of_replicas.swap(short, Ordering::Relaxed) == short {
            return;
        }
        let server = self.place.as_str();
        if short {
            tracing::warn!(
                server,
                connected,
                demanded,
                "too few replicas for store.durability: changes are refused until more are connected"
            );
        } else {
            tracing::info!(server, connected, demanded, "enough replicas for store.durability are connected");
        }
    }
}

/// Runs a command that touches `key`, wherever that is by now.
pub(super) async fn run(
    link: &Link,
    connection: &mut Connection,
    key: &str,
    command: &Cmd,
) -> Result<Value, Fault> {
    if let Whereabouts::Slots(slots) = &link.whereabouts {
        return redirect::run(link, slots, connection, key, command).await;
    }
    let answer = command.query_async(&mut **connection).await;
    answer.map_err(|error| fault::of_command(&link.place, key, &error))
}
