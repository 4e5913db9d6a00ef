//! A Redis that is slow, gone, empty, new or back: never a 401 for a valid key, and no restart needed.

use super::sidecar::{Key, RECOVERY, Sidecar, TOO_LONG};
use crate::support::redis::{Server, keyring_of, namespace, soon};
use countersign::app::StartError;
use countersign::store::open::OpenError;
use countersign::store::redis::RedisStore;
use countersign::store::{Store, StoreError};
use std::time::Duration;

/// A server that keeps what it acknowledged, a sidecar and a key.
pub(super) async fn with_a_key() -> (Server, Sidecar, Key) {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let sidecar = Sidecar::start(server.port, "ns").ready().await;
    let key = sidecar.create().await;
    assert_eq!(sidecar.status(&key), 200);
    (server, sidecar, key)
}

pub(super) async fn reports(sidecar: &Sidecar, words: &str) {
    soon(&format!("{words:?} on the ops port"), RECOVERY, || sidecar.readyz().1.contains(words)).await;
}

#[tokio::test]
async fn a_short_outage_is_invisible() {
    let (server, sidecar, key) = with_a_key().await;
    server.kill();
    sidecar.clock.advance(Duration::from_secs(20));
    assert_eq!(sidecar.status(&key), 200);
    assert!(sidecar.running.is_ready());
    reports(&sidecar, "cannot be reached").await;
    server.run();
    reports(&sidecar, "(over since)").await;
    assert_eq!(sidecar.status(&key), 200);
}

#[tokio::test]
async fn a_long_outage_is_unavailable_then_recovers() {
    let (server, sidecar, key) = with_a_key().await;
    server.kill();
    sidecar.clock.advance(TOO_LONG);
    let (status, answer) = sidecar.answer(&key);
    assert_eq!(status, 503);
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
    let (status, text) = sidecar.readyz();
    assert_eq!(status, 503);
    assert!(text.contains("not ready: keys are older than keys.max_stale"), "{text}");
    server.run();
    let took = sidecar.gives(&key, 200, RECOVERY).await;
    println!("ready again {took:?} after Redis answers");
    assert_eq!(sidecar.readyz().0, 200);
}

#[tokio::test]
async fn a_hang_is_an_outage() {
    let (server, sidecar, key) = with_a_key().await;
    server.freeze();
    assert_eq!(sidecar.status(&key), 200);
    reports(&sidecar, "last error of the store (now)").await;
    sidecar.clock.advance(TOO_LONG);
    assert_eq!(sidecar.status(&key), 503);
    let refused = sidecar.write("test", key.record, Vec::new).await.unwrap_err().to_string();
    assert!(!refused.contains("unknown"), "nothing was sent: {refused}");
    server.thaw();
    sidecar.gives(&key, 200, RECOVERY).await;
}

#[tokio::test]
async fn a_redis_that_is_down_at_start_is_waited_for() {
    let server = Server::stopped();
    let sidecar = Sidecar::start(server.port, "ns");
    reports(&sidecar, "not ready: keys are not loaded").await;
    reports(&sidecar, "cannot be reached").await;
    let nobody = Key {
        record: countersign::keys::record::RecordKey {
            kind: countersign::keys::record::Kind::WebhookKey,
            id: uuid::Uuid::nil(),
        },
        api_key: "wk_nobody".to_owned(),
    };
    server.run();
    let took = soon("ready", RECOVERY, || sidecar.running.is_ready()).await;
    println!("ready {took:?} after Redis first answers");
    assert_eq!(sidecar.status(&nobody), 401);
    let key = sidecar.create().await;
    assert_eq!(sidecar.status(&key), 200);
}

#[tokio::test]
async fn a_flushed_namespace_is_a_fault_not_an_empty_key_set() {
    let (server, sidecar, key) = with_a_key().await;
    server.do_it(&["FLUSHALL"]);
    reports(&sidecar, "the store is not initialised; run `countersign store init`").await;
    assert_eq!(sidecar.status(&key), 200);
    sidecar.clock.advance(TOO_LONG);
    assert_eq!(sidecar.status(&key), 503);
    assert_eq!(sidecar.metric("countersign_store_alarms_total{kind=\"epoch\"} "), Some(1.0));
    // Not initialised again by itself, although `store.init` is "if-empty": this is not its first start.
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), 0);
    let refused = sidecar.write("test", key.record, Vec::new).await.unwrap_err();
    assert!(refused.to_string().contains("not initialised"), "{refused}");
}

#[tokio::test]
async fn a_namespace_that_is_flushed_while_it_is_rebuilt_from_is_not_initialised_again() {
    let (server, sidecar, key) = with_a_key().await;
    // Without its log, the namespace is read as a whole again and again.
    server.do_it(&["DEL", "{ns}:log"]);
    server.do_it(&["CONFIG", "RESETSTAT"]);
    server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
    let rebuilt = || {
        let stats: String = server.ask(&["INFO", "commandstats"]);
        let scans = stats.lines().find_map(|line| line.strip_prefix("cmdstat_hscan:calls="));
        scans.and_then(|scans| scans.split(',').next()).is_some_and(|calls| calls.parse::<u32>().unwrap() > 3)
    };
    soon("several rebuilds", RECOVERY, rebuilt).await;
    assert_eq!(sidecar.status(&key), 200);
    server.do_it(&["FLUSHALL"]);
    reports(&sidecar, "the store is not initialised").await;
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), 0);
    assert_eq!(sidecar.status(&key), 200);
}

#[tokio::test]
async fn an_uninitialised_namespace_says_what_to_do() {
    let server = Server::start(&[]);
    let namespace = namespace();
    let sidecar = Sidecar::try_start(server.port, &namespace, "never", 'a').unwrap();
    reports(&sidecar, "run `countersign store init`").await;
    assert_eq!(sidecar.readyz().0, 503);
    server.store(&namespace).init().await.unwrap();
    sidecar.ready().await;
}

#[tokio::test]
async fn a_foreign_namespace_is_left_alone() {
    let server = Server::start(&[]);
    server.do_it(&["HSET", "{ns}:records", "somebody", "else's"]);
    let sidecar = Sidecar::start(server.port, "ns");
    reports(&sidecar, "it is foreign or damaged").await;
    assert!(matches!(server.store("ns").init().await, Err(StoreError::Foreign)));
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), 1);
}

#[tokio::test]
async fn s07_a_wrong_kek_refuses_to_start_and_is_named() {
    let (server, _sidecar, _key) = with_a_key().await;
    let refused = Sidecar::try_start(server.port, "ns", "never", 'b').err().unwrap();
    assert!(matches!(refused, StartError::Open(OpenError::Store(StoreError::WrongKek { .. }))), "{refused}");
    assert!(refused.to_string().contains("\"k1\""), "{refused}");
    let lacking = RedisStore::new(server.settings(), "ns", keyring_of(&[("k2", 'b')], "k2"));
    assert!(matches!(lacking.head().await, Err(StoreError::WrongKek { id, .. }) if id == "k1"));
}

#[tokio::test]
async fn s07_a_wrong_kek_never_becomes_ready_where_the_server_came_later() {
    let server = Server::stopped();
    let sidecar = Sidecar::try_start(server.port, "ns", "never", 'b').unwrap();
    server.run();
    server.store("ns").init().await.unwrap();
    reports(&sidecar, "initialised under the key-encryption key \"k1\"").await;
    assert_eq!(sidecar.readyz().0, 503);
}

#[tokio::test]
async fn the_kek_that_a_namespace_asks_for_moves_with_store_init() {
    let server = Server::start(&[]);
    let store = |keks, seal_with| RedisStore::new(server.settings(), "ns", keyring_of(keks, seal_with));
    let epoch = store(&[("k1", 'a')], "k1").init().await.unwrap();
    assert_eq!(store(&[("k1", 'a'), ("k2", 'b')], "k2").init().await.unwrap(), epoch);
    assert!(store(&[("k2", 'b')], "k2").head().await.is_ok());
    assert!(
        matches!(store(&[("k1", 'a')], "k1").head().await, Err(StoreError::WrongKek { id, .. }) if id == "k2")
    );
}
