//! A Redis Cluster: the contract of every store, and slots that move under it.
//!
//! One cluster for what does not break it, a namespace (and so most likely a slot) per test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::store::{AuditMac, Epoch, Followed, Head, Position, Store, StoreError};

use crate::support::redis::namespace;
use crate::support::redis_cluster::{Migration, shared};
use crate::support::store_conformance::steps::{
    change, commit, commit_ops, delete, link, log_after, put, put_with, snapshot, webhook_key, workspace,
};
use crate::support::store_conformance::{Fresh, store_conformance};

/// How long a store may take over what a migration holds up: its own patience, and a busy machine.
const HELD_UP: Duration = Duration::from_secs(20);

#[expect(clippy::unused_async, reason = "other backends have to wait")]
async fn fresh() -> Fresh {
    Fresh { store: shared().store(&namespace()), keep: Box::new(()) }
}

store_conformance!(fresh);

/// A namespace of its own with one record, and a store of it.
async fn one_record() -> (String, Arc<dyn Store>, Epoch) {
    let namespace = namespace();
    let store: Arc<dyn Store> = shared().store(&namespace);
    let epoch = store.init().await.unwrap();
    commit_ops(&store, [put_with(workspace(1), 1, &["name/one"], &[])]).await;
    (namespace, store, epoch)
}

/// What every reader must get at any moment: all of it, whole.
async fn everything_is_read(store: &Arc<dyn Store>, epoch: Epoch, records: usize, commits: usize) -> Head {
    let (head, found) = snapshot(store).await;
    assert_eq!(found.len(), records);
    assert_eq!(store.head().await.unwrap(), head);
    let log = log_after(store, epoch, Position::default(), AuditMac::default()).await;
    assert_eq!((log.len(), log.last().unwrap().mac), (commits, head.mac));
    let audit = store.audit(Position::default(), 100).await.unwrap();
    assert_eq!((audit.len(), audit.last().unwrap().1), (commits, head.mac));
    head
}

#[tokio::test]
async fn every_step_of_a_migration_is_read_through_and_commits_wait_for_the_keys_to_be_together() {
    let (namespace, store, epoch) = one_record().await;
    let other: Arc<dyn Store> = shared().store(&namespace);
    let migration = shared().migration(&namespace);
    migration.begin();
    commit_ops(&store, [put(workspace(2), 1)]).await;
    for part in ["log", "meta", "records"] {
        migration.carry(&format!("{{{namespace}}}:{part}"));
        everything_is_read(&store, epoch, 2, 2).await;
    }
    let head = everything_is_read(&other, epoch, 2, 2).await;
    // Some keys here, some there: nobody can commit in one step.
    let refused = store.commit(change([put(workspace(3), 1)]), link(head.mac)).await;
    match refused {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("on its way to another node"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(everything_is_read(&other, epoch, 2, 2).await, head);
    migration.carry_the_rest();
    commit_ops(&store, [put(workspace(3), 1)]).await;
    assert_eq!(store.init().await.unwrap(), epoch);
    everything_is_read(&other, epoch, 3, 3).await;
    migration.end();
    everything_is_read(&store, epoch, 3, 3).await;
    commit_ops(&store, [delete(workspace(1), 1, &["name/one"])]).await;
    everything_is_read(&other, epoch, 2, 4).await;
    assert_eq!(shared().owner(&namespace).port, migration.to.port);
}

#[tokio::test]
async fn a_commit_that_a_migration_holds_up_is_made_when_the_keys_are_together() {
    let (namespace, store, epoch) = one_record().await;
    let migration = shared().migration(&namespace);
    let head = store.head().await.unwrap();
    migration.begin();
    migration.carry(&format!("{{{namespace}}}:audit"));
    let committing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(change([put(workspace(2), 1)]), link(head.mac)).await })
    };
    let refusals = || -> bool {
        let stats: String = migration.from.ask(&["INFO", "errorstats"]);
        stats.contains("errorstat_TRYAGAIN")
    };
    crate::support::redis::soon("a refused commit", HELD_UP, refusals).await;
    migration.carry_the_rest();
    migration.end();
    tokio::time::timeout(HELD_UP, committing).await.unwrap().unwrap().unwrap();
    everything_is_read(&store, epoch, 2, 2).await;
}

#[tokio::test]
async fn a_commit_that_the_former_owner_is_asked_for_is_made_by_the_new_one() {
    let (namespace, store, epoch) = one_record().await;
    for n in 2..5 {
        let head = store.head().await.unwrap();
        shared().migration(&namespace).run();
        store.commit(change([put(workspace(n), 1)]), link(head.mac)).await.unwrap();
    }
    everything_is_read(&store, epoch, 4, 4).await;
}

#[tokio::test]
async fn a_snapshot_is_whole_when_its_slot_moves_meanwhile() {
    const MANY: u128 = 5_000;
    let (namespace, store, _) = one_record().await;
    commit_ops(&store, (0..MANY).map(|n| put(webhook_key(n), 1))).await;
    let migration = shared().migration(&namespace);
    let mut seen = BTreeSet::new();
    // The first records are of the former owner; the rest is gone from there by then.
    let mut sink = |key, _| {
        if seen.is_empty() {
            migration.run();
        }
        seen.insert(key);
    };
    store.snapshot(&mut sink).await.unwrap();
    assert_eq!(seen.len(), usize::try_from(MANY).unwrap() + 1);
    let migration = shared().migration(&namespace);
    let mut seen = BTreeSet::new();
    // Not finished: every page is asked for with ASKING.
    let mut sink = |key, _| {
        if seen.is_empty() {
            migration.begin();
            migration.carry_the_rest();
        }
        seen.insert(key);
    };
    store.snapshot(&mut sink).await.unwrap();
    assert_eq!(seen.len(), usize::try_from(MANY).unwrap() + 1);
    migration.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_under_load_loses_no_commit_and_no_follower() {
    const MOVES: usize = 4;
    let (namespace, store, epoch) = one_record().await;
    let done = Arc::new(AtomicBool::new(false));
    let followers: Vec<_> = (0..3)
        .map(|_| {
            let (store, done): (Arc<dyn Store>, _) = (shared().store(&namespace), Arc::clone(&done));
            tokio::spawn(async move { follow(&store, epoch, &done).await })
        })
        .collect();
    let (count, counted) = tokio::sync::watch::channel(0_u64);
    let writer = {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tokio::spawn(async move {
            let mut made = Vec::new();
            while !done.load(Ordering::SeqCst) {
                let revision = count.borrow().saturating_add(2);
                made.push(commit(&store, change([put(workspace(1), revision)])).await.unwrap());
                count.send_modify(|count| *count += 1);
            }
            made
        })
    };
    for _ in 0..MOVES {
        let migration = shared().migration(&namespace);
        for step in [Migration::begin, Migration::carry_the_rest, Migration::end] {
            let now = *counted.borrow();
            tokio::time::timeout(HELD_UP, counted.clone().wait_for(|count| *count > now + 2))
                .await
                .unwrap()
                .unwrap();
            step(&migration);
        }
    }
    done.store(true, Ordering::SeqCst);
    let made = writer.await.unwrap();
    println!("{} commits during {MOVES} migrations", made.len());
    assert!(made.is_sorted());
    let audit = store.audit(Position::default(), usize::MAX).await.unwrap();
    let stored: Vec<_> = audit.iter().skip(1).map(|(position, ..)| *position).collect();
    assert_eq!(stored, made);
    for follower in followers {
        let followed = tokio::time::timeout(HELD_UP, follower).await.unwrap().unwrap();
        assert_eq!(followed.into_iter().skip(1).collect::<Vec<_>>(), made);
    }
}

/// Follows from the beginning until it is done and nothing is new. Nothing may interrupt it.
async fn follow(store: &Arc<dyn Store>, epoch: Epoch, done: &AtomicBool) -> Vec<Position> {
    let (mut followed, mut position, mut mac) = (Vec::new(), Position::default(), AuditMac::default());
    loop {
        let last = done.load(Ordering::SeqCst);
        let Followed::Entries(entries) = store.follow(epoch, position, mac).await.unwrap() else {
            panic!("a gap after {position:?}");
        };
        if last && entries.is_empty() && store.head().await.unwrap().mac == mac {
            return followed;
        }
        for entry in entries {
            followed.push(entry.position);
            (position, mac) = (entry.position, entry.mac);
        }
    }
}

#[tokio::test]
async fn replacing_every_record_is_one_step_while_the_slot_moves() {
    let (namespace, store, epoch) = one_record().await;
    let migration = shared().migration(&namespace);
    migration.begin();
    // For a moment nothing is claimed and nothing recorded: a key without fields is gone, and not ours any more.
    let replaced =
        [delete(workspace(1), 1, &["name/one", "never held"]), put_with(workspace(2), 1, &["c"], &[])];
    commit_ops(&store, replaced).await;
    let (_, records) = snapshot(&store).await;
    assert_eq!(records.into_keys().collect::<Vec<_>>(), [workspace(2)]);
    everything_is_read(&store, epoch, 1, 2).await;
    migration.carry_the_rest();
    migration.end();
}
