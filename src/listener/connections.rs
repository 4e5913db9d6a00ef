//! How many connections there are, and how many were turned away.
//!
//! Not a limit of its own: the caller passes the limits. Invariant: one count for the whole process,
//! whatever number of threads accept; a permit that is dropped, by a panic too, gives its place back. The
//! lock is taken when a connection comes and goes, never for a request.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::ListenerSettings;
use super::secure::HandshakeFailure;
use crate::client::Address;

/// Counts for the metrics, shared by every listener thread.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicUsize,
    by_address: Mutex<HashMap<Address, usize>>,
    refused: AtomicU64,
    refused_by_address: AtomicU64,
    floods: AtomicU64,
    parse_errors: AtomicU64,
    proxy_faults: AtomicU64,
    handshake_failures: [AtomicU64; HandshakeFailure::ALL.len()],
}

impl Connections {
    /// Connections open now, those that linger included.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections closed at once because too many were open, since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The same because too many of one address were.
    #[must_use]
    pub fn refused_by_address(&self) -> u64 {
        self.refused_by_address.load(Ordering::Relaxed)
    }

    /// Connections of HTTP/2 closed because of frames or resets beyond the allowance, since the start.
    #[must_use]
    pub fn floods(&self) -> u64 {
        self.floods.load(Ordering::Relaxed)
    }

    /// Requests that were not HTTP (answered 400, 414 or 431 by the parser), since the start.
    #[must_use]
    pub fn parse_errors(&self) -> u64 {
        self.parse_errors.load(Ordering::Relaxed)
    }

    /// TLS handshakes that came to nothing for this cause, since the start.
    #[must_use]
    pub fn handshake_failures(&self, cause: HandshakeFailure) -> u64 {
        self.handshake_failures.get(cause as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn count_handshake_failure(&self, cause: HandshakeFailure) {
        if let Some(count) = self.handshake_failures.get(cause as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connections closed because they came from no trusted proxy, or with a PROXY header that is none.
    #[must_use]
    pub fn proxy_faults(&self) -> u64 {
        self.proxy_faults.load(Ordering::Relaxed)
    }

    /// Takes a place for one connection, unless as many are open as may be, or as many of its address. Those without
    /// one are many clients' that nothing tells apart: of them, only all together are counted.
    pub(super) fn admit(self: &Arc<Self>, peer: Address, limits: &ListenerSettings) -> Option<Permit> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= limits.max_connections {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let mut permit = Permit { connections: Arc::clone(self), network: None };
        permit.pass_to(peer, limits).then_some(permit)
    }

    pub(super) fn count_flood(&self) {
        self.floods.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_proxy_fault(&self) {
        self.proxy_faults.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_parse_error(&self) {
        self.parse_errors.fetch_add(1, Ordering::Relaxed);
    }
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Permit {
    connections: Arc<Connections>,
    /// Whose it is; `None` where that has no address, or nobody has said yet.
    network: Option<Address>,
}

impl Permit {
    /// The connection is that of `client`, and not of whom it was until now. False: it has as many as it may.
    pub(super) fn pass_to(&mut self, client: Address, limits: &ListenerSettings) -> bool {
        let mut by_address = self.connections.by_address.lock();
        give_back(&mut by_address, self.network);
        self.network = client.ip().map(|_| client.network());
        let Some(network) = self.network else { return true };
        let open = by_address.entry(network).or_default();
        *open += 1;
        let within = *open <= limits.max_connections_per_address || limits.trusted_proxies.contains(client);
        drop(by_address);
        if !within {
            self.connections.refused_by_address.fetch_add(1, Ordering::Relaxed);
        }
        within
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        give_back(&mut self.connections.by_address.lock(), self.network);
    }
}

fn give_back(by_address: &mut HashMap<Address, usize>, network: Option<Address>) {
    let Some(network) = network else { return };
    if let Some(open) = by_address.get_mut(&network) {
        *open = open.saturating_sub(1);
        if *open == 0 {
            by_address.remove(&network);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Connections;
    use crate::client::Address;
    use crate::listener::ListenerSettings;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_share_and_gets_it_back() {
        let limits =
            ListenerSettings { max_connections: 3, max_connections_per_address: 2, ..Default::default() };
        let connections = Arc::new(Connections::default());
        let one = connections.admit(address("192.0.2.1"), &limits);
        let _two = connections.admit(address("::ffff:192.0.2.1"), &limits).unwrap();
        assert!(connections.admit(address("192.0.2.1"), &limits).is_none());
        let _three = connections.admit(address("192.0.2.2"), &limits).unwrap();
        assert!(connections.admit(address("192.0.2.3"), &limits).is_none());
        assert_eq!((connections.refused(), connections.refused_by_address()), (1, 1));
        drop(one);
        assert!(connections.admit(address("192.0.2.1"), &limits).is_some());
        assert_eq!(connections.open(), 2);
    }

    #[test]
    fn those_without_an_address_are_counted_together_and_by_whom_a_proxy_speaks_for() {
        let limits =
            ListenerSettings { max_connections: 4, max_connections_per_address: 1, ..Default::default() };
        let connections = Arc::new(Connections::default());
        let mut held: Vec<_> = (0..3).map(|_| connections.admit(Address::UNIX, &limits).unwrap()).collect();
        assert!(held[0].pass_to(address("192.0.2.1"), &limits));
        assert!(!held[1].pass_to(address("192.0.2.1"), &limits));
        assert!(held[2].pass_to(Address::UNIX, &limits));
        let _fourth = connections.admit(address("192.0.2.2"), &limits).unwrap();
        assert!(connections.admit(Address::UNIX, &limits).is_none());
        assert_eq!((connections.refused(), connections.refused_by_address()), (1, 1));
        drop(held);
        assert!(connections.admit(address("192.0.2.1"), &limits).is_some());
        assert_eq!(connections.open(), 1);
    }
}
