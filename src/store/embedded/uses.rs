//! [`Uses`] in the file: a table of sums, beside the records.
//!
//! Not the counting. Invariant: the sums and the number of the batch that made them change together.

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::EmbeddedStore;
use super::commit::durable;
use super::fault::Fault;
use super::tables::{key_bytes, split};
use crate::clock::UnixMillis;
use crate::keys::entry::{PreviousUse, Use};
use crate::keys::record::RecordKey;
use crate::store::uses::{Batch, Counted, Uses};
use crate::store::{StoreError, StoreFuture};

/// Record key → five numbers: accepted, refused, last, previous, its mark; 0 = never. Under the empty key: the process
/// and number of the last batch.
pub(super) const USES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("uses");
/// The key of the last batch.
const LAST: &[u8] = &[];

impl Uses for EmbeddedStore {
    fn add_uses<'a>(&'a self, batch: &'a Batch) -> StoreFuture<'a, Counted> {
        let batch = batch.clone();
        Box::pin(self.blocking(move |inner| inner.file.run(|database| add(database, &batch))))
    }

    fn uses(&self, keys: Vec<RecordKey>) -> StoreFuture<'_, Vec<Use>> {
        Box::pin(self.blocking(move |inner| inner.file.run(|database| sums(database, &keys))))
    }
}

fn add(database: &Database, batch: &Batch) -> Result<Counted, Fault> {
    let writing = durable(database)?;
    let last = [batch.writer.as_bytes().as_slice(), &batch.number.to_be_bytes()].concat();
    {
        let mut table = writing.open_table(USES)?;
        if table.get(LAST)?.is_some_and(|stored| stored.value() == last) {
            return Ok(Counted::Added);
        }
        for (key, used) in &batch.uses {
            let key = key_bytes(key);
            let mut sum = match table.get(key.as_slice())? {
                Some(stored) => read(stored.value())?,
                None => Use::default(),
            };
            sum.add(used);
            table.insert(key.as_slice(), bytes(&sum).as_slice())?;
        }
        table.insert(LAST, last.as_slice())?;
    }
    writing.commit()?;
    Ok(Counted::Added)
}

fn sums(database: &Database, keys: &[RecordKey]) -> Result<Vec<Use>, Fault> {
    let table = match database.begin_read()?.open_table(USES) {
        Ok(table) => table,
        // Nothing was ever used.
        Err(TableError::TableDoesNotExist(_)) => return Ok(vec![Use::default(); keys.len()]),
        Err(fault) => return Err(fault.into()),
    };
    let mut sums = Vec::with_capacity(keys.len());
    for key in keys {
        sums.push(match table.get(key_bytes(key).as_slice())? {
            Some(stored) => read(stored.value())?,
            None => Use::default(),
        });
    }
    Ok(sums)
}

fn bytes(sum: &Use) -> Vec<u8> {
    let millis = |at: Option<UnixMillis>| at.map_or(0, |at| at.0).to_be_bytes();
    let previous = sum.previous;
    [
        sum.accepted.to_be_bytes(),
        sum.refused.to_be_bytes(),
        millis(sum.last),
        millis(previous.map(|previous| previous.at)),
        previous.map_or(0, |previous| previous.mark).to_be_bytes(),
    ]
    .concat()
}

fn read(stored: &[u8]) -> Result<Use, StoreError> {
    const WHAT: &str = "the use of a record";
    let (accepted, rest) = split(stored, WHAT)?;
    let (refused, rest) = split(rest, WHAT)?;
    let (last, rest) = split(rest, WHAT)?;
    let (previous, rest) = split(rest, WHAT)?;
    let (mark, _) = split(rest, WHAT)?;
    let at = |bytes| Some(UnixMillis(i64::from_be_bytes(bytes))).filter(|at| at.0 != 0);
    Ok(Use {
        accepted: u64::from_be_bytes(accepted),
        refused: u64::from_be_bytes(refused),
        last: at(last),
        previous: at(previous).map(|at| PreviousUse { mark: u64::from_be_bytes(mark), at }),
    })
}
