//! When a commit happens, and when nothing does.

use std::sync::Arc;

use countersign::store::{
    AuditMac, Change, Conflict, Epoch, Head, Life, Op, Origin, Position, Store, StoreError,
};
use uuid::Uuid;

use super::steps::{
    Records, change, commit, commit_ops, delete, envelope, link, put, put_with, refused, snapshot, taken,
    webhook_key, workspace,
};

pub(crate) async fn a_namespace_without_an_epoch_is_a_fault(store: &Arc<dyn Store>) {
    let (place, mac) = (Position::default(), AuditMac::default());
    let answers = [
        store.head().await.map(drop),
        store.life().await.map(drop),
        store.snapshot(&mut |_, _| panic!("there is no record")).await.map(drop),
        store.follow(Epoch(Uuid::nil()), place, mac).await.map(drop),
        store.audit(place, 1).await.map(drop),
        store.commit(change([put(workspace(1), 1)]), link(mac)).await.map(drop),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Uninitialised)), "{answer:?}");
    }
}

pub(crate) async fn init_keeps_an_epoch_that_stands(store: &Arc<dyn Store>) {
    let first = store.init().await.unwrap();
    assert_eq!(store.init().await.unwrap(), first);
    commit_ops(store, [put(workspace(1), 1)]).await;
    assert_eq!(store.init().await.unwrap(), first);
    assert_eq!(store.head().await.unwrap().epoch, first);
    assert_eq!(snapshot(store).await.1.len(), 1);
}

pub(crate) async fn an_epoch_says_how_it_came_to_be(store: &Arc<dyn Store>) {
    let origin = Origin::Import { continues: Some(Epoch(Uuid::from_u128(9))) };
    let epoch = store.initialise(origin).await.unwrap();
    assert_eq!(store.life().await.unwrap(), Life { epoch, origin });
    for later in [Origin::Start, Origin::Command, Origin::Import { continues: None }] {
        assert_eq!(store.initialise(later).await.unwrap(), epoch);
        assert_eq!(store.life().await.unwrap(), Life { epoch, origin }, "{later:?}");
    }
}

pub(crate) async fn a_person_takes_over_what_a_sidecar_began(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    commit_ops(store, [put(workspace(1), 1)]).await;
    for (by, stands) in [
        (Origin::Import { continues: None }, Origin::Start),
        (Origin::Start, Origin::Start),
        (Origin::Command, Origin::Command),
        (Origin::Start, Origin::Command),
    ] {
        assert_eq!(store.initialise(by).await.unwrap(), epoch);
        assert_eq!(store.life().await.unwrap(), Life { epoch, origin: stands }, "{by:?}");
    }
    assert_eq!(snapshot(store).await.1.len(), 1);
}

pub(crate) async fn a_new_namespace_is_empty(store: &Arc<dyn Store>) {
    let epoch = store.init().await.unwrap();
    let start = Head { epoch, position: Position::default(), mac: AuditMac::default() };
    assert_eq!(store.head().await.unwrap(), start);
    assert_eq!(snapshot(store).await, (start, Records::new()));
    assert_eq!(store.audit(Position::default(), 10).await.unwrap(), []);
}

pub(crate) async fn a_commit_is_all_or_nothing(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    commit_ops(store, [put_with(workspace(1), 1, &["name/one"], &[])]).await;
    let half = change([
        put_with(workspace(1), 2, &["name/new"], &["name/one"]),
        put(workspace(2), 1),
        put(workspace(3), 7),
    ]);
    refused(store, half, Conflict::Revision { key: workspace(3) }).await;
    // Its claims were neither taken nor given up.
    commit_ops(store, [put_with(workspace(4), 1, &["name/new"], &[])]).await;
    refused(store, change([put_with(workspace(5), 1, &["name/one"], &[])]), taken("name/one")).await;
}

pub(crate) async fn a_commit_with_a_stale_head_changes_nothing(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let stale = store.head().await.unwrap();
    commit_ops(store, [put(workspace(1), 1)]).await;
    let before = snapshot(store).await;
    let late = store.commit(change([put(workspace(2), 1)]), link(stale.mac)).await;
    assert!(matches!(late, Err(StoreError::HeadMoved)), "{late:?}");
    assert_eq!(snapshot(store).await, before);
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 1);
}

pub(crate) async fn a_required_record_must_exist(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let of_workspace = |n| Change {
        ops: vec![put(webhook_key(n), 1)],
        requires: vec![workspace(1)],
        answered: None,
        trim: None,
    };
    refused(store, of_workspace(1), Conflict::Missing { key: workspace(1) }).await;
    commit_ops(store, [put(workspace(1), 1)]).await;
    commit(store, of_workspace(1)).await.unwrap();
    commit_ops(store, [delete(workspace(1), 1, &[])]).await;
    refused(store, of_workspace(2), Conflict::Missing { key: workspace(1) }).await;
}

pub(crate) async fn a_put_with_a_wrong_expected_revision_is_refused(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let key = workspace(1);
    let wrong = Conflict::Revision { key };
    refused(store, change([put(key, 2)]), wrong.clone()).await;
    commit_ops(store, [put(key, 1)]).await;
    refused(store, change([put(key, 1)]), wrong.clone()).await;
    refused(store, change([put(key, 3)]), wrong.clone()).await;
    commit_ops(store, [delete(key, 1, &[])]).await;
    refused(store, change([put(key, 2)]), wrong).await;
}

pub(crate) async fn a_delete_with_a_wrong_expected_revision_is_refused(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let key = workspace(1);
    let wrong = Conflict::Revision { key };
    refused(store, change([delete(key, 1, &[])]), wrong.clone()).await;
    commit_ops(store, [put(key, 1)]).await;
    refused(store, change([delete(key, 2, &[])]), wrong.clone()).await;
    commit_ops(store, [delete(key, 1, &[])]).await;
    refused(store, change([delete(key, 1, &[])]), wrong).await;
}

pub(crate) async fn a_revision_that_does_not_grow_is_refused(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let key = workspace(1);
    let at = |revision, expected| Op::Put {
        key,
        revision,
        expected,
        envelope: envelope(&key, revision),
        claims: Vec::new(),
        releases: Vec::new(),
    };
    refused(store, change([at(0, None)]), Conflict::Revision { key }).await;
    commit_ops(store, [at(5, None)]).await;
    refused(store, change([at(5, Some(5))]), Conflict::Revision { key }).await;
    refused(store, change([at(4, Some(5))]), Conflict::Revision { key }).await;
    // A change that was lost elsewhere is written back more than one revision on.
    commit_ops(store, [at(9, Some(5))]).await;
}

pub(crate) async fn one_record_cannot_change_twice_in_one_change(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let key = workspace(1);
    refused(store, change([put(key, 1), put(key, 2)]), Conflict::Revision { key }).await;
    refused(store, change([put(key, 1), put(key, 1)]), Conflict::Revision { key }).await;
}
