//! A key set on its way: embedded, Redis in another namespace under other keys, embedded again. Every credential
//! works wherever it is, and nothing of it is in the file in the clear.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use countersign::clock::{Clock, SystemClock};
use countersign::store::embedded::EmbeddedStore;
use countersign::store::seal::Keyring;
use countersign::store::{AuditMac, Position, Store};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{at_redis, embedded, exported, in_redis, well};
use crate::support::http::Call;
use crate::support::process::{Process, Serve, countersign, text};
use crate::support::redis::{Server, kek_dir, namespace, shared};
use crate::support::sidecar::{Key, sign};
use crate::support::upstream::Upstream;

/// What was made, and what its holders have.
struct Holders {
    kept: Key,
    rotated: Key,
    rotated_to: (String, String),
    disabled: Key,
    deleted: Key,
    github: String,
    token: String,
}

const VERIFY_TOKEN: &str = "a-verify-token-that-Meta-was-given";

impl Holders {
    fn make(serve: &Serve) -> Self {
        let workspace = serve.workspace("ÄÖ \"quoted\"");
        let [kept, rotated, disabled, deleted] =
            ["kept", "rotated", "disabled", "deleted"].map(|name| serve.key(&workspace, name));
        let path = |key: &Key| format!("/api/webhook-keys/{}", key.id);
        let off = Some(json!({ "isActive": false }));
        assert_eq!(serve.admin("PATCH", &path(&disabled), off).status, 200);
        assert_eq!(serve.admin("DELETE", &path(&deleted), None).status, 204);
        let body = Some(json!({ "what": "both", "overlapSeconds": 3600 }));
        let answer = serve.admin("POST", &format!("{}/rotate", path(&rotated)), body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let rotated_to = (text(&answer.json()["apiKey"]), text(&answer.json()["secret"]));
        let github = serve.integration("github", "github");
        let body = json!({
            "name": "meta", "type": "meta", "webhookSecret": "0123456789abcdef0123456789abcdef",
            "handshake": { "verifyToken": VERIFY_TOKEN },
        });
        let made = serve.admin("POST", "/api/integrations", Some(body));
        assert_eq!(made.status, 201, "{}", made.text());
        Self { kept, rotated, rotated_to, disabled, deleted, github, token: VERIFY_TOKEN.to_owned() }
    }

    /// Every holder asks.
    fn check(&self, serve: &Serve) {
        let asks = |call: Call| call.send(serve.traffic).status;
        let by_key = |key: &str| asks(Call::get("/").header("X-API-Key", key));
        assert_eq!([&self.kept, &self.rotated].map(|key| by_key(&key.api_key)), [200, 200]);
        assert_eq!(by_key(&self.rotated_to.0), 200);
        assert_eq!([&self.disabled, &self.deleted].map(|key| by_key(&key.api_key)), [401, 401]);
        let signed = |key: &Key, secret: &str| {
            let call = Call::post("/", "{}")
                .header("X-Workspace-ID", &key.workspace)
                .header("X-Webhook-Key-Id", &key.id);
            asks(sign("workspace", secret, call, SystemClock.now()))
        };
        assert_eq!(signed(&self.kept, &self.kept.secret), 200);
        assert_eq!(signed(&self.rotated, &self.rotated.secret), 200);
        assert_eq!(signed(&self.rotated, &self.rotated_to.1), 200);
        assert_eq!(signed(&self.kept, &self.rotated_to.1), 401);
        let delivery = Call::post("/webhooks/github", "{}");
        assert_eq!(asks(sign("github", &self.github, delivery, SystemClock.now())), 200);
        let challenge = "/webhooks/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=";
        assert_eq!(asks(Call::get(&format!("{challenge}{}", self.token))), 200);
        assert_eq!(asks(Call::get(&format!("{challenge}wrong"))), 401);
    }

    fn secrets(&self) -> Vec<&str> {
        let keys = [&self.kept, &self.rotated, &self.disabled, &self.deleted];
        let of_keys = keys.into_iter().flat_map(|key| [key.api_key.as_str(), key.secret.as_str()]);
        of_keys.chain([&*self.rotated_to.0, &self.rotated_to.1, &self.github, &self.token]).collect()
    }
}

/// No secret is in the bytes, in any of the usual forms.
fn holds_no_secret(bytes: &[u8], secrets: &[&str]) {
    let holds = |form: &[u8]| bytes.windows(form.len()).any(|window| window == form);
    for secret in secrets {
        let raw = secret.as_bytes();
        assert!(!holds(raw), "a secret in the clear");
        for form in [HEXLOWER.encode(raw), BASE64.encode(raw), BASE64URL_NOPAD.encode(raw)] {
            assert!(!holds(form.as_bytes()), "a secret, encoded");
        }
        if let Ok(decoded) = HEXLOWER.decode(raw) {
            assert!(!holds(&decoded), "a secret, decoded");
        }
    }
}

/// The audit of an embedded store, its chain checked.
fn audit(dir: &Path, keks: &Path) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let keyring = Keyring::load(keks, None).unwrap();
        let store = EmbeddedStore::open(&dir.join("keys.redb"), "countersign").unwrap();
        let mut previous = AuditMac::default();
        let mut events = Vec::new();
        for (_, mac, event) in store.audit(Position::default(), usize::MAX).await.unwrap() {
            let json: Value = serde_json::from_slice(&event).unwrap();
            let kek = json["kek"].as_str().unwrap();
            assert_eq!(keyring.audit_mac_with(kek, &previous, &event), Some(mac), "the chain is broken");
            previous = mac;
            events.push(json);
        }
        assert_eq!(store.head().await.unwrap().mac, previous);
        events
    })
}

#[test]
fn s17_a_key_set_moves_from_embedded_to_redis_and_back_with_every_credential() {
    let (first, second, third) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let upstream = Upstream::start();
    let mut serve = Serve::start(first.path(), &upstream.url);
    let holders = Holders::make(&serve);
    holders.check(&serve);
    serve.process.kill();
    let file = first.path().join("keys.export");
    let ended = embedded(first.path(), &["export", "--out", "keys.export"]);
    well(&ended);
    assert!(ended.stdout.starts_with("exported 6 records of the namespace \"countersign\" to keys.export\n"));
    assert!(ended.stdout.contains("key-encryption keys: default "), "{}", ended.stdout);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    holds_no_secret(&std::fs::read(&file).unwrap(), &holders.secrets());

    // Into another namespace, under another key.
    let (server, namespace, keks) = (shared(), namespace(), kek_dir(&[("k1", 'a')]));
    let from = first.path().join("keys.redb.keks");
    let import = ["import", "--json", "--keks", from.to_str().unwrap(), file.to_str().unwrap()];
    let ended = in_redis(second.path(), &import, server, &namespace, keks.path());
    well(&ended);
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&said["records"], &said["export"]["namespace"]), (&json!(6), &json!("countersign")));
    let mut command = Serve::command(second.path(), &upstream.url);
    at_redis(&mut command, server, &namespace, keks.path());
    let serve = Serve::of(command);
    holders.check(&serve);

    // And back, from under a sidecar that runs; with a change that only it has seen.
    let made = serve.workspace("made in Redis");
    let file = second.path().join("keys.export");
    let ended = in_redis(
        second.path(),
        &["export", "--out", "keys.export", "--json"],
        server,
        &namespace,
        keks.path(),
    );
    well(&ended);
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&said["export"]["records"], &said["export"]["keks"]), (&json!(7), &json!(["k1"])));
    holds_no_secret(&std::fs::read(&file).unwrap(), &holders.secrets());
    let import = ["import", "--keks", keks.path().to_str().unwrap(), file.to_str().unwrap()];
    well(&embedded(third.path(), &import));
    let mut serve = Serve::start(third.path(), &upstream.url);
    holders.check(&serve);
    assert_eq!(serve.admin("GET", &format!("/api/workspaces/{made}"), None).status, 200);
    serve.workspace("made afterwards");
    serve.process.kill();

    // Nothing of the former keys is needed any more: the only key here is its own.
    let events = audit(third.path(), &third.path().join("keys.redb.keks"));
    let actions: Vec<&str> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["store.imported", "workspace.created"]);
    assert_eq!((&events[0]["metadata"]["records"], &events[0]["severity"]), (&json!(7), &json!("HIGH")));
    assert_eq!(events[0]["metadata"]["sourceNamespace"], json!(namespace));
    assert_eq!(events[0]["metadata"]["sourceAuditHead"], said["export"]["auditHead"]);
    assert_eq!(events[0]["metadata"]["sourceEpoch"], said["export"]["epoch"]);
}

#[test]
fn the_redis_users_in_the_docs_suffice() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/backup.md")).unwrap();
    let server = Server::start(&[]);
    let (dir, keks) = (tempdir().unwrap(), kek_dir(&[("k1", 'a')]));
    for line in docs.lines().filter_map(|line| line.strip_prefix("ACL SETUSER ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        server.do_it(&[["ACL", "SETUSER"].as_slice(), &words].concat());
    }
    exported(dir.path());
    let run = |user: &str, args: &[&str]| {
        let mut command = countersign(dir.path(), args);
        let url = server.url().replace("redis://", &format!("redis://{user}:PASSWORD@"));
        at_redis(&mut command, &server, "countersign", keks.path()).env("COUNTERSIGN_STORE__URL", url);
        well(&Process::start(command).finish());
    };
    run("countersign-import", &["import", "--keks", "keys.redb.keks", "keys.export"]);
    run("countersign-export", &["export", "--out", "again.export"]);
    assert_eq!(server.ask::<Vec<redis::Value>>(&["ACL", "LOG"]), []);
}
