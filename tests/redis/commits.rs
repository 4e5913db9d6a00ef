//! Commits whose answer does not come, and large ones.

use std::sync::Arc;
use std::time::Duration;

use countersign::store::redis::RedisStore;
use countersign::store::{Followed, Position, Store, StoreError};

use crate::support::cut::Wire;
use crate::support::redis::{Server, keyring, namespace, now, settings_at, shared, soon};
use crate::support::store_conformance::steps::{
    change, commit, commit_ops, delete, link, put, put_with, snapshot, webhook_key, workspace,
};

/// How the answer to a commit that was carried out begins.
const DONE: &[u8] = b"*2\r\n$2\r\nok\r\n";

fn behind(wire: &Wire, namespace: &str) -> Arc<dyn Store> {
    Arc::new(RedisStore::new(settings_at(wire.port), namespace, keyring()))
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_happens_once() {
    let namespace = namespace();
    let wire = Wire::to(shared().port);
    let store = behind(&wire, &namespace);
    store.init().await.unwrap();
    for n in 1..3 {
        let link = link(store.head().await.unwrap().mac);
        wire.swallow(DONE);
        let started = now();
        let position = store.commit(change([put(workspace(n), 1)]), link.clone()).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(500), "the answer was not lost");
        let head = store.head().await.unwrap();
        assert_eq!((head.position, head.mac), (position, link.mac));
    }
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_under_later_ones() {
    let namespace = namespace();
    let wire = Wire::to(shared().port);
    let (store, other): (_, Arc<dyn Store>) = (behind(&wire, &namespace), shared().store(&namespace));
    store.init().await.unwrap();
    let link = link(store.head().await.unwrap().mac);
    wire.swallow(DONE);
    let mac = link.mac;
    let committing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(change([put(workspace(1), 1)]), link).await }
    });
    while other.head().await.unwrap().mac != mac {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mine = other.head().await.unwrap().position;
    commit_ops(&other, [put(workspace(2), 1)]).await;
    commit_ops(&other, [put(workspace(3), 1)]).await;
    assert_eq!(committing.await.unwrap().unwrap(), mine);
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_commit_that_is_held_up_happens_at_most_once() {
    let server = Server::start(&[]);
    let store: Arc<dyn Store> = server.store("ns");
    store.init().await.unwrap();
    let head = store.head().await.unwrap();
    // Longer than an answer may take, shorter than the outcome is looked for.
    server.do_it(&["CLIENT", "PAUSE", "3000", "WRITE"]);
    store.commit(change([put(workspace(1), 1)]), link(head.mac)).await.unwrap();
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_commit_that_nobody_can_ask_about_has_an_unknown_outcome() {
    let namespace = namespace();
    let wire = Wire::to(shared().port);
    let store = behind(&wire, &namespace);
    store.init().await.unwrap();
    let head = store.head().await.unwrap();
    wire.swallow(DONE);
    wire.refuse();
    let refused = store.commit(change([put(workspace(1), 1)]), link(head.mac)).await;
    match refused {
        Err(StoreError::Unknown(why)) => assert!(!why.is_empty()),
        other => panic!("{other:?}"),
    }
    wire.mend();
    assert_eq!(snapshot(&store).await.1.len(), 1);
}

#[tokio::test]
async fn a_server_that_forgot_the_script_is_sent_it_again() {
    let server = Server::start(&[]);
    let store: Arc<dyn Store> = server.store("ns");
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    server.do_it(&["SCRIPT", "FLUSH"]);
    commit_ops(&store, [put(workspace(2), 1)]).await;
}

#[tokio::test]
async fn a_broken_connection_is_replaced_without_a_word() {
    let server = Server::start(&[]);
    let store: Arc<dyn Store> = server.store("ns");
    store.init().await.unwrap();
    for n in 1..4 {
        server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
        let gone = || server.ask::<String>(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count() == 1;
        soon("every other connection is closed", Duration::from_secs(5), gone).await;
        commit(&store, change([put(workspace(n), 1)])).await.unwrap();
    }
}

#[tokio::test]
async fn a_large_cascade_is_one_commit() {
    const MANY: u128 = 10_000;
    // Its own server: one such script holds up everybody else's.
    let server = Server::start(&[]);
    let store: Arc<dyn Store> = server.store("ns");
    let epoch = store.init().await.unwrap();
    commit_ops(&store, (0..MANY).map(|n| put_with(webhook_key(n), 1, &[&format!("api-key/{n}")], &[]))).await;
    let (head, records) = snapshot(&store).await;
    assert_eq!(records.len(), usize::try_from(MANY).unwrap());
    commit_ops(&store, (0..MANY).map(|n| delete(webhook_key(n), 1, &[&format!("api-key/{n}")]))).await;
    let after = store.follow(epoch, head.position, head.mac).await.unwrap();
    assert!(matches!(after, Followed::Entries(entries) if entries[0].changes.len() == records.len()));
    assert!(snapshot(&store).await.1.is_empty());
}
