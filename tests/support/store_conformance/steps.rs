//! The steps that the behaviours are written in: records, changes, commits, readings.
//!
//! Not tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign::keys::record::{Kind, RecordKey};
use countersign::store::{
    AuditLink, AuditMac, Change, Conflict, Epoch, Followed, Head, LogEntry, Logged, Op, Position, Store,
    StoreError,
};
use uuid::Uuid;

pub(crate) fn workspace(n: u128) -> RecordKey {
    RecordKey { kind: Kind::Workspace, id: Uuid::from_u128(n) }
}

pub(crate) fn webhook_key(n: u128) -> RecordKey {
    RecordKey { kind: Kind::WebhookKey, id: Uuid::from_u128(n) }
}

/// Writes a record at `revision`, from the revision before.
pub(crate) fn put(key: RecordKey, revision: u64) -> Op {
    put_with(key, revision, &[], &[])
}

pub(crate) fn put_with(key: RecordKey, revision: u64, claims: &[&str], releases: &[&str]) -> Op {
    Op::Put {
        key,
        revision,
        expected: (revision > 1).then(|| revision - 1),
        envelope: envelope(&key, revision),
        claims: claims.iter().map(|&claim| claim.to_owned()).collect(),
        releases: releases.iter().map(|&claim| claim.to_owned()).collect(),
    }
}

pub(crate) fn delete(key: RecordKey, expected: u64, releases: &[&str]) -> Op {
    let releases = releases.iter().map(|&claim| claim.to_owned()).collect();
    Op::Delete { key, revision: expected + 1, expected, releases }
}

/// Bytes that are no text, since a store must not care.
pub(crate) fn envelope(key: &RecordKey, revision: u64) -> Arc<[u8]> {
    Arc::from([format!("v1.{key}@{revision}\n").as_bytes(), &[0, 0xff, b'\r', 0x80]].concat())
}

pub(crate) fn change(ops: impl IntoIterator<Item = Op>) -> Change {
    Change { ops: ops.into_iter().collect(), requires: Vec::new(), answered: None, trim: None }
}

/// The next link after `previous`; its event names the link before.
pub(crate) fn link(previous: AuditMac) -> AuditLink {
    let mut mac = [0; 32];
    mac[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    mac[16..].copy_from_slice(Uuid::now_v7().as_bytes());
    let event = format!("{{\"previous\":{:?}}}", previous.0);
    AuditLink { previous, mac: AuditMac(mac), event: Arc::from(event.as_bytes()) }
}

/// Commits on top of whatever head stands.
pub(crate) async fn commit(store: &Arc<dyn Store>, change: Change) -> Result<Position, StoreError> {
    let head = store.head().await?;
    store.commit(change, link(head.mac)).await
}

pub(crate) async fn commit_ops(store: &Arc<dyn Store>, ops: impl IntoIterator<Item = Op>) -> Position {
    commit(store, change(ops)).await.unwrap()
}

pub(crate) type Records = BTreeMap<RecordKey, Arc<[u8]>>;

pub(crate) async fn snapshot(store: &Arc<dyn Store>) -> (Head, Records) {
    let mut records = Records::new();
    let mut sink = |key, envelope| {
        assert!(records.insert(key, envelope).is_none(), "{key} came twice");
    };
    let head = store.snapshot(&mut sink).await.unwrap();
    (head, records)
}

/// Every entry after a place, up to the head that stands when the log runs dry.
pub(crate) async fn log_after(
    store: &Arc<dyn Store>,
    epoch: Epoch,
    mut after: Position,
    mut mac: AuditMac,
) -> Vec<LogEntry> {
    let mut all = Vec::new();
    while store.head().await.unwrap().position != after {
        let Followed::Entries(entries) = store.follow(epoch, after, mac).await.unwrap() else {
            panic!("a gap after {after:?}")
        };
        if let Some(last) = entries.last() {
            (after, mac) = (last.position, last.mac);
        }
        all.extend(entries);
    }
    all
}

pub(crate) fn apply(records: &mut Records, entries: &[LogEntry]) {
    for logged in entries.iter().flat_map(|entry| &entry.changes) {
        match logged {
            Logged::Put { key, envelope } => records.insert(*key, Arc::clone(envelope)),
            Logged::Deleted { key, .. } => records.remove(key),
        };
    }
}

/// Asserts that the change is refused with this conflict and that nothing at all has changed.
pub(crate) async fn refused(store: &Arc<dyn Store>, change: Change, expected: Conflict) {
    let before = snapshot(store).await;
    let audited = store.audit(Position::default(), usize::MAX).await.unwrap();
    match commit(store, change).await {
        Err(StoreError::Conflict(conflict)) => assert_eq!(conflict, expected),
        other => panic!("expected {expected}, got {other:?}"),
    }
    assert_eq!(snapshot(store).await, before);
    assert_eq!(store.audit(Position::default(), usize::MAX).await.unwrap(), audited);
}

pub(crate) fn taken(claim: &str) -> Conflict {
    Conflict::Claim { claim: claim.to_owned() }
}
