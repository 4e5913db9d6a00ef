//! The state of the whole file: its tables, its schema version, its namespace and its epoch.
//!
//! Not the records. Invariants: tables are made only in a database that holds none at all; a file of a newer
//! schema or of another namespace is refused and left as it is; an epoch is written once.

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableError};
use redb::{TableHandle, WriteTransaction};
use uuid::Uuid;

use super::commit::durable;
use super::fault::Fault;
use super::tables::{
    AUDIT, CLAIMS, LOG, META, META_CONTINUES, META_EPOCH, META_NAMESPACE, META_ORIGIN, META_SCHEMA, RECORDS,
    split,
};
use crate::store::fleet::{READS, SCHEMA};
use crate::store::{Epoch, Life, Origin, StoreError};

/// Refuses a file that is not ours or not for us; makes the tables in a new one.
pub(super) fn check(database: &Database, namespace: &str) -> Result<(), Fault> {
    let reading = database.begin_read()?;
    let meta = match reading.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return make_tables(database, &reading),
        Err(fault) => return Err(fault.into()),
    };
    if let Some(schema) = version(&meta)?
        && schema > READS
    {
        return Err(StoreError::Unavailable(format!(
            "the file has schema {schema}, this version reads up to {READS}: use the newer version"
        ))
        .into());
    }
    if let Some(stored) = meta.get(META_NAMESPACE)?
        && stored.value() != namespace.as_bytes()
    {
        let stored = String::from_utf8_lossy(stored.value()).into_owned();
        return Err(StoreError::Unavailable(format!(
            "the file holds the namespace {stored:?}, and store.namespace is {namespace:?}"
        ))
        .into());
    }
    Ok(())
}

fn make_tables(database: &Database, reading: &ReadTransaction) -> Result<(), Fault> {
    if reading.list_tables()?.any(|table| table.name() != META.name()) {
        return Err(StoreError::Foreign.into());
    }
    let writing = durable(database)?;
    writing.open_table(META)?;
    writing.open_table(RECORDS)?;
    writing.open_table(CLAIMS)?;
    writing.open_table(LOG)?;
    writing.open_table(AUDIT)?;
    writing.commit()?;
    Ok(())
}

/// Writes an epoch where there is neither one nor any content; gives the one that stands. A person may take over
/// what a sidecar began at its start.
pub(super) fn init(database: &Database, namespace: &str, origin: Origin) -> Result<Epoch, Fault> {
    let writing = durable(database)?;
    let stands = life_in(&writing.open_table(META)?)?;
    if let Some(stands) = stands {
        if (origin, stands.origin) == (Origin::Command, Origin::Start) {
            writing.open_table(META)?.insert(META_ORIGIN, origin.name().as_bytes())?;
            writing.commit()?;
        } else {
            writing.abort()?;
        }
        return Ok(stands.epoch);
    }
    if !is_empty(&writing)? {
        writing.abort()?;
        return Err(StoreError::Foreign.into());
    }
    let epoch = Epoch(uuid::Builder::from_random_bytes(random()?).into_uuid());
    {
        let mut meta = writing.open_table(META)?;
        meta.insert(META_EPOCH, epoch.0.as_bytes().as_slice())?;
        meta.insert(META_ORIGIN, origin.name().as_bytes())?;
        if let Some(continues) = origin.continues() {
            meta.insert(META_CONTINUES, continues.0.as_bytes().as_slice())?;
        }
        meta.insert(META_NAMESPACE, namespace.as_bytes())?;
        meta.insert(META_SCHEMA, SCHEMA.to_be_bytes().as_slice())?;
    }
    writing.commit()?;
    Ok(epoch)
}

fn random() -> Result<[u8; 16], StoreError> {
    crate::store::seal::random().map_err(|fault| StoreError::Unavailable(fault.to_string()))
}

fn is_empty(writing: &WriteTransaction) -> Result<bool, Fault> {
    Ok(writing.open_table(RECORDS)?.is_empty()?
        && writing.open_table(CLAIMS)?.is_empty()?
        && writing.open_table(LOG)?.is_empty()?
        && writing.open_table(AUDIT)?.is_empty()?)
}

/// The version of the forms; `None` in a file that was not initialised yet.
pub(super) fn version(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Option<u32>, Fault> {
    let Some(stored) = meta.get(META_SCHEMA)? else { return Ok(None) };
    let (schema, _) = split(stored.value(), "the schema version")?;
    Ok(Some(u32::from_be_bytes(schema)))
}

/// The epoch, if there is one.
pub(super) fn epoch(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Option<Epoch>, Fault> {
    let Some(stored) = meta.get(META_EPOCH)? else { return Ok(None) };
    let (bytes, _) = split(stored.value(), "the epoch")?;
    Ok(Some(Epoch(Uuid::from_bytes(bytes))))
}

/// The epoch that stands, and how it came to be.
pub(super) fn life(database: &Database) -> Result<Life, Fault> {
    let meta = database.begin_read()?.open_table(META)?;
    Ok(life_in(&meta)?.ok_or(StoreError::Uninitialised)?)
}

fn life_in(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Option<Life>, Fault> {
    let Some(epoch) = epoch(meta)? else { return Ok(None) };
    let continues = match meta.get(META_CONTINUES)? {
        Some(stored) => Some(Epoch(Uuid::from_bytes(split(stored.value(), "the epoch continued")?.0))),
        None => None,
    };
    let name = meta.get(META_ORIGIN)?.map(|stored| String::from_utf8_lossy(stored.value()).into_owned());
    Ok(Some(Life { epoch, origin: Origin::from_stored(name.as_deref(), continues) }))
}
