//! A fault of ours is never blamed on the sender: 503 with `Retry-After`, and only for whom it concerns.

use std::path::Path;
use std::sync::Arc;

use countersign::keys::record::{Kind, RecordKey};
use countersign::store::embedded::EmbeddedStore;
use countersign::store::{AuditLink, AuditMac, Change, Op, Store};
use serde_json::json;
use uuid::Uuid;

use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::{Key, Sidecar, until};

struct World {
    sidecar: Sidecar,
    key: Key,
    secret: String,
}

impl World {
    fn start() -> Self {
        let sidecar = Sidecar::start();
        let workspace = sidecar.workspace("tenant");
        let key = sidecar.key(&workspace, json!({}));
        let secret = sidecar.integration(json!({ "name": "hook" }));
        Self { sidecar, key, secret }
    }

    fn by_key(&self) -> Call {
        Call::get("/in").header("X-API-Key", &self.key.api_key)
    }

    fn by_signature(&self) -> Call {
        Call::post("/in", "body")
            .header("X-Workspace-ID", &self.key.workspace)
            .header("X-Webhook-Signature", format!("sha256={}", hmac_hex(&self.key.secret, &[b"body"])))
    }

    fn by_hook(&self) -> Call {
        Call::post("/webhooks/hook", "body").header("X-Webhook-Signature", hmac_hex(&self.secret, &[b"body"]))
    }
}

#[test]
fn keys_older_than_they_may_be_are_a_503_for_everybody_who_shows_one() {
    let world = World::start();
    let World { sidecar, .. } = &world;
    sidecar.clock.hush_the_store();
    sidecar.clock.advance(std::time::Duration::from_secs(30));
    sidecar.passes(&world.by_key());
    assert_eq!(sidecar.ops("/readyz").status, 200);

    sidecar.clock.advance(std::time::Duration::from_secs(1));
    let cut = &world.key.api_key[..9];
    for (call, kind) in [
        (world.by_key(), "api-key"),
        (world.by_signature(), "signature"),
        (world.by_hook(), "integration"),
        (Call::post("/webhooks/unknown", "body"), "integration"),
    ] {
        let answer = sidecar.refuses_with(&call, 503, kind, "unknown", "store_unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    // What needs no key to be judged is judged all the same.
    sidecar.refuses_as(&Call::get("/in"), "api-key", "unknown", "absent");
    sidecar.refuses_as(&Call::get("/in").header("X-API-Key", cut), "api-key", "unknown", "malformed");
    let ready = sidecar.ops("/readyz?verbose");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("keys are older than keys.max_stale"), "{}", ready.text());
    assert_eq!((sidecar.ops("/livez").status, sidecar.ops("/startupz").status), (200, 200));

    sidecar.clock.let_the_store_speak();
    until("the store is heard of again", || sidecar.ops("/readyz").status == 200);
    sidecar.passes(&world.by_key());
    sidecar.passes(&world.by_signature());
    sidecar.passes(&world.by_hook());
}

#[test]
fn an_open_route_needs_no_keys() {
    let config = "[[routes]]\nname = 'public'\npath = '/{*rest}'\nverify = 'none'";
    let sidecar = Sidecar::builder().config(config).start();
    sidecar.clock.hush_the_store();
    sidecar.clock.advance(std::time::Duration::from_secs(3600));
    sidecar.passes(&Call::get("/in"));
}

#[test]
fn keys_that_grow_old_while_a_body_arrives_refuse_it() {
    let world = World::start();
    let head = Call { body: Vec::new(), ..world.by_hook() }
        .header("Content-Length", "4")
        .header("Expect", "100-continue");
    let mut connection = crate::support::http::Connection::open(world.sidecar.traffic());
    connection.write(&head.bytes());
    assert_eq!(connection.interim(), 100);
    world.sidecar.clock.hush_the_store();
    world.sidecar.clock.advance(std::time::Duration::from_secs(60));
    connection.write(b"body");
    assert_eq!(connection.answer().status, 503);
    world.sidecar.upstream.saw_nothing();
}

#[test]
fn a_bound_of_the_configuration_is_the_bound() {
    let sidecar = Sidecar::builder().config("[keys]\nmax_stale = '10m'").start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    sidecar.clock.hush_the_store();
    let call = Call::get("/in").header("X-API-Key", &key.api_key);
    sidecar.clock.advance(std::time::Duration::from_secs(600));
    sidecar.passes(&call);
    sidecar.clock.advance(std::time::Duration::from_secs(1));
    sidecar.refuses(&call, 503);
}

/// Writes past the sidecar into its file, while it is stopped.
fn tamper(path: &Path, change: impl Fn(RecordKey, &[u8]) -> Option<Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = EmbeddedStore::open(path, "countersign").unwrap();
        let mut records: Vec<(RecordKey, Arc<[u8]>)> = Vec::new();
        let mut sink = |key: RecordKey, envelope: Arc<[u8]>| records.push((key, envelope));
        let head = store.snapshot(&mut sink).await.unwrap();
        let ops = records
            .iter()
            .filter_map(|(key, envelope)| {
                Some(Op::Put {
                    key: *key,
                    revision: 2,
                    expected: Some(1),
                    envelope: Arc::from(change(*key, envelope)?),
                    claims: Vec::new(),
                    releases: Vec::new(),
                })
            })
            .collect();
        let link =
            AuditLink { previous: head.mac, mac: AuditMac([9; 32]), event: Arc::from(b"{}".as_slice()) };
        store.commit(Change { ops, requires: Vec::new(), answered: None, trim: None }, link).await.unwrap();
    });
}

#[test]
fn a_record_that_was_tampered_with_is_a_503_for_its_own_callers() {
    let mut world = World::start();
    let healthy = world.sidecar.key(&world.key.workspace, json!({ "name": "healthy" }));
    let other = world.sidecar.integration(json!({ "name": "other" }));
    let doomed: Uuid = world.key.id.parse().unwrap();
    let path = world.sidecar.store_path();
    world.sidecar.stop();
    // One letter of one field: the record can still be read, and its MAC does not fit any more.
    tamper(&path, |key, envelope| {
        let text = String::from_utf8_lossy(envelope).into_owned();
        let is_doomed = key.id == doomed || (key.kind == Kind::Integration && text.contains("\"hook\""));
        is_doomed.then(|| text.replacen("\"managedBy\":\"api\"", "\"managedBy\":\"apj\"", 1).into_bytes())
    });
    world.sidecar.start_again();
    let World { sidecar, .. } = &world;

    let named = world.by_signature().header("X-Webhook-Key-Id", &world.key.id);
    for (call, kind) in [(world.by_key(), "api-key"), (named, "signature"), (world.by_hook(), "integration")]
    {
        sidecar.refuses_with(&call, 503, kind, "unknown", "store_unavailable");
    }
    // Without a key id it could have been any key of the workspace, the damaged one too.
    sidecar.refuses_with(&world.by_signature(), 503, "signature", "workspace", "store_unavailable");
    sidecar.upstream.saw_nothing();
    sidecar.passes(&Call::get("/in").header("X-API-Key", &healthy.api_key));
    let signed = world.by_signature();
    let signature = format!("sha256={}", hmac_hex(&healthy.secret, &[&signed.body]));
    let resigned = signed.headers.iter().filter(|(name, _)| name != "X-Webhook-Signature");
    let resigned = resigned
        .fold(Call::post(&signed.target, &signed.body), |call, (name, value)| call.header(name, value));
    sidecar.passes(&resigned.header("X-Webhook-Signature", signature));
    let delivery =
        Call::post("/webhooks/other", "body").header("X-Webhook-Signature", hmac_hex(&other, &[b"body"]));
    sidecar.passes(&delivery);
    let stranger = Call::post("/webhooks/unknown", "body");
    sidecar.refuses_as(&stranger, "integration", "unknown", "unknown_key");
    assert_eq!(sidecar.ops("/readyz").status, 200, "one damaged record is not everybody's");
    let damaged = sidecar.metrics("countersign_keys_records{kind=\"damaged\"}");
    assert_eq!(damaged, ["countersign_keys_records{kind=\"damaged\"} 2"]);
}

#[test]
fn s07_without_the_keys_that_open_it_a_store_is_refused_at_the_start_and_whole_with_them() {
    let mut world = World::start();
    world.sidecar.stop();
    let kek = world.sidecar.store_path().with_file_name("keys.redb.keks").join("default.key");
    let right = std::fs::read(&kek).unwrap();
    std::fs::write(&kek, "ab".repeat(32)).unwrap();
    let refused = world.sidecar.try_start_again().unwrap_err().to_string();
    assert!(refused.contains("\"default\": the key of that id in keys.kek_dir is another one"), "{refused}");
    world.sidecar.upstream.saw_nothing();
    std::fs::write(&kek, right).unwrap();
    world.sidecar.start_again();
    for call in [world.by_key(), world.by_hook(), world.by_signature()] {
        assert_eq!(world.sidecar.send(&call).status, 200);
    }
}
