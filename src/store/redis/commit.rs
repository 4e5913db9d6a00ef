//! One commit: its arguments, its answer, and what to do where no answer comes.
//!
//! Not the checks and writes themselves, which are one script (`commit.lua`). Invariants: a commit happens
//! at most once, however often it is sent, because it is bound to the audit head that the writer saw; where no
//! answer comes it is sent again on a new connection, which settles the matter either way, and only where
//! that fails too is the outcome said to be unknown. Where replicas must have a commit, it is acknowledged
//! only when they do (`replicas.rs`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::connection::Connection;
use super::fault::Fault;
use super::forms::{self, damaged, mac_text};
use super::link::Link;
use super::script::{Answer, COMMIT};
use super::{answers, read, replicas, server};
use crate::keys::record::RecordKey;
use crate::store::fleet::SCHEMA;
use crate::store::{AuditLink, Change, Conflict, Op, Position, StoreError, Trim};

/// Log entries that are kept, about: minutes of outage even at a thousand changes a second, some 100 MB.
const LOG_ENTRIES: u32 = 100_000;
/// For the answer to a commit, in ordinary answers: a cascade over thousands of records takes longer than a
/// look-up.
const ANSWERS: u32 = 2;
/// How long the outcome of a commit without an answer is looked for.
const SETTLE: Duration = Duration::from_secs(4);
/// Between two tries of that.
const PAUSE: Duration = Duration::from_millis(100);

/// Commits the change with its log entry and audit event.
pub(super) async fn commit(link: &Link, change: &Change, audit: &AuditLink) -> Result<Position, StoreError> {
    let _alone = link.alone().await;
    let mut connection = writable(link).await?;
    let args = arguments(change, audit);
    connection.set_answer(link.answer() * ANSWERS);
    let keys = keys(link, change);
    let lost = match COMMIT.run_on(link, &mut connection, &keys, &args).await {
        Ok(answer) => {
            let position = interpret(link, answer).await?;
            return replicated(link, &mut connection).await.map(|()| position);
        }
        Err(Fault::Lost(why)) => why,
        Err(refused) => return Err(refused.into()),
    };
    link.forget_committing().await;
    drop(connection);
    settle(link, audit, &keys, &args, lost).await
}

/// A connection to a server that may be written to; a new one where it is broken or leads to a former master.
pub(super) async fn writable(link: &Link) -> Result<Connection, StoreError> {
    let mut connection = link.committing().await?;
    if link.whereabouts.confirm(connection.address()).await.is_err() {
        link.forget_committing().await;
        connection = link.committing().await?;
    }
    let server = match server::check(link, &mut connection).await {
        Ok(server) => server,
        Err(Fault::Lost(_)) => {
            link.forget_committing().await;
            connection = link.committing().await?;
            server::check(link, &mut connection).await?
        }
        Err(refused) => {
            // It may have been demoted: the name may lead to another server next time.
            link.forget_committing().await;
            return Err(refused.into());
        }
    };
    replicas::enough(link, &server)?;
    Ok(connection)
}

/// Waits until the replicas have what a [`writable`] connection wrote last.
pub(super) async fn replicated(link: &Link, connection: &mut Connection) -> Result<(), StoreError> {
    let had = replicas::have_it(link, connection).await;
    if had.is_err() {
        // The server may be waiting on it still, and would hold up the next commit.
        link.forget_committing().await;
    }
    had
}

/// Sends the commit again until there is an answer. Whichever copy comes first counts; the others find the
/// head moved.
async fn settle(
    link: &Link,
    audit: &AuditLink,
    keys: &[&str],
    args: &[Vec<u8>],
    why: String,
) -> Result<Position, StoreError> {
    let again = async {
        loop {
            if let Ok(mut connection) = link.open(link.answer() * ANSWERS).await
                && let Ok(answer) = COMMIT.run_on(link, &mut connection, keys, args).await
            {
                let position = match interpret(link, answer).await {
                    Err(StoreError::HeadMoved) => {
                        read::place_of(link, audit).await?.ok_or(StoreError::HeadMoved)
                    }
                    settled => settled,
                }?;
                replicas::have_what_was_written(link, &mut connection).await?;
                return Ok(position);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(SETTLE, again).await.map_err(|_| why) {
        Ok(Err(StoreError::Unavailable(why))) | Err(why) => Err(StoreError::Unknown(why)),
        Ok(settled) => settled,
    }
}

async fn interpret(link: &Link, answer: Answer) -> Result<Position, StoreError> {
    let Answer { word, subject, found } = answer;
    let key = || forms::record_key(subject.as_bytes()).ok_or_else(|| damaged("the answer of a script"));
    Err(match word.as_str() {
        "ok" => {
            return forms::position(&subject)
                .ok_or_else(|| damaged(format_args!("position in {}", link.names.meta)));
        }
        "moved" => StoreError::HeadMoved,
        "schema" => {
            let found =
                subject.parse().map_err(|_| damaged(format_args!("schema in {}", link.names.meta)))?;
            StoreError::NewerSchema { found, known: SCHEMA }
        }
        "revision" => StoreError::Conflict(Conflict::Revision { key: key()? }),
        "missing" => StoreError::Conflict(Conflict::Missing { key: key()? }),
        "claim" => StoreError::Conflict(Conflict::Claim { claim: subject }),
        "trimmed" => StoreError::Conflict(Conflict::Trimmed),
        "answered" => StoreError::Answered,
        "crowded" => StoreError::Crowded,
        "uninitialised" => read::no_epoch(link).await,
        "denied" => StoreError::Unavailable(format!("the user at {} may not run {subject}", link.place)),
        "type" => wrong_type(&subject, &found),
        _ => damaged("the answer of a script"),
    })
}

/// The error for a key that somebody else has used.
pub(super) fn wrong_type(key: &str, found: &str) -> StoreError {
    StoreError::Damaged(format!("the key {key} is a {found}, not ours"))
}

/// The keys of `commit.lua`. Those of answers only where there is one: while its slot moves to another node, a key that
/// is not there holds a script up.
fn keys<'l>(link: &'l Link, change: &Change) -> Vec<&'l str> {
    match &change.answered {
        Some(_) => link.names.with_answers().to_vec(),
        None => link.names.all().to_vec(),
    }
}

/// The arguments of `commit.lua`, in its order.
fn arguments(change: &Change, audit: &AuditLink) -> Vec<Vec<u8>> {
    let mut args: Vec<Vec<u8>> = vec![
        mac_text(&audit.previous).into(),
        mac_text(&audit.mac).into(),
        audit.event.to_vec(),
        forms::changes(&change.ops),
        LOG_ENTRIES.to_string().into(),
        SCHEMA.to_string().into(),
    ];
    list(&mut args, change.requires.iter().map(ToString::to_string));
    args.push(change.ops.len().to_string().into());
    let mut seen = BTreeSet::new();
    for op in &change.ops {
        operation(&mut args, op, &mut seen);
    }
    let answered = answers::arguments(change.answered.as_ref());
    args.push(answered.len().to_string().into());
    args.extend(answered);
    let trim = change.trim.as_ref().map(trimming);
    args.push(trim.as_ref().map_or(0, |trim| trim.len()).to_string().into());
    args.extend(trim.into_iter().flatten());
    args
}

fn trimming(trim: &Trim) -> [Vec<u8>; 5] {
    [
        // No checkpoint is empty.
        trim.expected.as_deref().unwrap_or_default().to_vec(),
        trim.checkpoint.to_vec(),
        trim.events.to_string().into(),
        forms::position_text(trim.through).into(),
        mac_text(&trim.mac).into(),
    ]
}

fn operation(args: &mut Vec<Vec<u8>>, op: &Op, seen: &mut BTreeSet<RecordKey>) {
    let none: &[String] = &[];
    let (word, key, revision, expected, value, claims, releases) = match op {
        Op::Put { key, revision, expected, envelope, claims, releases } => {
            let value = forms::record(*revision, envelope);
            ("put", key, *revision, *expected, value, claims.as_slice(), releases)
        }
        Op::Delete { key, revision, expected, releases } => {
            ("delete", key, *revision, Some(*expected), Vec::new(), none, releases)
        }
    };
    let grows = revision > expected.unwrap_or(0);
    let legal = grows && seen.insert(*key);
    let expected = expected.map_or_else(|| "none".to_owned(), |expected| expected.to_string());
    args.extend([
        word.into(),
        key.to_string().into(),
        if legal { "yes" } else { "no" }.into(),
        expected.into(),
        value,
    ]);
    list(args, claims.iter().cloned());
    list(args, releases.iter().cloned());
}

fn list(args: &mut Vec<Vec<u8>>, items: impl ExactSizeIterator<Item = String>) {
    args.push(items.len().to_string().into());
    args.extend(items.map(String::into_bytes));
}
