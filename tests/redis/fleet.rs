//! Who lives, as the others see it; and the schema, which waits for all of them.

use countersign::store::fleet::Raised;
use countersign::store::{Store as _, StoreError};
use redis::Value as Reply;
use serde_json::{Value, json};

use super::processes::command;
use crate::support::http::Call;
use crate::support::process::{Serve, cli, text};
use crate::support::redis::{Server, kek_dir, namespace, shared};
use crate::support::sidecar::until;
use crate::support::store_conformance::steps::{change, commit, link, put, workspace};
use crate::support::upstream::Upstream;

/// A process that this test only says to be there.
pub(super) const OTHER: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

/// The server's wall time, ms.
fn server_time(server: &Server) -> u64 {
    let (seconds, micros): (u64, u64) = server.ask(&["TIME"]);
    seconds * 1000 + micros / 1000
}

/// Says of [`OTHER`] what it would say of itself, `age` milliseconds ago; `null` members are not said.
pub(super) fn says(server: &Server, age: u64, change: Value) {
    let mut presence = json!({
        "version": "0.0.9", "schema": 2, "writes": 1, "role": "all", "keks": ["k1", "k2"], "sealWith": "k2",
        "host": "elsewhere", "at": server_time(server) - age, "aFieldOfTheFuture": {"x": 1},
    });
    for (name, value) in change.as_object().unwrap() {
        presence[name] = value.clone();
    }
    server.do_it(&["HSET", "{countersign}:sidecars", OTHER, &presence.to_string()]);
}

pub(super) fn is_gone(server: &Server) {
    server.do_it(&["HDEL", "{countersign}:sidecars", OTHER]);
}

fn listed(serve: &Serve) -> Vec<Value> {
    let answer = serve.admin("GET", "/api/sidecars", None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["items"].as_array().unwrap().clone()
}

fn hosts(serve: &Serve) -> Vec<String> {
    listed(serve).iter().map(|sidecar| text(&sidecar["host"])).collect()
}

#[test]
fn a_sidecar_is_known_to_the_others_while_it_lives() {
    let server = Server::start(&[]);
    let (keks, dir, upstream) =
        (kek_dir(&[("k1", 'a'), ("k2", 'b')]), tempfile::tempdir().unwrap(), Upstream::start());
    let start = || Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    let a = start();
    says(&server, 2 * 3600 * 1000, json!({}));
    let b = start();
    until("A sees both", || listed(&a).len() == 2);
    let sidecars = listed(&a);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for sidecar in &sidecars {
        assert_eq!(sidecar["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(
            (
                &sidecar["role"],
                &sidecar["keks"],
                &sidecar["sealWith"],
                &sidecar["schema"],
                &sidecar["writes"]
            ),
            (&json!("all"), &json!(["k1", "k2"]), &json!("k1"), &json!(2), &json!(1))
        );
        assert_eq!(text(&sidecar["host"]), host.trim());
        assert!(sidecar["ageSeconds"].as_f64().unwrap() < 15.0, "{sidecar}");
    }
    // What was left two hours ago is removed by the next that starts.
    until("it is forgotten", || !server.ask::<bool>(&["HEXISTS", "{countersign}:sidecars", OTHER]));
    // One that said nothing for 15 s is gone, and one that is newer than us is listed with what we know of it.
    says(&server, 15_001, json!({}));
    assert_eq!(listed(&a).len(), 2);
    says(&server, 9_000, json!({}));
    assert!(hosts(&a).contains(&"elsewhere".to_owned()));
    // Neither what nobody can read nor a key of another type is in the way of a request or of a change.
    server.do_it(&[
        "HSET",
        "{countersign}:sidecars",
        "rubbish",
        "{",
        "00000000-0000-7000-8000-000000000000",
        "1",
    ]);
    assert_eq!(listed(&a).len(), 3);

    let asked = cli(&a, dir.path(), &["sidecars"]);
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    assert!(
        asked.stdout.contains("elsewhere") && asked.stdout.contains("keks k1,k2  seals with k1"),
        "{}",
        asked.stdout
    );
    let asked = cli(&a, dir.path(), &["sidecars", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&asked.stdout).unwrap()["items"].as_array().unwrap().len(), 3);

    // One that is told to end takes itself off the list.
    is_gone(&server);
    b.process.signal("TERM");
    let ended = b.process.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(listed(&a).len(), 1);
    server.do_it(&["SET", "{countersign}:sidecars", "somebody else's"]);
    assert_eq!(a.admin("GET", "/api/sidecars", None).status, 503);
    a.workspace("still");
    assert_eq!(a.ops("/readyz").status, 200);
}

#[test]
fn where_presence_may_not_be_written_there_is_one_warning_and_nothing_else() {
    let server = Server::start(&[]);
    let mut words: Vec<String> =
        ["ACL", "SETUSER", "sidecar", "on", ">secret", "+@all"].map(str::to_owned).to_vec();
    words
        .extend(["meta", "records", "claims", "log", "audit"].map(|part| format!("~{{countersign}}:{part}")));
    server.do_it(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let (keks, dir, upstream) = (kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap(), Upstream::start());
    let mut command = command(dir.path(), &server, keks.path(), &upstream);
    command.env("COUNTERSIGN_STORE__URL", server.url().replace("redis://", "redis://sidecar:secret@"));
    let mut serve = Serve::of(command);
    let warning = "cannot see this sidecar";
    serve.process.wait_for("the warning", |_, stderr| stderr.contains(warning).then_some(()));
    let key = serve.key(&serve.workspace("w"), "k");
    assert_eq!(Call::get("/x").header("X-API-Key", &key.api_key).send(serve.traffic).status, 200);
    assert_eq!(server.ask::<u64>(&["EXISTS", "{countersign}:sidecars"]), 0);
    // Whoever may not read who lives, rotates nothing.
    let refused = serve.admin("POST", "/api/keks/rotate", Some(json!({ "to": "k1" })));
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(serve.process.stderr().matches(warning).count(), 1);
}

#[tokio::test]
async fn a_namespace_of_the_next_schema_is_read_and_not_written() {
    let namespace = namespace();
    let store = shared().store(&namespace);
    store.init().await.unwrap();
    let before = store.commit(change([put(workspace(1), 1)]), link(store.head().await.unwrap().mac)).await;
    before.unwrap();
    let meta = format!("{{{namespace}}}:meta");
    shared().do_it(&["HSET", &meta, "schema", "2", "aFieldOfTheFuture", "x"]);
    let newer: std::sync::Arc<dyn countersign::store::Store> = shared().store(&namespace);
    let head = newer.head().await.unwrap();
    let mut records = 0;
    newer.snapshot(&mut |_, _| records += 1).await.unwrap();
    assert_eq!(records, 1);
    let refused = commit(&newer, change([put(workspace(2), 1)])).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { found: 2, known: 1 })), "{refused:?}");
    // One that was connected before is refused as well: the commit itself looks.
    let refused = store.commit(change([put(workspace(2), 1)]), link(head.mac)).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { .. })), "{refused:?}");
    assert_eq!(newer.head().await.unwrap(), head);
    assert_eq!(newer.raise_schema().await.unwrap(), Raised { from: 2, to: 2 });

    shared().do_it(&["HSET", &meta, "schema", "3"]);
    let refused = shared().store(&namespace).head().await.unwrap_err().to_string();
    assert!(refused.contains("has schema 3, this version reads up to 2"), "{refused}");
}

#[test]
fn a_sidecar_verifies_in_a_namespace_of_the_next_schema_and_changes_nothing() {
    let server = Server::start(&[]);
    let (keks, dir, upstream) = (kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap(), Upstream::start());
    let start = || Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    let a = start();
    let key = a.key(&a.workspace("w"), "k");
    server.do_it(&["HSET", "{countersign}:meta", "schema", "2"]);
    let dump = |part: &str| server.ask::<Reply>(&["DUMP", &format!("{{countersign}}:{part}")]);
    let before = ["meta", "records", "claims", "log", "audit"].map(dump);
    let b = start();
    for serve in [&a, &b] {
        let answer = Call::get("/x").header("X-API-Key", &key.api_key).send(serve.traffic);
        assert_eq!(answer.status, 200);
        let off = Some(json!({ "isActive": false }));
        let refused = serve.admin("PATCH", &format!("/api/webhook-keys/{}", key.id), off);
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert!(refused.text().contains("schema 2"), "{}", refused.text());
    }
    assert_eq!(["meta", "records", "claims", "log", "audit"].map(dump), before);
    let refused = cli(&a, dir.path(), &["migrate"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("schema 2 already"), "{}", refused.stderr);
}

#[test]
fn the_schema_is_raised_once_no_older_sidecar_lives() {
    let server = Server::start(&[]);
    let (keks, dir, upstream) = (kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap(), Upstream::start());
    let serve = Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    let schema = || server.ask::<String>(&["HGET", "{countersign}:meta", "schema"]);
    let migrate = || cli(&serve, dir.path(), &["migrate"]);
    let nothing = migrate();
    assert_eq!(nothing.code, Some(0), "{}", nothing.stderr);
    assert!(nothing.stdout.contains("nothing to migrate: the store has schema 1"), "{}", nothing.stdout);

    server.do_it(&["HSET", "{countersign}:meta", "schema", "0"]);
    says(&server, 1000, json!({ "schema": 1, "writes": 0 }));
    let refused = migrate();
    assert_eq!(refused.code, Some(1));
    for word in [OTHER, "elsewhere", "version 0.0.9", "role all", "writes schema 0"] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    assert_eq!(schema(), "0");
    // One that is gone is in nobody's way.
    says(&server, 15_001, json!({ "schema": 1, "writes": 0 }));
    let raised = migrate();
    assert_eq!(raised.code, Some(0), "{}", raised.stderr);
    assert!(raised.stdout.contains("the store has schema 1 now; it had 0"), "{}", raised.stdout);
    assert_eq!(schema(), "1");
    serve.workspace("w");
    let audit = format!("{:?}", server.ask::<Reply>(&["XRANGE", "{countersign}:audit", "-", "+"]));
    assert_eq!(audit.matches("store.migrated").count(), 1, "{audit}");
}
