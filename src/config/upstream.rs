//! The application behind us: where it listens and how long we wait. Resolving and connecting is not done
//! here. Invariant: the URL names a place and nothing else, because each request brings its own path and
//! `Host` (RFC 9110 §7.2).

use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::fault::Expected;
use super::reader::{Raw, Section};
use super::socket;
use super::units::{self, HOUR, MINUTE};
use crate::tls::{ClientFiles, PairFiles};

/// Where the application listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTarget {
    /// `http://host[:port]`, `https://host[:port]`.
    Tcp {
        /// A name or an IP address, without the brackets of IPv6.
        host: String,
        /// Default 80, under TLS 443.
        port: u16,
        /// Whether it is under TLS.
        is_https: bool,
    },
    /// `unix:/run/app.sock`.
    Unix(PathBuf),
}

impl std::fmt::Display for UpstreamTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port, is_https } => {
                let scheme = if *is_https { "https" } else { "http" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}")
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How the application is known, and we to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The files of TLS.
    pub files: ClientFiles,
    /// What its certificate must be for, and what we ask for (SNI). Default: the host of the URL.
    pub server_name: ServerName<'static>,
}

/// The application and the patience with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// From `upstream.url`. Default `http://127.0.0.1:3000`.
    pub target: UpstreamTarget,
    /// Set with `https`.
    pub tls: Option<UpstreamTls>,
    /// Whether it is spoken to in HTTP/2. Default: in HTTP/1.1.
    pub http2: bool,
    /// To connect. Default 5 s; 10 ms to 1 min.
    pub connect_timeout: Duration,
    /// From the request's last byte to the response's head. Default 30 s; 10 ms to 1 h.
    pub response_timeout: Duration,
    /// How long a pooled connection may be unused. Default 30 s; 10 ms to 1 h.
    pub idle_timeout: Duration,
    /// Connections at once, whole process; with HTTP/2, requests. Default 1000; 1 to 100000.
    pub connections: usize,
    /// How long a request waits for one. Default 1 s; 0 s to 1 min.
    pub connection_wait: Duration,
    /// Pooled connections that may be unused, per data-path thread. Default 256; 0 to 65535.
    pub idle_connections: usize,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<UpstreamConfig> {
    let short = Duration::from_millis(10);
    let mut section = root.section("upstream");
    let target = section.required("url", target);
    let http2 = section.required("http2", units::boolean);
    let connect_timeout = section.required("connect_timeout", units::duration(short..=MINUTE));
    let response_timeout = section.required("response_timeout", units::duration(short..=HOUR));
    let idle_timeout = section.required("idle_timeout", units::duration(short..=HOUR));
    let connections = section.required("connections", units::number(1..=100_000));
    let connection_wait = section.required("connection_wait", units::duration(Duration::ZERO..=MINUTE));
    let idle_connections = section.required("idle_connections", units::number(0..=65_535));
    let tls = tls(&mut section, target.as_ref());
    section.finish();
    Some(UpstreamConfig {
        target: target?,
        tls: tls?,
        http2: http2?,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        idle_timeout: idle_timeout?,
        connections: connections?,
        connection_wait: connection_wait?,
        idle_connections: idle_connections?,
    })
}

/// The options of TLS. `Some(None)`: there is none. `None`: faulty.
fn tls(section: &mut Section<'_>, target: Option<&UpstreamTarget>) -> Option<Option<UpstreamTls>> {
    let given = |value: &Option<_>| value.is_some();
    let ca = section.optional("ca_file", units::path);
    let name = section.optional("server_name", server_name);
    let cert = section.optional("cert_file", units::path);
    let key = section.optional("key_file", units::path);
    let Some(UpstreamTarget::Tcp { host, is_https: true, .. }) = target else {
        let files = [("ca_file", given(&ca)), ("cert_file", given(&cert)), ("key_file", given(&key))];
        for (option, is_set) in files.into_iter().chain([("server_name", name.is_some())]) {
            // Where the URL is faulty, that is fault enough.
            if is_set && target.is_some() {
                section.fault(option, "an upstream.url that begins with https:// beside it");
            }
        }
        return Some(None);
    };
    let pair = match (cert, key) {
        (Some(cert_file), Some(key_file)) => Some(PairFiles { cert_file, key_file }),
        (None, None) => None,
        (Some(_), None) => {
            section.fault("cert_file", "upstream.key_file beside it");
            return None;
        }
        (None, Some(_)) => {
            section.fault("key_file", "upstream.cert_file beside it");
            return None;
        }
    };
    let Some(ca_file) = ca else {
        section.fault("ca_file", "the authorities that the application's certificate must lead to (PEM)");
        return None;
    };
    let name = match name {
        Some(name) => name,
        None => match ServerName::try_from(host.clone()) {
            Ok(name) => name,
            Err(_) => {
                section
                    .fault("url", "a host that a certificate can be for, or upstream.server_name beside it");
                return None;
            }
        },
    };
    Some(Some(UpstreamTls { files: ClientFiles { ca_file, pair }, server_name: name }))
}

fn server_name(raw: &Raw<'_>) -> Result<ServerName<'static>, Expected> {
    let expected = || Expected::new("a DNS name or an IP address, without port");
    ServerName::try_from(raw.text().unwrap_or_default().to_owned()).map_err(|_| expected())
}

fn expected() -> Expected {
    Expected::new("\"http://host:port\", \"https://host:port\" or \"unix:/path/of/socket\"")
}

fn target(raw: &Raw<'_>) -> Result<UpstreamTarget, Expected> {
    let text = raw.text().ok_or_else(expected)?;
    if let Some(path) = text.strip_prefix("unix:") {
        return socket::path(path, expected).map(UpstreamTarget::Unix);
    }
    let (is_https, rest) = match text.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("http://").ok_or_else(expected)?),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if rest.contains('@') {
        return Err(expected().hint("without user and password: a request's credentials are its sender's"));
    }
    if !matches!(path, "" | "/") {
        return Err(expected().hint("without path and query: each request brings its own"));
    }
    let (host, port) = split_port(authority)?;
    let usual = if is_https { 443 } else { 80 };
    let port: u16 =
        port.map_or(Ok(usual), str::parse).map_err(|_| expected().hint("ports are 1 to 65535"))?;
    if port == 0 {
        return Err(expected().hint("ports are 1 to 65535"));
    }
    Ok(UpstreamTarget::Tcp { host: host.to_owned(), port, is_https })
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
