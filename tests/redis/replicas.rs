//! `store.durability = "replicas:N"`: what is acknowledged is on replicas, and what is not known is said so.

use std::sync::Arc;

use countersign::config::{RedisConfig, RedisDurability};
use countersign::secret::Secret;
use countersign::store::fleet::Fleet as _;
use countersign::store::redis::RedisStore;
use countersign::store::{Position, Store, StoreError};

use super::sidecar::{RECOVERY, Sidecar};
use crate::support::cut::Wire;
use crate::support::redis::{Server, keyring, keyring_of, settings_at, soon};
use crate::support::store_conformance::steps::{change, commit, commit_ops, link, put, snapshot, workspace};

/// A master and a replica that is connected.
async fn pair() -> (Server, Server) {
    let (master, replica) = (Server::start(&["--repl-timeout", "60"]), Server::start(&[]));
    replica.do_it(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    soon("a replica is connected", RECOVERY, || connected(&master) == 1).await;
    (master, replica)
}

fn connected(master: &Server) -> usize {
    master.ask::<(String, u64, Vec<redis::Value>)>(&["ROLE"]).2.len()
}

fn over(settings: RedisConfig) -> Arc<dyn Store> {
    let durability = RedisDurability::Replicas(1);
    Arc::new(RedisStore::new(RedisConfig { durability, ..settings }, "ns", keyring()))
}

#[tokio::test]
async fn an_acknowledged_change_is_on_the_replica() {
    let (master, replica) = pair().await;
    let store = over(master.settings());
    store.init().await.unwrap();
    for number in 1..=20 {
        commit_ops(&store, [put(workspace(number), 1)]).await;
        assert_eq!(replica.ask::<u128>(&["HLEN", "{ns}:records"]), number);
    }
    let text = store.describe();
    assert!(text.contains("durability replicas:1 (replicas connected: 1;"), "{text}");
}

#[tokio::test]
async fn a_frozen_replica_leaves_the_outcome_unknown() {
    let (master, replica) = pair().await;
    let store = over(master.settings());
    store.init().await.unwrap();
    replica.freeze();
    match commit(&store, change([put(workspace(1), 1)])).await {
        Err(StoreError::Unknown(why)) => assert!(why.contains("0 of the 1 replicas"), "{why}"),
        other => panic!("{other:?}"),
    }
    // It stands at the master, and is there for whoever reads before trying again.
    assert_eq!(snapshot(&store).await.1.len(), 1);
    replica.thaw();
    let answer = replica_gets(&store).await;
    answer.unwrap();
    assert_eq!(replica.ask::<u64>(&["HLEN", "{ns}:records"]), 2);
}

/// The next change, as soon as the replica has caught up.
async fn replica_gets(store: &Arc<dyn Store>) -> Result<Position, StoreError> {
    match commit(store, change([put(workspace(2), 1)])).await {
        // It was slow to wake: the change stands.
        Err(StoreError::Unknown(_)) => Ok(store.head().await?.position),
        answer => answer,
    }
}

#[tokio::test]
async fn without_the_replica_a_change_is_refused_and_not_made() {
    let (master, replica) = pair().await;
    let store = over(master.settings());
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    replica.kill();
    soon("the replica is gone", RECOVERY, || connected(&master) == 0).await;
    match commit(&store, change([put(workspace(2), 1)])).await {
        Err(StoreError::Unavailable(why)) => {
            assert!(why.contains("nothing was changed") && why.contains("0 of the 1 replicas"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(snapshot(&store).await.1.len(), 1);
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_on_the_replica_when_it_is_settled() {
    let (master, replica) = pair().await;
    let wire = Wire::to(master.port);
    let store = over(settings_at(wire.port));
    store.init().await.unwrap();
    let head = store.head().await.unwrap();
    wire.swallow(b"$2\r\nok\r\n");
    store.commit(change([put(workspace(1), 1)]), link(head.mac)).await.unwrap();
    assert_eq!(replica.ask::<u64>(&["HLEN", "{ns}:records"]), 1);
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_user_that_may_not_wait_reads_and_changes_nothing() {
    let (master, _replica) = pair().await;
    over(master.settings()).init().await.unwrap();
    master.do_it(&["ACL", "SETUSER", "sidecar", "on", ">secret", "~{ns}:*", "+@all", "-wait"]);
    let user = Some("sidecar".to_owned());
    let settings = RedisConfig { user, password: Some(Secret::from_text("secret")), ..master.settings() };
    let store = over(settings);
    match commit(&store, change([put(workspace(1), 1)])).await {
        Err(StoreError::Unavailable(why)) => {
            assert!(why.contains("nothing was changed") && why.contains("needs WAIT"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(snapshot(&store).await.1.len(), 0);
    assert!(store.describe().contains("WAIT is denied, so changes are refused"), "{}", store.describe());
}

#[tokio::test]
async fn an_admin_is_told_that_the_outcome_is_unknown_and_everybody_how_many_replicas_there_are() {
    let (master, replica) = pair().await;
    let url = format!("redis://127.0.0.1:{}", master.port);
    let sidecar = Sidecar::over(&url, "ns", &[("store.durability", "replicas:1")]).ready().await;
    assert_eq!(sidecar.post_workspace("one").0, 201);
    assert!(sidecar.readyz().1.contains("replicas connected: 1"), "{}", sidecar.readyz().1);
    replica.freeze();
    let (status, answer) = sidecar.post_workspace("two");
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains("the outcome is unknown") && answer.contains("retry-after: "), "{answer}");
    replica.kill();
    let told = || sidecar.readyz().1.contains("replicas connected: 0, so changes are refused");
    soon("the loss of the replica is shown", RECOVERY, told).await;
    assert_eq!(sidecar.readyz().0, 200, "keys are served all the same");
}

#[tokio::test]
async fn what_the_namespace_says_of_itself_is_on_the_replica_too() {
    let (master, replica) = pair().await;
    over(master.settings()).init().await.unwrap();
    let durability = RedisDurability::Replicas(1);
    let both = keyring_of(&[("k1", 'a'), ("k2", 'b')], "k2");
    let store = RedisStore::new(RedisConfig { durability, ..master.settings() }, "ns", both);
    let field = |server: &Server, name: &str| {
        server.ask::<Option<String>>(&["HGET", "{ns}:meta", name]).unwrap_or_default()
    };
    master.do_it(&["HSET", "{ns}:meta", "schema", "0"]);
    assert_eq!(field(&master, "kek"), "k1");
    store.raise_schema().await.unwrap();
    store.ask_for_sealing_kek().await.unwrap();
    assert_eq!((field(&replica, "schema"), field(&replica, "kek")), ("1".to_owned(), "k2".to_owned()));

    master.do_it(&["HSET", "{ns}:meta", "schema", "0"]);
    replica.freeze();
    for answer in [store.raise_schema().await.map(drop), store.ask_for_sealing_kek().await] {
        match answer {
            Err(StoreError::Unknown(why)) => assert!(why.contains("0 of the 1 replicas"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    replica.kill();
    soon("the replica is gone", RECOVERY, || connected(&master) == 0).await;
    master.do_it(&["HSET", "{ns}:meta", "schema", "0"]);
    for answer in [store.raise_schema().await.map(drop), store.ask_for_sealing_kek().await] {
        match answer {
            Err(StoreError::Unavailable(why)) => assert!(why.contains("nothing was changed"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(field(&master, "schema"), "0");
}
