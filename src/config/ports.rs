//! The three ports: traffic, admin, ops. Checked types and their checks; binding is not done here.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::fault::Expected;
use super::reader::{Raw, Reader, Section};
use super::socket;
use super::{tls, units};
use crate::client::{TrustedProxies, network};
use crate::listener::Place;
use crate::tls::ServerFiles;

/// The traffic port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Where senders reach us. Default `0.0.0.0:8080`; port 0 lets the system choose. Or `unix:/path`, with its mode.
    pub address: Place,
    /// Data-path threads, each a runtime with its own socket (of a Unix socket: a share in it). 0 (default) = one per core; at most 256.
    pub threads: usize,
    /// What senders call us, for schemes that sign the URL: `http(s)://host[:port][/base]`, without query,
    /// fragment or trailing slash, so that the target can be appended. Default: none.
    pub public_url: Option<String>,
    /// Whose `X-Forwarded-*` and `Forwarded` are believed. Default: nobody's.
    pub trusted_proxies: TrustedProxies,
    /// Whether every connection begins with a PROXY header, which only trusted proxies may send. Default: off.
    pub proxy_protocol: bool,
    /// The files of TLS. Default: the port is without.
    pub tls: Option<ServerFiles>,
}

/// The admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where admins reach us. Default `127.0.0.1:9901`.
    pub address: SocketAddr,
    /// A file that holds the bearer token, where `COUNTERSIGN_ADMIN_TOKEN` does not. Default: none.
    pub token_file: Option<PathBuf>,
    /// The files of TLS. Default: the port is without.
    pub tls: Option<ServerFiles>,
    /// Names that `Host` may have beside the loopback ones and the address that was called. Default: none.
    pub hosts: Vec<String>,
    /// Whether the port may be on an address that is not loopback without TLS. Default: not.
    pub insecure: bool,
}

/// The health and metrics port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpsConfig {
    /// Where the kubelet and Prometheus reach us. Default `0.0.0.0:9902`.
    pub address: SocketAddr,
}

pub(super) fn listener(reader: &Reader, root: &mut Section<'_>) -> Option<ListenerConfig> {
    let mut section = root.section("listener");
    let address = socket::place(&mut section);
    let threads = section.required("threads", units::number(0..=256));
    let public_url = section.optional("public_url", public_url);
    let trusted_proxies = trusted_proxies(reader, &mut section);
    let proxy_protocol = section.required("proxy_protocol", units::word(&[("off", false), ("on", true)]));
    if let (Some(place), Some(proxies)) = (&address, &trusted_proxies) {
        socket::check_proxies(&section, place, proxies, proxy_protocol == Some(true));
    }
    let tls = tls::server(reader, &mut section);
    section.finish();
    Some(ListenerConfig {
        address: address?,
        threads: threads?,
        public_url,
        trusted_proxies: trusted_proxies?,
        proxy_protocol: proxy_protocol?,
        tls: tls?,
    })
}

pub(super) fn admin(reader: &Reader, root: &mut Section<'_>) -> Option<AdminConfig> {
    let mut section = root.section("admin");
    let address = section.required("address", units::address);
    let token_file = section.optional("token_file", units::path);
    let insecure = section.required("insecure", units::boolean);
    let (hosts_at, hosts) = (section.place("hosts"), section.take("hosts"));
    let tls = tls::server(reader, &mut section);
    section.finish();
    let hosts = hosts.map_or(Some(Vec::new()), |hosts| {
        reader.judge_list(&hosts_at, &hosts, "a list of host names", host_name)
    });
    Some(AdminConfig { address: address?, token_file, hosts: hosts?, insecure: insecure?, tls: tls? })
}

pub(super) fn ops(root: &mut Section<'_>) -> Option<OpsConfig> {
    let mut section = root.section("ops");
    let address = section.required("address", units::address);
    section.finish();
    Some(OpsConfig { address: address? })
}

/// The networks of proxies; `None` = faulty.
fn trusted_proxies(reader: &Reader, section: &mut Section<'_>) -> Option<TrustedProxies> {
    let Some(value) = section.take("trusted_proxies") else { return Some(TrustedProxies::default()) };
    let place = section.place("trusted_proxies");
    let expected = "a list of addresses and CIDR ranges, such as [\"10.0.0.0/8\"], and \"unix\"";
    let listed = reader.judge_list(&place, &value, expected, trusted)?;
    let has_unix = listed.contains(&None);
    let proxies = TrustedProxies::new(listed.into_iter().flatten().collect());
    Some(if has_unix { proxies.and_unix() } else { proxies })
}

/// A network; `None` = whoever is at the other end of our Unix socket.
fn trusted(raw: &Raw<'_>) -> Result<Option<IpNet>, Expected> {
    if raw.text() == Some("unix") { Ok(None) } else { trusted_network(raw).map(Some) }
}

fn trusted_network(raw: &Raw<'_>) -> Result<IpNet, Expected> {
    let expected = || Expected::new("an address, a CIDR range such as \"10.0.0.0/8\", or \"unix\"");
    let network = network(raw.text().unwrap_or_default()).ok_or_else(expected)?;
    if network.prefix_len() == 0 {
        return Err(expected().hint("everybody could then say who they are; name the proxies in front of us"));
    }
    Ok(network)
}

/// A name as `Host` has it, without port; addresses need no mention.
fn host_name(raw: &Raw<'_>) -> Result<String, Expected> {
    let expected =
        || Expected::new("a host name such as \"admin.example.com\"").hint("without scheme and port");
    let name = raw.text().ok_or_else(expected)?;
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(byte);
    if name.len() > 253 || !name.split('.').all(label) || name.parse::<IpAddr>().is_ok() {
        return Err(expected());
    }
    Ok(name.to_ascii_lowercase())
}

/// An absolute URL (RFC 3986 §4.3) without query and fragment.
fn public_url(raw: &Raw<'_>) -> Result<String, Expected> {
    let expected = || Expected::new("an absolute URL such as \"https://hooks.example.com\"");
    let text = raw.text().ok_or_else(expected)?;
    let url: http::Uri = text.parse().map_err(|_| expected())?;
    let authority = url.authority().ok_or_else(expected)?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().unwrap_or_default().is_empty() {
        return Err(expected());
    }
    if url.query().is_some() || text.contains('#') {
        return Err(expected().hint("without query and fragment"));
    }
    if authority.as_str().contains('@') {
        return Err(expected().hint("without user and password"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}
