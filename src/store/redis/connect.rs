//! One connection to one address: TCP, TLS, login, and the limits of time.
//!
//! Not which address (`address.rs`), and not what must be true of the server there (`server.rs`). The only file
//! that knows credentials. Invariants: names are resolved and files of passwords and certificates are read for
//! each connection, so that a moved server and a changed password need no restart; every wait has an end.

use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use zeroize::Zeroizing;

use super::{fault, tls};
use crate::config::{RedisConfig, ServerAddress};
use crate::secret::Secret;
use crate::store::StoreError;

/// After this much silence the system probes an idle connection: half-open ones are noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Unacknowledged bytes break the connection after this (`TCP_USER_TIMEOUT`, tcp(7)).
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// Who to log in as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// Nobody: for sentinels that ask for none.
    Nobody,
    /// The store's user, at a server.
    Store,
    /// The store's user, at a sentinel: it has no databases to choose from.
    StoreAtSentinel,
    /// The user of `store.sentinel_user` and its password.
    Sentinel,
}

/// Makes connections as configured.
pub(super) struct Connector {
    settings: RedisConfig,
}

impl Connector {
    pub(super) fn new(settings: RedisConfig) -> Self {
        if settings.tls.is_some() {
            tls::use_the_provider();
        }
        Self { settings }
    }

    /// A connection whose ordinary answers may take `answer`. Nothing is known of the server yet.
    pub(super) async fn connect(
        &self,
        address: &ServerAddress,
        login: Login,
        answer: Duration,
    ) -> Result<MultiplexedConnection, StoreError> {
        let info = self.login(login)?;
        let place = address.to_string();
        let fault = |error| fault::of_connect(&place, &error);
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3).with_retries(3);
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive)
            .set_user_timeout(UNACKNOWLEDGED);
        let (host, port) = (address.host.clone(), address.port);
        let client = match &self.settings.tls {
            None => {
                let to = ConnectionAddr::Tcp(host, port).into_connection_info().map_err(fault)?;
                Client::open(to.set_redis_settings(info).set_tcp_settings(tcp)).map_err(fault)?
            }
            Some(files) => {
                let to = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
                let to = to.into_connection_info().map_err(fault)?;
                let to = to.set_redis_settings(info).set_tcp_settings(tcp);
                Client::build_with_tls(to, tls::certificates(files)?).map_err(fault)?
            }
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.settings.connect_timeout))
            .set_response_timeout(Some(answer));
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(fault)
    }

    /// For an ordinary answer. A server that takes longer is as good as gone.
    pub(super) fn answer(&self) -> Duration {
        self.settings.response_timeout
    }

    /// For a new connection and its first answer.
    pub(super) fn longest(&self) -> Duration {
        self.settings.connect_timeout + self.settings.response_timeout
    }

    /// Whether sentinels have a password of their own.
    pub(super) fn has_sentinel_login(&self) -> bool {
        self.settings.sentinel_password_file.is_some()
    }

    fn login(&self, login: Login) -> Result<RedisConnectionInfo, StoreError> {
        let settings = &self.settings;
        let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let (user, password) = match (login, &settings.sentinel_password_file, &settings.password_file) {
            (Login::Nobody, ..) => (None, None),
            (Login::Sentinel, Some(path), _) => {
                (settings.sentinel_user.as_ref(), Some(read("store.sentinel_password_file", path)?))
            }
            (_, _, Some(path)) => (settings.user.as_ref(), Some(read("store.password_file", path)?)),
            (_, _, None) => (settings.user.as_ref(), settings.password.clone()),
        };
        if login == Login::Store {
            info = info.set_db(settings.database.into());
        }
        if let Some(user) = user {
            info = info.set_username(user);
        }
        let Some(password) = password else { return Ok(info) };
        let password = password
            .expose_text()
            .ok_or_else(|| StoreError::Unavailable("the password of the store is not UTF-8".to_owned()))?;
        Ok(info.set_password(password))
    }
}

fn read(option: &str, path: &Path) -> Result<Secret, StoreError> {
    let text = std::fs::read(path)
        .map_err(|error| StoreError::Unavailable(format!("{option} = {}: {error}", path.display())))?;
    let text = Zeroizing::new(text);
    Ok(Secret::new(text.trim_ascii().to_vec()))
}
