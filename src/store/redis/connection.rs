//! A connection of ours: what a command is run over, and what is known of its other end.
//!
//! Not how it is made or kept (`link.rs`), nor where a Cluster sends its commands (`redirect.rs`), which only it
//! remembers. Invariant: the server at its end is a master that passed every check, once
//! [`Connection::is_checked`].

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use crate::config::ServerAddress;

/// A connection to the node to which a slot is being moved, kept for as long as the one to its owner.
pub(super) type Aside = Arc<tokio::sync::Mutex<Option<(ServerAddress, MultiplexedConnection)>>>;

/// A connection that knows where it leads. What it is of in Redis's client is what it derefs to.
#[derive(Clone)]
pub(super) struct Connection {
    redis: MultiplexedConnection,
    address: Arc<ServerAddress>,
    answer: Duration,
    checked: bool,
    /// In a Cluster: who gave the last answer, where that was not the server at its end, and a connection there.
    elsewhere: Option<ServerAddress>,
    aside: Aside,
}

impl Connection {
    /// One of which nothing is known yet.
    pub(super) fn new(redis: MultiplexedConnection, address: ServerAddress, answer: Duration) -> Self {
        let (address, aside) = (Arc::new(address), Aside::default());
        Self { redis, address, answer, checked: false, elsewhere: None, aside }
    }

    /// Leads to this server from now on, which passed every check.
    pub(super) fn lead_to(&mut self, address: ServerAddress, redis: MultiplexedConnection) {
        *self = Self { checked: self.checked, ..Self::new(redis, address, self.answer) };
    }

    /// The server at its end.
    pub(super) fn address(&self) -> &Arc<ServerAddress> {
        &self.address
    }

    /// How long an ordinary answer may take.
    pub(super) fn answer(&self) -> Duration {
        self.answer
    }

    pub(super) fn set_answer(&mut self, answer: Duration) {
        self.answer = answer;
        self.redis.set_response_timeout(answer);
    }

    /// Whether the server passed every check. Before that it is asked once, and nothing is waited for.
    pub(super) fn is_checked(&self) -> bool {
        self.checked
    }

    pub(super) fn set_checked(&mut self) {
        self.checked = true;
    }

    pub(super) fn aside(&self) -> &Aside {
        &self.aside
    }

    /// Who gave the last answer about a key: the server at its end, or the node to which that key has gone.
    pub(super) fn answering(&self) -> &ServerAddress {
        self.elsewhere.as_ref().unwrap_or(&self.address)
    }

    pub(super) fn answered_by(&mut self, node: &ServerAddress) {
        self.elsewhere = (*node != *self.address).then(|| node.clone());
    }

    /// The bare connection to [`Connection::answering`], for what is about a server and not about a key.
    pub(super) async fn there(&self) -> MultiplexedConnection {
        if let Some(node) = &self.elsewhere
            && let Some((there, open)) = &*self.aside.lock().await
            && there == node
        {
            return open.clone();
        }
        self.redis.clone()
    }
}

impl Deref for Connection {
    type Target = MultiplexedConnection;

    fn deref(&self) -> &MultiplexedConnection {
        &self.redis
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut MultiplexedConnection {
        &mut self.redis
    }
}
