//! Whole key sets that take an empty namespace: nothing of them counts before all of it does.

use std::sync::Arc;

use countersign::store::staging::{Installed, Mark, Staged, Staging};
use countersign::store::{AuditMac, Conflict, Epoch, Followed, Origin, Position, Store, StoreError};
use uuid::Uuid;

use super::steps::{
    change, commit, commit_ops, delete, envelope, link, log_after, put, put_with, snapshot, taken, workspace,
};

const SOURCE: Epoch = Epoch(Uuid::from_u128(77));

fn staged(n: u128, revision: u64, claims: &[&str]) -> Staged {
    let key = workspace(n);
    let claims = claims.iter().map(|&claim| claim.to_owned()).collect();
    Staged { key, revision, envelope: envelope(&key, revision), claims }
}

fn installed(records: u64) -> (Epoch, Staging) {
    let epoch = Epoch(Uuid::new_v4());
    let audit = link(AuditMac::default());
    (epoch, Staging::Install(Installed { records, epoch, continues: SOURCE, audit }))
}

async fn begun(store: &Arc<dyn Store>, records: Vec<Staged>) -> Mark {
    let mark = Mark::new_v4();
    store.stage(mark, Staging::Begin).await.unwrap();
    store.stage(mark, Staging::Add(records)).await.unwrap();
    mark
}

pub(crate) async fn a_staged_set_counts_when_it_is_installed_and_not_before(store: &Arc<dyn Store>) {
    let mark = begun(store, vec![staged(1, 4, &["name/one"])]).await;
    // A step may be sent twice.
    store.stage(mark, Staging::Add(vec![staged(1, 4, &["name/one"]), staged(2, 1, &[])])).await.unwrap();
    assert!(matches!(store.head().await, Err(StoreError::Uninitialised)));
    assert!(matches!(store.snapshot(&mut |_, _| {}).await, Err(StoreError::Uninitialised)));

    let (epoch, install) = installed(2);
    store.stage(mark, install).await.unwrap();
    let (head, records) = snapshot(store).await;
    assert_eq!(head.epoch, epoch);
    assert_eq!(records.keys().copied().collect::<Vec<_>>(), [workspace(1), workspace(2)]);
    assert_eq!(records[&workspace(1)], envelope(&workspace(1), 4));
    assert_eq!(store.count().await.unwrap(), 2);
    assert_eq!(store.life().await.unwrap().origin, Origin::Import { continues: Some(SOURCE) });
    let audit = store.audit(Position::default(), 10).await.unwrap();
    assert_eq!(audit.iter().map(|(at, mac, _)| (*at, *mac)).collect::<Vec<_>>(), [(head.position, head.mac)]);
}

pub(crate) async fn an_installed_set_is_a_namespace_like_any_other(store: &Arc<dyn Store>) {
    let mark = begun(store, vec![staged(1, 4, &["name/one"])]).await;
    let (epoch, install) = installed(1);
    store.stage(mark, install).await.unwrap();
    let head = store.head().await.unwrap();
    let idle = store.follow(epoch, head.position, head.mac).await.unwrap();
    assert_eq!(idle, Followed::Entries(Vec::new()));
    let claimed = change([put_with(workspace(2), 1, &["name/one"], &[])]);
    match commit(store, claimed).await {
        Err(StoreError::Conflict(conflict)) => assert_eq!(conflict, taken("name/one")),
        other => panic!("{other:?}"),
    }
    commit_ops(store, [put(workspace(1), 5)]).await;
    commit_ops(store, [delete(workspace(1), 5, &["name/one"])]).await;
    assert_eq!(log_after(store, epoch, head.position, head.mac).await.len(), 2);
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 3);
    assert_eq!(store.init().await.unwrap(), epoch);
}

pub(crate) async fn what_an_interrupted_set_left_is_dropped_by_the_next(store: &Arc<dyn Store>) {
    let first = begun(store, vec![staged(1, 1, &["name/one"])]).await;
    let second = begun(store, vec![staged(2, 1, &["name/one"])]).await;
    for step in [Staging::Add(vec![staged(3, 1, &[])]), installed(1).1] {
        let late = store.stage(first, step).await;
        assert!(matches!(late, Err(StoreError::Overtaken)), "{late:?}");
    }
    store.stage(second, installed(1).1).await.unwrap();
    let (_, records) = snapshot(store).await;
    assert_eq!(records.into_keys().collect::<Vec<_>>(), [workspace(2)]);
    assert!(matches!(store.stage(second, Staging::Add(Vec::new())).await, Err(StoreError::Overtaken)));
}

pub(crate) async fn a_set_takes_no_namespace_that_holds_something(store: &Arc<dyn Store>) {
    let mark = begun(store, vec![staged(1, 1, &[])]).await;
    store.init().await.unwrap();
    commit_ops(store, [put(workspace(9), 1)]).await;
    let before = snapshot(store).await;
    for step in [installed(1).1, Staging::Begin] {
        match store.stage(mark, step).await {
            Err(StoreError::Occupied { records: 1, events: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(snapshot(store).await, before);
    // An audit is something, even where its records are gone.
    commit_ops(store, [delete(workspace(9), 1, &[])]).await;
    let answer = store.stage(mark, Staging::Begin).await;
    assert!(matches!(answer, Err(StoreError::Occupied { records: 0, events: 2, .. })), "{answer:?}");
}

pub(crate) async fn a_set_takes_a_namespace_that_was_only_initialised(store: &Arc<dyn Store>) {
    let initialised = store.init().await.unwrap();
    let mark = begun(store, vec![staged(1, 1, &[])]).await;
    assert_eq!(store.head().await.unwrap().epoch, initialised);
    let (epoch, install) = installed(1);
    store.stage(mark, install).await.unwrap();
    assert_eq!(store.head().await.unwrap().epoch, epoch);
    let behind = store.follow(initialised, Position::default(), AuditMac::default()).await;
    assert!(matches!(behind, Err(StoreError::OtherEpoch { .. })), "{behind:?}");
}

pub(crate) async fn a_set_with_two_holders_of_one_claim_is_refused(store: &Arc<dyn Store>) {
    let mark = begun(store, vec![staged(1, 1, &["name/one"])]).await;
    match store.stage(mark, Staging::Add(vec![staged(2, 1, &["name/one"])])).await {
        Err(StoreError::Conflict(conflict)) => assert_eq!(conflict, taken("name/one")),
        other => panic!("{other:?}"),
    }
    match store.stage(mark, Staging::Add(vec![staged(1, 2, &[])])).await {
        Err(StoreError::Conflict(conflict)) => assert_eq!(conflict, Conflict::Revision { key: workspace(1) }),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_set_that_is_not_whole_is_not_installed(store: &Arc<dyn Store>) {
    let mark = begun(store, vec![staged(1, 1, &[])]).await;
    let answer = store.stage(mark, installed(2).1).await;
    assert!(matches!(answer, Err(StoreError::Damaged(_))), "{answer:?}");
    assert!(matches!(store.head().await, Err(StoreError::Uninitialised)));
}

pub(crate) async fn an_empty_set_is_a_set(store: &Arc<dyn Store>) {
    let mark = begun(store, Vec::new()).await;
    let (epoch, install) = installed(0);
    store.stage(mark, install).await.unwrap();
    let (head, records) = snapshot(store).await;
    assert_eq!((head.epoch, records.len()), (epoch, 0));
    commit_ops(store, [put(workspace(1), 1)]).await;
}
