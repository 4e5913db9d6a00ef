//! A log that is not what the follower left: whatever positions say, what does not follow on is a gap.

use std::sync::Arc;

use countersign::store::{AuditMac, Followed, Position, Store, StoreError};

use crate::support::redis::{Server, namespace, shared};
use crate::support::store_conformance::steps::{commit_ops, log_after, put, snapshot, workspace};

fn text(position: Position) -> String {
    format!("{}-{}", position.major, position.minor)
}

#[tokio::test]
async fn an_entry_that_vanishes_while_followed_is_a_gap() {
    let namespace = namespace();
    let log = format!("{{{namespace}}}:log");
    let store: Arc<dyn Store> = shared().store(&namespace);
    let epoch = store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    let head = store.head().await.unwrap();
    store.follow(epoch, head.position, head.mac).await.unwrap();
    let lost = commit_ops(&store, [put(workspace(2), 1)]).await;
    commit_ops(&store, [put(workspace(3), 1)]).await;
    shared().do_it(&["XDEL", &log, &text(lost)]);
    let answer = store.follow(epoch, head.position, head.mac).await.unwrap();
    assert_eq!(answer, Followed::Gap);
}

#[tokio::test]
async fn a_log_that_is_deleted_is_a_gap_until_the_next_commit() {
    let namespace = namespace();
    let log = format!("{{{namespace}}}:log");
    let store: Arc<dyn Store> = shared().store(&namespace);
    let epoch = store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    let before = store.head().await.unwrap();
    store.follow(epoch, before.position, before.mac).await.unwrap();
    commit_ops(&store, [put(workspace(2), 1)]).await;
    shared().do_it(&["DEL", &log]);
    assert_eq!(store.follow(epoch, before.position, before.mac).await.unwrap(), Followed::Gap);
    let after = snapshot(&store).await.0;
    commit_ops(&store, [put(workspace(3), 1)]).await;
    assert_eq!(store.follow(epoch, after.position, after.mac).await.unwrap(), Followed::Gap);
    let (head, records) = snapshot(&store).await;
    assert_eq!(records.len(), 3);
    assert_eq!(log_after(&store, epoch, head.position, head.mac).await, []);
    store.follow(epoch, head.position, head.mac).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_a_gap() {
    let namespace = namespace();
    let log = format!("{{{namespace}}}:log");
    let store: Arc<dyn Store> = shared().store(&namespace);
    let epoch = store.init().await.unwrap();
    shared().do_it(&["XADD", &log, "*", "somebody", "else's"]);
    let answer = store.follow(epoch, Position::default(), AuditMac::default()).await.unwrap();
    assert_eq!(answer, Followed::Gap);
}

#[tokio::test]
async fn a_server_that_lost_its_last_entry_is_a_gap() {
    let server = Server::start(&["--appendonly", "no"]);
    let store: Arc<dyn Store> = server.store("ns");
    let epoch = store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    server.do_it(&["SAVE"]);
    commit_ops(&store, [put(workspace(2), 1)]).await;
    let head = store.head().await.unwrap();
    store.follow(epoch, head.position, head.mac).await.unwrap();
    server.kill();
    assert!(matches!(store.follow(epoch, head.position, head.mac).await, Err(StoreError::Unavailable(_))));
    server.run();
    commit_ops(&store, [put(workspace(3), 1)]).await;
    assert_eq!(store.follow(epoch, head.position, head.mac).await.unwrap(), Followed::Gap);
    assert_eq!(snapshot(&store).await.1.len(), 2);
}

#[tokio::test]
async fn the_log_of_another_life_is_not_followed_from_the_beginning_of_this_one() {
    let namespace = namespace();
    let store: Arc<dyn Store> = shared().store(&namespace);
    let lives = ["former", "this"];
    let aside = |life: &str, from: bool| {
        for part in ["meta", "records", "claims", "log", "audit"] {
            let (stands, kept) =
                (format!("{{{namespace}}}:{part}"), format!("{{{namespace}}}:{part}:{life}"));
            let (from, to) = if from { (kept, stands) } else { (stands, kept) };
            if shared().ask::<bool>(&["EXISTS", &from]) {
                shared().do_it(&["RENAME", &from, &to]);
            }
        }
    };
    let former = store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    aside(lives[0], false);
    let epoch = store.init().await.unwrap();
    let head = store.head().await.unwrap();
    let nothing = store.follow(epoch, head.position, head.mac).await.unwrap();
    assert_eq!(nothing, Followed::Entries(Vec::new()));
    // Its first entry follows on nothing, as that of this one would.
    aside(lives[1], false);
    aside(lives[0], true);
    let answer = store.follow(epoch, head.position, head.mac).await;
    let other = StoreError::OtherEpoch { found: former.0, expected: epoch.0 };
    assert_eq!(answer.unwrap_err().to_string(), other.to_string());
}
