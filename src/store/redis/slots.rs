//! Which node of a Cluster has the slot of our hash tag, and what a node says of that.
//!
//! Not how a redirect is followed (`redirect.rs`). All our keys share one hash tag, so they are in one slot, which
//! one node owns at a time: it is *the* server for everything in this folder. There is no map of slots: whoever
//! is asked says who owns it (Redis Cluster specification, "Redirection and resharding"). Invariants: the owner
//! is a hint, which every answer may correct; seeds are asked again whenever it leads nowhere.

use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::config::ServerAddress;

/// The nodes that are known.
pub(super) struct Slots {
    /// As configured. Names may lead to other nodes by now.
    seeds: Vec<ServerAddress>,
    owner: Mutex<Option<ServerAddress>>,
}

impl Slots {
    pub(super) fn new(seeds: Vec<ServerAddress>) -> Self {
        Self { seeds, owner: Mutex::new(None) }
    }

    /// Who to ask, in order: the owner that was named last, then every seed.
    pub(super) fn candidates(&self) -> Vec<ServerAddress> {
        let owner = self.owner.lock().clone();
        let seeds = self.seeds.iter().filter(|seed| Some(*seed) != owner.as_ref()).cloned();
        owner.clone().into_iter().chain(seeds).collect()
    }

    /// The owner is this one now.
    pub(super) fn learn(&self, owner: &ServerAddress) {
        *self.owner.lock() = Some(owner.clone());
    }

    /// Whether another one is known to be the owner.
    pub(super) fn has_left(&self, address: &ServerAddress) -> bool {
        self.owner.lock().as_ref().is_some_and(|owner| owner != address)
    }
}

/// What a node's refusal means for the way of a command. Nothing was done with any of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// Another node owns the slot: go there, from now on.
    Moved(ServerAddress),
    /// The slot is being moved, and this key is over there: ask there, this once.
    Ask(ServerAddress),
    /// Not now: some keys of the slot are here and some over there, the cluster has no majority or no owner for
    /// the slot, the node is loading, or it stopped a blocking read because its role changed.
    Wait,
}

impl Redirect {
    /// Reads the refusal of the node at `asked`; `None` where it is not about the way.
    pub(super) fn of(error: &RedisError, asked: &ServerAddress) -> Option<Self> {
        use ServerErrorKind::{Ask, BusyLoading, ClusterDown, Moved, TryAgain};
        let node = || error.redirect_node().and_then(|(node, _slot)| address(node, asked));
        match error.kind() {
            ErrorKind::Server(Moved) => node().map(Self::Moved),
            ErrorKind::Server(Ask) => node().map(Self::Ask),
            ErrorKind::Server(TryAgain | ClusterDown | BusyLoading) => Some(Self::Wait),
            ErrorKind::Extension if error.code() == Some("UNBLOCKED") => Some(Self::Wait),
            _ => None,
        }
    }
}

/// `host:port`, IPv6 without brackets. No host: that of the node that was asked (`cluster-preferred-endpoint-type
/// unknown-endpoint`). A `?` is a host that the node has not been told.
fn address(text: &str, asked: &ServerAddress) -> Option<ServerAddress> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    match host {
        "?" => None,
        "" => Some(ServerAddress { host: asked.host.clone(), port }),
        host => Some(ServerAddress { host: host.to_ascii_lowercase(), port }),
    }
}
