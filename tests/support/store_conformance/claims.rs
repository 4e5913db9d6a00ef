//! Unique values: who holds them, and when they are free.

use std::sync::Arc;

use countersign::store::Store;

use super::steps::{change, commit_ops, delete, put, put_with, refused, taken, webhook_key, workspace};

pub(crate) async fn two_records_cannot_hold_one_claim(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    commit_ops(store, [put_with(workspace(1), 1, &["name/one"], &[])]).await;
    refused(store, change([put_with(workspace(2), 1, &["name/one"], &[])]), taken("name/one")).await;
    // The same id of another kind is another record.
    refused(store, change([put_with(webhook_key(1), 1, &["name/one"], &[])]), taken("name/one")).await;
}

pub(crate) async fn what_a_record_holds_is_told_by_its_key(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    commit_ops(store, [put_with(workspace(1), 1, &["name/one", "name/two"], &[]), put(workspace(2), 1)])
        .await;
    commit_ops(store, [put_with(workspace(3), 1, &["name/three"], &[])]).await;
    commit_ops(store, [put_with(workspace(1), 2, &["name/four"], &["name/one"])]).await;
    let asked = [workspace(1), workspace(2), workspace(9)].into();
    let claims = store.claims_of(asked).await.unwrap();
    let mut held = claims.get(&workspace(1)).unwrap().clone();
    held.sort();
    assert_eq!((claims.len(), held), (1, vec!["name/four".to_owned(), "name/two".to_owned()]));
}

pub(crate) async fn two_records_of_one_change_cannot_hold_one_claim(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let both = [put_with(workspace(1), 1, &["name/one"], &[]), put_with(workspace(2), 1, &["name/one"], &[])];
    refused(store, change(both), taken("name/one")).await;
}

pub(crate) async fn a_claim_is_free_after_its_record_is_deleted(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    commit_ops(store, [put_with(workspace(1), 1, &["name/a", "name/b", "name/c"], &[])]).await;
    // In the same change, even where the deletion forgets to release it.
    commit_ops(store, [put_with(workspace(2), 1, &["name/a"], &[]), delete(workspace(1), 1, &["name/b"])])
        .await;
    commit_ops(store, [put_with(workspace(3), 1, &["name/b", "name/c"], &[])]).await;
    refused(store, change([put_with(workspace(4), 1, &["name/a"], &[])]), taken("name/a")).await;
    refused(store, change([put_with(workspace(4), 1, &["name/c"], &[])]), taken("name/c")).await;
}

pub(crate) async fn a_claim_moves_between_records_in_one_change(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    commit_ops(store, [put_with(workspace(1), 1, &["name/one"], &[]), put(workspace(2), 1)]).await;
    commit_ops(
        store,
        [put_with(workspace(1), 2, &[], &["name/one"]), put_with(workspace(2), 2, &["name/one"], &[])],
    )
    .await;
    // The order of operations does not matter.
    commit_ops(
        store,
        [put_with(workspace(1), 3, &["name/one"], &[]), put_with(workspace(2), 3, &[], &["name/one"])],
    )
    .await;
    let claim_by_second = change([put_with(workspace(2), 4, &["name/one"], &[])]);
    refused(store, claim_by_second, taken("name/one")).await;
}

pub(crate) async fn a_record_may_claim_again_what_it_holds(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    commit_ops(store, [put_with(workspace(1), 1, &["name/one"], &[])]).await;
    commit_ops(store, [put_with(workspace(1), 2, &["name/one"], &["name/one"])]).await;
    refused(store, change([put_with(workspace(2), 1, &["name/one"], &[])]), taken("name/one")).await;
}

pub(crate) async fn a_claim_is_free_once_it_is_released(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    commit_ops(store, [put_with(workspace(1), 1, &["name/one"], &[])]).await;
    commit_ops(store, [put_with(workspace(1), 2, &["name/uno"], &["name/one"])]).await;
    commit_ops(store, [put_with(workspace(2), 1, &["name/one"], &[])]).await;
}

pub(crate) async fn releasing_what_another_record_holds_releases_nothing(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    commit_ops(store, [put_with(workspace(1), 1, &["name/one"], &[])]).await;
    commit_ops(store, [put_with(workspace(2), 1, &[], &["name/one"])]).await;
    commit_ops(store, [delete(workspace(2), 1, &["name/one"])]).await;
    refused(store, change([put_with(workspace(3), 1, &["name/one"], &[])]), taken("name/one")).await;
}
