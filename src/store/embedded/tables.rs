//! What stands in the file: its tables, and the byte forms of their keys and values.
//!
//! Not the transactions over them (`commit.rs`, `read.rs`). Numbers are big-endian; a list is preceded by
//! the length of each part. Invariants: every form has one reading, and bytes that have none are reported
//! as damage instead of being passed over; a change to any form is a new [`SCHEMA`].

use std::sync::Arc;

use redb::TableDefinition;
use uuid::Uuid;

use crate::keys::record::{Kind, RecordKey};
use crate::store::fleet::SCHEMA;
use crate::store::{AuditMac, LogEntry, Logged, Op, Position, StoreError};

/// Facts about the whole file, by name.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Record key → revision and envelope.
pub(super) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
/// Unique value → key of the record that holds it.
pub(super) const CLAIMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("claims");
/// Sequence number → audit head after it, and what changed.
pub(super) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Sequence number → MAC and JSON of the event.
pub(super) const AUDIT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");

/// Id of an answer → its time, 8 bytes, and its sealed form. This table and the next are made with the first answer.
pub(super) const ANSWERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("answers");
/// Sequence number of the commit → its time and the id: answers in the order in which they end.
pub(super) const ANSWER_ORDER: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("answer-order");

/// Records of a key set that is not in place yet.
pub(super) const STAGED_RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("staged-records");
/// Their claims.
pub(super) const STAGED_CLAIMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("staged-claims");

/// In [`META`]: the mark of the set that is being staged, 16 bytes.
pub(super) const META_STAGED: &str = "staged";
/// In [`META`]: the epoch, 16 bytes.
pub(super) const META_EPOCH: &str = "epoch";
/// In [`META`]: how the epoch came to be, text.
pub(super) const META_ORIGIN: &str = "origin";
/// In [`META`]: the epoch that it continues, 16 bytes; absent where it continues none.
pub(super) const META_CONTINUES: &str = "continues";
/// In [`META`]: the version of the forms, 4 bytes.
pub(super) const META_SCHEMA: &str = "schema";
/// In [`META`]: the namespace, text.
pub(super) const META_NAMESPACE: &str = "namespace";
/// In [`META`]: sequence number and audit head of the last commit.
pub(super) const META_HEAD: &str = "head";
/// In [`META`]: the checkpoint that the audit log begins with; absent where no event was removed.
pub(super) const META_CHECKPOINT: &str = "checkpoint";

const PUT: u8 = 1;
const DELETED: u8 = 2;

/// The first byte of every record key of a kind.
fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::Workspace => 1,
        Kind::WebhookKey => 2,
        Kind::Integration => 3,
        Kind::Admin => 4,
    }
}

/// A record key: one byte for its kind, then its id. Sorted, owners come before what they own.
pub(super) fn key_bytes(key: &RecordKey) -> [u8; 17] {
    let mut bytes = [kind_byte(key.kind); 17];
    if let Some(id) = bytes.last_chunk_mut::<16>() {
        *id = *key.id.as_bytes();
    }
    bytes
}

/// The record key that these bytes are.
pub(super) fn record_key(bytes: &[u8]) -> Result<RecordKey, StoreError> {
    let (first, id) = bytes.split_first().ok_or_else(|| damaged("a record key"))?;
    let kind = Kind::ALL.into_iter().find(|kind| kind_byte(*kind) == *first);
    match (kind, Uuid::from_slice(id)) {
        (Some(kind), Ok(id)) => Ok(RecordKey { kind, id }),
        _ => Err(damaged("a record key")),
    }
}

/// A value that begins with a fixed-size number or MAC, and the rest of it.
pub(super) fn split<'b, const N: usize>(
    bytes: &'b [u8],
    what: &'static str,
) -> Result<([u8; N], &'b [u8]), StoreError> {
    bytes.split_first_chunk::<N>().map(|(head, rest)| (*head, rest)).ok_or_else(|| damaged(what))
}

/// Revision and envelope of a stored record.
pub(super) fn record(bytes: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    split(bytes, "a record").map(|(revision, envelope)| (u64::from_be_bytes(revision), envelope))
}

/// The stored form of a record.
pub(super) fn record_bytes(revision: u64, envelope: &[u8]) -> Vec<u8> {
    [&revision.to_be_bytes(), envelope].concat()
}

/// The stored form of the head.
pub(super) fn head_bytes(sequence: u64, mac: &AuditMac) -> Vec<u8> {
    [&sequence.to_be_bytes()[..], &mac.0].concat()
}

/// Sequence number and audit head; the defaults before the first commit.
pub(super) fn head(bytes: Option<&[u8]>) -> Result<(u64, AuditMac), StoreError> {
    let Some(bytes) = bytes else { return Ok((0, AuditMac::default())) };
    let (sequence, rest) = split(bytes, "the head")?;
    let (mac, _) = split(rest, "the head")?;
    Ok((u64::from_be_bytes(sequence), AuditMac(mac)))
}

/// The stored form of an audit event.
pub(super) fn audit_bytes(mac: &AuditMac, event: &[u8]) -> Vec<u8> {
    [&mac.0, event].concat()
}

/// The stored form of the log entry of these operations.
pub(super) fn log_bytes(mac: &AuditMac, ops: &[Op]) -> Vec<u8> {
    let mut bytes = mac.0.to_vec();
    for op in ops {
        match op {
            Op::Put { key, envelope, .. } => {
                bytes.push(PUT);
                bytes.extend_from_slice(&key_bytes(key));
                bytes.extend_from_slice(&(envelope.len() as u64).to_be_bytes());
                bytes.extend_from_slice(envelope);
            }
            Op::Delete { key, revision, .. } => {
                bytes.push(DELETED);
                bytes.extend_from_slice(&key_bytes(key));
                bytes.extend_from_slice(&revision.to_be_bytes());
            }
        }
    }
    bytes
}

/// The log entry that these bytes are.
pub(super) fn log_entry(sequence: u64, bytes: &[u8]) -> Result<LogEntry, StoreError> {
    const WHAT: &str = "a log entry";
    let (mac, mut rest) = split(bytes, WHAT)?;
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let ([tag], after) = split(rest, WHAT)?;
        let (key, after) = split::<17>(after, WHAT)?;
        let (number, after) = split(after, WHAT)?;
        let (key, number) = (record_key(&key)?, u64::from_be_bytes(number));
        rest = match tag {
            PUT => {
                let length = usize::try_from(number).map_err(|_| damaged(WHAT))?;
                let (envelope, after) = after.split_at_checked(length).ok_or_else(|| damaged(WHAT))?;
                changes.push(Logged::Put { key, envelope: Arc::from(envelope) });
                after
            }
            DELETED => {
                changes.push(Logged::Deleted { key, revision: number });
                after
            }
            _ => return Err(damaged(WHAT)),
        };
    }
    Ok(LogEntry { position: position(sequence), mac: AuditMac(mac), changes })
}

/// The place of a sequence number.
pub(super) fn position(sequence: u64) -> Position {
    Position { major: sequence, minor: 0 }
}

/// The error for bytes that have no reading.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} is not in the form of schema {SCHEMA}"))
}
