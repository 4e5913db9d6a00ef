//! The seed file: what it declares is let in, what it no longer declares goes or stays, and a faulty one changes
//! nothing.

mod changes;
mod commands;
mod faults;
mod read_only;
mod sharing;

use std::path::PathBuf;
use std::sync::Arc;

use countersign::admin::seed::{SeedSettings, SeedTask};
use countersign::credential::api_key;
use countersign::readiness::Readiness;
use countersign::store::{Position, seal};
use serde_json::{Value, json};

use crate::support::http::Call;
use crate::support::mac::{hmac_hex, sha256_hex};
use crate::support::sidecar::Sidecar;

/// A sidecar, and a seed file that is read when a test says so.
struct Seeding {
    sidecar: Sidecar,
    task: SeedTask,
    readiness: Arc<Readiness>,
    runtime: tokio::runtime::Runtime,
    files: Files,
}

/// A directory with a seed file and secret files.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file; `{dir}` in it is the directory.
    fn write(&self, name: &str, text: &str) {
        let text = text.replace("{dir}", self.0.path().to_str().unwrap());
        std::fs::write(self.path(name), text).unwrap();
    }

    fn settings(&self, name: &str, prune: bool) -> SeedSettings {
        SeedSettings {
            file: self.path(name),
            prune,
            route_names: vec!["webhooks".to_owned(), "default".to_owned()],
            public_url: None,
            candidate_secrets: 4,
        }
    }
}

impl Seeding {
    fn start() -> Self {
        Self::with("seed.toml", false)
    }

    fn pruning() -> Self {
        Self::with("seed.toml", true)
    }

    fn with(name: &str, prune: bool) -> Self {
        let (sidecar, files) = (Sidecar::start(), Files::new());
        let readiness = Arc::new(Readiness::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (writer, keys) = (Arc::clone(&sidecar.running().writer), Arc::clone(&sidecar.running().keys));
        let task = SeedTask::new(files.settings(name, prune), writer, keys, Arc::clone(&readiness));
        Self { sidecar, task, readiness, runtime, files }
    }

    /// One round.
    fn round(&mut self) {
        self.runtime.block_on(self.task.round());
    }

    /// Writes the seed file, and lets it be read until it counts; what is said then.
    fn seed(&mut self, text: &str) -> Vec<String> {
        self.files.write("seed.toml", text);
        self.settle()
    }

    /// Writes a secret file, and lets it be read until it counts; what is said then.
    fn secret(&mut self, name: &str, secret: &str) -> Vec<String> {
        self.files.write(name, secret);
        self.settle()
    }

    fn settle(&mut self) -> Vec<String> {
        self.round();
        self.round();
        self.said()
    }

    fn said(&self) -> Vec<String> {
        let dir = format!("{}/", self.files.0.path().display());
        let lines = self.readiness.seed().unwrap().lines;
        lines.iter().map(|line| line.replace(&dir, "")).collect()
    }

    fn list(&self, target: &str) -> Vec<Value> {
        self.sidecar.admin("GET", target, None).json()["items"].as_array().unwrap().clone()
    }

    /// The only workspace's id.
    fn workspace(&self) -> String {
        let [workspace] = <[Value; 1]>::try_from(self.list("/api/workspaces")).unwrap();
        workspace["id"].as_str().unwrap().to_owned()
    }

    /// The keys of the only workspace.
    fn keys(&self) -> Vec<Value> {
        self.list(&format!("/api/workspaces/{}/webhook-keys", self.workspace()))
    }

    /// Every record but its use, to be compared.
    fn everything(&self) -> Vec<Value> {
        let workspaces = self.list("/api/workspaces");
        let keys = workspaces.iter().flat_map(|workspace| {
            self.list(&format!("/api/workspaces/{}/webhook-keys", workspace["id"].as_str().unwrap()))
        });
        let keys: Vec<Value> = keys.collect();
        let mut records: Vec<Value> =
            workspaces.into_iter().chain(keys).chain(self.list("/api/integrations")).collect();
        for record in &mut records {
            for used in ["lastUsedAt", "lastWebhookAt", "webhookCount", "errorCount"] {
                record.as_object_mut().unwrap().remove(used);
            }
        }
        records
    }

    /// The audit events of the seed file, oldest first.
    fn events(&self) -> Vec<Value> {
        let writer = &self.sidecar.running().writer;
        let events = self.runtime.block_on(writer.store().audit(Position::default(), 10_000)).unwrap();
        let events = events.iter().map(|(_, _, event)| serde_json::from_slice::<Value>(event).unwrap());
        events.filter(|event| event["actor"] == "seed").collect()
    }
}

/// An API key, and the lines that declare it.
struct ApiKey {
    key: String,
    lines: String,
}

fn api_key() -> ApiKey {
    let key = api_key::generate(&seal::random().unwrap()).expose_text().unwrap().to_owned();
    let digest = sha256_hex(key.as_bytes());
    let lines = format!("apiKeyDigest = \"{digest}\"\napiKeyPrefix = \"{}...\"\n", &key[..8]);
    ApiKey { key, lines }
}

const WORKSPACE: &str = "[[workspaces]]\nname = \"acme\"\n";

/// A key of the workspace `acme`.
fn key(name: &str, more: &str) -> String {
    format!("[[webhookKeys]]\nworkspace = \"acme\"\nname = \"{name}\"\n{more}\n")
}

/// An integration with a secret file of its name.
fn integration(name: &str, more: &str) -> String {
    format!("[[integrations]]\nname = \"{name}\"\nsecretFile = \"{{dir}}/{name}\"\n{more}\n")
}

fn with_api_key(api_key: &ApiKey) -> Call {
    Call::get("/orders").header("X-API-Key", &api_key.key)
}

/// What the holder of a workspace's secret sends.
fn signed(workspace: &str, secret: &str) -> Call {
    Call::post("/orders", "body")
        .header("X-Workspace-ID", workspace)
        .header("X-Webhook-Signature", format!("sha256={}", hmac_hex(secret, &[b"body"])))
}

/// What a `generic` sender sends.
fn delivery(name: &str, secret: &str) -> Call {
    Call::post(&format!("/webhooks/{name}"), "body")
        .header("X-Webhook-Signature", hmac_hex(secret, &[b"body"]))
}

const OLD: &str = "an old secret that is long enough";
const NEW: &str = "a new secret that is long enough";

#[test]
fn what_a_file_declares_is_let_in_and_nothing_else() {
    let mut seeding = Seeding::start();
    let (ci, other) = (api_key(), api_key());
    seeding.files.write("signing", &format!("{OLD}\n"));
    seeding.files.write("hook", NEW);
    let more = format!("{}secretFile = \"{{dir}}/signing\"\nroutes = [\"default\"]", ci.lines);
    let said = seeding.seed(&[WORKSPACE, &key("ci", &more), &integration("hook", "")].concat());
    assert_eq!(said, ["in force (3 records)"]);

    let seen = seeding.sidecar.passes(&with_api_key(&ci));
    assert_eq!(seen.header("countersign-workspace-id"), Some(seeding.workspace().as_str()));
    seeding.sidecar.passes(&signed(&seeding.workspace(), OLD));
    seeding.sidecar.passes(&delivery("hook", NEW));
    seeding.sidecar.refuses(&with_api_key(&other), 401);
    seeding.sidecar.refuses(&signed(&seeding.workspace(), NEW), 401);
    seeding.sidecar.refuses(&delivery("hook", OLD), 401);

    for record in seeding.everything() {
        assert_eq!(
            (&record["managedBy"], &record["createdBy"]),
            (&json!("seed"), &json!("seed")),
            "{record}"
        );
        assert_eq!(record["revision"], 1);
    }
    let [event] = <[Value; 1]>::try_from(seeding.events()).unwrap();
    assert_eq!((&event["action"], &event["severity"]), (&json!("seed.applied"), &json!("HIGH")));
    let changes = event["metadata"]["changes"].as_array().unwrap();
    let actions: Vec<&str> = changes.iter().map(|change| change["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["workspace.created", "webhook_key.created", "integration.created"]);
}

#[test]
fn the_same_file_changes_nothing_again() {
    let mut seeding = Seeding::start();
    let ci = api_key();
    seeding.files.write("hook", OLD);
    let text = [WORKSPACE, &key("ci", &ci.lines), &integration("hook", "type = \"stripe\"")].concat();
    seeding.seed(&text);
    let before = seeding.everything();
    // A line that says nothing is another content.
    seeding.seed(&format!("# a comment\n{text}"));
    assert_eq!(seeding.everything(), before);
    assert_eq!(seeding.events().len(), 1);
}

#[test]
fn a_file_in_json_declares_the_same() {
    let mut seeding = Seeding::with("seed.json", false);
    let ci = api_key();
    let file = json!({
        "workspaces": [{ "name": "acme" }],
        "webhookKeys": [{
            "workspace": "acme", "name": "ci", "apiKeyDigest": sha256_hex(ci.key.as_bytes()),
            "expiresAt": "2026-01-01T00:01:00Z",
        }],
    });
    seeding.files.write("seed.json", &file.to_string());
    assert_eq!(seeding.settle(), ["in force (2 records)"]);
    seeding.sidecar.passes(&with_api_key(&ci));
    seeding.sidecar.advance(61);
    seeding.sidecar.refuses(&with_api_key(&ci), 401);
}

#[test]
fn a_key_without_a_secret_signs_nothing_and_one_without_an_api_key_opens_nothing() {
    let mut seeding = Seeding::start();
    let ci = api_key();
    seeding.files.write("signing", OLD);
    let keys = [key("api", &ci.lines), key("signing", "secretFile = \"{dir}/signing\"")].concat();
    seeding.seed(&[WORKSPACE, &keys].concat());
    let shown = seeding.keys();
    assert_eq!((&shown[0]["secretPrefix"], &shown[0]["requireKeyId"]), (&json!("none"), &json!(true)));
    assert_eq!((&shown[1]["apiKeyPrefix"], &shown[1]["requireKeyId"]), (&json!("none"), &json!(false)));
    seeding.sidecar.passes(&with_api_key(&ci));
    seeding.sidecar.passes(&signed(&seeding.workspace(), OLD));
    let named =
        signed(&seeding.workspace(), OLD).header("X-Webhook-Key-Id", shown[0]["id"].as_str().unwrap());
    seeding.sidecar.refuses(&named, 401);

    // A secret that the file no longer names ends like one that it replaces.
    seeding.files.write("signing", NEW);
    let keys = [key("api", &ci.lines), key("signing", &format!("{}overlapSeconds = 0", api_key().lines))];
    seeding.seed(&[WORKSPACE, &keys.concat()].concat());
    for secret in [OLD, NEW] {
        seeding.sidecar.refuses(&signed(&seeding.workspace(), secret), 401);
    }
}
