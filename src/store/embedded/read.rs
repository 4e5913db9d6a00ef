//! The read transactions: head, snapshot, log and audit.
//!
//! Not the waiting for news (`mod.rs`). Invariants: each function reads one consistent state of the file;
//! without an epoch each of them fails, so that no state of the file reads as an empty key set by mistake.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::fault::Fault;
use super::schema;
use super::tables::{self, AUDIT, CLAIMS, LOG, META, META_CHECKPOINT, META_HEAD, RECORDS};
use crate::keys::record::RecordKey;
use crate::store::{
    AuditEntry, AuditLink, AuditMac, Claims, Epoch, Followed, Head, LogEntry, Position, StoreError,
};

/// Records that a snapshot hands over at a time.
const SNAPSHOT_BATCH: usize = 1024;
/// Log entries that one call of `follow` gives at most, so that catching up does not need memory for the
/// whole log at once.
const FOLLOW_BATCH: usize = 1000;

/// A batch of records on their way to the sink.
pub(super) type Batch = Vec<(RecordKey, Arc<[u8]>)>;

/// Where the log stands.
pub(super) fn head(database: &Database) -> Result<Head, Fault> {
    head_in(&database.begin_read()?)
}

/// Gives every record to `pass`, in batches, until it says that nobody listens.
pub(super) fn snapshot(database: &Database, mut pass: impl FnMut(Batch) -> bool) -> Result<Head, Fault> {
    let reading = database.begin_read()?;
    let head = head_in(&reading)?;
    let mut batch = Batch::new();
    for stored in reading.open_table(RECORDS)?.iter()? {
        let (key, record) = stored?;
        let key = tables::record_key(key.value())?;
        let (_, envelope) = tables::record(record.value())?;
        batch.push((key, Arc::from(envelope)));
        if batch.len() == SNAPSHOT_BATCH && !pass(std::mem::take(&mut batch)) {
            return Ok(head);
        }
    }
    pass(batch);
    Ok(head)
}

/// Entries after `after`, as far as one batch goes.
pub(super) fn follow(
    database: &Database,
    epoch: Epoch,
    after: Position,
    mac: AuditMac,
) -> Result<Followed, Fault> {
    let reading = database.begin_read()?;
    let head = head_in(&reading)?;
    if head.epoch != epoch {
        return Err(StoreError::OtherEpoch { found: head.epoch.0, expected: epoch.0 }.into());
    }
    let log = reading.open_table(LOG)?;
    let known = if after == Position::default() {
        // There is no entry to compare with, so the log must reach back to the very first.
        head.position == after || log.get(1)?.is_some()
    } else {
        match log.get(after.major)? {
            Some(entry) => after.minor == 0 && tables::log_entry(after.major, entry.value())?.mac == mac,
            None => false,
        }
    };
    if !known {
        return Ok(Followed::Gap);
    }
    let mut entries = Vec::new();
    for stored in log.range(after.major.saturating_add(1)..)?.take(FOLLOW_BATCH) {
        let (sequence, entry) = stored?;
        entries.push(tables::log_entry(sequence.value(), entry.value())?);
    }
    Ok(Followed::Entries(entries))
}

/// Audit events after `after`, oldest first.
pub(super) fn audit(database: &Database, after: Position, limit: usize) -> Result<Vec<AuditEntry>, Fault> {
    let reading = database.begin_read()?;
    head_in(&reading)?;
    let mut events = Vec::new();
    for stored in reading.open_table(AUDIT)?.range(after.major.saturating_add(1)..)?.take(limit) {
        let (sequence, event) = stored?;
        events.push(audit_entry(sequence.value(), event.value()));
    }
    Ok(events)
}

/// The unique values that these records hold.
pub(super) fn claims_of(database: &Database, holders: &BTreeSet<RecordKey>) -> Result<Claims, Fault> {
    let reading = database.begin_read()?;
    head_in(&reading)?;
    let mut claims = Claims::new();
    for stored in reading.open_table(CLAIMS)?.iter()? {
        let (claim, holder) = stored?;
        let holder = tables::record_key(holder.value())?;
        if holders.contains(&holder) {
            claims.entry(holder).or_default().push(claim.value().to_owned());
        }
    }
    Ok(claims)
}

/// Audit events before `before`, newest first.
pub(super) fn audit_before(
    database: &Database,
    before: Option<Position>,
    limit: usize,
) -> Result<Vec<AuditEntry>, Fault> {
    let reading = database.begin_read()?;
    head_in(&reading)?;
    let mut events = Vec::new();
    // A place between two numbers is after the first of them.
    let end = before.map_or(u64::MAX, |before| before.major.saturating_add(u64::from(before.minor > 0)));
    for stored in reading.open_table(AUDIT)?.range(..end)?.rev().take(limit) {
        let (sequence, event) = stored?;
        events.push(audit_entry(sequence.value(), event.value()));
    }
    Ok(events)
}

/// How many audit events there are.
pub(super) fn audit_count(database: &Database) -> Result<u64, Fault> {
    let reading = database.begin_read()?;
    head_in(&reading)?;
    Ok(reading.open_table(AUDIT)?.len()?)
}

/// The checkpoint that the audit log begins with.
pub(super) fn checkpoint(database: &Database) -> Result<Option<Arc<[u8]>>, Fault> {
    let reading = database.begin_read()?;
    head_in(&reading)?;
    let stored = reading.open_table(META)?.get(META_CHECKPOINT)?;
    Ok(stored.map(|stored| Arc::from(stored.value())))
}

fn audit_entry(sequence: u64, stored: &[u8]) -> AuditEntry {
    let (mac, event) = stored.split_first_chunk().map_or(([0; 32], &[][..]), |(mac, event)| (*mac, event));
    (tables::position(sequence), AuditMac(mac), Arc::from(event))
}

/// How many records there are.
pub(super) fn count(database: &Database) -> Result<u64, Fault> {
    let reading = database.begin_read()?;
    head_in(&reading)?;
    Ok(reading.open_table(RECORDS)?.len()?)
}

/// The latest entries of the log with at least `limit` changes, oldest first.
pub(super) fn latest(database: &Database, limit: usize) -> Result<Vec<LogEntry>, Fault> {
    let reading = database.begin_read()?;
    head_in(&reading)?;
    let (mut entries, mut changes) = (Vec::new(), 0);
    for stored in reading.open_table(LOG)?.iter()?.rev() {
        if changes >= limit {
            break;
        }
        let (sequence, entry) = stored?;
        let entry = tables::log_entry(sequence.value(), entry.value())?;
        changes += entry.changes.len().max(1);
        entries.push(entry);
    }
    entries.reverse();
    Ok(entries)
}

/// Whether there was a commit at this place with this MAC: its event may have been trimmed since, and so may its entry.
pub(super) fn is_past(database: &Database, position: Position, mac: AuditMac) -> Result<bool, Fault> {
    let reading = database.begin_read()?;
    head_in(&reading)?;
    if position == Position::default() {
        return Ok(true);
    }
    let event = reading.open_table(AUDIT)?.get(position.major)?;
    let entry = reading.open_table(LOG)?.get(position.major)?;
    let Some(found) = event.or(entry) else { return Ok(false) };
    // Both begin with the MAC.
    let (stored, _) = tables::split::<32>(found.value(), "an audit event or a log entry")?;
    Ok(position.minor == 0 && stored == mac.0)
}

/// Whether the commit with this link is in the file, at the head or under later ones.
pub(super) fn holds(database: &Database, link: &AuditLink) -> Result<bool, Fault> {
    let reading = database.begin_read()?;
    for stored in reading.open_table(AUDIT)?.iter()?.rev() {
        let (_, event) = stored?;
        let (mac, _) = tables::split(event.value(), "an audit event")?;
        if mac == link.mac.0 || mac == link.previous.0 {
            return Ok(mac == link.mac.0);
        }
    }
    Ok(false)
}

/// Sequence number and audit head of the last commit; the defaults before the first.
pub(super) fn stored_head(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<(u64, AuditMac), Fault> {
    let stored = meta.get(META_HEAD)?;
    Ok(tables::head(stored.as_ref().map(redb::AccessGuard::value))?)
}

fn head_in(reading: &ReadTransaction) -> Result<Head, Fault> {
    let meta = reading.open_table(META)?;
    let epoch = schema::epoch(&meta)?.ok_or(StoreError::Uninitialised)?;
    let (sequence, mac) = stored_head(&meta)?;
    Ok(Head { epoch, position: tables::position(sequence), mac })
}
