//! Answers that are kept for a repeated request.
//!
//! Not what they say. Invariant: both tables are written in the transaction of the change.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableError, WriteTransaction};

use super::fault::Fault;
use super::schema;
use super::tables::{self, ANSWER_ORDER, ANSWERS, META, split};
use crate::clock::UnixMillis;
use crate::store::StoreError;
use crate::store::answered::{AnswerId, Answered, DROPPED_AT_ONCE, KEPT, over_since};

/// Keeps an answer, and drops those whose time is over.
pub(super) fn keep(writing: &WriteTransaction, sequence: u64, answered: &Answered) -> Result<(), Fault> {
    let over = over_since(answered.at);
    let mut answers = writing.open_table(ANSWERS)?;
    let mut order = writing.open_table(ANSWER_ORDER)?;
    for _ in 0..DROPPED_AT_ONCE {
        let Some((first, id)) = first(&order, over)? else { break };
        order.remove(first)?;
        // The same id may have been used again since.
        if time_of(&answers, &id)?.is_some_and(|at| at <= over) {
            answers.remove(id.as_slice())?;
        }
    }
    let id = &answered.id.0;
    if time_of(&answers, id)?.is_some_and(|at| at > over) {
        return Err(StoreError::Answered.into());
    }
    if usize::try_from(order.len()?).is_ok_and(|kept| kept >= KEPT) {
        return Err(StoreError::Crowded.into());
    }
    let at = answered.at.0.to_be_bytes();
    answers.insert(id.as_slice(), [at.as_slice(), &answered.sealed].concat().as_slice())?;
    order.insert(sequence, [at.as_slice(), id].concat().as_slice())?;
    Ok(())
}

/// The answer that is kept under this id and counts still.
pub(super) fn kept(database: &Database, id: &AnswerId, now: UnixMillis) -> Result<Option<Arc<[u8]>>, Fault> {
    let reading = database.begin_read()?;
    schema::epoch(&reading.open_table(META)?)?.ok_or(StoreError::Uninitialised)?;
    let answers = match reading.open_table(ANSWERS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        answers => answers?,
    };
    let Some(stored) = answers.get(id.0.as_slice())? else { return Ok(None) };
    let (at, sealed) = split(stored.value(), "an answer")?;
    Ok((UnixMillis(i64::from_be_bytes(at)) > over_since(now)).then(|| Arc::from(sealed)))
}

/// The oldest answer, if its time is over.
fn first(
    order: &impl ReadableTable<u64, &'static [u8]>,
    over: UnixMillis,
) -> Result<Option<(u64, [u8; 32])>, Fault> {
    let Some((sequence, stored)) = order.first()? else { return Ok(None) };
    let (at, id) = split(stored.value(), "the order of answers")?;
    let (id, _) = split(id, "the order of answers")?;
    Ok((UnixMillis(i64::from_be_bytes(at)) <= over).then(|| (sequence.value(), id)))
}

fn time_of(
    answers: &impl ReadableTable<&'static [u8], &'static [u8]>,
    id: &[u8; 32],
) -> Result<Option<UnixMillis>, Fault> {
    let Some(stored) = answers.get(id.as_slice())? else { return Ok(None) };
    let (at, _) = tables::split(stored.value(), "an answer")?;
    Ok(Some(UnixMillis(i64::from_be_bytes(at))))
}
