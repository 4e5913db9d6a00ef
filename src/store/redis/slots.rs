//! Which node of a Cluster has the slot of our hash tag.
//!
//! Not the redirects themselves. All our keys share one hash tag, so they are in one slot, which one node owns
//! at a time: it is *the* server for everything in this folder (Redis Cluster specification, "MOVED
//! Redirection"). A node that is not the owner answers a command on our keys with `MOVED slot host:port`: an
//! error that `fault::of_command` meets first, wherever a command is run (`link::run`, `Lua::run`). What it says
//! belongs here as the owner, and [`super::link::Link::shared`] then gives the former owner's connection up.

use crate::config::ServerAddress;

/// The nodes that are known.
pub(super) struct Slots {
    seeds: Vec<ServerAddress>,
}

impl Slots {
    pub(super) fn new(seeds: Vec<ServerAddress>) -> Self {
        Self { seeds }
    }

    /// The node to try: the owner where a redirect said who, else a seed.
    pub(super) fn owner(&self) -> ServerAddress {
        let nowhere = || ServerAddress { host: String::new(), port: 0 };
        self.seeds.first().cloned().unwrap_or_else(nowhere)
    }
}
