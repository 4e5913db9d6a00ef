//! Links that swallow bytes without closing, servers that cannot be reached, and logins that change.

use std::sync::Arc;
use std::time::Duration;

use countersign::config::RedisConfig;
use countersign::secret::Secret;
use countersign::store::redis::RedisStore;
use countersign::store::{Store, StoreError};

use super::sidecar::{PROPAGATION, RECOVERY, Sidecar};
use crate::support::cut::Wire;
use crate::support::redis::{Server, keyring, namespace, settings_at, shared, soon};
use crate::support::store_conformance::steps::{commit_ops, put, workspace};

/// Three seconds are promised; ten times that.
const NOTICED: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_link_that_swallows_bytes_is_noticed_and_replaced() {
    let wire = Wire::to(shared().port);
    let sidecar = Sidecar::start(wire.port, &namespace()).ready().await;
    let key = sidecar.create().await;
    wire.swallow_everything();
    let told = || sidecar.readyz().1.contains("last error of the store (now)");
    let took = soon("the loss of the tail is noticed", NOTICED, told).await;
    println!("noticed after {took:?}");
    assert_eq!(sidecar.status(&key), 200);
    wire.mend();
    sidecar.gives(&sidecar.create().await, 200, PROPAGATION).await;
    soon("the tail is replaced", RECOVERY, || sidecar.readyz().1.contains("(over since)")).await;
}

#[tokio::test]
async fn a_shared_connection_that_swallows_bytes_is_given_up() {
    let wire = Wire::to(shared().port);
    let store: Arc<dyn Store> = Arc::new(RedisStore::new(settings_at(wire.port), &namespace(), keyring()));
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    wire.swallow_everything();
    let answer = tokio::time::timeout(NOTICED, store.head()).await.expect("an answer, be it an error");
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    wire.mend();
    commit_ops(&store, [put(workspace(2), 1)]).await;
}

#[tokio::test]
async fn the_timeouts_are_those_of_the_configuration() {
    let wire = Wire::to(shared().port);
    wire.swallow_everything();
    let (long, short) = (Duration::from_secs(10), Duration::from_millis(50));
    let patient = || RedisConfig { connect_timeout: long, response_timeout: long, ..settings_at(wire.port) };
    // A login is part of connecting; without one, the first answer is the first thing that is missed.
    let login = Some(Secret::from_text("any"));
    for hasty in [
        RedisConfig { response_timeout: short, ..patient() },
        RedisConfig { connect_timeout: short, password: login, ..patient() },
    ] {
        let [slow, fast] = [patient(), hasty].map(|settings| RedisStore::new(settings, "ns", keyring()));
        tokio::select! {
            biased;
            answer = slow.head() => panic!("first: {answer:?}"),
            answer = fast.head() => assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_password_that_is_changed_at_the_server_needs_no_restart() {
    let server = Server::start(&[]);
    let rule = ["ACL", "SETUSER", "sidecar", "on", "resetpass", ">first", "~{ns}:*", "+@all"];
    server.do_it(&rule);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let url = format!("redis://sidecar@127.0.0.1:{}", server.port);
    let options = [("store.password_file", file.to_str().unwrap())];
    let sidecar = Sidecar::over(&url, "ns", &options).ready().await;
    let key = sidecar.create().await;
    server.do_it(&["ACL", "SETUSER", "sidecar", "resetpass", ">second"]);
    server.do_it(&["CLIENT", "KILL", "USER", "sidecar"]);
    let told = || sidecar.readyz().1.contains("check the user and password");
    soon("the former password is refused", RECOVERY, told).await;
    assert_eq!(sidecar.status(&key), 200);
    std::fs::write(&file, "second\n").unwrap();
    soon("the new one is read", RECOVERY, || sidecar.readyz().1.contains("(over since)")).await;
    sidecar.gives(&sidecar.create().await, 200, PROPAGATION).await;
}

#[tokio::test]
async fn an_idle_connection_is_probed_by_the_system() {
    let server = Server::start(&[]);
    let store = server.store("ns");
    store.init().await.unwrap();
    let clients: String = server.ask(&["CLIENT", "LIST", "TYPE", "normal"]);
    let ours =
        clients.lines().find(|line| line.contains("cmd=evalsha") || line.contains("cmd=eval")).unwrap();
    let port = ours.split(' ').find_map(|field| field.strip_prefix("addr=127.0.0.1:")).unwrap();
    let ends = [port.parse().unwrap(), server.port].map(|port: u16| format!(":{port:04X}"));
    // proc(5), /proc/net/tcp: number, local address, remote one, state, queues, and the timer: 02 is keepalive.
    let probed = || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let ours = fields[1..3].iter().zip(&ends).all(|(place, end)| place.ends_with(end));
            let (timer, ticks) = fields[5].split_once(':').unwrap_or_default();
            ours && timer == "02" && u64::from_str_radix(ticks, 16).is_ok_and(|ticks| ticks <= 1500)
        })
    };
    soon("the timer of keepalive runs, for 15 s or less", RECOVERY, probed).await;
}
