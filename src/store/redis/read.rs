//! Head, snapshot and audit.
//!
//! Not the log (`follow.rs`). Redis documentation: HSCAN (what stays is returned at least once), XRANGE,
//! XREVRANGE. Invariants: without an epoch each of these fails, so that a flushed namespace never reads as an
//! empty key set; a snapshot is read from one server over one connection, because a cursor means nothing to
//! another or a restarted one, and counts only if the epoch is the same at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redis::{Cmd, Value};
use uuid::Uuid;

use super::connection::Connection;
use super::forms::{self, Entry, damaged};
use super::link::{Link, run};
use crate::keys::record::RecordKey;
use crate::store::{
    AuditEntry, AuditLink, AuditMac, Claims, Epoch, Head, Life, Origin, Position, RecordSink, StoreError,
};

/// Records or entries asked for at a time: enough to be fast, few enough not to hold the server up.
const BATCH: usize = 1000;
/// How far back a commit without an answer is looked for: more than other writers add meanwhile.
const SEARCHED: usize = 10_000;

/// Where the log stands.
pub(super) async fn head(link: &Link) -> Result<Head, StoreError> {
    let reply = link.read(&link.names.meta, &head_command(link)).await?;
    match parse_head(link, reply)? {
        Some(head) => Ok(head),
        None => Err(no_epoch(link).await),
    }
}

/// The epoch, and how it came to be.
pub(super) async fn life(link: &Link) -> Result<Life, StoreError> {
    let meta = &link.names.meta;
    let mut read = redis::cmd("HMGET");
    read.arg(meta).arg(&["epoch", "origin", "continues"]);
    let reply = link.read(meta, &read).await?;
    let [epoch, origin, continues] = forms::fixed(reply).ok_or_else(|| damaged(meta))?;
    let Some(epoch) = forms::text(epoch) else { return Err(no_epoch(link).await) };
    let epoch = Uuid::try_parse(&epoch).map_err(|_| damaged(format_args!("epoch in {meta}")))?;
    let continues = forms::text(continues).and_then(|text| Uuid::try_parse(&text).ok()).map(Epoch);
    let origin = Origin::from_stored(forms::text(origin).as_deref(), continues);
    Ok(Life { epoch: Epoch(epoch), origin })
}

/// The same as [`head`] over a connection of the caller's.
pub(super) async fn head_over(link: &Link, connection: &mut Connection) -> Result<Head, StoreError> {
    let reply = run(link, connection, &link.names.meta, &head_command(link)).await?;
    match parse_head(link, reply)? {
        Some(head) => Ok(head),
        None => Err(no_epoch(link).await),
    }
}

/// Gives every record to `sink`.
pub(super) async fn snapshot(link: &Link, sink: RecordSink<'_>) -> Result<Head, StoreError> {
    let records = &link.names.records;
    let mut connection = link.open(link.answer()).await?;
    let head = head_over(link, &mut connection).await?;
    let mut unknown = 0_usize;
    let take = |field: &[u8], stored: &[u8]| match forms::record_key(field) {
        Some(key) => sink(key, Arc::from(forms::envelope(stored))),
        None => unknown += 1,
    };
    scan(link, &mut connection, records, take).await?;
    let epoch = head_over(link, &mut connection).await?.epoch;
    if epoch != head.epoch {
        return Err(StoreError::OtherEpoch { found: epoch.0, expected: head.epoch.0 });
    }
    if unknown > 0 {
        tracing::warn!(key = %records, fields = unknown, "fields that name no record of a known kind are left alone");
    }
    Ok(head)
}

/// The unique values that these records hold.
pub(super) async fn claims_of(link: &Link, holders: &BTreeSet<RecordKey>) -> Result<Claims, StoreError> {
    let mut connection = link.open(link.answer()).await?;
    head_over(link, &mut connection).await?;
    let mut claims = BTreeMap::<RecordKey, BTreeSet<String>>::new();
    let take = |claim: &[u8], holder: &[u8]| {
        let holder = forms::record_key(holder).filter(|holder| holders.contains(holder));
        if let Some((holder, claim)) = holder.zip(std::str::from_utf8(claim).ok()) {
            claims.entry(holder).or_default().insert(claim.to_owned());
        }
    };
    scan(link, &mut connection, &link.names.claims, take).await?;
    Ok(claims.into_iter().map(|(holder, claims)| (holder, claims.into_iter().collect())).collect())
}

/// Gives every field of a hash and its value to `take`, some more than once.
async fn scan(
    link: &Link,
    connection: &mut Connection,
    hash: &str,
    mut take: impl FnMut(&[u8], &[u8]),
) -> Result<(), StoreError> {
    let mut cursor = "0".to_owned();
    loop {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(hash).arg(&cursor).arg("COUNT").arg(BATCH);
        let before = connection.answering().clone();
        let reply = run(link, connection, hash, &scan).await?;
        if cursor != "0" && *connection.answering() != before {
            // The slot has moved on, and a cursor means nothing to another server. What was given stays right:
            // the log is applied from before it.
            cursor = "0".to_owned();
            continue;
        }
        let [next, page] = forms::fixed(reply).ok_or_else(|| damaged(hash))?;
        let page: Option<Vec<Vec<u8>>> =
            forms::items(page).and_then(|page| page.into_iter().map(forms::bytes).collect());
        let mut page = page.ok_or_else(|| damaged(hash))?.into_iter();
        while let (Some(field), Some(stored)) = (page.next(), page.next()) {
            take(&field, &stored);
        }
        cursor = forms::text(next).ok_or_else(|| damaged(hash))?;
        if cursor == "0" {
            return Ok(());
        }
    }
}

/// Audit events after `after`, oldest first.
pub(super) async fn audit(link: &Link, after: Position, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
    head(link).await?;
    let key = &link.names.audit;
    let mut events = Vec::new();
    let mut from = forms::successor(after);
    while let Some(start) = from
        && events.len() < limit
    {
        let asked = BATCH.min(limit - events.len());
        let mut range = redis::cmd("XRANGE");
        range.arg(key).arg(forms::position_text(start)).arg("+").arg("COUNT").arg(asked);
        let page = forms::entries(link.read(key, &range).await?).ok_or_else(|| damaged(key))?;
        from = match page.last() {
            Some(last) if page.len() == asked => forms::successor(last.position),
            _ => None,
        };
        events.extend(page.iter().map(audit_entry));
    }
    Ok(events)
}

/// Audit events before `before`, newest first.
pub(super) async fn audit_before(
    link: &Link,
    before: Option<Position>,
    limit: usize,
) -> Result<Vec<AuditEntry>, StoreError> {
    head(link).await?;
    let key = &link.names.audit;
    let mut events = Vec::new();
    let mut end = match before {
        None => Some("+".to_owned()),
        Some(before) => forms::predecessor(before).map(forms::position_text),
    };
    while let Some(last) = end
        && events.len() < limit
    {
        let asked = BATCH.min(limit - events.len());
        let mut range = redis::cmd("XREVRANGE");
        range.arg(key).arg(last).arg("-").arg("COUNT").arg(asked);
        let page = forms::entries(link.read(key, &range).await?).ok_or_else(|| damaged(key))?;
        end = match page.last() {
            Some(oldest) if page.len() == asked => {
                forms::predecessor(oldest.position).map(forms::position_text)
            }
            _ => None,
        };
        events.extend(page.iter().map(audit_entry));
    }
    Ok(events)
}

/// How many audit events there are.
pub(super) async fn audit_count(link: &Link) -> Result<u64, StoreError> {
    head(link).await?;
    let audit = &link.names.audit;
    let mut length = redis::cmd("XLEN");
    length.arg(audit);
    let length = forms::text(link.read(audit, &length).await?).and_then(|length| length.parse().ok());
    length.ok_or_else(|| damaged(audit))
}

/// The checkpoint that the audit log begins with.
pub(super) async fn checkpoint(link: &Link) -> Result<Option<Arc<[u8]>>, StoreError> {
    let meta = &link.names.meta;
    let mut read = redis::cmd("HMGET");
    read.arg(meta).arg(&["epoch", "checkpoint"]);
    let [epoch, checkpoint] = forms::fixed(link.read(meta, &read).await?).ok_or_else(|| damaged(meta))?;
    if epoch == Value::Nil {
        return Err(no_epoch(link).await);
    }
    Ok(forms::bytes(checkpoint).map(Arc::from))
}

fn audit_entry(entry: &Entry) -> AuditEntry {
    let (mac, event) = entry.mac("m").zip(entry.field("e")).unwrap_or_default();
    (entry.position, mac, Arc::from(event))
}

/// How many records there are.
pub(super) async fn count(link: &Link) -> Result<u64, StoreError> {
    head(link).await?;
    let records = &link.names.records;
    let mut length = redis::cmd("HLEN");
    length.arg(records);
    let length = forms::text(link.read(records, &length).await?).and_then(|length| length.parse().ok());
    length.ok_or_else(|| damaged(records))
}

/// Where the commit with this link stands, if it happened: at the head, or under later ones.
pub(super) async fn place_of(link: &Link, audit: &AuditLink) -> Result<Option<Position>, StoreError> {
    let key = &link.names.audit;
    let mut range = redis::cmd("XREVRANGE");
    range.arg(key).arg("+").arg("-").arg("COUNT").arg(SEARCHED);
    let entries = forms::entries(link.read(key, &range).await?).ok_or_else(|| damaged(key))?;
    Ok(entries.iter().find(|entry| entry.mac("m") == Some(audit.mac)).map(|entry| entry.position))
}

/// Whether there was a commit at this place with this MAC. Where one log was trimmed, the other may know.
pub(super) async fn holds(link: &Link, position: Position, mac: AuditMac) -> Result<bool, StoreError> {
    if position == Position::default() {
        return Ok(true);
    }
    let place = forms::position_text(position);
    for key in [&link.names.log, &link.names.audit] {
        let mut range = redis::cmd("XRANGE");
        range.arg(key).arg(&place).arg(&place);
        let found = forms::entries(link.read(key, &range).await?).ok_or_else(|| damaged(key))?;
        if found.first().and_then(|entry| entry.mac("m")) == Some(mac) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a namespace without an epoch is: empty, or somebody else's.
pub(super) async fn no_epoch(link: &Link) -> StoreError {
    let mut exists = redis::cmd("EXISTS");
    exists.arg(&link.names.all());
    match link.read(&link.names.meta, &exists).await {
        Ok(Value::Int(0)) => StoreError::Uninitialised,
        Ok(_) => StoreError::Foreign,
        Err(error) => error,
    }
}

pub(super) fn head_command(link: &Link) -> Cmd {
    let mut read = redis::cmd("HMGET");
    read.arg(&link.names.meta).arg(&["epoch", "mac", "position"]);
    read
}

/// The head in a reply to [`head_command`]; `None` where there is no epoch.
pub(super) fn parse_head(link: &Link, reply: Value) -> Result<Option<Head>, StoreError> {
    let meta = &link.names.meta;
    let [epoch, mac, position] = forms::fixed(reply).ok_or_else(|| damaged(meta))?;
    let Some(epoch) = forms::text(epoch) else { return Ok(None) };
    let epoch = Uuid::try_parse(&epoch).map_err(|_| damaged(format_args!("epoch in {meta}")))?;
    let mac = forms::bytes(mac).and_then(|mac| forms::mac(&mac));
    let position = forms::text(position).and_then(|position| forms::position(&position));
    let (mac, position) = mac.zip(position).ok_or_else(|| damaged(format_args!("the head in {meta}")))?;
    Ok(Some(Head { epoch: Epoch(epoch), position, mac }))
}
