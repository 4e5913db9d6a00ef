//! A Redis Cluster: the contract of every store, and slots that move under it.

use std::sync::Arc;

use countersign::store::Store;

use crate::support::redis::namespace;
use crate::support::redis_cluster::shared;
use crate::support::store_conformance::steps::{commit_ops, delete, put_with, snapshot, workspace};

#[tokio::test]
async fn replacing_every_record_is_one_step_while_the_slot_moves() {
    let namespace = namespace();
    let cluster = shared();
    let store: Arc<dyn Store> = cluster.owner(&namespace).store(&namespace);
    store.init().await.unwrap();
    let [one, two] = [workspace(1), workspace(2)];
    commit_ops(&store, [put_with(one, 1, &["a", "b"], &[])]).await;
    let migration = cluster.migration(&namespace);
    migration.begin();
    // For a moment nothing is claimed and nothing recorded: a key without fields is gone, and not ours any more.
    commit_ops(&store, [delete(one, 1, &["a", "b", "never held"]), put_with(two, 1, &["c"], &[])]).await;
    migration.carry_the_rest();
    migration.end();
    let store: Arc<dyn Store> = migration.to.store(&namespace);
    let (head, records) = snapshot(&store).await;
    assert_eq!(records.into_keys().collect::<Vec<_>>(), [two]);
    let events = store.audit(Default::default(), 10).await.unwrap();
    assert_eq!((events.len(), events[1].1), (2, head.mac));
}
