//! How a Redis is reached: its servers, the login, TLS, and what an acknowledged change must survive.
//!
//! Not the connection (`store/redis/`), and not the form of the URL (`store_url.rs`). Invariants: a password is
//! never shown, compared in constant time and zeroed; an option that would do nothing is a fault: one of Redis
//! beside another kind of store, one of TLS without TLS, one of sentinels without sentinels.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::fault::Expected;
use super::reader::{Raw, Section};
use super::store_url::{self, ServerAddress, StoreUrl, Topology};
use super::units;
use crate::secret::Secret;

/// Replicas that may be waited for: more than anybody runs.
const REPLICAS: u32 = 16;
/// Bounds of the two timeouts. The upper one keeps a dead server from being waited for longer than a sender
/// waits for an answer.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(10);
/// The options of Redis, beside which `store.kind` must be redis.
const OPTIONS: [&str; 10] = [
    "url",
    "password_file",
    "ca_file",
    "cert_file",
    "key_file",
    "sentinel_user",
    "sentinel_password_file",
    "connect_timeout",
    "response_timeout",
    "durability",
];

/// What an acknowledged change survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisDurability {
    /// What the server's own settings give.
    Server,
    /// A crash of the server: `appendonly yes` and `appendfsync always` are demanded. Checked, never set.
    Fsync,
    /// The loss of the server: so many replicas have it too (`WAIT`). 1 to 16.
    Replicas(u32),
}

/// As `store.durability` writes it.
impl fmt::Display for RedisDurability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("server"),
            Self::Fsync => f.write_str("fsync"),
            Self::Replicas(count) => write!(f, "replicas:{count}"),
        }
    }
}

/// The files of TLS, all PEM, all read for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisTls {
    /// Certificates of the authorities that a server's certificate must lead to.
    pub ca_file: PathBuf,
    /// Our certificate with its chain, and its key, where servers ask for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Where the servers are and how to be let in.
#[derive(Clone)]
pub struct RedisConfig {
    /// The servers.
    pub topology: Topology,
    /// Set with `rediss`: every connection, to sentinels too, is under TLS.
    pub tls: Option<RedisTls>,
    /// Default 0; always 0 in a Cluster.
    pub database: u32,
    /// The ACL user, if not the default one.
    pub user: Option<String>,
    /// The password in the URL.
    pub password: Option<Secret>,
    /// A file with the password, read for each connection.
    pub password_file: Option<PathBuf>,
    /// The ACL user at the sentinels, if not the default one.
    pub sentinel_user: Option<String>,
    /// A file with the password for sentinels. Without it, sentinels that ask for a login get the store's.
    pub sentinel_password_file: Option<PathBuf>,
    /// To connect, agree on TLS and log in. Default 1 s; 50 ms to 10 s.
    pub connect_timeout: Duration,
    /// For an ordinary answer. Default 1 s; 50 ms to 10 s.
    pub response_timeout: Duration,
    /// Default server.
    pub durability: RedisDurability,
}

impl RedisConfig {
    /// These servers, without TLS and login, and the defaults of everything else.
    #[must_use]
    pub fn at(topology: Topology) -> Self {
        Self {
            topology,
            tls: None,
            database: 0,
            user: None,
            password: None,
            password_file: None,
            sentinel_user: None,
            sentinel_password_file: None,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            durability: RedisDurability::Server,
        }
    }

    /// The URL without user and password: what messages call the store.
    #[must_use]
    pub fn place(&self) -> String {
        self.url("")
    }

    fn url(&self, login: &str) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        let database = self.database;
        match &self.topology {
            Topology::Standalone(server) => format!("{scheme}://{login}{server}/{database}"),
            Topology::Sentinel { sentinels, master } => {
                format!("{scheme}+sentinel://{login}{}/{master}/{database}", listed(sentinels))
            }
            Topology::Cluster { seeds } => format!("{scheme}+cluster://{login}{}", listed(seeds)),
        }
    }
}

fn listed(servers: &[ServerAddress]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl PartialEq for RedisConfig {
    fn eq(&self, other: &Self) -> bool {
        let passwords = match (&self.password, &other.password) {
            (Some(one), Some(other)) => one.ct_eq(other.expose()),
            (None, None) => true,
            _ => false,
        };
        let rest = |config: &Self| {
            let Self { topology, tls, database, user, password_file, password: _, .. } = config.clone();
            let Self { sentinel_user, sentinel_password_file, durability, .. } = config.clone();
            let sentinels = (sentinel_user, sentinel_password_file);
            let times = (config.connect_timeout, config.response_timeout);
            (topology, tls, database, user, password_file, sentinels, times, durability)
        };
        passwords && rest(self) == rest(other)
    }
}

impl Eq for RedisConfig {}

/// The URL with the password masked.
impl fmt::Display for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = if self.password.is_some() || self.password_file.is_some() { ":***" } else { "" };
        let login = match self.user.as_deref() {
            None if password.is_empty() => String::new(),
            user => format!("{}{password}@", user.unwrap_or_default()),
        };
        f.write_str(&self.url(&login))
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisConfig({self}, {:?}, {:?})", self.durability, self.tls)
    }
}

/// The options of Redis in `[store]`. `used`: whether `store.kind` is redis.
pub(super) fn check(section: &mut Section<'_>, used: bool) -> Option<RedisConfig> {
    if !used {
        let unused = |_: &Raw<'_>| Err::<(), _>(Expected::new("store.kind = \"redis\" beside it"));
        for key in OPTIONS {
            let _fault = section.optional(key, unused);
        }
        return None;
    }
    let url = section.required("url", store_url::parse);
    let password_file = section.optional("password_file", units::path);
    let tls = tls(section, url.as_ref().map(|url| url.tls));
    let (sentinel_user, sentinel_password_file) = sentinel_login(section, url.as_ref());
    let connect_timeout = section.optional("connect_timeout", units::duration(TIMEOUTS));
    let response_timeout = section.optional("response_timeout", units::duration(TIMEOUTS));
    let durability = section.optional("durability", durability);
    let StoreUrl { topology, tls: _, database, user, password } = url?;
    if password.is_some() && password_file.is_some() {
        section.fault("password_file", "no password in store.url beside it");
    }
    let config = RedisConfig::at(topology);
    Some(RedisConfig {
        tls,
        database,
        user,
        password,
        password_file,
        sentinel_user,
        sentinel_password_file,
        connect_timeout: connect_timeout.unwrap_or(config.connect_timeout),
        response_timeout: response_timeout.unwrap_or(config.response_timeout),
        durability: durability.unwrap_or(config.durability),
        ..config
    })
}

/// `used`: whether the URL asks for TLS; `None` where it could not be read.
fn tls(section: &mut Section<'_>, used: Option<bool>) -> Option<RedisTls> {
    let ca_file = section.optional("ca_file", units::path);
    let cert_file = section.optional("cert_file", units::path);
    let key_file = section.optional("key_file", units::path);
    let given = [
        ("ca_file", ca_file.is_some()),
        ("cert_file", cert_file.is_some()),
        ("key_file", key_file.is_some()),
    ];
    if used == Some(false) {
        useless(section, &given, "a store.url that begins with rediss beside it");
        return None;
    }
    if used == Some(true) && ca_file.is_none() {
        let what = "the PEM file of the authorities that the server's certificate leads to, because store.url \
                    begins with rediss";
        section.fault("ca_file", what);
    }
    let client = match (cert_file, key_file) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (cert, key) => {
            useless(section, &[("cert_file", cert.is_some())], "store.key_file beside it");
            useless(section, &[("key_file", key.is_some())], "store.cert_file beside it");
            None
        }
    };
    Some(RedisTls { ca_file: ca_file?, client })
}

fn sentinel_login(section: &mut Section<'_>, url: Option<&StoreUrl>) -> (Option<String>, Option<PathBuf>) {
    let user = section.optional("sentinel_user", |raw: &Raw<'_>| match raw.text() {
        Some(user) if !user.is_empty() && !user.contains(char::is_whitespace) => Ok(user.to_owned()),
        _ => Err(Expected::new("the name of an ACL user")),
    });
    let file = section.optional("sentinel_password_file", units::path);
    let given = [("sentinel_user", user.is_some()), ("sentinel_password_file", file.is_some())];
    if url.is_some_and(|url| !matches!(url.topology, Topology::Sentinel { .. })) {
        useless(section, &given, "a store.url with +sentinel beside it");
    } else if file.is_none() {
        useless(section, &given, "store.sentinel_password_file beside it");
    }
    (user, file)
}

/// Records that the options that are given lack what they go with.
fn useless(section: &Section<'_>, options: &[(&'static str, bool)], expected: &str) {
    for (key, _) in options.iter().filter(|(_, given)| *given) {
        section.fault(key, expected);
    }
}

fn durability(raw: &Raw<'_>) -> Result<RedisDurability, Expected> {
    if let Some(count) = raw.text().and_then(|text| text.strip_prefix("replicas:")) {
        let count = count.parse().ok().filter(|count| (1..=REPLICAS).contains(count));
        let expected = || Expected::new(format!("\"replicas:N\" with N from 1 to {REPLICAS}"));
        return count.map(RedisDurability::Replicas).ok_or_else(expected);
    }
    let words = units::word(&[("server", RedisDurability::Server), ("fsync", RedisDurability::Fsync)]);
    words(raw).map_err(|expected| Expected::new(format!("{} or \"replicas:N\"", expected.text)))
}
