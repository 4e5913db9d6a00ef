//! Which server is the master, by a majority of the sentinels.
//!
//! Not Sentinel's own vote, which decides a failover: this asks what came of it. Redis documentation:
//! "Guidelines for Redis clients with support for Redis Sentinel". A client that believes the first sentinel that
//! answers follows a former master that was cut off together with it; here an address counts only when more
//! than half of all configured sentinels name it: for each new connection, before each change, and once a
//! heartbeat for the connection that follows the log. Invariants: all are asked at once, and a slow one is waited
//! for only where its vote is needed; a connection to a sentinel whose answer did not come is never used again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::runtime::{self, Handle};
use tokio::task::JoinSet;

use super::connect::{Connector, Login};
use super::fault;
use super::forms;
use crate::config::ServerAddress;
use crate::store::StoreError;

/// The sentinels, and what they said last.
pub(super) struct Sentinels {
    members: Vec<Arc<Member>>,
    master: String,
    connector: Arc<Connector>,
    /// The master that a majority named last.
    named: Mutex<Option<ServerAddress>>,
}

/// One sentinel.
struct Member {
    address: ServerAddress,
    /// One for each runtime: a connection is driven by the runtime that made it.
    open: Mutex<HashMap<runtime::Id, MultiplexedConnection>>,
}

impl Sentinels {
    pub(super) fn new(sentinels: Vec<ServerAddress>, master: String, connector: Arc<Connector>) -> Self {
        let member = |address| Arc::new(Member { address, open: Mutex::default() });
        Self {
            members: sentinels.into_iter().map(member).collect(),
            master,
            connector,
            named: Mutex::default(),
        }
    }

    /// The master that a majority names now.
    pub(super) async fn master(&self) -> Result<ServerAddress, StoreError> {
        let mut asked = JoinSet::new();
        for member in &self.members {
            let (member, connector) = (Arc::clone(member), Arc::clone(&self.connector));
            let master = self.master.clone();
            asked.spawn(async move {
                let answer = tokio::time::timeout(connector.longest(), member.ask(&connector, &master)).await;
                let late = || Err(format!("sentinel {} does not answer", member.address));
                (member.address.clone(), answer.unwrap_or_else(|_| late()))
            });
        }
        let needed = self.members.len() / 2 + 1;
        let mut votes: HashMap<ServerAddress, usize> = HashMap::new();
        let mut said = Vec::new();
        while let Some(answer) = asked.join_next().await {
            let Ok((sentinel, answer)) = answer else { continue };
            match answer {
                Ok(address) => {
                    said.push(format!("{sentinel} names {address}"));
                    let count = votes.entry(address.clone()).or_default();
                    *count += 1;
                    if *count >= needed {
                        *self.named.lock() = Some(address.clone());
                        return Ok(address);
                    }
                }
                Err(why) => said.push(why),
            }
        }
        said.sort_unstable();
        Err(StoreError::Unavailable(format!(
            "no {needed} of {} sentinels name the same master {}: {}",
            self.members.len(),
            self.master,
            said.join("; ")
        )))
    }

    /// Whether a majority names this address now. What it said a moment ago is not enough: a change that a
    /// former master takes after the failover is lost.
    pub(super) async fn confirm(&self, address: &ServerAddress) -> Result<(), StoreError> {
        let master = self.master().await?;
        if master == *address {
            return Ok(());
        }
        Err(StoreError::Unavailable(format!(
            "{address} is no longer the master {}: the sentinels name {master}",
            self.master
        )))
    }

    /// Whether the last majority named another one.
    pub(super) fn has_left(&self, address: &ServerAddress) -> bool {
        self.named.lock().as_ref().is_some_and(|named| named != address)
    }
}

impl Member {
    /// The address that it names; otherwise why there is none, in words that name the sentinel.
    async fn ask(&self, connector: &Connector, master: &str) -> Result<ServerAddress, String> {
        let runtime = Handle::current().id();
        // Taken out: put back only after a whole answer.
        let former = self.open.lock().remove(&runtime);
        if let Some(mut connection) = former
            && let Ok(answer) = self.question(&mut connection, master).await
        {
            self.open.lock().insert(runtime, connection);
            return self.address_in(answer, master);
        }
        let (connection, answer) = self.ask_anew(connector, master).await.map_err(|error| match error {
            StoreError::Unavailable(why) => format!("sentinel {why}"),
            other => format!("sentinel {}: {other}", self.address),
        })?;
        self.open.lock().insert(runtime, connection);
        self.address_in(answer, master)
    }

    /// Over a new connection, logged in if that is asked for.
    async fn ask_anew(
        &self,
        connector: &Connector,
        master: &str,
    ) -> Result<(MultiplexedConnection, Value), StoreError> {
        let first = if connector.has_sentinel_login() { Login::Sentinel } else { Login::Nobody };
        let mut connection = connector.connect(&self.address, first, connector.answer()).await?;
        let mut answer = self.question(&mut connection, master).await;
        let closed = |error: &RedisError| error.code() == Some("NOAUTH");
        if first == Login::Nobody && answer.as_ref().is_err_and(closed) {
            let login = Login::StoreAtSentinel;
            connection = connector.connect(&self.address, login, connector.answer()).await?;
            answer = self.question(&mut connection, master).await;
        }
        let answer = answer.map_err(|error| fault::of_command(&self.address.to_string(), "", &error))?;
        Ok((connection, answer))
    }

    async fn question(
        &self,
        connection: &mut MultiplexedConnection,
        master: &str,
    ) -> Result<Value, RedisError> {
        redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).query_async(connection).await
    }

    fn address_in(&self, answer: Value, master: &str) -> Result<ServerAddress, String> {
        if answer == Value::Nil {
            return Err(format!("sentinel {} knows no master {master}", self.address));
        }
        let address = forms::fixed(answer).and_then(|[host, port]| {
            let host = forms::text(host)?.to_ascii_lowercase();
            let port = forms::text(port)?.parse().ok().filter(|port| *port != 0)?;
            Some(ServerAddress { host, port })
        });
        address.ok_or_else(|| format!("sentinel {} gives no address", self.address))
    }
}
