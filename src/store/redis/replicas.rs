//! `store.durability = "replicas:N"`: an acknowledged change is on N replicas too.
//!
//! Not a vote: Redis replicates asynchronously, and a replica that has the change need not be the one that is
//! promoted. Redis documentation: WAIT, "Consistency and WAIT". Invariants: WAIT covers what its own connection
//! wrote before, so it goes over the connection of the change, which nobody else uses meanwhile; where too few
//! replicas are connected, nothing is written; where too few have it in time, the outcome is unknown, since the
//! change stands at the master.

use std::time::Duration;

use redis::Value;

use super::connection::Connection;
use super::fault;
use super::link::{Link, run};
use super::server::Server;
use crate::config::RedisDurability;
use crate::store::StoreError;

/// How long the replicas may take.
const WAIT: Duration = Duration::from_secs(1);

/// How many replicas must have a change; 0 = nobody asks.
pub(super) fn demanded(link: &Link) -> usize {
    match link.settings.durability {
        RedisDurability::Replicas(count) => usize::try_from(count).unwrap_or(usize::MAX),
        RedisDurability::Server | RedisDurability::Fsync => 0,
    }
}

/// Refuses a change that too few replicas could get, or that nobody could be sure of.
pub(super) fn enough(link: &Link, server: &Server) -> Result<(), StoreError> {
    let (demanded, connected) = (demanded(link), server.replicas);
    if server.wait_denied {
        return Err(StoreError::Unavailable(format!(
            "nothing was changed: store.durability = \"{}\" needs WAIT, which the user at {} may not run",
            link.settings.durability, link.place
        )));
    }
    if connected >= demanded {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "nothing was changed: {} has {connected} of the {demanded} replicas that store.durability asks for; \
         connect more, or ask for fewer",
        link.place
    )))
}

/// Waits until the replicas have what this connection wrote last.
pub(super) async fn have_it(link: &Link, connection: &mut Connection) -> Result<(), StoreError> {
    let demanded = demanded(link);
    if demanded == 0 {
        return Ok(());
    }
    let mut wait = redis::cmd("WAIT");
    wait.arg(demanded).arg(WAIT.as_millis().to_string());
    let mut there = connection.there().await;
    there.set_response_timeout(WAIT + link.answer());
    let answer = wait.query_async::<Value>(&mut there).await;
    match answer {
        Ok(Value::Int(count)) if usize::try_from(count).is_ok_and(|count| count >= demanded) => Ok(()),
        Ok(Value::Int(count)) => Err(StoreError::Unknown(format!(
            "{count} of the {demanded} replicas that store.durability asks for had the change within {}",
            crate::config::show_duration(WAIT)
        ))),
        Ok(_) => Err(StoreError::Unknown("the answer to WAIT is no number".to_owned())),
        Err(error) => {
            let why = StoreError::from(fault::of_command(&link.place, "", &error));
            Err(StoreError::Unknown(why.to_string()))
        }
    }
}

/// The same for what another connection wrote: this one writes something after it first, so that there is
/// something to wait for.
pub(super) async fn have_what_was_written(
    link: &Link,
    connection: &mut Connection,
) -> Result<(), StoreError> {
    if demanded(link) == 0 {
        return Ok(());
    }
    let mut fence = redis::cmd("HSET");
    fence.arg(&link.names.meta).arg("fence").arg("");
    let written = run(link, connection, &link.names.meta, &fence).await;
    written.map_err(|fault| StoreError::Unknown(StoreError::from(fault).to_string()))?;
    have_it(link, connection).await
}
