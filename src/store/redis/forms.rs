//! Names and byte forms of what the store keeps in Redis.
//!
//! Not the commands (the other files of this folder). All keys of records share one hash tag, `{<namespace>}`, so that
//! they live in one Cluster slot and one script may touch them all (Redis Cluster specification, "Hash tags"). What no
//! request is judged by has another, `{<namespace>:d}`: a user that may write it can write no record.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{ns}:meta` | hash | `epoch`, `schema`, `mac` and `position` of the head, `kek`, `kek_check`, `origin`, `continues`, `checkpoint` of the audit log |
//! | `{ns}:records` | hash | `<kind>/<id>` → revision, line feed, envelope |
//! | `{ns}:claims` | hash | unique value → `<kind>/<id>` of its holder |
//! | `{ns}:log` | stream | `p` (audit head before), `m` (after), `c` (changes); trimmed |
//! | `{ns}:audit` | stream | `m` (audit head after), `e` (event); what retention removes is behind the checkpoint |
//! | `{ns}:answers` | hash | id of an answer, hex → its time, line feed, its sealed form; gone 10 min after the last |
//! | `{ns}:answer-order` | stream | `a` (id), `t` (time): answers in the order in which they end; goes with them |
//! | `{ns}:sidecars` | hash | id of a process → what it says of itself; see `fleet.rs` |
//! | `{ns}:staged` | string | whose key set is being staged; gone once it is in place, like the next two |
//! | `{ns}:staged-records`, `{ns}:staged-claims` | hash | the set, in the forms of `records` and `claims` |
//! | `{ns:d}:uses` | hash | `<kind>/<id>` → requests accepted and refused, when last, when with a replaced value, which |
//! | `{ns:d}:deliveries` | sorted set | `<integration>/v` or `/r` (verified, refused) by the time of its newest, ms |
//! | `{ns:d}:deliveries:<integration>/v`, `…/r` | sorted set | id and JSON of each, by id; expires |
//! | `{ns:d}:use-batch:<id>` | string | number of the last batch of a process, for an hour |
//!
//! Invariants: a log entry and its audit event have the same stream id; MACs are lower-case hex; everything
//! else is binary safe; what a newer version added (a kind of record) is skipped, never an error.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use redis::Value;
use uuid::Uuid;

use crate::keys::record::{Kind, RecordKey};
use crate::store::fleet::SCHEMA;
use crate::store::{AuditMac, Logged, Op, Position, StoreError};

/// The names of the keys.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) meta: String,
    pub(super) records: String,
    pub(super) claims: String,
    pub(super) log: String,
    pub(super) audit: String,
    staged: [String; 3],
    pub(super) answers: String,
    answer_order: String,
    /// Not one of [`Names::all`]: it says nothing of whose the namespace is.
    pub(super) sidecars: String,
    /// Under the tag of what is no record, like the next ones.
    pub(super) uses: String,
    pub(super) use_batches: String,
    pub(super) deliveries: String,
}

impl Names {
    pub(super) fn of(namespace: &str) -> Self {
        let name = |part| format!("{{{namespace}}}:{part}");
        let beside = |part| format!("{{{namespace}:d}}:{part}");
        Self {
            meta: name("meta"),
            records: name("records"),
            claims: name("claims"),
            log: name("log"),
            audit: name("audit"),
            staged: [name("staged"), name("staged-records"), name("staged-claims")],
            answers: name("answers"),
            answer_order: name("answer-order"),
            sidecars: name("sidecars"),
            uses: beside("uses"),
            use_batches: beside("use-batch"),
            deliveries: beside("deliveries"),
        }
    }

    /// In the order in which every script expects them.
    pub(super) fn all(&self) -> [&str; 5] {
        [&self.meta, &self.records, &self.claims, &self.log, &self.audit]
    }

    /// The same, and those of the answers: the answers, their order.
    pub(super) fn with_answers(&self) -> [&str; 7] {
        let [meta, records, claims, log, audit] = self.all();
        [meta, records, claims, log, audit, &self.answers, &self.answer_order]
    }

    /// Those of [`Names::all`], and those of the staged set: the mark, the records, the claims.
    pub(super) fn with_staged(&self) -> [&str; 8] {
        let [meta, records, claims, log, audit] = self.all();
        let [mark, staged_records, staged_claims] = self.staged.each_ref().map(String::as_str);
        [meta, records, claims, log, audit, mark, staged_records, staged_claims]
    }
}

/// A reply's bytes.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

/// A reply's text.
pub(super) fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

/// A reply's items.
pub(super) fn items(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Some(items),
        _ => None,
    }
}

/// A reply of fixed length.
pub(super) fn fixed<const N: usize>(value: Value) -> Option<[Value; N]> {
    items(value)?.try_into().ok()
}

/// `<ms>-<seq>`.
pub(super) fn position(text: &str) -> Option<Position> {
    let (major, minor) = text.split_once('-')?;
    Some(Position { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

pub(super) fn position_text(position: Position) -> String {
    format!("{}-{}", position.major, position.minor)
}

/// The least position above this one; `None` above the highest.
pub(super) fn successor(position: Position) -> Option<Position> {
    match position.minor.checked_add(1) {
        Some(minor) => Some(Position { minor, ..position }),
        None => Some(Position { major: position.major.checked_add(1)?, minor: 0 }),
    }
}

/// The greatest position below this one; `None` below the least.
pub(super) fn predecessor(position: Position) -> Option<Position> {
    match position.minor.checked_sub(1) {
        Some(minor) => Some(Position { minor, ..position }),
        None => Some(Position { major: position.major.checked_sub(1)?, minor: u64::MAX }),
    }
}

pub(super) fn mac(hex: &[u8]) -> Option<AuditMac> {
    Some(AuditMac(HEXLOWER.decode(hex).ok()?.try_into().ok()?))
}

pub(super) fn mac_text(mac: &AuditMac) -> String {
    HEXLOWER.encode(&mac.0)
}

/// The record that a field of `records` names; `None` for a kind that this version does not know.
pub(super) fn record_key(field: &[u8]) -> Option<RecordKey> {
    let (kind, id) = std::str::from_utf8(field).ok()?.split_once('/')?;
    Some(RecordKey { kind: Kind::from_name(kind)?, id: Uuid::try_parse(id).ok()? })
}

/// The stored form of a record.
pub(super) fn record(revision: u64, envelope: &[u8]) -> Vec<u8> {
    [revision.to_string().as_bytes(), b"\n", envelope].concat()
}

/// The envelope of a stored record. One without a revision in front is given as it is: its MAC cannot hold,
/// so it is reported by name as damaged, and the rest is read.
pub(super) fn envelope(stored: &[u8]) -> &[u8] {
    let digits = stored.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match stored.split_at_checked(digits) {
        Some((revision, [b'\n', envelope @ ..])) if !revision.is_empty() => envelope,
        _ => stored,
    }
}

/// What the log says of these operations: for each a line, and after a `+` line as many bytes as it says.
pub(super) fn changes(ops: &[Op]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for op in ops {
        match op {
            Op::Put { key, envelope, .. } => {
                bytes.extend_from_slice(format!("+{key} {}\n", envelope.len()).as_bytes());
                bytes.extend_from_slice(envelope);
            }
            Op::Delete { key, revision, .. } => {
                bytes.extend_from_slice(format!("-{key} {revision}\n").as_bytes());
            }
        }
    }
    bytes
}

/// Reads [`changes`]; `None` where it has no reading.
pub(super) fn logged(mut bytes: &[u8]) -> Option<Vec<Logged>> {
    let mut changes = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = (bytes.get(..end)?, bytes.get(end + 1..)?);
        let (sign, line) = line.split_first()?;
        let (name, number) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        let key = record_key(name.as_bytes());
        bytes = match sign {
            b'+' => {
                let (envelope, rest) = rest.split_at_checked(usize::try_from(number).ok()?)?;
                changes.extend(key.map(|key| Logged::Put { key, envelope: Arc::from(envelope) }));
                rest
            }
            b'-' => {
                changes.extend(key.map(|key| Logged::Deleted { key, revision: number }));
                rest
            }
            _ => return None,
        };
    }
    Some(changes)
}

/// An entry of a stream: its id, and its values by field name.
pub(super) struct Entry {
    pub(super) position: Position,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    pub(super) fn of(value: Value) -> Option<Self> {
        let [id, fields] = fixed::<2>(value)?;
        let flat: Option<Vec<Vec<u8>>> = items(fields)?.into_iter().map(bytes).collect();
        let mut flat = flat?.into_iter();
        let mut fields = Vec::new();
        while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
            fields.push((name, value));
        }
        Some(Self { position: position(&text(id)?)?, fields })
    }

    pub(super) fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(field, _)| field == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    pub(super) fn mac(&self, name: &str) -> Option<AuditMac> {
        mac(self.field(name)?)
    }
}

/// The entries of a stream in a reply.
pub(super) fn entries(value: Value) -> Option<Vec<Entry>> {
    items(value)?.into_iter().map(Entry::of).collect()
}

/// The error for what has no reading.
pub(super) fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("{what} is not in the form of schema {SCHEMA}"))
}
