//! A whole key set on its way into the file: in tables of its own until one transaction puts it in place.
//!
//! Not where it comes from. Invariants: the tables that requests are judged by change in the last transaction
//! only, which has the epoch, the first event and its log entry in it; a step with another mark than the set that
//! was begun last changes nothing.

use redb::{Database, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::commit::{abandon, durable};
use super::fault::Fault;
use super::tables::{
    self, AUDIT, CLAIMS, LOG, META, META_CHECKPOINT, META_CONTINUES, META_EPOCH, META_HEAD, META_NAMESPACE,
    META_ORIGIN, META_SCHEMA, META_STAGED, RECORDS, STAGED_CLAIMS, STAGED_RECORDS, key_bytes,
};
use crate::store::fleet::SCHEMA;
use crate::store::staging::{Installed, Mark, Staged, Staging};
use crate::store::{Conflict, Origin, StoreError};

/// The number of the first event.
const FIRST: u64 = 1;

/// Takes one step, or changes nothing.
pub(super) fn run(database: &Database, namespace: &str, mark: Mark, step: &Staging) -> Result<(), Fault> {
    let writing = durable(database)?;
    let done = match step {
        Staging::Begin => begin(&writing, namespace, mark),
        Staging::Add(records) => check_mark(&writing, mark).and_then(|()| add(&writing, records)),
        Staging::Install(installed) => {
            check_mark(&writing, mark).and_then(|()| install(&writing, namespace, installed))
        }
    };
    match done {
        Ok(()) => Ok(writing.commit()?),
        Err(refused) => Err(abandon(writing, refused)),
    }
}

fn begin(writing: &WriteTransaction, namespace: &str, mark: Mark) -> Result<(), Fault> {
    check_free(writing, namespace)?;
    writing.delete_table(STAGED_RECORDS)?;
    writing.delete_table(STAGED_CLAIMS)?;
    writing.open_table(META)?.insert(META_STAGED, mark.as_bytes().as_slice())?;
    Ok(())
}

fn check_free(writing: &WriteTransaction, namespace: &str) -> Result<(), Fault> {
    let records = writing.open_table(RECORDS)?.len()?;
    let events = writing.open_table(AUDIT)?.len()?;
    if records + events + writing.open_table(CLAIMS)?.len()? + writing.open_table(LOG)?.len()? == 0 {
        return Ok(());
    }
    Err(StoreError::Occupied { namespace: namespace.to_owned(), records, events }.into())
}

fn check_mark(writing: &WriteTransaction, mark: Mark) -> Result<(), Fault> {
    let meta = writing.open_table(META)?;
    let stands = meta.get(META_STAGED)?;
    match stands {
        Some(stands) if stands.value() == mark.as_bytes() => Ok(()),
        _ => Err(StoreError::Overtaken.into()),
    }
}

fn add(writing: &WriteTransaction, staged: &[Staged]) -> Result<(), Fault> {
    let mut records = writing.open_table(STAGED_RECORDS)?;
    let mut claims = writing.open_table(STAGED_CLAIMS)?;
    for record in staged {
        let key = key_bytes(&record.key);
        let value = tables::record_bytes(record.revision, &record.envelope);
        if let Some(other) = records.insert(key.as_slice(), value.as_slice())?
            && other.value() != value
        {
            return Err(conflict(Conflict::Revision { key: record.key }));
        }
        for claim in &record.claims {
            if let Some(holder) = claims.insert(claim.as_str(), key.as_slice())?
                && holder.value() != key
            {
                return Err(conflict(Conflict::Claim { claim: claim.clone() }));
            }
        }
    }
    Ok(())
}

fn install(writing: &WriteTransaction, namespace: &str, installed: &Installed) -> Result<(), Fault> {
    check_free(writing, namespace)?;
    let staged = writing.open_table(STAGED_RECORDS)?.len()?;
    writing.open_table(STAGED_CLAIMS)?;
    if staged != installed.records {
        return Err(tables::damaged("the number of staged records").into());
    }
    writing.delete_table(RECORDS)?;
    writing.rename_table(STAGED_RECORDS, RECORDS)?;
    writing.delete_table(CLAIMS)?;
    writing.rename_table(STAGED_CLAIMS, CLAIMS)?;

    let link = &installed.audit;
    writing.open_table(LOG)?.insert(FIRST, tables::log_bytes(&link.mac, &[]).as_slice())?;
    writing.open_table(AUDIT)?.insert(FIRST, tables::audit_bytes(&link.mac, &link.event).as_slice())?;
    let mut meta = writing.open_table(META)?;
    meta.insert(META_HEAD, tables::head_bytes(FIRST, &link.mac).as_slice())?;
    meta.insert(META_EPOCH, installed.epoch.0.as_bytes().as_slice())?;
    meta.insert(META_ORIGIN, Origin::Import { continues: None }.name().as_bytes())?;
    meta.insert(META_CONTINUES, installed.continues.0.as_bytes().as_slice())?;
    meta.insert(META_NAMESPACE, namespace.as_bytes())?;
    meta.insert(META_SCHEMA, SCHEMA.to_be_bytes().as_slice())?;
    meta.remove(META_STAGED)?;
    meta.remove(META_CHECKPOINT)?;
    Ok(())
}

fn conflict(conflict: Conflict) -> Fault {
    StoreError::Conflict(conflict).into()
}
