//! What a server must be, what a key or record must look like, and commits whose answer is lost.

use std::sync::Arc;

use countersign::config::{RedisConfig, RedisDurability, Role};
use countersign::secret::Secret;
use countersign::store::fleet::{Announced, Presence};
use countersign::store::redis::RedisStore;
use countersign::store::{AuditMac, Followed, Position, Store, StoreError};

use super::sidecar::{PROPAGATION, RECOVERY, Sidecar, TOO_LONG};
use crate::support::redis::{Server, keyring, namespace, shared, soon};
use crate::support::store_conformance::steps::{
    change, commit, commit_ops, delete, link, put, put_with, snapshot, workspace,
};

fn over(settings: RedisConfig) -> Arc<dyn Store> {
    Arc::new(RedisStore::new(settings, "ns", keyring()))
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

#[tokio::test]
async fn a_replica_is_not_contact() {
    let (server, master) = (Server::start(&[]), Server::start(&[]));
    let sidecar = Sidecar::start(server.port, "ns").ready().await;
    let key = sidecar.create().await;
    // A replica that holds the very same records, and may even be written to.
    let port = server.port.to_string();
    master.do_it(&["REPLICAOF", "127.0.0.1", &port]);
    let synced = || master.ask::<u64>(&["EXISTS", "{ns}:meta"]) == 1;
    soon("the copy is made", RECOVERY, synced).await;
    master.do_it(&["REPLICAOF", "NO", "ONE"]);
    server.do_it(&["CONFIG", "SET", "replica-read-only", "no"]);
    server.do_it(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    let told = || sidecar.readyz().1.contains("is a replica");
    soon("the demotion is noticed", RECOVERY, told).await;
    assert_eq!(sidecar.status(&key), 200);
    sidecar.clock.advance(TOO_LONG);
    assert_eq!(sidecar.status(&key), 503);
    let refused = sidecar.write("test", key.record, Vec::new).await.unwrap_err().to_string();
    assert!(refused.contains("is a replica"), "{refused}");
    server.do_it(&["REPLICAOF", "NO", "ONE"]);
    sidecar.gives(&key, 200, RECOVERY).await;
}

#[tokio::test]
async fn an_evicting_server_is_refused() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let store = over(server.settings());
    let why = unavailable(store.init().await);
    assert!(why.contains("maxmemory-policy allkeys-lru") && why.contains("noeviction"), "{why}");
    server.do_it(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    // Also where it begins to evict later.
    server.do_it(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    let head = store.head().await.unwrap();
    let why = unavailable(store.commit(change([put(workspace(2), 1)]), link(head.mac)).await);
    assert!(why.contains("volatile-ttl"), "{why}");
}

#[tokio::test]
async fn durability_fsync_is_checked() {
    let server = Server::start(&["--appendonly", "yes"]);
    let store = over(RedisConfig { durability: RedisDurability::Fsync, ..server.settings() });
    let why = unavailable(store.init().await);
    assert!(why.contains("appendonly yes, appendfsync everysec"), "{why}");
    server.do_it(&["CONFIG", "SET", "appendfsync", "always"]);
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    assert!(store.describe().contains("appendfsync always"), "{}", store.describe());
    assert!(over(server.settings()).describe().contains("not connected yet"));
}

#[tokio::test]
async fn a_user_that_may_not_read_the_configuration_is_enough_for_durability_server() {
    let server = Server::start(&[]);
    server.do_it(&["ACL", "SETUSER", "sidecar", "on", ">pass%word", "~{ns}:*", "+@all", "-config"]);
    let settings = RedisConfig {
        user: Some("sidecar".to_owned()),
        password: Some(Secret::from_text("pass%word")),
        ..server.settings()
    };
    let store = over(settings.clone());
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    let why = unavailable(
        over(RedisConfig { durability: RedisDurability::Fsync, ..settings.clone() }).head().await,
    );
    assert!(why.contains("denies CONFIG GET"), "{why}");
    // Half of what a commit needs is nothing: it is refused before it begins.
    server.do_it(&["ACL", "SETUSER", "sidecar", "-hset"]);
    let before = snapshot(&store).await;
    let why = unavailable(commit(&store, change([put(workspace(2), 1)])).await);
    assert!(why.contains("may not run HSET"), "{why}");
    assert_eq!(snapshot(&store).await, before);
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_commands_that_the_docs_name_are_enough() {
    let server = Server::start(&[]);
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redis.md")).unwrap();
    let rule = docs.lines().find_map(|line| line.trim().strip_prefix("ACL SETUSER countersign ")).unwrap();
    let mut words = vec!["ACL", "SETUSER", "countersign"];
    words.extend(rule.split_whitespace().filter(|word| !word.starts_with('>')));
    words.extend([">secret", "~{ns}:*"]);
    server.do_it(&words);
    let store = over(RedisConfig {
        user: Some("countersign".to_owned()),
        password: Some(Secret::from_text("secret")),
        ..server.settings()
    });
    let epoch = store.init().await.unwrap();
    commit_ops(&store, [put_with(workspace(1), 1, &["name/a"], &[])]).await;
    commit_ops(&store, [delete(workspace(1), 1, &["name/a"])]).await;
    let (head, records) = snapshot(&store).await;
    assert!(records.is_empty());
    let entries = store.follow(epoch, Position::default(), AuditMac::default()).await.unwrap();
    assert!(matches!(entries, Followed::Entries(entries) if entries.len() == 2));
    store.follow(epoch, head.position, head.mac).await.unwrap();
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 2);
    store.init().await.unwrap();
    let presence = Presence::of(Role::All, &keyring());
    assert_eq!(store.announce(&presence).await.unwrap(), Announced::Seen);
    assert_eq!(store.sidecars().await.unwrap()[0].presence, presence);
    store.depart(presence.id).await.unwrap();
    assert_eq!(store.sidecars().await.unwrap(), []);
    assert_eq!((store.schema().await.unwrap(), store.raise_schema().await.unwrap().to), (1, 1));
    store.ask_for_sealing_kek().await.unwrap();
}

#[tokio::test]
async fn a_password_is_read_for_each_connection_and_never_shown() {
    let server = Server::start(&[]);
    server.do_it(&["CONFIG", "SET", "requirepass", "first-s3cret"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "wrong-s3cret\n").unwrap();
    let store = over(RedisConfig { password_file: Some(file.clone()), ..server.settings() });
    let why = unavailable(store.init().await);
    assert!(why.contains("cannot be reached") && !why.contains("s3cret"), "{why}");
    std::fs::write(&file, "first-s3cret\n").unwrap();
    store.init().await.unwrap();
    assert!(!store.describe().contains("s3cret"));
    std::fs::remove_file(&file).unwrap();
    let why = unavailable(over(RedisConfig { password_file: Some(file), ..server.settings() }).head().await);
    assert!(why.contains("store.password_file"), "{why}");
}

#[tokio::test]
async fn a_corrupt_record_is_named_and_the_rest_works() {
    let namespace = namespace();
    let a = Sidecar::start(shared().port, &namespace).ready().await;
    let (good, bad, worse) = (a.create().await, a.create().await, a.create().await);
    let records = format!("{{{namespace}}}:records");
    let stored: Vec<u8> = shared().ask(&["HGET", &records, &bad.record.to_string()]);
    // One hex digit of the MAC: the record can be read, and must not be believed.
    let at = stored.iter().position(|byte| *byte == b'.').unwrap() + 5;
    let mut forged = stored.clone();
    forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
    let mut set = redis::cmd("HSET");
    set.arg(&records).arg(bad.record.to_string()).arg(&forged);
    set.arg(worse.record.to_string()).arg(&b"\xffrubbish"[..]).arg("a-newer-kind/1").arg("x");
    set.exec(&mut shared().connection()).unwrap();
    let b = Sidecar::start(shared().port, &namespace).ready().await;
    assert_eq!((b.status(&good), b.status(&bad)), (200, 503));
    let counts = b.running.keys.mirror().counts();
    assert_eq!((counts.damaged, counts.webhook_keys), (2, 1));
    let next = b.create().await;
    a.gives(&next, 200, PROPAGATION).await;
}

#[tokio::test]
async fn a_key_of_another_type_is_damage_and_is_named() {
    for (part, command) in
        [("meta", "SET"), ("records", "SET"), ("claims", "SET"), ("log", "SET"), ("audit", "SET")]
    {
        let namespace = namespace();
        let store: Arc<dyn Store> = shared().store(&namespace);
        store.init().await.unwrap();
        let head = commit(&store, change([put_with(workspace(1), 1, &["name/a"], &[])])).await;
        head.unwrap();
        let head = store.head().await.unwrap();
        let key = format!("{{{namespace}}}:{part}");
        shared().do_it(&[command, &key, "somebody else's"]);
        let next = change([put_with(workspace(2), 1, &["name/b"], &[])]);
        match store.commit(next, link(head.mac)).await {
            Err(StoreError::Damaged(why)) => assert!(why.contains(&key), "{why}"),
            other => panic!("{part}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_full_server_refuses_the_commit_and_stays_readable() {
    let server = Server::start(&[]);
    let store = over(server.settings());
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    server.do_it(&["CONFIG", "SET", "maxmemory", "1"]);
    let before = snapshot(&store).await;
    let refused = commit(&store, change([put(workspace(2), 1), delete(workspace(1), 1, &[])])).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert_eq!(snapshot(&store).await, before);
    assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 1);
    server.do_it(&["CONFIG", "SET", "maxmemory", "0"]);
    commit_ops(&store, [put(workspace(2), 1)]).await;
}
