//! A command in a Cluster: sent to the owner of our slot, and after it wherever that has gone.
//!
//! Not what a refusal means (`slots.rs`), nor what commands are for. Everything that is asked about our keys passes
//! through [`run`], so a slot that moves is met here and nowhere else. Redis Cluster specification, "MOVED
//! Redirection", "ASK redirection", "Multi-keys operations". Invariants: a command is sent on only where the
//! answer says that nothing was done; the answer of a node counts only once it passed the checks of `server.rs`;
//! waiting for what passes ends after [`PATIENCE`].
//!
//! Small and ours rather than the cluster client of the crate, because that one opens, shares and replaces
//! connections by itself: there would be no place to check a server before it is believed, no connection of
//! one's own for a blocking read or for `WAIT`, and a command whose connection breaks may be sent again where
//! we must know that it was. With one slot there is nothing to route.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, Value};
use tokio::time::Instant;

use super::connection::Connection;
use super::fault::{self, Fault};
use super::forms::damaged;
use super::link::Link;
use super::slots::{Redirect, Slots};
use crate::config::ServerAddress;

/// How long what passes (`TRYAGAIN`, `CLUSTERDOWN`, `LOADING`) is waited for, in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries of that: a slot's keys are a few, and moved within milliseconds of each other.
const PAUSE: Duration = Duration::from_millis(25);
/// Owners that are followed without a pause. More of them are nodes that disagree.
const MOVES: u32 = 4;

/// Runs a command that touches `key`. The connection leads to the owner afterwards, whoever that was before.
pub(super) async fn run(
    link: &Link,
    slots: &Slots,
    connection: &mut Connection,
    key: &str,
    command: &Cmd,
) -> Result<Value, Fault> {
    let until = Instant::now() + if connection.is_checked() { PATIENCE } else { Duration::ZERO };
    let mut moves = 0;
    loop {
        let (error, asked) = match ask(link, connection, key, command).await? {
            Ok(answer) => return Ok(answer),
            Err(refused) => refused,
        };
        let redirect = Redirect::of(&error, &asked);
        if let Some(Redirect::Moved(owner)) = &redirect
            && *owner != **connection.address()
        {
            slots.learn(owner);
            let there = link.reach(owner, connection.answer()).await?;
            connection.lead_to(owner.clone(), there);
            moves += 1;
            if moves <= MOVES {
                continue;
            }
        }
        if redirect.is_none() || Instant::now() + PAUSE > until {
            return Err(fault::of_command(&place(&asked), key, &error));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The answer of the owner, or of the node to which it says the key has gone. A refusal is with who refused.
async fn ask(
    link: &Link,
    connection: &mut Connection,
    key: &str,
    command: &Cmd,
) -> Result<Result<Value, (RedisError, Arc<ServerAddress>)>, Fault> {
    let owner = Arc::clone(connection.address());
    let answer: Result<Value, RedisError> = command.query_async(&mut **connection).await;
    connection.answered_by(&owner);
    let Err(error) = answer else { return Ok(answer.map_err(|error| (error, owner))) };
    let Some(Redirect::Ask(there)) = Redirect::of(&error, &owner) else { return Ok(Err((error, owner))) };
    let aside = Arc::clone(connection.aside());
    let mut aside = aside.lock().await;
    // Taken out: put back only after a whole answer.
    let mut open = match aside.take() {
        Some((node, open)) if node == there => open,
        _ => link.reach(&there, connection.answer()).await?,
    };
    open.set_response_timeout(connection.answer());
    let mut both = Pipeline::new();
    both.ignore_errors().cmd("ASKING").add_command(command.clone());
    let answers: Result<Vec<Result<Value, RedisError>>, RedisError> = both.query_async(&mut open).await;
    let answers = answers.map_err(|error| fault::of_command(&place(&there), key, &error))?;
    connection.answered_by(&there);
    *aside = Some((there.clone(), open));
    // Where ASKING itself is refused, that is what there is to say.
    let answers: Result<Vec<Value>, RedisError> = answers.into_iter().collect();
    match answers.map(|mut answers| answers.pop()) {
        Ok(Some(answer)) => Ok(Ok(answer)),
        Ok(None) => Err(damaged("the answer to ASKING").into()),
        Err(error) => Ok(Err((error, Arc::new(there)))),
    }
}

fn place(node: &ServerAddress) -> String {
    format!("cluster node {node}")
}
