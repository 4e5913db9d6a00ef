//! Whether the caller's address may use a record. Pure.
//!
//! Not a rate limit and not a substitute for a credential. Invariant: an IPv4-mapped IPv6 address
//! (RFC 4291 §2.5.5.2) is judged as the IPv4 address it carries, so that a dual-stack socket changes nothing.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Refusal;

/// Accepts any address where the record names none.
pub(super) fn check(allowed: Option<&[IpNet]>, peer: IpAddr) -> Result<(), Refusal> {
    let peer = peer.to_canonical();
    match allowed {
        None => Ok(()),
        Some(networks) if networks.iter().any(|network| network.contains(&peer)) => Ok(()),
        Some(_) => Err(Refusal::Address),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn an_ipv4_mapped_address_is_judged_as_ipv4() {
        let allowed = ["192.0.2.0/24".parse().unwrap()];
        assert!(check(Some(&allowed), "::ffff:192.0.2.7".parse().unwrap()).is_ok());
        assert!(check(Some(&allowed), "::ffff:198.51.100.7".parse().unwrap()).is_err());
        assert!(check(Some(&[]), "192.0.2.7".parse().unwrap()).is_err());
        assert!(check(None, "192.0.2.7".parse().unwrap()).is_ok());
    }
}
