//! The oldest audit events give way to a checkpoint.

use std::sync::Arc;

use countersign::store::{AuditMac, Change, Conflict, Position, Store, StoreError, Trim};

use super::steps::{commit, commit_ops, link, log_after, put, snapshot, workspace};

/// A namespace with events of this number, each for a record.
async fn filled(store: &Arc<dyn Store>, events: u128) {
    store.init().await.unwrap();
    for n in 1..=events {
        commit_ops(store, [put(workspace(n), 1)]).await;
    }
}

/// Removes the first events of this number.
async fn trim(store: &Arc<dyn Store>, events: usize, expected: Option<&str>, checkpoint: &str) -> Trim {
    let entries = store.audit(Position::default(), events).await.unwrap();
    let (through, mac) = entries.last().map_or_else(Default::default, |(position, mac, _)| (*position, *mac));
    Trim {
        expected: expected.map(|text| Arc::from(text.as_bytes())),
        checkpoint: Arc::from(checkpoint.as_bytes()),
        events: events as u64,
        through,
        mac,
    }
}

fn only(trim: Trim) -> Change {
    Change { trim: Some(trim), ..Change::default() }
}

async fn checkpoint(store: &Arc<dyn Store>) -> Option<String> {
    let stored = store.checkpoint().await.unwrap();
    stored.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

pub(crate) async fn trimmed_events_give_way_to_a_checkpoint(store: &Arc<dyn Store>) {
    filled(store, 6).await;
    assert_eq!(checkpoint(store).await, None);
    let epoch = store.head().await.unwrap().epoch;
    let (start, none) = (Position::default(), AuditMac::default());
    let before = store.audit(start, 10).await.unwrap();
    let position = commit(store, only(trim(store, 4, None, "first").await)).await.unwrap();

    assert_eq!(checkpoint(store).await.as_deref(), Some("first"));
    let after = store.audit(start, 10).await.unwrap();
    assert_eq!(after[..2], before[4..]);
    assert_eq!((after.len(), after[2].0), (3, position));
    assert_eq!(store.audit_count().await.unwrap(), 3);
    assert_eq!(store.audit(before[1].0, 10).await.unwrap(), after);
    assert_eq!(store.audit_before(Some(before[3].0), 10).await.unwrap(), []);
    assert_eq!(store.audit_before(Some(before[5].0), 10).await.unwrap(), after[..1]);
    // Records, the change log, and what the store knows of its past are as they were.
    let (head, records) = snapshot(store).await;
    assert_eq!((head.position, head.mac, records.len()), (position, after[2].1, 6));
    let log = log_after(store, epoch, start, none).await;
    assert_eq!(log.len(), 7);
    for entry in log {
        assert!(store.holds(entry.position, entry.mac).await.unwrap());
    }
    assert!(!store.holds(before[0].0, AuditMac([7; 32])).await.unwrap());

    commit(store, only(trim(store, 2, Some("first"), "second").await)).await.unwrap();
    assert_eq!(checkpoint(store).await.as_deref(), Some("second"));
    assert_eq!(store.audit(start, 10).await.unwrap()[0], after[2]);
}

pub(crate) async fn a_trim_of_anything_but_what_was_read_changes_nothing(store: &Arc<dyn Store>) {
    filled(store, 5).await;
    commit(store, only(trim(store, 1, None, "stands").await)).await.unwrap();
    let good = trim(store, 2, Some("stands"), "next").await;
    let (later, ..) = store.audit(good.through, 1).await.unwrap().remove(0);
    let wrong = [
        Trim { expected: None, ..good.clone() },
        Trim { expected: Some(Arc::from(b"another".as_slice())), ..good.clone() },
        Trim { events: 1, ..good.clone() },
        Trim { events: 3, ..good.clone() },
        Trim { through: later, ..good.clone() },
        Trim { through: Position { minor: good.through.minor + 1, ..good.through }, ..good.clone() },
        Trim { mac: AuditMac([7; 32]), ..good.clone() },
        // The last event stays.
        trim(store, 5, Some("stands"), "next").await,
    ];
    let audited = store.audit(Position::default(), 10).await.unwrap();
    assert_eq!(audited.len(), 5);
    for trim in wrong {
        let words = format!("{trim:?}");
        let refused = commit(store, Change { ops: vec![put(workspace(9), 1)], ..only(trim) }).await;
        assert!(matches!(refused, Err(StoreError::Conflict(Conflict::Trimmed))), "{words}: {refused:?}");
        assert_eq!(store.audit(Position::default(), 10).await.unwrap(), audited, "{words}");
        assert_eq!(checkpoint(store).await.as_deref(), Some("stands"));
        assert_eq!(snapshot(store).await.1.len(), 5);
    }
    commit(store, only(good)).await.unwrap();
}

pub(crate) async fn of_two_trims_at_once_one_counts(store: &Arc<dyn Store>) {
    filled(store, 6).await;
    let trims = [trim(store, 3, None, "one").await, trim(store, 3, None, "other").await];
    let contenders = trims.map(|trim| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            loop {
                match commit(&store, only(trim.clone())).await {
                    Err(StoreError::HeadMoved) => {}
                    ended => return ended.map(drop),
                }
            }
        })
    });
    let mut won = 0;
    for contender in contenders {
        match contender.await.unwrap() {
            Ok(()) => won += 1,
            Err(StoreError::Conflict(Conflict::Trimmed)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((won, store.audit_count().await.unwrap()), (1, 4));
}

pub(crate) async fn a_checkpoint_alone_can_be_replaced(store: &Arc<dyn Store>) {
    filled(store, 2).await;
    let alone = trim(store, 0, None, "one").await;
    commit(store, only(alone.clone())).await.unwrap();
    commit(store, only(Trim { expected: Some(Arc::from(b"one".as_slice())), ..alone })).await.unwrap();
    assert_eq!((checkpoint(store).await.as_deref(), store.audit_count().await.unwrap()), (Some("one"), 4));
    let stale = store.commit(Change::default(), link(AuditMac::default())).await;
    assert!(matches!(stale, Err(StoreError::HeadMoved)), "{stale:?}");
}

pub(crate) async fn a_namespace_without_an_epoch_has_no_checkpoint_to_tell(store: &Arc<dyn Store>) {
    assert!(matches!(store.checkpoint().await, Err(StoreError::Uninitialised)));
}
