//! The way to the server: making a connection, checking what is at its end, and the one that is shared.
//!
//! Not the commands of the store. The only place that knows addresses, credentials and timeouts; what other
//! deployments need (TLS, Sentinel, Cluster) belongs here. Invariants: a connection is handed out only after
//! its server passed every check of `server.rs`; the name is resolved and the password file read anew for
//! each connection, so that a moved server and a changed password need no restart; a connection whose
//! answer did not come is never used again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, Value,
};

use tokio::runtime::{self, Handle};
use zeroize::Zeroizing;

use super::fault::{self, Fault};
use super::forms::Names;
use super::server::{self, Server};
use crate::config::RedisConfig;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::store::seal::Keyring;

/// To connect, authenticate and select: as long as a sender may wait for a 503.
const CONNECT: Duration = Duration::from_secs(1);
/// For an ordinary answer. A server that takes longer is as good as gone.
pub(super) const ANSWER: Duration = Duration::from_secs(1);
/// After this much silence the system probes an idle connection: half-open ones are noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Unacknowledged bytes break the connection after this (`TCP_USER_TIMEOUT`, tcp(7)).
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// The way to one server and one namespace on it.
pub(super) struct Link {
    pub(super) settings: RedisConfig,
    pub(super) names: Names,
    pub(super) namespace: String,
    pub(super) keyring: Arc<Keyring>,
    /// The server in messages: `redis://host:port/0`, without user and password.
    pub(super) place: String,
    /// One for each runtime that uses the store: a connection is driven by the runtime that made it, and a
    /// commit must not wait for a thread that decodes a snapshot.
    shared: tokio::sync::Mutex<HashMap<runtime::Id, MultiplexedConnection>>,
    /// What the last connection found.
    server: Mutex<Option<Server>>,
    warned: AtomicBool,
}

impl Link {
    pub(super) fn new(settings: RedisConfig, namespace: &str, keyring: Arc<Keyring>) -> Self {
        let host = &settings.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let place = format!("redis://{host}:{}/{}", settings.port, settings.database);
        Self {
            settings,
            names: Names::of(namespace),
            namespace: namespace.to_owned(),
            keyring,
            place,
            shared: tokio::sync::Mutex::new(HashMap::new()),
            server: Mutex::new(None),
            warned: AtomicBool::new(false),
        }
    }

    /// A new connection to a server that passed every check.
    pub(super) async fn open(&self, answer: Duration) -> Result<MultiplexedConnection, StoreError> {
        let mut connection = self.connect(answer).await?;
        let server = server::inspect(self, &mut connection).await?;
        if server.config_denied && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                server = %self.place,
                "CONFIG GET is denied, so maxmemory-policy cannot be checked: make sure that it is noeviction"
            );
        }
        *self.server.lock() = Some(server);
        Ok(connection)
    }

    /// The connection for everything but following the log; made where there is none.
    pub(super) async fn shared(&self) -> Result<MultiplexedConnection, StoreError> {
        let runtime = Handle::current().id();
        let mut shared = self.shared.lock().await;
        if let Some(connection) = shared.get(&runtime) {
            return Ok(connection.clone());
        }
        let connection = self.open(ANSWER).await?;
        shared.insert(runtime, connection.clone());
        Ok(connection)
    }

    /// Gives the shared connection up: the next use makes a new one.
    pub(super) async fn forget(&self) {
        self.shared.lock().await.remove(&Handle::current().id());
    }

    /// Runs a command that only reads the key; once more on a new connection where the first is broken.
    pub(super) async fn read(&self, key: &str, command: &Cmd) -> Result<Value, StoreError> {
        let mut connection = self.shared().await?;
        match run(&self.place, &mut connection, key, command).await {
            Err(Fault::Lost(_)) => self.forget().await,
            answer => return answer.map_err(StoreError::from),
        }
        let mut connection = self.shared().await?;
        let answer = run(&self.place, &mut connection, key, command).await;
        if answer.as_ref().is_err_and(Fault::is_lost) {
            self.forget().await;
        }
        answer.map_err(StoreError::from)
    }

    /// What the server was like when it was last connected to.
    pub(super) fn server(&self) -> Option<Server> {
        self.server.lock().clone()
    }

    async fn connect(&self, answer: Duration) -> Result<MultiplexedConnection, StoreError> {
        let mut login =
            RedisConnectionInfo::default().set_db(self.settings.database.into()).set_skip_set_lib_name();
        if let Some(user) = &self.settings.user {
            login = login.set_username(user);
        }
        if let Some(password) = self.password()? {
            let password = password.expose_text().ok_or_else(|| {
                StoreError::Unavailable("the password of the store is not UTF-8".to_owned())
            })?;
            login = login.set_password(password);
        }
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3).with_retries(3);
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive)
            .set_user_timeout(UNACKNOWLEDGED);
        let fault = |error| fault::of_connect(&self.place, &error);
        let info = ConnectionAddr::Tcp(self.settings.host.clone(), self.settings.port)
            .into_connection_info()
            .map_err(fault)?
            .set_redis_settings(login)
            .set_tcp_settings(tcp);
        let client = Client::open(info).map_err(fault)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(answer));
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(fault)
    }

    fn password(&self) -> Result<Option<Secret>, StoreError> {
        let Some(path) = &self.settings.password_file else { return Ok(self.settings.password.clone()) };
        let text = Zeroizing::new(std::fs::read(path).map_err(|error| {
            StoreError::Unavailable(format!("store.password_file = {}: {error}", path.display()))
        })?);
        Ok(Some(Secret::new(text.trim_ascii().to_vec())))
    }
}

/// Runs a command that touches `key`.
pub(super) async fn run(
    place: &str,
    connection: &mut MultiplexedConnection,
    key: &str,
    command: &Cmd,
) -> Result<Value, Fault> {
    command.query_async(connection).await.map_err(|error| fault::of_command(place, key, &error))
}
