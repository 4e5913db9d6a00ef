//! A whole key set on its way into the namespace: in keys of its own until one script puts it in place.
//!
//! Not where it comes from. The scripts get the five keys of the namespace and the three of the staged set, all of
//! one slot. Invariants: the keys that sidecars read change in the last script only; a step may be sent again, so
//! a lost answer is asked for once more; the last is acknowledged as durably as a commit; a step with another mark than the set that was begun last changes
//! nothing.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::commit;
use super::connection::Connection;
use super::fault::Fault;
use super::forms::{self, damaged};
use super::link::Link;
use super::script::{Answer, Lua};
use super::{replicas, server};
use crate::store::fleet::SCHEMA;
use crate::store::staging::{Installed, Mark, Staged, Staging};
use crate::store::{Conflict, StoreError};

/// For the answer to a step: a batch is a megabyte, and a server that fsyncs it may be slow.
const ANSWER: Duration = Duration::from_secs(15);

static BEGIN: Lua = Lua {
    code: include_str!("stage-begin.lua"),
    script: LazyLock::new(|| Script::new(include_str!("stage-begin.lua"))),
};
static ADD: Lua = Lua {
    code: include_str!("stage-add.lua"),
    script: LazyLock::new(|| Script::new(include_str!("stage-add.lua"))),
};
static INSTALL: Lua = Lua {
    code: include_str!("stage-install.lua"),
    script: LazyLock::new(|| Script::new(include_str!("stage-install.lua"))),
};

/// Takes one step.
pub(super) async fn run(link: &Link, mark: Mark, step: &Staging) -> Result<(), StoreError> {
    let mut args = vec![mark.to_string().into_bytes()];
    let lua = match step {
        Staging::Begin => &BEGIN,
        Staging::Add(records) => {
            records.iter().for_each(|record| staged(&mut args, record));
            &ADD
        }
        Staging::Install(installed) => {
            args.extend(installing(link, installed)?);
            &INSTALL
        }
    };
    let _alone = link.alone().await;
    let keys = link.names.with_staged();
    let mut connection = writable(link).await?;
    let answer = match lua.run_on(link, &mut connection, &keys, &args).await {
        Err(Fault::Lost(_)) => {
            link.forget_committing().await;
            connection = writable(link).await?;
            lua.run_on(link, &mut connection, &keys, &args).await?
        }
        answer => answer?,
    };
    interpret(link, &answer)?;
    match step {
        Staging::Begin | Staging::Add(_) => Ok(()),
        Staging::Install(_) => {
            // What was staged before it is in the same stream: whoever has this has all.
            let had = replicas::have_it(link, &mut connection).await;
            if had.is_err() {
                link.forget_committing().await;
            }
            had
        }
    }
}

async fn writable(link: &Link) -> Result<Connection, StoreError> {
    let mut connection = commit::writable(link).await?;
    connection.set_answer(ANSWER.max(link.answer()));
    Ok(connection)
}

fn staged(args: &mut Vec<Vec<u8>>, record: &Staged) {
    args.push(record.key.to_string().into());
    args.push(forms::record(record.revision, &record.envelope));
    args.push(record.claims.len().to_string().into());
    args.extend(record.claims.iter().map(|claim| claim.clone().into_bytes()));
}

fn installing(link: &Link, installed: &Installed) -> Result<[Vec<u8>; 9], StoreError> {
    let id = link.keyring.seal_with();
    let check = server::kek_check(link, id, installed.epoch)
        .ok_or_else(|| StoreError::Unavailable(format!("the key-encryption key {id:?} is gone")))?;
    let audit = &installed.audit;
    Ok([
        installed.records.to_string().into(),
        installed.epoch.0.to_string().into(),
        SCHEMA.to_string().into(),
        forms::mac_text(&audit.mac).into(),
        audit.event.to_vec(),
        id.into(),
        check.into(),
        forms::mac_text(&audit.previous).into(),
        installed.continues.0.to_string().into(),
    ])
}

fn interpret(link: &Link, answer: &Answer) -> Result<(), StoreError> {
    let Answer { word, subject, found } = answer;
    Err(match word.as_str() {
        "ok" => return Ok(()),
        "overtaken" => StoreError::Overtaken,
        "occupied" => StoreError::Occupied {
            namespace: link.namespace.clone(),
            records: subject.parse().unwrap_or_default(),
            events: found.parse().unwrap_or_default(),
        },
        "revision" => match forms::record_key(subject.as_bytes()) {
            Some(key) => StoreError::Conflict(Conflict::Revision { key }),
            None => damaged("the answer of a script"),
        },
        "claim" => StoreError::Conflict(Conflict::Claim { claim: subject.clone() }),
        "count" => damaged("the number of staged records"),
        "denied" => StoreError::Unavailable(format!("the user at {} may not run {subject}", link.place)),
        "type" => commit::wrong_type(subject, found),
        _ => damaged("the answer of a script"),
    })
}
