//! The application behind us: where it listens and how long we wait. Resolving and connecting is not done
//! here. Invariant: the URL names a place and nothing else, because each request brings its own path and
//! `Host` (RFC 9110 §7.2).

use std::path::PathBuf;
use std::time::Duration;

use super::fault::Expected;
use super::reader::{Raw, Section};
use super::units::{self, HOUR, MINUTE};

/// The longest path of a Unix socket, in bytes (`sun_path` without its NUL).
const SOCKET_PATH: usize = 107;

/// Where the application listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTarget {
    /// `http://host[:port]`.
    Tcp {
        /// A name or an IP address, without the brackets of IPv6.
        host: String,
        /// Default 80.
        port: u16,
    },
    /// `unix:/run/app.sock`.
    Unix(PathBuf),
}

impl std::fmt::Display for UpstreamTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "http://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "http://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The application and the patience with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// From `upstream.url`. Default `http://127.0.0.1:3000`.
    pub target: UpstreamTarget,
    /// To connect. Default 5 s; 10 ms to 1 min.
    pub connect_timeout: Duration,
    /// From the request's last byte to the response's head. Default 30 s; 10 ms to 1 h.
    pub response_timeout: Duration,
    /// How long a pooled connection may be unused. Default 30 s; 10 ms to 1 h.
    pub idle_timeout: Duration,
    /// Pooled connections that may be unused, per data-path thread. Default 256; 0 to 65535.
    pub idle_connections: usize,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<UpstreamConfig> {
    let short = Duration::from_millis(10);
    let mut section = root.section("upstream");
    let target = section.required("url", target);
    let connect_timeout = section.required("connect_timeout", units::duration(short..=MINUTE));
    let response_timeout = section.required("response_timeout", units::duration(short..=HOUR));
    let idle_timeout = section.required("idle_timeout", units::duration(short..=HOUR));
    let idle_connections = section.required("idle_connections", units::number(0..=65_535));
    section.finish();
    Some(UpstreamConfig {
        target: target?,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        idle_timeout: idle_timeout?,
        idle_connections: idle_connections?,
    })
}

fn expected() -> Expected {
    Expected::new("\"http://host:port\" or \"unix:/path/of/socket\"")
}

fn target(raw: &Raw<'_>) -> Result<UpstreamTarget, Expected> {
    let text = raw.text().ok_or_else(expected)?;
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(path);
    }
    if text.starts_with("https://") {
        return Err(expected().hint("https is not supported yet"));
    }
    let rest = text.strip_prefix("http://").ok_or_else(expected)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if rest.contains('@') {
        return Err(expected().hint("without user and password: a request's credentials are its sender's"));
    }
    if !matches!(path, "" | "/") {
        return Err(expected().hint("without path and query: each request brings its own"));
    }
    let (host, port) = split_port(authority)?;
    let port: u16 = port.map_or(Ok(80), str::parse).map_err(|_| expected().hint("ports are 1 to 65535"))?;
    if port == 0 {
        return Err(expected().hint("ports are 1 to 65535"));
    }
    Ok(UpstreamTarget::Tcp { host: host.to_owned(), port })
}

/// The host without brackets, and the port's text.
pub(super) fn split_port(authority: &str) -> Result<(&str, Option<&str>), Expected> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or_else(expected)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| expected())?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(expected()),
        };
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.is_empty() || !host.bytes().all(legal) || port.is_some_and(|port| port.contains(':')) {
        return Err(expected().hint("an IPv6 address stands in brackets"));
    }
    Ok((host, port))
}

fn socket(path: &str) -> Result<UpstreamTarget, Expected> {
    // `unix:///run/app.sock` is the same place; `unix://run/app.sock` would be another one than meant.
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return Err(expected().hint("one slash: \"unix:/run/app.sock\"")),
        None => path,
    };
    if path.is_empty() || path.len() > SOCKET_PATH || path.contains(['\0', '\u{fffd}']) {
        return Err(expected().hint(format!("the path has 1 to {SOCKET_PATH} bytes")));
    }
    Ok(UpstreamTarget::Unix(PathBuf::from(path)))
}
