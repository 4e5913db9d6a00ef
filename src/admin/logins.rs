//! How often an address may come with a wrong token: [`FAILURES`] times a minute, and then not at all for its rest.
//!
//! Not the judging of a token (`auth.rs`). Invariants: an address that has come too often is refused before its token
//! is looked at, right or wrong, so that the bound is one on guesses; other addresses are none the wiser; an IPv6
//! address counts with its /64, which is one customer's; memory is bounded ([`ADDRESSES`]), and what a flood of
//! addresses pushes out first is the oldest.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Wrong tokens of one address that are answered as such, each minute.
const FAILURES: u32 = 20;
/// For how long they count, from the first.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered: some hundred kilobytes.
const ADDRESSES: usize = 4096;

/// The failures of each address.
#[derive(Debug, Default)]
pub struct Logins {
    windows: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    failures: u32,
}

impl Window {
    fn left(self, now: Instant) -> Option<Duration> {
        WINDOW.checked_sub(now.saturating_duration_since(self.since)).filter(|left| !left.is_zero())
    }
}

impl Logins {
    /// How long an address that has failed too often has to wait.
    pub(super) fn locked(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let window = self.windows.lock().get(&counted(address)).copied()?;
        window.left(now).filter(|_| window.failures >= FAILURES)
    }

    /// Notes a wrong token.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) {
        let mut windows = self.windows.lock();
        let address = counted(address);
        if windows.len() >= ADDRESSES && !windows.contains_key(&address) {
            windows.retain(|_, window| window.left(now).is_some());
            let oldest = windows.iter().min_by_key(|(_, window)| window.since).map(|(address, _)| *address);
            if windows.len() >= ADDRESSES
                && let Some(oldest) = oldest
            {
                windows.remove(&oldest);
            }
        }
        let fresh = Window { since: now, failures: 0 };
        let window = windows.entry(address).or_insert(fresh);
        if window.left(now).is_none() {
            *window = fresh;
        }
        window.failures = window.failures.saturating_add(1);
    }
}

/// The address that a caller's failures are counted under.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::{ADDRESSES, FAILURES, Logins};
    use crate::clock::{Clock, ManualClock, UnixMillis};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_locked_for_the_rest_of_its_minute_and_others_are_not() {
        let (logins, clock) = (Logins::default(), ManualClock::at(UnixMillis(0)));
        for _ in 0..FAILURES {
            assert_eq!(logins.locked(address("192.0.2.1"), clock.monotonic()), None);
            logins.failed(address("192.0.2.1"), clock.monotonic());
        }
        clock.advance(Duration::from_secs(59));
        let wait = logins.locked(address("192.0.2.1"), clock.monotonic());
        assert_eq!(wait, Some(Duration::from_secs(1)));
        assert_eq!(logins.locked(address("::ffff:192.0.2.1"), clock.monotonic()), wait);
        assert_eq!(logins.locked(address("192.0.2.2"), clock.monotonic()), None);
        clock.advance(Duration::from_secs(1));
        assert_eq!(logins.locked(address("192.0.2.1"), clock.monotonic()), None);
    }

    #[test]
    fn an_ipv6_caller_counts_with_its_network() {
        let (logins, clock) = (Logins::default(), ManualClock::at(UnixMillis(0)));
        for host in 0..FAILURES {
            logins.failed(address(&format!("2001:db8::{host:x}")), clock.monotonic());
        }
        assert!(logins.locked(address("2001:db8::ffff:1"), clock.monotonic()).is_some());
        assert!(logins.locked(address("2001:db8:0:1::1"), clock.monotonic()).is_none());
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let (logins, clock) = (Logins::default(), ManualClock::at(UnixMillis(0)));
        for _ in 0..FAILURES {
            logins.failed(address("192.0.2.1"), clock.monotonic());
        }
        for bits in 0..u32::try_from(ADDRESSES).unwrap() {
            clock.advance(Duration::from_millis(1));
            logins.failed(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + bits)), clock.monotonic());
        }
        assert_eq!(logins.windows.lock().len(), ADDRESSES);
        assert_eq!(logins.locked(address("192.0.2.1"), clock.monotonic()), None);
    }
}
