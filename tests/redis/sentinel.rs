//! The master by name: a failover is followed, and a former master cannot keep anybody's keys fresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign::config::{RedisConfig, Topology};
use countersign::secret::Secret;
use countersign::store::redis::RedisStore;
use countersign::store::{Store, StoreError};

use super::rollback::restored as restored_in;
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

/// What a load asks with.
struct Keys {
    valid: Key,
    /// Revoked before there is a load.
    revoked: Key,
    /// Valid when the load begins.
    revoked_later: Key,
}

/// A master and a replica, two sidecars and keys that both know, as both servers do.
async fn under_sentinels() -> (Watched, [Sidecar; 2], Keys) {
    let watched = Watched::start();
    let [a, b] = [(), ()].map(|()| Sidecar::over(&watched.url(&ports()), "ns", &[]));
    let (a, b) = (a.ready().await, b.ready().await);
    let keys = Keys { valid: a.create().await, revoked: a.create().await, revoked_later: a.create().await };
    for key in [&keys.valid, &keys.revoked, &keys.revoked_later] {
        b.gives(key, 200, PROPAGATION).await;
    }
    a.delete(&keys.revoked).await;
    b.gives(&keys.revoked, 401, PROPAGATION).await;
    watched.catch_up();
    (watched, [a, b], keys)
}

/// A thread for each sidecar, which asks it with every key until it is told to end, and accepts no wrong verdict.
struct Load {
    over: Arc<AtomicBool>,
    /// Every sidecar has refused `revoked_later`.
    revoked: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u32>>,
}

impl Load {
    fn on(sidecars: [&Sidecar; 2], keys: &Keys) -> Self {
        let (over, revoked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let unknown = Key { record: keys.valid.record, api_key: "wk_nobody".to_owned() };
        let threads = sidecars.map(|sidecar| {
            let [valid, gone, going, unknown] =
                [&keys.valid, &keys.revoked, &keys.revoked_later, &unknown].map(|key| sidecar.caller(key));
            let (over, revoked) = (Arc::clone(&over), Arc::clone(&revoked));
            std::thread::spawn(move || {
                let (mut asked, mut refused) = (0, false);
                while !over.load(Ordering::SeqCst) {
                    // The clock stands, so nothing is older than `keys.max_stale`: no 503 either.
                    assert_eq!(valid().0, 200, "for a valid key");
                    assert_eq!((gone().0, unknown().0), (401, 401), "for a revoked and an unknown key");
                    let must_refuse = refused || revoked.load(Ordering::SeqCst);
                    let status = going().0;
                    assert!(
                        status == 401 || (status == 200 && !must_refuse),
                        "{status} for a key revoked under load"
                    );
                    refused |= status == 401;
                    asked += 4;
                    // So many a second, not as many as there can be.
                    std::thread::sleep(Duration::from_millis(2));
                }
                asked
            })
        });
        Self { over, revoked, threads: threads.into() }
    }

    /// Nobody was judged wrongly.
    fn ends(self, what: &str) {
        self.over.store(true, Ordering::SeqCst);
        let asked: u32 = self.threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        println!("{asked} requests during {what}, 0 wrong verdicts");
    }
}

#[tokio::test]
async fn a_failover_under_load_is_invisible_to_senders_and_followed_without_a_restart() {
    let (watched, [a, b], keys) = under_sentinels().await;
    let load = Load::on([&a, &b], &keys);
    watched.master.kill();
    let later = create(&a).await;
    b.gives(&later, 200, FAILOVER).await;
    a.delete(&keys.revoked_later).await;
    b.gives(&keys.revoked_later, 401, FAILOVER).await;
    load.revoked.store(true, Ordering::SeqCst);
    load.ends("a failover");
    let fresh = Sidecar::over(&watched.url(&ports()), "ns", &[]).ready().await;
    for sidecar in [&a, &b, &fresh] {
        let all = [&keys.valid, &later, &keys.revoked, &keys.revoked_later];
        assert_eq!(all.map(|key| sidecar.judged(key)), [200, 200, 401, 401]);
        let at = format!("127.0.0.1:{}", watched.replica.port);
        assert!(sidecar.readyz().1.contains(&at), "{}", sidecar.readyz().1);
    }
}

#[tokio::test]
async fn a_failover_that_lost_a_revocation_under_load_brings_no_key_back() {
    let (watched, [a, b], keys) = under_sentinels().await;
    let load = Load::on([&a, &b], &keys);
    // It is connected and reachable, and gets nothing any more.
    watched.hold_back_replica();
    a.delete(&keys.revoked_later).await;
    b.gives(&keys.revoked_later, 401, FAILOVER).await;
    load.revoked.store(true, Ordering::SeqCst);
    let record = keys.revoked_later.record.to_string();
    let held = || watched.replica.try_ask::<bool>(&["HEXISTS", "{ns}:records", &record]);
    assert_eq!(held(), Some(true), "the replica has not heard of the revocation");
    watched.master.kill();
    soon("the revocation is written back to the new master", FAILOVER, || held() == Some(false)).await;
    let later = create(&a).await;
    b.gives(&later, 200, FAILOVER).await;
    load.ends("a failover that lost a revocation");
    let fresh = Sidecar::over(&watched.url(&ports()), "ns", &[]).ready().await;
    for sidecar in [&a, &b, &fresh] {
        let all = [&keys.valid, &later, &keys.revoked, &keys.revoked_later];
        assert_eq!(all.map(|key| sidecar.judged(key)), [200, 200, 401, 401]);
    }
    let restored = ("store.revocation_restored".to_owned(), keys.revoked_later.record.id.to_string());
    assert_eq!(restored_in(&watched.replica).await, [restored], "audited, and once");
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
