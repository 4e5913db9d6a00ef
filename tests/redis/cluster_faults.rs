//! Whole sidecars over a Redis Cluster: slots that move, masters that die, a cluster that is down. Never a 401 for
//! a valid key, never a 200 for a revoked one, and no restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign::config::{RedisConfig, Topology};
use countersign::secret::Secret;
use countersign::store::redis::RedisStore;
use countersign::store::{AuditMac, Position, Store, StoreError};

use super::sidecar::{Key, RECOVERY, Sidecar, TOO_LONG};
use crate::support::redis::{Server, keyring, local, namespace, now, shared as standalone, soon};
use crate::support::redis_cluster::{Cluster, Migration, shared};
use crate::support::store_conformance::steps::{
    change, commit, commit_ops, delete, put, put_with, snapshot, workspace,
};

/// Beyond the two seconds for which a store waits for a cluster to settle; far below `keys.max_stale`.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Callers that never stop, and what they were told.
struct Load {
    done: Arc<AtomicBool>,
    callers: Vec<JoinHandle<BTreeMap<u16, usize>>>,
}

impl Load {
    /// One caller for each key at each sidecar.
    fn of(sidecars: &[&Sidecar], key: &Key) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let callers = sidecars.iter().map(|sidecar| {
            let (call, done) = (sidecar.caller(key), Arc::clone(&done));
            std::thread::spawn(move || {
                let mut statuses = BTreeMap::new();
                while !done.load(Ordering::SeqCst) {
                    *statuses.entry(call().0).or_default() += 1;
                }
                statuses
            })
        });
        Self { callers: callers.collect(), done }
    }

    /// Everybody was told this, each time.
    fn were_all_told(self, status: u16) {
        self.done.store(true, Ordering::SeqCst);
        for caller in self.callers {
            let statuses = caller.join().unwrap();
            assert!(statuses.keys().eq([&status]), "{status} expected: {statuses:?}");
        }
    }
}

async fn reports(sidecar: &Sidecar, words: &str) {
    soon(&format!("{words:?} on the ops port"), RECOVERY, || sidecar.readyz().1.contains(words)).await;
}

#[tokio::test]
async fn a_slot_that_moves_under_load_is_seen_by_nobody() {
    const MOVES: usize = 4;
    let (namespace, url) = (namespace(), shared().url());
    // A machine that stalls is another test's.
    let patient = [("store.response_timeout", "10s")];
    let a = Sidecar::over(&url, &namespace, &patient).ready().await;
    let b = Sidecar::over(&url, &namespace, &patient).ready().await;
    let (valid, revoked) = (a.create().await, a.create().await);
    a.delete(&revoked).await;
    for key in [&valid, &revoked] {
        b.gives(key, a.status(key), RECOVERY).await;
    }
    let load = [(Load::of(&[&a, &b], &valid), 200), (Load::of(&[&a, &b], &revoked), 401)];
    let moving = std::thread::spawn(move || (0..MOVES).for_each(|_| shared().migration(&namespace).run()));
    let mut changes = 0;
    while !moving.is_finished() || changes == 0 {
        let key = b.create().await;
        assert_eq!(b.status(&key), 200);
        b.delete(&key).await;
        assert_eq!(b.status(&key), 401);
        a.gives(&key, 401, RECOVERY).await;
        changes += 2;
    }
    moving.join().unwrap();
    println!("{changes} changes during {MOVES} migrations");
    let last = a.create().await;
    b.gives(&last, 200, RECOVERY).await;
    for (load, status) in load {
        load.were_all_told(status);
    }
    for sidecar in [&a, &b] {
        let (status, text) = sidecar.readyz();
        assert!(status == 200 && !text.contains("last error of the store"), "{text}");
    }
}

#[tokio::test]
async fn a_master_that_dies_is_replaced_by_its_replica_and_comes_back_as_one() {
    let cluster = Cluster::start(2, 2, &[]);
    let durable = [("store.durability", "replicas:1")];
    let sidecar = Sidecar::over(&cluster.url(), "ns", &durable).ready().await;
    let (key, revoked) = (sidecar.create().await, sidecar.create().await);
    // Half moved: the replica that counts is one of the node where the keys are, not of the slot's owner.
    let migration = cluster.migration("ns");
    migration.begin();
    migration.carry_the_rest();
    let (dead, heir) = (migration.to, cluster.replica_of(migration.to));
    heir.freeze();
    let refused = sidecar.try_create().await.map(|_| ()).unwrap_err().to_string();
    heir.thaw();
    assert!(refused.contains("unknown"), "{refused}");
    sidecar.delete(&revoked).await;
    migration.end();
    let load = [(Load::of(&[&sidecar], &key), 200), (Load::of(&[&sidecar], &revoked), 401)];
    dead.kill();
    reports(&sidecar, "last error of the store (now)").await;
    heir.do_it(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    reports(&sidecar, "(over since)").await;
    for (load, status) in load {
        load.were_all_told(status);
    }
    // Contact is counted from the new master.
    sidecar.clock.advance(TOO_LONG);
    sidecar.gives(&key, 200, RECOVERY).await;
    assert_eq!(sidecar.status(&revoked), 401);
    // Alone, it cannot promise what is asked for.
    let refused = sidecar.try_create().await.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("nothing was changed") && refused.contains("replicas"), "{refused}");
    dead.run();
    let linked = || heir.ask::<String>(&["INFO", "replication"]).contains("state=online");
    soon("the former master as a replica", RECOVERY, linked).await;
    sidecar.delete_when_possible(&key, RECOVERY).await;
    assert_eq!(sidecar.status(&key), 401);
}

#[tokio::test]
async fn a_cluster_that_is_down_is_an_outage_for_admins_at_once_and_for_senders_after_max_stale() {
    let cluster = Cluster::start(1, 0, &[]);
    let node = &cluster.nodes[0];
    let sidecar = Sidecar::over(&cluster.url(), "ns", &[]).ready().await;
    let key = sidecar.create().await;
    let slot: u16 = node.ask(&["CLUSTER", "KEYSLOT", "{ns}:meta"]);
    node.do_it(&["CLUSTER", "DELSLOTS", &slot.to_string()]);
    reports(&sidecar, "cluster_state:fail").await;
    assert_eq!(sidecar.status(&key), 200);
    let started = now();
    let (status, answer) = sidecar.post_workspace("new");
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    assert_eq!(status, 503, "{answer}");
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
    assert!(sidecar.running.is_ready());
    sidecar.clock.advance(TOO_LONG);
    let (status, answer) = sidecar.answer(&key);
    assert_eq!(status, 503);
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
    node.do_it(&["CLUSTER", "ADDSLOTS", &slot.to_string()]);
    sidecar.gives(&key, 200, RECOVERY).await;
    sidecar.create().await;
}

#[tokio::test]
async fn a_node_without_its_majority_is_not_believed_though_it_answers() {
    let cluster = Cluster::start(1, 0, &["--cluster-allow-reads-when-down", "yes"]);
    let store: Arc<dyn Store> = cluster.store("ns");
    let epoch = store.init().await.unwrap();
    store.follow(epoch, Position::default(), AuditMac::default()).await.unwrap();
    let ours: u16 = cluster.nodes[0].ask(&["CLUSTER", "KEYSLOT", "{ns}:meta"]);
    cluster.nodes[0].do_it(&["CLUSTER", "DELSLOTS", &(ours ^ 1).to_string()]);
    let down = || cluster.nodes[0].ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:fail");
    soon("down", RECOVERY, down).await;
    assert_eq!(cluster.nodes[0].ask::<u64>(&["EXISTS", "{ns}:meta"]), 1);
    // A blocked read is refused by the node itself, any other is answered.
    for (store, words) in [(store, "cluster is down"), (cluster.store("ns"), "cluster_state:fail")] {
        match store.follow(epoch, Position::default(), AuditMac::default()).await {
            Err(StoreError::Unavailable(why)) => assert!(why.contains(words), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

/// A store whose seeds are these ports.
fn seeded(ports: &[u16], namespace: &str) -> Arc<dyn Store> {
    let seeds = ports.iter().map(|port| local(*port)).collect();
    Arc::new(RedisStore::new(RedisConfig::at(Topology::Cluster { seeds }), namespace, keyring()))
}

#[tokio::test]
async fn one_live_seed_is_enough_whichever_node_it_is() {
    let namespace = namespace();
    let dead = Server::stopped();
    for node in &shared().nodes {
        let store = seeded(&[dead.port, node.port], &namespace);
        store.init().await.unwrap();
        commit(&store, change([])).await.unwrap();
    }
    let nobody = seeded(&[dead.port], &namespace).head().await.unwrap_err().to_string();
    assert!(nobody.contains(&dead.port.to_string()) && nobody.contains("cannot be reached"), "{nobody}");
}

#[tokio::test]
async fn the_wrong_arrangement_is_named() {
    let namespace = namespace();
    let owner = shared().owner(&namespace).port;
    let other = shared().nodes.iter().find(|node| node.port != owner).unwrap();
    let why = other.store(&namespace).head().await.unwrap_err().to_string();
    assert!(why.contains("redis+cluster://"), "{why}");
    let why = seeded(&[standalone().port], &namespace).head().await.unwrap_err().to_string();
    assert!(why.contains("cluster support disabled"), "{why}");
}

/// Makes the users that the docs name at every node, for this namespace, and gives settings as one of them.
fn documented(user: &str, namespace: &str) -> RedisConfig {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redis.md")).unwrap();
    let rule = |line: &str| line.strip_prefix(&format!("ACL SETUSER {user} ")).map(str::to_owned);
    let rules: Vec<String> = docs.lines().filter_map(rule).collect();
    let name = format!("{user}-{namespace}");
    for rule in rules {
        let rule = rule.replace(">PASSWORD", ">secret").replace("{countersign}", &format!("{{{namespace}}}"));
        let words: Vec<&str> = ["ACL", "SETUSER", &name].into_iter().chain(rule.split_whitespace()).collect();
        shared().nodes.iter().for_each(|node| node.do_it(&words));
    }
    RedisConfig { user: Some(name), password: Some(Secret::from_text("secret")), ..shared().settings() }
}

#[tokio::test]
async fn the_documented_users_may_do_what_a_cluster_asks_of_them_and_no_more() {
    let namespace = namespace();
    let over = |user| -> Arc<dyn Store> {
        Arc::new(RedisStore::new(documented(user, &namespace), &namespace, keyring()))
    };
    let (all, data) = (over("countersign"), over("countersign-data"));
    let epoch = all.init().await.unwrap();
    commit_ops(&all, [put_with(workspace(1), 1, &["name/one"], &[])]).await;
    let migration = shared().migration(&namespace);
    for step in [Migration::begin, Migration::carry_the_rest, Migration::end] {
        step(&migration);
        commit_ops(&all, [put(workspace(2), 1)]).await;
        let (head, records) = snapshot(&data).await;
        assert_eq!(records.len(), 2);
        data.follow(epoch, head.position, head.mac).await.unwrap();
        assert!(commit(&data, change([delete(workspace(2), 1, &[])])).await.is_err());
        commit_ops(&all, [delete(workspace(2), 1, &[])]).await;
    }
}
