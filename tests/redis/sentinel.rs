//! The master by name: a failover is followed, and a former master cannot keep anybody's keys fresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::config::{RedisConfig, Topology};
use countersign::secret::Secret;
use countersign::store::redis::RedisStore;
use countersign::store::{Store, StoreError};

use super::sidecar::{Key, PROPAGATION, RECOVERY, Sidecar, TOO_LONG};
use crate::support::cut::Wire;
use crate::support::redis::{Server, keyring, local, soon};
use crate::support::sentinel::{Sentinel, Watched, ports, three};
use crate::support::store_conformance::steps::{commit_ops, put, snapshot, workspace};

/// A failover takes a few seconds; ten times that. Sentinels on a machine that stalls for two seconds hold back
/// for half a minute.
const FAILOVER: Duration = Duration::from_secs(60);

fn sentinels(ports: &[u16], master: &str) -> RedisConfig {
    let sentinels = ports.iter().map(|port| local(*port)).collect();
    RedisConfig::at(Topology::Sentinel { sentinels, master: master.to_owned() })
}

fn over(settings: RedisConfig) -> Arc<dyn Store> {
    Arc::new(RedisStore::new(settings, "ns", keyring()))
}

fn why<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

/// Makes a key as soon as there is a master that takes it.
async fn create(sidecar: &Sidecar) -> Key {
    let created = async {
        while sidecar.try_create().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(FAILOVER, created).await.expect("a master that takes a change");
    sidecar.create().await
}

#[tokio::test]
async fn a_failover_under_load_is_invisible_to_senders_and_followed_without_a_restart() {
    let watched = Watched::start();
    let [a, b] = [(), ()].map(|()| Sidecar::over(&watched.url(&ports()), "ns", &[]));
    let (a, b) = (a.ready().await, b.ready().await);
    let key = a.create().await;
    b.gives(&key, 200, PROPAGATION).await;
    watched.catch_up();
    let over = Arc::new(AtomicBool::new(false));
    let load = [a.caller(&key), b.caller(&key)].map(|call| {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            let mut asked = 0_u32;
            while !over.load(Ordering::SeqCst) {
                let (status, answer) = call();
                assert_eq!(status, 200, "{answer}");
                asked += 1;
                // So many a second, not as many as there can be.
                std::thread::sleep(Duration::from_millis(2));
            }
            asked
        })
    });
    watched.master.kill();
    let later = create(&a).await;
    b.gives(&later, 200, FAILOVER).await;
    a.delete(&key).await;
    over.store(true, Ordering::SeqCst);
    // The last of the load may have met the revocation: it is not asked for.
    let asked: u32 = load.into_iter().filter_map(|thread| thread.join().ok()).sum();
    println!("{asked} requests during the failover");
    b.gives(&key, 401, FAILOVER).await;
    assert_eq!((a.status(&key), a.status(&later), b.status(&later)), (401, 200, 200));
    assert!(b.readyz().1.contains(&format!("127.0.0.1:{}", watched.replica.port)), "{}", b.readyz().1);
}

#[tokio::test]
async fn a_sidecar_that_is_isolated_with_the_former_master_goes_stale() {
    let watched = Watched::start();
    let wires = ports().map(Wire::to);
    let ports_of_wires = wires.each_ref().map(|wire| wire.port);
    let isolated = Sidecar::over(&watched.url(&ports_of_wires), "ns", &[]).ready().await;
    let healthy = Sidecar::over(&watched.url(&ports()), "ns", &[]).ready().await;
    let key = healthy.create().await;
    isolated.gives(&key, 200, PROPAGATION).await;
    watched.catch_up();
    // On the side of the former master: this sidecar, and one sentinel of three.
    wires[0].cut();
    wires[1].cut();
    watched.isolate_master();
    let promoted = || three().iter().all(|sentinel| sentinel.names(&watched.name) == watched.replica.port);
    soon("the failover", FAILOVER, promoted).await;
    assert_eq!(
        watched.master.ask::<(String, u64, Vec<redis::Value>)>(&["ROLE"]).0,
        "master",
        "it does not know"
    );
    healthy.delete_when_possible(&key, FAILOVER).await;
    assert_eq!(healthy.status(&key), 401);
    // The former master answers it, and its answers are not contact.
    let told = || isolated.readyz().1.contains("no 2 of 3 sentinels name the same master");
    soon("the quorum is missed", RECOVERY, told).await;
    assert_eq!(isolated.status(&key), 200, "not known to be revoked, and not stale yet");
    let refused = isolated.write("test", key.record, Vec::new).await.unwrap_err().to_string();
    assert!(refused.contains("no 2 of 3 sentinels"), "{refused}");
    isolated.clock.advance(TOO_LONG);
    assert_eq!(isolated.status(&key), 503);
    wires.iter().for_each(Wire::mend);
    isolated.gives(&key, 401, FAILOVER).await;
}

#[tokio::test]
async fn one_sentinel_of_three_may_be_gone_and_two_may_not() {
    let watched = Watched::start();
    let wires = ports().map(Wire::to);
    let ports_of_wires = wires.each_ref().map(|wire| wire.port);
    let sidecar = Sidecar::over(&watched.url(&ports_of_wires), "ns", &[]).ready().await;
    let key = sidecar.create().await;
    wires[0].swallow_everything();
    let after = sidecar.create().await;
    assert_eq!((sidecar.status(&key), sidecar.status(&after)), (200, 200));
    wires[1].cut();
    let told = || sidecar.readyz().1.contains("no 2 of 3 sentinels name the same master");
    soon("the quorum is missed", FAILOVER, told).await;
    wires.iter().for_each(Wire::mend);
    create(&sidecar).await;
}

#[tokio::test]
async fn a_name_that_sentinels_do_not_know_is_named() {
    let store = over(sentinels(&ports(), "nobody"));
    let why = why(store.head().await);
    assert!(why.contains("no 2 of 3 sentinels name the same master nobody"), "{why}");
    assert!(why.contains(&format!("sentinel 127.0.0.1:{} knows no master nobody", ports()[0])), "{why}");
}

#[tokio::test]
async fn sentinels_may_have_the_login_of_the_store_or_one_of_their_own() {
    let server = Server::start(&["--requirepass", "of-the-store"]);
    let watch = |sentinel: &Sentinel| sentinel.watch("m", server.port, &[("auth-pass", "of-the-store")]);
    let same = Sentinel::start(&["requirepass of-the-store"], Some("of-the-store"));
    let own = Sentinel::start(&["requirepass of-sentinels"], Some("of-sentinels"));
    watch(&same);
    watch(&own);
    let settings = |sentinel: &Sentinel| RedisConfig {
        password: Some(Secret::from_text("of-the-store")),
        ..sentinels(&[sentinel.port], "m")
    };
    let store = over(settings(&same));
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    let why = why(over(settings(&own)).head().await);
    assert!(why.contains(&own.port.to_string()) && !why.contains("of-the"), "{why}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "of-sentinels\n").unwrap();
    let store = over(RedisConfig { sentinel_password_file: Some(file), ..settings(&own) });
    assert_eq!(snapshot(&store).await.1.len(), 1);
}
