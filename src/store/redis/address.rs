//! Which server is the one, now.
//!
//! Not a connection to it (`connect.rs`), and not what it must be (`server.rs`). Asked anew for each connection,
//! and again by whoever keeps one: an address that was right a moment ago may be a former master's. A
//! deployment is one variant here and a file of its own: `sentinel.rs`, `slots.rs`. Invariant: an address that
//! nobody vouches for is never given; where it cannot be told, there is an error.

use super::connect::Connector;
use super::sentinel::Sentinels;
use super::slots::Slots;
use crate::config::{ServerAddress, Topology};
use crate::store::StoreError;
use std::sync::Arc;

/// How the one server is found.
pub(super) enum Whereabouts {
    /// It is configured; a name may lead elsewhere next time.
    Fixed(ServerAddress),
    /// A majority of the sentinels says which.
    Sentinels(Sentinels),
    /// The node that has the slot of our hash tag.
    Slots(Slots),
}

impl Whereabouts {
    pub(super) fn of(topology: &Topology, connector: &Arc<Connector>) -> Self {
        match topology.clone() {
            Topology::Standalone(address) => Self::Fixed(address),
            Topology::Sentinel { sentinels, master } => {
                Self::Sentinels(Sentinels::new(sentinels, master, Arc::clone(connector)))
            }
            Topology::Cluster { seeds } => Self::Slots(Slots::new(seeds)),
        }
    }

    /// Where to connect to now: the first of these that can be used. Never empty.
    pub(super) async fn now(&self) -> Result<Vec<ServerAddress>, StoreError> {
        Ok(match self {
            Self::Fixed(address) => vec![address.clone()],
            Self::Sentinels(sentinels) => vec![sentinels.master().await?],
            Self::Slots(slots) => slots.candidates(),
        })
    }

    /// Whether a connection to this address may be relied on now: an error where others say otherwise, or
    /// where nobody can tell.
    pub(super) async fn confirm(&self, address: &ServerAddress) -> Result<(), StoreError> {
        match self {
            Self::Sentinels(sentinels) => sentinels.confirm(address).await,
            // Its own answers say whether it is: ROLE, and in a Cluster the redirect and CLUSTER INFO.
            Self::Fixed(_) | Self::Slots(_) => Ok(()),
        }
    }

    /// Whether it is known, without asking anybody, that another address is right by now.
    pub(super) fn has_left(&self, address: &ServerAddress) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Sentinels(sentinels) => sentinels.has_left(address),
            Self::Slots(slots) => slots.has_left(address),
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Slots(_))
    }
}
