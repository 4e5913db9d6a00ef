//! How a Redis is reached: `store.url`, its password, and what an acknowledged change must survive.
//!
//! Not the connection (`store/redis/`). Invariants: a password is never shown, compared in constant time and
//! zeroed; an option of Redis beside another kind of store is a fault, because it would do nothing.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::fault::Expected;
use super::reader::{Raw, Section};
use super::units;
use crate::secret::Secret;

/// The port of a URL without one.
const PORT: u16 = 6379;

/// What an acknowledged change survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisDurability {
    /// What the server's own settings give.
    Server,
    /// A crash of the server: `appendonly yes` and `appendfsync always` are demanded. Checked, never set.
    Fsync,
}

/// Where the server is and how to be let in.
#[derive(Clone)]
pub struct RedisConfig {
    /// A name or an IP address, without the brackets of IPv6.
    pub host: String,
    /// Default 6379.
    pub port: u16,
    /// Default 0.
    pub database: u32,
    /// The ACL user, if not the default one.
    pub user: Option<String>,
    /// The password in the URL.
    pub password: Option<Secret>,
    /// A file with the password, read for each connection.
    pub password_file: Option<PathBuf>,
    /// Default server.
    pub durability: RedisDurability,
}

impl PartialEq for RedisConfig {
    fn eq(&self, other: &Self) -> bool {
        let passwords = match (&self.password, &other.password) {
            (Some(one), Some(other)) => one.ct_eq(other.expose()),
            (None, None) => true,
            _ => false,
        };
        let rest = |config: &Self| {
            let Self { host, port, database, user, password_file, durability, password: _ } = config.clone();
            (host, port, database, user, password_file, durability)
        };
        passwords && rest(self) == rest(other)
    }
}

impl Eq for RedisConfig {}

/// The URL with the password masked.
impl fmt::Display for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redis://")?;
        let password = if self.password.is_some() || self.password_file.is_some() { ":***" } else { "" };
        if self.user.is_some() || !password.is_empty() {
            write!(f, "{}{password}@", self.user.as_deref().unwrap_or_default())?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}/{}", self.host, self.port, self.database)
        } else {
            write!(f, "{}:{}/{}", self.host, self.port, self.database)
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisConfig({self}, {:?})", self.durability)
    }
}

/// The options of Redis in `[store]`. `used`: whether `store.kind` is redis.
pub(super) fn check(section: &mut Section<'_>, used: bool) -> Option<RedisConfig> {
    if !used {
        for key in ["url", "password_file", "durability"] {
            let unused = |_: &Raw<'_>| Err::<(), _>(Expected::new("store.kind = \"redis\" beside it"));
            let _fault = section.optional(key, unused);
        }
        return None;
    }
    let url = section.required("url", url);
    let password_file = section.optional("password_file", units::path);
    let durability = section.optional("durability", durability);
    let url = url?;
    if url.password.is_some() && password_file.is_some() {
        section.fault("password_file", "no password in store.url beside it");
    }
    Some(RedisConfig { password_file, durability: durability.unwrap_or(RedisDurability::Server), ..url })
}

fn durability(raw: &Raw<'_>) -> Result<RedisDurability, Expected> {
    let words = units::word(&[("server", RedisDurability::Server), ("fsync", RedisDurability::Fsync)]);
    let hint = "\"replicas:N\" is not available in this version";
    let replicas = raw.text().is_some_and(|text| text.starts_with("replicas"));
    words(raw).map_err(|expected| if replicas { expected.hint(hint) } else { expected })
}

fn expected() -> Expected {
    Expected::new("\"redis://[user[:password]@]host[:port][/database]\"")
}

fn url(raw: &Raw<'_>) -> Result<RedisConfig, Expected> {
    let text = raw.text().ok_or_else(expected)?;
    if text.starts_with("rediss://") {
        return Err(expected().hint("TLS is not available in this version"));
    }
    let rest = text.strip_prefix("redis://").ok_or_else(expected)?;
    let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
    if place.contains(['?', '#']) {
        return Err(expected().hint("without query"));
    }
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let database = match database {
        "" => 0,
        digits => digits.parse().map_err(|_| expected().hint("the database is a number"))?,
    };
    let (host, port) = super::upstream::split_port(authority).map_err(|_| expected())?;
    let port = port.map_or(Ok(PORT), str::parse).map_err(|_| expected().hint("ports are 1 to 65535"))?;
    if port == 0 {
        return Err(expected().hint("ports are 1 to 65535"));
    }
    let (user, password) = match login {
        None => (None, None),
        Some(login) => {
            let (user, password) =
                login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
            (Some(decoded(user)?).filter(|user| !user.is_empty()), password.map(decoded).transpose()?)
        }
    };
    Ok(RedisConfig {
        host: host.to_owned(),
        port,
        database,
        user,
        password: password.map(|password| Secret::from_text(&password)),
        password_file: None,
        durability: RedisDurability::Server,
    })
}

fn decoded(text: &str) -> Result<String, Expected> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(std::borrow::Cow::into_owned).map_err(|_| expected().hint("user and password are UTF-8"))
}
