//! The change log, snapshots and the audit chain.

use std::sync::Arc;

use countersign::store::{AuditMac, Change, Epoch, Followed, LogEntry, Logged, Position, Store, StoreError};
use uuid::Uuid;

use super::steps::{
    apply, change, commit, commit_ops, delete, envelope, link, log_after, put, snapshot, webhook_key,
    workspace,
};

pub(crate) async fn a_change_of_nothing_is_still_audited(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    let link = link(AuditMac::default());
    let position = store.commit(Change::default(), link.clone()).await.unwrap();
    let events = store.audit(Position::default(), 10).await.unwrap();
    assert_eq!(events, [(position, link.mac, link.event)]);
    let entries = log_after(store, epoch, Position::default(), AuditMac::default()).await;
    assert_eq!(entries, [LogEntry { position, mac: link.mac, changes: Vec::new() }]);
}

pub(crate) async fn audit_events_can_be_read_from_the_end(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    assert_eq!(store.audit_before(None, 10).await.unwrap(), []);
    assert_eq!(store.audit_count().await.unwrap(), 0);
    for n in 1..=5 {
        commit_ops(store, [put(workspace(n), 1)]).await;
    }
    let mut events = store.audit(Position::default(), 10).await.unwrap();
    events.reverse();
    assert_eq!(store.audit_count().await.unwrap(), 5);
    assert_eq!(store.audit_before(None, 10).await.unwrap(), events);
    assert_eq!(store.audit_before(None, 2).await.unwrap(), events[..2]);
    assert_eq!(store.audit_before(Some(events[1].0), 2).await.unwrap(), events[2..4]);
    assert_eq!(store.audit_before(Some(events[3].0), 10).await.unwrap(), events[4..]);
    assert_eq!(store.audit_before(Some(events[4].0), 10).await.unwrap(), []);
    assert_eq!(store.audit_before(Some(Position::default()), 10).await.unwrap(), []);
    let beyond = Position { minor: events[0].0.minor + 1, ..events[0].0 };
    assert_eq!(store.audit_before(Some(beyond), 1).await.unwrap(), events[..1]);
}

pub(crate) async fn the_log_replays_every_commit_in_order(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    let (one, two) = (workspace(1), webhook_key(2));
    let mut positions = vec![commit_ops(store, [put(one, 1), put(two, 1)]).await];
    positions.push(commit_ops(store, [put(two, 2)]).await);
    positions.push(commit_ops(store, [delete(two, 2, &[]), put(one, 2)]).await);
    assert!(positions.is_sorted_by(|earlier, later| earlier < later), "{positions:?}");
    let entries = log_after(store, epoch, Position::default(), AuditMac::default()).await;
    let logged = |key, revision| Logged::Put { key, envelope: envelope(&key, revision) };
    let changes: Vec<_> = entries.iter().map(|entry| entry.changes.clone()).collect();
    let expected = [
        vec![logged(one, 1), logged(two, 1)],
        vec![logged(two, 2)],
        vec![Logged::Deleted { key: two, revision: 3 }, logged(one, 2)],
    ];
    assert_eq!(changes, expected);
    assert_eq!(entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), positions);
    let head = store.head().await.unwrap();
    assert_eq!((head.position, head.mac), (entries[2].position, entries[2].mac));
    let rest = log_after(store, epoch, entries[0].position, entries[0].mac).await;
    assert_eq!(rest, entries[1..]);
}

pub(crate) async fn a_store_knows_its_own_past(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    let (start, none) = (Position::default(), AuditMac::default());
    assert!(store.holds(start, none).await.unwrap());
    assert_eq!(store.latest(10).await.unwrap(), []);
    for n in 1..=5 {
        commit_ops(store, [put(workspace(n), 1)]).await;
    }
    let entries = log_after(store, epoch, start, none).await;
    for entry in &entries {
        assert!(store.holds(entry.position, entry.mac).await.unwrap());
        assert!(
            !store.holds(entry.position, AuditMac([7; 32])).await.unwrap(),
            "another entry at this place"
        );
    }
    let last = entries[4].position;
    let beyond = Position { major: last.major + 1, ..last };
    assert!(!store.holds(beyond, entries[4].mac).await.unwrap());
    assert_eq!(store.latest(10).await.unwrap(), entries);
    assert_eq!(store.latest(2).await.unwrap(), entries[3..]);
    // What one entry changes counts, so that a bulk change brings no more of the past than is wanted.
    commit_ops(store, (6..=8).map(|n| put(workspace(n), 1))).await;
    for n in 9..=40 {
        commit_ops(store, [put(workspace(n), 1)]).await;
    }
    let entries = log_after(store, epoch, start, none).await;
    assert_eq!(store.latest(32).await.unwrap(), entries[6..]);
    assert_eq!(store.latest(33).await.unwrap(), entries[5..]);
    assert_eq!(store.latest(35).await.unwrap(), entries[5..]);
    assert_eq!(store.latest(36).await.unwrap(), entries[4..]);
    assert_eq!(store.latest(100).await.unwrap(), entries);
}

pub(crate) async fn a_snapshot_and_the_log_after_it_give_the_same_records_as_reading_at_the_end(
    store: &Arc<dyn Store>,
) {
    let epoch = store.init().await.unwrap();
    commit_ops(store, (0..50).map(|n| put(workspace(n), 1))).await;
    let writer = tokio::spawn({
        let store = Arc::clone(store);
        async move {
            for n in 0..25 {
                let ops = [put(workspace(n), 2), delete(workspace(n + 25), 1, &[]), put(webhook_key(n), 1)];
                commit_ops(&store, ops).await;
            }
        }
    });
    let mut early = Vec::new();
    while !writer.is_finished() {
        early.push(snapshot(store).await);
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    let (_, last) = snapshot(store).await;
    assert_eq!(last.len(), 50);
    for (head, mut records) in early {
        apply(&mut records, &log_after(store, epoch, head.position, head.mac).await);
        assert_eq!(records, last, "from {:?}", head.position);
    }
}

pub(crate) async fn following_with_nothing_new_gives_an_empty_answer(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    commit_ops(store, [put(workspace(1), 1)]).await;
    let head = store.head().await.unwrap();
    let answer = store.follow(epoch, head.position, head.mac).await.unwrap();
    assert_eq!(answer, Followed::Entries(Vec::new()));
}

pub(crate) async fn a_follower_that_waits_gets_the_next_commit(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    let head = store.head().await.unwrap();
    let follower = tokio::spawn({
        let store = Arc::clone(store);
        async move {
            loop {
                let answer = store.follow(epoch, head.position, head.mac).await.unwrap();
                if answer != Followed::Entries(Vec::new()) {
                    return answer;
                }
            }
        }
    });
    let position = commit_ops(store, [put(workspace(1), 1)]).await;
    let Followed::Entries(entries) = follower.await.unwrap() else { panic!("a gap") };
    assert_eq!(entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), [position]);
}

pub(crate) async fn following_from_an_unknown_place_is_a_gap(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    commit_ops(store, [put(workspace(1), 1)]).await;
    commit_ops(store, [put(workspace(2), 1)]).await;
    let head = store.head().await.unwrap();
    let Position { major, minor } = head.position;
    let unknown = [
        // Another entry stands there than the one that was applied.
        (head.position, AuditMac([7; 32])),
        (head.position, AuditMac::default()),
        // The log has gone backwards.
        (Position { major: major + 1000, minor }, head.mac),
        (Position { major, minor: minor + 1000 }, head.mac),
        (Position { major: u64::MAX, minor: u64::MAX }, head.mac),
    ];
    for (after, mac) in unknown {
        assert_eq!(store.follow(epoch, after, mac).await.unwrap(), Followed::Gap, "{after:?}");
    }
}

pub(crate) async fn following_another_epoch_is_refused(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    let other = Epoch(Uuid::now_v7());
    let answer = store.follow(other, Position::default(), AuditMac::default()).await;
    let Err(StoreError::OtherEpoch { found, expected }) = answer else { panic!("{answer:?}") };
    assert_eq!((found, expected), (epoch.0, other.0));
}

pub(crate) async fn audit_events_come_back_in_order(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let mut expected = Vec::new();
    for n in 1..=5 {
        let link = link(store.head().await.unwrap().mac);
        let position = store.commit(change([put(workspace(n), 1)]), link.clone()).await.unwrap();
        expected.push((position, link.mac, link.event));
    }
    assert_eq!(store.audit(Position::default(), 100).await.unwrap(), expected);
    assert_eq!(store.audit(Position::default(), 2).await.unwrap(), expected[..2]);
    assert_eq!(store.audit(expected[1].0, 2).await.unwrap(), expected[2..4]);
    assert_eq!(store.audit(expected[4].0, 2).await.unwrap(), []);
    assert_eq!(store.audit(Position::default(), 0).await.unwrap(), []);
}

pub(crate) async fn concurrent_writers_keep_one_unbroken_chain(store: &Arc<dyn Store>) {
    const WRITERS: u128 = 4;
    const COMMITS: u128 = 10;
    let epoch = store.init().await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for n in 0..COMMITS {
                    let change = change([put(workspace(writer * COMMITS + n), 1)]);
                    loop {
                        match commit(&store, change.clone()).await {
                            Ok(_) => break,
                            Err(StoreError::HeadMoved) => {}
                            Err(fault) => panic!("{fault}"),
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let events = store.audit(Position::default(), usize::MAX).await.unwrap();
    assert_eq!(events.len(), usize::try_from(WRITERS * COMMITS).unwrap());
    let mut previous = AuditMac::default();
    for (_, mac, event) in &events {
        assert_eq!(event.as_ref(), format!("{{\"previous\":{:?}}}", previous.0).as_bytes());
        previous = *mac;
    }
    let entries = log_after(store, epoch, Position::default(), AuditMac::default()).await;
    let logged: Vec<_> = entries.iter().map(|entry| (entry.position, entry.mac)).collect();
    let audited: Vec<_> = events.iter().map(|(position, mac, _)| (*position, *mac)).collect();
    assert_eq!(logged, audited);
    assert_eq!(snapshot(store).await.1.len(), events.len());
}
