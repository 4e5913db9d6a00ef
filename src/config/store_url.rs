//! `store.url`: which servers there are, how they are arranged, and who logs in.
//!
//! Not the other options of Redis (`redis.rs`). Three forms, each with `rediss` for TLS:
//!
//! ```text
//! redis://[user[:password]@]host[:port][/database]
//! redis+sentinel://[user[:password]@]host[:port][,host[:port]]…/master[/database]
//! redis+cluster://[user[:password]@]host[:port][,host[:port]]…
//! ```
//!
//! User and password are percent-encoded. Invariants: what is refused is refused with the form that was meant;
//! no part of a login is repeated in a fault.

use std::collections::BTreeSet;
use std::fmt;

use percent_encoding::percent_decode_str;

use super::fault::Expected;
use super::reader::Raw;
use super::upstream::split_port;
use crate::secret::Secret;

/// The port of a server without one.
pub(super) const PORT: u16 = 6379;
/// The port of a sentinel without one.
pub(super) const SENTINEL_PORT: u16 = 26379;
/// Servers in one URL: more than anybody runs, and few enough to ask all of them at once.
const SERVERS: usize = 32;

/// Where one server is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerAddress {
    /// A name or an IP address, without the brackets of IPv6.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How the servers are arranged. Lists are never empty and name each server once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Standalone(ServerAddress),
    /// A master with replicas; sentinels say which one it is now.
    Sentinel {
        /// All sentinels: the master is what a majority of them says.
        sentinels: Vec<ServerAddress>,
        /// The name under which they know the master.
        master: String,
    },
    /// A Redis Cluster.
    Cluster {
        /// Some of its nodes: the others are learnt from them.
        seeds: Vec<ServerAddress>,
    },
}

/// What the URL says.
pub(super) struct StoreUrl {
    pub(super) topology: Topology,
    pub(super) tls: bool,
    pub(super) database: u32,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

/// The arrangements, as their schemes name them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Standalone,
    Sentinel,
    Cluster,
}

impl Form {
    fn expected(self) -> Expected {
        Expected::new(match self {
            Self::Standalone => "\"redis://[user[:password]@]host[:port][/database]\"",
            Self::Sentinel => "\"redis+sentinel://[user[:password]@]host[:port],.../master[/database]\"",
            Self::Cluster => "\"redis+cluster://[user[:password]@]host[:port],...\"",
        })
    }
}

pub(super) fn parse(raw: &Raw<'_>) -> Result<StoreUrl, Expected> {
    let unknown = || {
        Form::Standalone.expected().hint(
            "or \"redis+sentinel://host,host,host/master\", or \"redis+cluster://host,host\"; rediss for TLS",
        )
    };
    let (scheme, rest) = raw.text().and_then(|text| text.split_once("://")).ok_or_else(unknown)?;
    let (form, tls) = match scheme {
        "redis" => (Form::Standalone, false),
        "rediss" => (Form::Standalone, true),
        "redis+sentinel" => (Form::Sentinel, false),
        "rediss+sentinel" => (Form::Sentinel, true),
        "redis+cluster" => (Form::Cluster, false),
        "rediss+cluster" => (Form::Cluster, true),
        _ => return Err(unknown()),
    };
    let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
    if place.contains(['?', '#']) {
        return Err(form.expected().hint("without query"));
    }
    let (servers, path) = place.split_once('/').unwrap_or((place, ""));
    let (topology, database) = match form {
        Form::Standalone => (Topology::Standalone(only(form, servers)?), database(form, path)?),
        Form::Sentinel => {
            let (master, path) = path.split_once('/').unwrap_or((path, ""));
            let sentinels = servers_of(form, servers)?;
            (Topology::Sentinel { sentinels, master: master_name(master)? }, database(form, path)?)
        }
        Form::Cluster if database(form, path)? != 0 => {
            return Err(form.expected().hint("a Cluster has database 0 only"));
        }
        Form::Cluster => (Topology::Cluster { seeds: servers_of(form, servers)? }, 0),
    };
    let (user, password) = login.map_or(Ok((None, None)), |login| credentials(form, login))?;
    Ok(StoreUrl { topology, tls, database, user, password })
}

fn only(form: Form, servers: &str) -> Result<ServerAddress, Expected> {
    if servers.contains(',') {
        let hint = "several servers are a \"redis+sentinel://\" or a \"redis+cluster://\"";
        return Err(form.expected().hint(hint));
    }
    server(form, servers)
}

fn servers_of(form: Form, servers: &str) -> Result<Vec<ServerAddress>, Expected> {
    let list: Vec<ServerAddress> =
        servers.split(',').map(|text| server(form, text)).collect::<Result<_, _>>()?;
    if list.len() > SERVERS {
        return Err(form.expected().hint(format!("at most {SERVERS} servers")));
    }
    // A sentinel that is named twice would have two votes.
    if list.iter().collect::<BTreeSet<_>>().len() < list.len() {
        return Err(form.expected().hint("each server once"));
    }
    Ok(list)
}

fn server(form: Form, text: &str) -> Result<ServerAddress, Expected> {
    let (host, port) = split_port(text).map_err(|fault| match fault.hint {
        Some(hint) => form.expected().hint(hint),
        None => form.expected(),
    })?;
    let default = if form == Form::Sentinel { SENTINEL_PORT } else { PORT };
    let port = port.map_or(Ok(default), str::parse).ok().filter(|port| *port != 0);
    let port = port.ok_or_else(|| form.expected().hint("ports are 1 to 65535"))?;
    Ok(ServerAddress { host: host.to_ascii_lowercase(), port })
}

fn database(form: Form, text: &str) -> Result<u32, Expected> {
    match text {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| form.expected().hint("the database is a number")),
    }
}

fn master_name(text: &str) -> Result<String, Expected> {
    // As Sentinel itself has it: "sentinel monitor" takes these and no others.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.is_empty() || !text.bytes().all(legal) {
        let hint = "the name of the master in \"sentinel monitor\": letters, digits, \".\", \"-\" and \"_\"";
        return Err(Form::Sentinel.expected().hint(hint));
    }
    Ok(text.to_owned())
}

fn credentials(form: Form, login: &str) -> Result<(Option<String>, Option<Secret>), Expected> {
    let (user, password) =
        login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let decoded = |text| {
        let text = percent_decode_str(text).decode_utf8();
        text.map_err(|_| form.expected().hint("user and password are UTF-8"))
    };
    let user = Some(decoded(user)?.into_owned()).filter(|user| !user.is_empty());
    let password = password.map(decoded).transpose()?;
    Ok((user, password.map(|password| Secret::from_text(&password))))
}
