//! `rediss`: who is believed, who is let in, and that files are read anew.

use std::path::Path;
use std::sync::Arc;

use countersign::config::{RedisConfig, RedisTls, ServerAddress, Topology};
use countersign::store::redis::RedisStore;
use countersign::store::{Store, StoreError};

use super::sidecar::{PROPAGATION, RECOVERY, Sidecar};
use crate::support::certificates::{Authority, Pair};
use crate::support::redis::{Server, free_port, keyring, local, soon};
use crate::support::redis_cluster::Cluster;
use crate::support::sentinel::Sentinel;
use crate::support::store_conformance::steps::{commit_ops, put, snapshot, workspace};

/// A server that also listens with TLS, and the authority behind its certificate.
struct Secured {
    server: Server,
    port: u16,
    authority: Authority,
}

impl Secured {
    /// `clients`: whether they need a certificate (`yes`, `no`).
    fn start(clients: &str, names: &[&str]) -> Self {
        let authority = Authority::new("an authority of a test");
        let Pair { cert, key } = authority.vouch("server", names);
        let port = free_port();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (cert, key, ca) = (text(&cert), text(&key), text(&authority.file()));
        let server = Server::start(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &cert,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            clients,
            "--tls-replication",
            "yes",
        ]);
        Self { server, port, authority }
    }

    fn settings(&self, client: Option<&Pair>) -> RedisConfig {
        let client = client.map(|pair| (pair.cert.clone(), pair.key.clone()));
        RedisConfig {
            tls: Some(RedisTls { ca_file: self.authority.file(), client }),
            ..RedisConfig::at(Topology::Standalone(local(self.port)))
        }
    }
}

fn over(settings: RedisConfig) -> Arc<dyn Store> {
    Arc::new(RedisStore::new(settings, "ns", keyring()))
}

/// Why nothing is believed, and that the server heard no command.
async fn refused(secured: &Secured, settings: RedisConfig) -> String {
    let why = match over(settings).init().await {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("expected Unavailable, got {other:?}"),
    };
    assert_eq!(secured.server.ask::<u64>(&["DBSIZE"]), 0);
    why
}

#[tokio::test]
async fn a_server_with_a_certificate_of_the_named_authority_is_used() {
    let secured = Secured::start("no", &["127.0.0.1"]);
    let store = over(secured.settings(None));
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    assert_eq!(snapshot(&store).await.1.len(), 1);
    assert!(store.describe().contains("rediss://127.0.0.1"), "{}", store.describe());
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let secured = Secured::start("no", &["127.0.0.1"]);
    let other = Authority::new("another authority");
    let tls = Some(RedisTls { ca_file: other.file(), client: None });
    let why = refused(&secured, RedisConfig { tls, ..secured.settings(None) }).await;
    assert!(why.contains("UnknownIssuer") && why.contains("lead to one in store.ca_file"), "{why}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let secured = Secured::start("no", &["redis.example"]);
    let why = refused(&secured, secured.settings(None)).await;
    assert!(why.contains("not valid for name") && why.contains("127.0.0.1"), "{why}");
    // The name counts, not the address that it leads to.
    let named = Secured::start("no", &["localhost"]);
    let at = ServerAddress { host: "localhost".to_owned(), port: named.port };
    over(RedisConfig { topology: Topology::Standalone(at), ..named.settings(None) }).init().await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let secured = Secured::start("no", &["127.0.0.1"]);
    let topology = Topology::Standalone(local(secured.server.port));
    let why = refused(&secured, RedisConfig { topology, ..secured.settings(None) }).await;
    assert!(why.contains("cannot be reached"), "{why}");
    // And the other way round: one that speaks nothing else is not spoken to in the clear.
    let plain = RedisConfig::at(Topology::Standalone(local(secured.port)));
    refused(&secured, plain).await;
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours_and_nobody_elses() {
    let secured = Secured::start("yes", &["127.0.0.1"]);
    let why = refused(&secured, secured.settings(None)).await;
    assert!(why.contains("store.cert_file"), "{why}");
    let stranger = Authority::new("another authority").vouch("client", &["countersign"]);
    refused(&secured, secured.settings(Some(&stranger))).await;
    let ours = secured.authority.vouch("client", &["countersign"]);
    over(secured.settings(Some(&ours))).init().await.unwrap();
}

#[tokio::test]
async fn files_are_named_where_they_are_wrong_and_read_for_each_connection() {
    let secured = Secured::start("yes", &["127.0.0.1"]);
    let dir = tempfile::tempdir().unwrap();
    let files = Pair { cert: dir.path().join("cert"), key: dir.path().join("key") };
    let store = over(secured.settings(Some(&files)));
    let why = |answer: Result<_, StoreError>| answer.unwrap_err().to_string();
    assert!(why(store.init().await).contains("store.cert_file"));
    let ours = secured.authority.vouch("client", &["countersign"]);
    std::fs::write(&files.cert, "no certificate").unwrap();
    std::fs::copy(&ours.key, &files.key).unwrap();
    let why = why(store.init().await);
    assert!(why.contains("store.cert_file") && why.contains("PEM"), "{why}");
    std::fs::copy(&ours.cert, &files.cert).unwrap();
    store.init().await.unwrap();
}

#[tokio::test]
async fn a_sidecar_works_over_tls_and_survives_an_authority_that_is_replaced() {
    let mut secured = Secured::start("no", &["127.0.0.1"]);
    let ca = tempfile::tempdir().unwrap();
    let file = ca.path().join("ca.pem");
    std::fs::copy(secured.authority.file(), &file).unwrap();
    let url = format!("rediss://127.0.0.1:{}", secured.port);
    let sidecar = Sidecar::over(&url, "ns", &[("store.ca_file", file.to_str().unwrap())]).ready().await;
    let key = sidecar.create().await;
    sidecar.gives(&key, 200, PROPAGATION).await;
    // The former one's file stays: the server has it open for clients.
    let _former = std::mem::replace(&mut secured.authority, Authority::new("the next authority"));
    let pair = secured.authority.vouch("server", &["127.0.0.1"]);
    let next = (pair.cert.to_str().unwrap(), pair.key.to_str().unwrap());
    secured.server.do_it(&["CONFIG", "SET", "tls-cert-file", next.0, "tls-key-file", next.1]);
    secured.server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
    let told = || sidecar.readyz().1.contains("UnknownIssuer");
    soon("the new certificate is refused", RECOVERY, told).await;
    assert_eq!(sidecar.status(&key), 200);
    std::fs::copy(secured.authority.file(), &file).unwrap();
    soon("the new authority is read", RECOVERY, || sidecar.readyz().1.contains("(over since)")).await;
    sidecar.create().await;
}

#[tokio::test]
async fn sentinels_are_asked_under_tls_too() {
    let secured = Secured::start("no", &["127.0.0.1"]);
    let Pair { cert, key } = secured.authority.vouch("sentinel", &["127.0.0.1"]);
    let port = free_port();
    let lines = [
        format!("tls-port {port}"),
        format!("tls-cert-file {}", cert.display()),
        format!("tls-key-file {}", key.display()),
        format!("tls-ca-cert-file {}", secured.authority.file().display()),
        "tls-auth-clients no".to_owned(),
        "tls-replication yes".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let sentinel = Sentinel::start(&lines, None);
    sentinel.watch("m", secured.port, &[]);
    let topology = |port| Topology::Sentinel { sentinels: vec![local(port)], master: "m".to_owned() };
    let store = over(RedisConfig { topology: topology(port), ..secured.settings(None) });
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    // A sentinel in the clear is not believed, although it would say the same.
    let clear = over(RedisConfig { topology: topology(sentinel.port), ..secured.settings(None) });
    assert!(matches!(clear.head().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_talked_to_under_tls_wherever_the_slot_goes() {
    let authority = Authority::new("an authority of a test");
    let Pair { cert, key } = authority.vouch("node", &["127.0.0.1"]);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (cert, key, ca) = (text(&cert), text(&key), text(&authority.file()));
    let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let ports = [free_port(), free_port(), free_port()];
    // A node that is asked under TLS names ports with TLS, and in the clear those without.
    let cluster = Cluster::with_tls(&ports, &[&files[..], &["--tls-auth-clients", "no"]].concat());
    let seeds = vec![local(ports[0])];
    let tls = Some(RedisTls { ca_file: authority.file(), client: None });
    let settings = RedisConfig { tls, topology: Topology::Cluster { seeds }, ..cluster.settings() };
    let store = over(settings);
    store.init().await.unwrap();
    for revision in 1..=3 {
        commit_ops(&store, [put(workspace(revision), 1)]).await;
        assert!(store.describe().contains("rediss"), "{}", store.describe());
        cluster.migration("ns").run();
    }
    assert_eq!(snapshot(&store).await.1.len(), 3);
    let clear = over(cluster.settings());
    assert_eq!(snapshot(&clear).await.1.len(), 3);
}

/// The contract of every store, over TLS.
mod conformance {
    use std::sync::{Arc, OnceLock};

    use countersign::config::RedisConfig;
    use countersign::store::redis::RedisStore;

    use super::Secured;
    use crate::support::redis::{keyring, namespace};
    use crate::support::store_conformance::{Fresh, store_conformance};

    #[expect(clippy::unused_async, reason = "other backends have to wait")]
    async fn fresh() -> Fresh {
        static SHARED: OnceLock<Secured> = OnceLock::new();
        let secured = SHARED.get_or_init(|| {
            let secured = Secured::start("no", &["127.0.0.1"]);
            secured.server.end_with_us();
            secured
        });
        // Handshakes cost a busy machine more than the defaults allow for.
        let long = std::time::Duration::from_secs(10);
        let settings = secured.settings(None);
        let settings = RedisConfig { connect_timeout: long, response_timeout: long, ..settings };
        let store = RedisStore::new(settings, &namespace(), keyring());
        Fresh { store: Arc::new(store), keep: Box::new(()) }
    }

    store_conformance!(fresh);
}
