//! Where somebody is: an IP address, or the other end of a Unix socket, which has none. Pure.
//!
//! Not an identity. Invariants: an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is held as the IPv4 address it carries, so
//! that a dual-stack socket changes nothing; what has no address is in no network, and never passes for one that has.

use std::fmt::{self, Display, Formatter};
use std::net::{AddrParseError, IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The word for a peer without an address.
const UNIX: &str = "unix";

/// An IP address, or none. As text `192.0.2.7`, `2001:db8::7` or `unix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(Option<IpAddr>);

impl Address {
    /// That of whoever is at the other end of a Unix socket.
    pub const UNIX: Self = Self(None);

    /// The IP address, where there is one; never an IPv4-mapped one.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// Who shares what one address may have: of IPv6 a /64, which one host has for itself. All that have no address
    /// share one part, because nothing tells them apart.
    #[must_use]
    pub fn network(self) -> Self {
        Self(self.0.map(|address| match address {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            address @ IpAddr::V4(_) => address,
        }))
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        Self(Some(address.to_canonical()))
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => Display::fmt(&address, f),
            None => f.write_str(UNIX),
        }
    }
}

impl FromStr for Address {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        if text == UNIX { Ok(Self::UNIX) } else { text.parse::<IpAddr>().map(Self::from) }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(address("2001:db8::1").network(), address("2001:db8::ffff:0:0:1").network());
        assert_ne!(address("2001:db8::1").network(), address("2001:db8:0:1::1").network());
        assert_eq!(address("::ffff:192.0.2.1").network(), address("192.0.2.1"));
        assert_eq!(Address::UNIX.network(), Address::UNIX);
    }

    #[test]
    fn an_address_is_stored_as_it_is_written() {
        for (text, shown) in
            [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("::1", "::1"), ("unix", "unix")]
        {
            assert_eq!(address(text).to_string(), shown);
            let stored = serde_json::to_string(&address(text)).unwrap();
            assert_eq!(stored, format!("\"{shown}\""));
            assert_eq!(serde_json::from_str::<Address>(&stored).unwrap(), address(text));
        }
        assert!("Unix".parse::<Address>().is_err());
        assert_eq!(Address::UNIX.ip(), None);
    }
}
