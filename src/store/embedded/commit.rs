//! The one write transaction of a commit: check everything, then write everything.
//!
//! Not the meaning of a change. Invariants: nothing is written before every check has passed; checks see the
//! state before the change, so the order of its operations does not matter; log and audit have one entry for
//! each commit, with the same number; a commit is on disk, by two fsyncs, when it returns.

use std::collections::{BTreeMap, BTreeSet};

use redb::{Database, Durability, ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::fault::Fault;
use super::tables::{self, AUDIT, CLAIMS, LOG, META, META_HEAD, RECORDS, key_bytes};
use super::uses::USES;
use super::{answers, read, schema, trim};
use crate::keys::record::RecordKey;
use crate::store::fleet::SCHEMA;
use crate::store::{AuditLink, Change, Conflict, Op, Position, StoreError};

/// A write transaction that is on disk once it commits. Two-phase commit because redb's one-phase commit
/// relies on checksums to tell a torn write, and has lost commits after two crashes in a row; the allocator
/// state is saved with it, so opening after a crash does not walk the whole file.
pub(super) fn durable(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut writing = database.begin_write()?;
    writing.set_durability(Durability::Immediate)?;
    writing.set_quick_repair(true);
    Ok(writing)
}

/// Commits the change with its log entry and audit event; keeps the last `log_entries` of the log.
pub(super) fn commit(
    database: &Database,
    change: &Change,
    link: &AuditLink,
    log_entries: u64,
) -> Result<Position, Fault> {
    let writing = durable(database)?;
    match write(&writing, change, link, log_entries) {
        Ok(position) => {
            forget_uses(&writing, change)?;
            writing.commit()?;
            Ok(position)
        }
        Err(refused) => Err(abandon(writing, refused)),
    }
}

/// Gives up what was written, for `why`. Where the file has failed, giving up fails too, and would say less.
pub(super) fn abandon(writing: WriteTransaction, why: Fault) -> Fault {
    match (why, writing.abort()) {
        (Fault::Store(_), Err(fault)) => fault.into(),
        (why, _) => why,
    }
}

fn write(
    writing: &WriteTransaction,
    change: &Change,
    link: &AuditLink,
    log_entries: u64,
) -> Result<Position, Fault> {
    let mut tables = Tables {
        meta: writing.open_table(META)?,
        records: writing.open_table(RECORDS)?,
        claims: writing.open_table(CLAIMS)?,
    };
    let sequence = tables.check_head(link)?;
    tables.check_records(change)?;
    tables.check_claims(change)?;
    if let Some(answered) = &change.answered {
        answers::keep(writing, sequence, answered)?;
    }
    if let Some(trim) = &change.trim {
        trim::run(&mut tables.meta, &mut writing.open_table(AUDIT)?, sequence, trim)?;
    }
    tables.apply(change)?;
    tables.meta.insert(META_HEAD, tables::head_bytes(sequence, &link.mac).as_slice())?;
    let mut log = writing.open_table(LOG)?;
    log.insert(sequence, tables::log_bytes(&link.mac, &change.ops).as_slice())?;
    while log.len()? > log_entries {
        log.pop_first()?;
    }
    let event = tables::audit_bytes(&link.mac, &link.event);
    writing.open_table(AUDIT)?.insert(sequence, event.as_slice())?;
    Ok(tables::position(sequence))
}

/// What is gone is not used.
fn forget_uses(writing: &WriteTransaction, change: &Change) -> Result<(), Fault> {
    let gone = change.ops.iter().filter_map(|op| match op {
        Op::Delete { key, .. } => Some(key),
        Op::Put { .. } => None,
    });
    let mut gone = gone.peekable();
    if gone.peek().is_none() {
        return Ok(());
    }
    let mut uses = writing.open_table(USES)?;
    for key in gone {
        uses.remove(key_bytes(key).as_slice())?;
    }
    Ok(())
}

struct Tables<'t> {
    meta: Table<'t, &'static str, &'static [u8]>,
    records: Table<'t, &'static [u8], &'static [u8]>,
    claims: Table<'t, &'static str, &'static [u8]>,
}

impl Tables<'_> {
    /// The number of this commit, if the writer saw the head that stands.
    fn check_head(&self, link: &AuditLink) -> Result<u64, Fault> {
        schema::epoch(&self.meta)?.ok_or(StoreError::Uninitialised)?;
        if let Some(found) = schema::version(&self.meta)?.filter(|found| *found > SCHEMA) {
            return Err(StoreError::NewerSchema { found, known: SCHEMA }.into());
        }
        let (last, mac) = read::stored_head(&self.meta)?;
        if mac != link.previous {
            return Err(StoreError::HeadMoved.into());
        }
        Ok(last.checked_add(1).ok_or_else(|| tables::damaged("the head"))?)
    }

    /// What the change needs is there, and each record is at the revision that the writer saw.
    fn check_records(&self, change: &Change) -> Result<(), Fault> {
        for key in &change.requires {
            if self.revision(key)?.is_none() {
                return Err(conflict(Conflict::Missing { key: *key }));
            }
        }
        let mut seen = BTreeSet::new();
        for op in &change.ops {
            let (key, expected, revision) = match op {
                Op::Put { key, expected, revision, .. } => (key, *expected, *revision),
                Op::Delete { key, expected, revision, .. } => (key, Some(*expected), *revision),
            };
            let grows = revision > expected.unwrap_or(0);
            if !grows || !seen.insert(*key) || self.revision(key)? != expected {
                return Err(conflict(Conflict::Revision { key: *key }));
            }
        }
        Ok(())
    }

    /// No value that the change claims is held by another record which stays, or claimed by two at once.
    fn check_claims(&self, change: &Change) -> Result<(), Fault> {
        let mut released = BTreeSet::new();
        let mut deleted = BTreeSet::new();
        for op in &change.ops {
            let (Op::Put { key, releases, .. } | Op::Delete { key, releases, .. }) = op;
            released.extend(releases.iter().map(|claim| (claim.as_str(), *key)));
            if matches!(op, Op::Delete { .. }) {
                deleted.insert(*key);
            }
        }
        let mut taken = BTreeMap::new();
        for op in &change.ops {
            let Op::Put { key, claims, .. } = op else { continue };
            for claim in claims {
                let holder = self.holder(claim)?.filter(|holder| {
                    holder != key
                        && !deleted.contains(holder)
                        && !released.contains(&(claim.as_str(), *holder))
                });
                // A holder that is gone holds nothing.
                let held = match holder {
                    Some(holder) => self.revision(&holder)?.is_some(),
                    None => false,
                };
                if held || taken.insert(claim.as_str(), *key).is_some_and(|other| other != *key) {
                    return Err(conflict(Conflict::Claim { claim: claim.clone() }));
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change) -> Result<(), Fault> {
        for op in &change.ops {
            let (Op::Put { key, releases, .. } | Op::Delete { key, releases, .. }) = op;
            for claim in releases {
                if self.holder(claim)? == Some(*key) {
                    self.claims.remove(claim.as_str())?;
                }
            }
        }
        for op in &change.ops {
            match op {
                Op::Put { key, revision, envelope, claims, .. } => {
                    let key = key_bytes(key);
                    let record = tables::record_bytes(*revision, envelope);
                    self.records.insert(key.as_slice(), record.as_slice())?;
                    for claim in claims {
                        self.claims.insert(claim.as_str(), key.as_slice())?;
                    }
                }
                Op::Delete { key, .. } => {
                    self.records.remove(key_bytes(key).as_slice())?;
                }
            }
        }
        Ok(())
    }

    fn revision(&self, key: &RecordKey) -> Result<Option<u64>, Fault> {
        let Some(stored) = self.records.get(key_bytes(key).as_slice())? else { return Ok(None) };
        let (revision, _) = tables::record(stored.value())?;
        Ok(Some(revision))
    }

    fn holder(&self, claim: &str) -> Result<Option<RecordKey>, Fault> {
        let Some(stored) = self.claims.get(claim)? else { return Ok(None) };
        Ok(Some(tables::record_key(stored.value())?))
    }
}

fn conflict(conflict: Conflict) -> Fault {
    StoreError::Conflict(conflict).into()
}
