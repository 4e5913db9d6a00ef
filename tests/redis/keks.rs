//! `keks rotate` with real processes: what it waits for, what it changes, and what it leaves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fleet::{OTHER, is_gone, says};
use super::processes::command;
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::process::{Process, Serve, cli};
use crate::support::redis::{Server, kek_dir};
use crate::support::sidecar::{Key, until};
use crate::support::upstream::Upstream;

/// More than one batch.
const KEYS: usize = 120;
const VERIFY_TOKEN: &str = "a-verify-token-of-some-length";

/// A server, and what is needed to start processes on it.
struct Place {
    server: Server,
    dir: TempDir,
    upstream: Upstream,
}

impl Place {
    fn new() -> Self {
        Self { server: Server::start(&[]), dir: tempfile::tempdir().unwrap(), upstream: Upstream::start() }
    }

    /// A process with these keys, of which one seals.
    fn start(&self, keks: &TempDir, seal_with: &str) -> Serve {
        let mut command = command(self.dir.path(), &self.server, keks.path(), &self.upstream);
        command.env("COUNTERSIGN_KEYS__SEAL_WITH", seal_with);
        Serve::of(command)
    }

    fn rotate(&self, serve: &Serve) -> (Option<i32>, Value, String) {
        let ended = cli(serve, self.dir.path(), &["keks", "rotate", "--to", "k2", "--json"]);
        (ended.code, serde_json::from_str(&ended.stdout).unwrap_or(Value::Null), ended.stderr)
    }

    /// Ends it as it should end: one that is killed counts as live for a while.
    fn end(&self, serve: Serve) {
        serve.process.signal("TERM");
        let ended = serve.process.finish();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }

    /// Waits until so many are known.
    fn lives(&self, serve: &Serve, count: usize) {
        until("all are known", || {
            let answer = serve.admin("GET", "/api/sidecars", None).json();
            answer["items"].as_array().unwrap().len() == count
        });
    }

    fn audit(&self) -> String {
        let entries: Vec<(String, Vec<String>)> =
            self.server.ask(&["XRANGE", "{countersign}:audit", "-", "+"]);
        entries.into_iter().flat_map(|(_, fields)| fields).collect::<Vec<_>>().join("\n")
    }
}

fn status(serve: &Serve, key: &Key) -> u16 {
    Call::get("/orders").header("X-API-Key", &key.api_key).send(serve.traffic).status
}

/// Whether a secret of the key opens: a signature under it is verified.
fn signed(serve: &Serve, key: &Key, secret: &str) -> u16 {
    let signature = format!("sha256={}", hmac_hex(secret, &[b"{}"]));
    let call = Call::post("/orders", "{}").header("X-Workspace-ID", &key.workspace);
    call.header("X-Webhook-Key-Id", &key.id)
        .header("X-Webhook-Signature", signature)
        .send(serve.traffic)
        .status
}

fn challenged(serve: &Serve) -> u16 {
    let query = format!("hub.mode=subscribe&hub.challenge=1&hub.verify_token={VERIFY_TOKEN}");
    Call::get(&format!("/webhooks/meta?{query}")).send(serve.traffic).status
}

fn keys_of(serve: &Serve, workspace: &str) -> Vec<Value> {
    let path = format!("/api/workspaces/{workspace}/webhook-keys?limit=200");
    serve.admin("GET", &path, None).json()["items"].as_array().unwrap().clone()
}

#[test]
fn s06_everything_comes_under_another_kek_under_load_and_the_former_file_can_go() {
    let place = Place::new();
    let (only, both) = (kek_dir(&[("k1", 'a')]), kek_dir(&[("k1", 'a'), ("k2", 'b')]));
    let first = place.start(&only, "k1");
    let workspace = first.workspace("w");
    let keys: Vec<Key> = (0..KEYS).map(|n| first.key(&workspace, &n.to_string())).collect();
    let path = format!("/api/webhook-keys/{}/rotate", keys[0].id);
    let rotated = first.admin("POST", &path, Some(json!({ "what": "secret" }))).json();
    let token = json!({ "name": "meta", "type": "meta", "webhookSecret": "a-secret-of-the-sender",
        "handshake": { "verifyToken": VERIFY_TOKEN } });
    assert_eq!(first.admin("POST", "/api/integrations", Some(token)).status, 201);
    place.end(first);

    let (a, b) = (place.start(&both, "k2"), place.start(&both, "k2"));
    let before = keys_of(&a, &workspace);
    let stop = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    let (code, answer, stderr) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                for serve in [&a, &b] {
                    let key = &keys[asked.fetch_add(1, Ordering::SeqCst) % KEYS];
                    assert_eq!(status(serve, key), 200);
                }
                assert_eq!(signed(&b, &keys[0], &keys[0].secret), 200, "the former secret, in its overlap");
            }
        });
        until("requests go on", || asked.load(Ordering::SeqCst) > 4);
        let rotated = place.rotate(&a);
        let sent = asked.load(Ordering::SeqCst);
        until("they still do", || asked.load(Ordering::SeqCst) > sent + 4);
        stop.store(true, Ordering::SeqCst);
        rotated
    });
    assert_eq!(code, Some(0), "{stderr}");
    let records = KEYS + 2;
    // Each key has a secret, one has a former one, and the integration a secret and a verify token.
    assert_eq!((&answer["records"], &answer["secrets"]), (&json!(records), &json!(KEYS + 3)), "{answer}");
    assert_eq!((&answer["unused"], &answer["left"]), (&json!(["k1"]), &json!([])), "{answer}");
    assert_eq!(answer["items"][0]["records"], 0, "{answer}");
    assert_eq!(
        (&answer["items"][1]["records"], &answer["items"][1]["secrets"]),
        (&json!(records), &json!(KEYS + 3))
    );

    // The stored form grew by one revision; what an admin set stayed.
    for (before, after) in before.iter().zip(&keys_of(&a, &workspace)) {
        let mut expected = before.clone();
        expected["revision"] = json!(before["revision"].as_u64().unwrap() + 1);
        expected["lastUsedAt"] = after["lastUsedAt"].clone();
        expected["previous"] = after["previous"].clone();
        assert_eq!(after, &expected);
        assert_eq!(before["previous"]["until"], after["previous"]["until"]);
    }
    let audit = place.audit();
    assert_eq!(audit.matches("\"kek.rotated\"").count(), 2, "two batches");
    assert_eq!(audit.matches("\"kek.rotation_completed\"").count(), 1);
    for secret in [&keys[0].secret, &keys[0].api_key, VERIFY_TOKEN, "a-secret-of-the-sender"] {
        assert!(!audit.contains(secret));
    }
    // Asked again, it does nothing and says so.
    let (code, again, stderr) = place.rotate(&b);
    assert_eq!((code, &again["records"], &again["unused"]), (Some(0), &json!(0), &json!(["k1"])), "{stderr}");

    // The proof: without the file of the former one, everything opens; with it alone, nothing starts.
    place.end(a);
    place.end(b);
    let c = place.start(&kek_dir(&[("k2", 'b')]), "k2");
    for (key, secret) in [(&keys[0], &keys[0].secret), (&keys[1], &keys[1].secret)] {
        assert_eq!((status(&c, key), signed(&c, key, secret)), (200, 200));
    }
    assert_eq!(signed(&c, &keys[0], rotated["secret"].as_str().unwrap()), 200);
    assert_eq!(challenged(&c), 200);
    let ended =
        Process::start(command(place.dir.path(), &place.server, only.path(), &place.upstream)).finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("\"k2\": it is not in keys.kek_dir"), "{}", ended.stderr);
}

#[test]
fn a_rotation_waits_for_every_live_sidecar_and_names_it() {
    let place = Place::new();
    let both = kek_dir(&[("k1", 'a'), ("k2", 'b')]);
    let old = place.start(&both, "k1");
    old.workspace("w");
    let head = || place.server.ask::<String>(&["HGET", "{countersign}:meta", "mac"]);
    // This one seals with another.
    let before = head();
    let refused = old.admin("POST", "/api/keks/rotate", Some(json!({ "to": "k2" })));
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("keys.seal_with") && !refused.text().contains("k2"),
        "{}",
        refused.text()
    );
    // A live writer does, by its real presence.
    let a = place.start(&both, "k2");
    place.lives(&a, 2);
    let (code, _, stderr) = place.rotate(&a);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("seals with k1") && stderr.contains("role all"), "{stderr}");
    place.end(old);
    // Each of these is in the way, and the last is not: it seals nothing.
    for (said, word) in [
        (json!({ "keks": ["k1"], "sealWith": "k1", "role": "data" }), "does not hold the key; it holds k1"),
        (json!({ "keks": [] }), "does not hold the key"),
        (json!({ "sealWith": "k1" }), "seals with k1"),
        (json!({ "sealWith": "k1", "role": "a role of the future" }), "seals with k1"),
    ] {
        says(&place.server, 1000, said);
        let (code, _, stderr) = place.rotate(&a);
        assert_eq!(code, Some(1), "{word}");
        assert!(stderr.contains(word) && stderr.contains(OTHER) && stderr.contains("elsewhere"), "{stderr}");
    }
    assert_eq!(head(), before, "nothing was written");
    says(&place.server, 1000, json!({ "sealWith": "k1", "role": "data" }));
    let (code, answer, stderr) = place.rotate(&a);
    assert_eq!((code, &answer["records"]), (Some(0), &json!(1)), "{stderr}");
    is_gone(&place.server);
    for (body, expected) in
        [(json!({}), 422), (json!({ "to": 1 }), 422), (json!({ "to": "k2", "x": 1 }), 422)]
    {
        assert_eq!(a.admin("POST", "/api/keks/rotate", Some(body)).status, expected);
    }
}

#[test]
fn a_damaged_record_is_named_and_left_and_one_under_a_missing_kek_is_counted() {
    let place = Place::new();
    let (only, both) = (kek_dir(&[("k1", 'a')]), kek_dir(&[("k1", 'a'), ("k2", 'b')]));
    let first = place.start(&only, "k1");
    let workspace = first.workspace("w");
    let (good, bad) = (first.key(&workspace, "good"), first.key(&workspace, "bad"));
    place.end(first);
    let field = format!("webhook-key/{}", bad.id);
    let stored: String = place.server.ask(&["HGET", "{countersign}:records", &field]);
    let forged = stored.replace("\"isActive\":true", "\"isActive\":false");
    assert_ne!(forged, stored);
    place.server.do_it(&["HSET", "{countersign}:records", &field, &forged]);

    let a = place.start(&both, "k2");
    let ended = cli(&a, place.dir.path(), &["keks", "rotate", "--to", "k2"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains(&format!("left as it is: {field}")), "{}", ended.stdout);
    assert!(ended.stdout.contains("2 records and 1 secrets re-sealed under k2"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("k1  1 records  1 secrets") && !ended.stdout.contains("can go"),
        "{}",
        ended.stdout
    );
    assert_eq!(place.server.ask::<String>(&["HGET", "{countersign}:records", &field]), forged);
    assert_eq!((status(&a, &good), status(&a, &bad)), (200, 503));
    place.end(a);

    // The namespace asks for k1 still, because a record may be restored that needs it.
    let refused = {
        let second = kek_dir(&[("k2", 'b')]);
        let mut command = command(place.dir.path(), &place.server, second.path(), &place.upstream);
        command.env("COUNTERSIGN_KEYS__SEAL_WITH", "k2");
        Process::start(command).finish()
    };
    assert!(refused.stderr.contains("\"k1\""), "{}", refused.stderr);

    // A record under a KEK that is not at hand: restored, and the namespace told to ask for the other.
    place.server.do_it(&["HSET", "{countersign}:records", &field, &stored]);
    let a = place.start(&both, "k2");
    let meta: Vec<String> = place.server.ask(&["HMGET", "{countersign}:meta", "kek", "kek_check"]);
    assert_eq!(meta[0], "k1");
    let (code, _, stderr) = place.rotate(&a);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(status(&a, &bad), 200);
    place.end(a);
    place.server.do_it(&["HSET", "{countersign}:records", &field, &stored]);
    let c = place.start(&kek_dir(&[("k2", 'b')]), "k2");
    assert_eq!((status(&c, &good), status(&c, &bad)), (200, 503));
    assert!(
        c.process.stderr().contains("the key-encryption key \\\"k1\\\" is not in keys.kek_dir"),
        "{}",
        c.process.stderr()
    );
    assert!(c.ops("/readyz?verbose").text().contains("damaged records: 1"));
    let listed = cli(&c, place.dir.path(), &["keks", "list"]);
    assert!(listed.stdout.contains("k1  1 records  1 secrets  MISSING"), "{}", listed.stdout);
    assert!(listed.stdout.contains("k2  2 records  1 secrets  seals"), "{}", listed.stdout);
}
