//! Who the client of a request is: the peer of its connection, or whoever trusted proxies say they speak for. Pure.
//!
//! Not an identity: an address proves nothing but where bytes came from. Invariants: without a trusted proxy, no
//! header of the request has a say; a proxy's word reaches one hop, so the client is the rightmost address that no
//! trusted proxy has (RFC 7239 §5.2 and §8.1); where `X-Forwarded-For` and `Forwarded` name different clients, a
//! proxy has let one of them through unread, and the request is refused.

mod address;
mod forwarded;
mod x_forwarded;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

pub use address::Address;

/// What the client spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proto {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Proto {
    /// As in `X-Forwarded-Proto`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// URI schemes are compared without case (RFC 3986 §3.1).
    fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|proto| name.eq_ignore_ascii_case(proto.name().as_bytes()))
    }
}

/// The client of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    address: Address,
    proto: Proto,
    host: Option<HeaderValue>,
}

impl Client {
    /// The peer of the connection itself.
    #[must_use]
    pub fn of_peer(peer: Address, proto: Proto) -> Self {
        Self { address: peer, proto, host: None }
    }

    /// Its address: what `allowedCidrs` and limits per address judge, and what the application is told.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// What it spoke to the first trusted proxy, or to us.
    #[must_use]
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// The host that it named to the first trusted proxy, where that says so: `uri-host [ ":" port ]`.
    #[must_use]
    pub fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }
}

/// Why nobody can tell who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// A trusted proxy sent a `Forwarded` that is none (RFC 7239 §4): what a client sent may have swallowed what
    /// the proxy added.
    #[error("the Forwarded of a trusted proxy is malformed")]
    Malformed,
    /// A trusted proxy sent both headers, and they name different clients: it set one and passed the other on.
    #[error("X-Forwarded-For and Forwarded of a trusted proxy name different clients")]
    Disagreement,
}

/// The proxies whose word about their clients is believed. None by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Believes whoever connects from these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, unix: false }
    }

    /// Believes whoever connects over a Unix socket, too.
    #[must_use]
    pub fn and_unix(self) -> Self {
        Self { unix: true, ..self }
    }

    /// Whether whoever connects over a Unix socket is believed.
    #[must_use]
    pub fn has_unix(&self) -> bool {
        self.unix
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(&self, address: Address) -> bool {
        match address.ip() {
            Some(address) => self.networks.iter().any(|network| network.contains(&address)),
            None => self.unix,
        }
    }

    /// The client of a request that came over a connection of `peer`, which spoke `proto`.
    ///
    /// # Errors
    /// See [`ClientFault`]; never without a trusted peer.
    pub fn client(&self, peer: Address, proto: Proto, headers: &HeaderMap) -> Result<Client, ClientFault> {
        let own = Client::of_peer(peer, proto);
        if !self.contains(peer) {
            return Ok(own);
        }
        let forwarded = forwarded::hops(headers)?;
        let x_forwarded = x_forwarded::hops(headers);
        if forwarded.is_empty() {
            return Ok(self.walk(own, &x_forwarded));
        }
        let told = self.walk(own.clone(), &forwarded);
        if !headers.contains_key(x_forwarded::FOR) {
            return Ok(told);
        }
        let x_told = self.walk(own, &x_forwarded);
        if told.address == x_told.address { Ok(x_told) } else { Err(ClientFault::Disagreement) }
    }

    /// Goes from the peer towards the client, as far as each hop is vouched for by a trusted one.
    fn walk(&self, own: Client, hops: &[Hop]) -> Client {
        let mut client = own;
        for hop in hops.iter().rev() {
            client.proto = hop.proto.unwrap_or(client.proto);
            client.host = hop.host.clone().or(client.host);
            let Some(address) = hop.address else { break };
            client.address = address;
            if !self.contains(address) {
                break;
            }
        }
        client
    }
}

/// What one proxy said of the hop before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Hop {
    /// Where it came from. `None`: hidden or unknown, so that nothing beyond is vouched for.
    address: Option<Address>,
    proto: Option<Proto>,
    host: Option<HeaderValue>,
}

/// A network as people write it: an address alone, or a CIDR range. `None` where it is neither, and for ranges of
/// IPv4-mapped addresses, because peers are compared in their IPv4 form.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        Err(_) => {
            let range = text.parse::<IpNet>().ok()?.trunc();
            let mapped = matches!(range, IpNet::V6(range) if range.network().to_ipv4_mapped().is_some());
            (!mapped).then_some(range)
        }
    }
}

/// The address in `192.0.2.7`, `192.0.2.7:80`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:80`.
fn node(text: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.into());
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some(address.ip().into());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<std::net::Ipv6Addr>().ok().map(|address| IpAddr::from(address).into())
}
