//! Whether the caller's address may use a record. Pure.
//!
//! Not a rate limit and not a substitute for a credential. Invariants: an IPv4-mapped IPv6 address
//! (RFC 4291 §2.5.5.2) is judged as the IPv4 address it carries, so that a dual-stack socket changes nothing; a caller
//! without an address is in no network, not even in 0.0.0.0/0.

use ipnet::IpNet;

use super::Refusal;
use crate::client::Address;

/// Accepts any caller where the record names no network.
pub(super) fn check(allowed: Option<&[IpNet]>, peer: Address) -> Result<(), Refusal> {
    let Some(networks) = allowed else { return Ok(()) };
    match peer.ip() {
        Some(peer) if networks.iter().any(|network| network.contains(&peer)) => Ok(()),
        _ => Err(Refusal::Address),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::client::Address;

    #[test]
    fn an_ipv4_mapped_address_is_judged_as_ipv4() {
        let allowed = ["192.0.2.0/24".parse().unwrap()];
        assert!(check(Some(&allowed), "::ffff:192.0.2.7".parse().unwrap()).is_ok());
        assert!(check(Some(&allowed), "::ffff:198.51.100.7".parse().unwrap()).is_err());
        assert!(check(Some(&[]), "192.0.2.7".parse().unwrap()).is_err());
        assert!(check(None, "192.0.2.7".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_caller_without_an_address_is_in_no_network() {
        let everywhere = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        assert!(check(Some(&everywhere), Address::UNIX).is_err());
        assert!(check(None, Address::UNIX).is_ok());
    }
}
