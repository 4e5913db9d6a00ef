//! Known secrets go through everything that a sidecar does; then everything that it left behind is searched for them.
//!
//! In any form that a log, a store or an answer might give them: as they are, in hex, base64 at each alignment,
//! base64url, percent-encoded, escaped as JSON once and twice; the whole of each, and its last 16 bytes. The searcher
//! itself must find what is planted.

mod forms;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use memchr::memmem;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::tempdir;

use self::forms::found;
use crate::support::http::{Answer, Call};
use crate::support::mac::hmac_hex;
use crate::support::process::{Serve, admin_call, text, tool, tool_command};
use crate::support::redis::{Server, kek_dir};
use crate::support::sidecar::{TOKEN, until};
use crate::support::upstream::Upstream;

/// Of the sender's choosing, with every character that some encoding changes.
const GIVEN: &str = r#"Cq7"\/+%&=?~é zT-canary-given-9d41f0"#;
const GIVEN_NEXT: &str = r#"Xw2"\/+%&=?~ü kP-canary-next-51c7be"#;
const TOKEN_SECRET: &str = "canary-of-a-static-token-3b8e6a";
const VERIFY_TOKEN: &str = r#"Vt9"\/+%=&?!canary-verify-77aa1c"#;
const PASSWORD: &str = "canary-of-the-store-0f2d9b";
/// Not a secret: proof that what is searched is what it should be.
const NAME: &str = "a-workspace-that-is-no-secret";
/// The same, of a delivery.
const EVENT: &str = "an-event-that-is-no-secret";

/// A sidecar, the secrets that it was told or has made, and what it answered where none belongs.
struct Watched {
    serve: Serve,
    secrets: Vec<(String, String)>,
    answers: Vec<u8>,
}

impl Watched {
    fn knows(&mut self, name: &str, secret: &str) -> String {
        assert!(secret.len() >= 20, "{name}");
        self.secrets.push((name.to_owned(), secret.to_owned()));
        secret.to_owned()
    }

    /// Kept for the search.
    fn keep(&mut self, answer: &Answer) {
        for (name, value) in &answer.headers {
            self.answers.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        self.answers.extend_from_slice(&answer.body);
        self.answers.push(b'\n');
    }

    /// An admin request whose answer holds no secret.
    fn admin(&mut self, method: &str, target: &str, body: Option<Value>, status: u16) -> Answer {
        let answer = admin_call(method, target, body).ask(self.serve.admin);
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.text());
        self.keep(&answer);
        answer
    }

    /// One whose answer shows secrets, this once: in these members, and nowhere else in it.
    fn shown(&mut self, target: &str, body: Value, members: &[&str]) -> Vec<String> {
        let answer = admin_call("POST", target, Some(body)).ask(self.serve.admin);
        assert!(matches!(answer.status, 200 | 201), "{target}: {}", answer.text());
        let mut json = answer.json();
        let secrets: Vec<String> = members
            .iter()
            .map(|member| text(&json.as_object_mut().unwrap().remove(*member).unwrap()))
            .collect();
        for (member, secret) in members.iter().zip(&secrets) {
            self.knows(&format!("{member} of {target}"), secret);
        }
        self.keep(&Answer { body: json.to_string().into_bytes(), ..answer });
        secrets
    }

    fn sends(&mut self, call: &Call, status: u16) {
        let answer = call.send(self.serve.traffic);
        assert_eq!(answer.status, status, "{} {}", call.method, call.target);
        self.keep(&answer);
    }

    fn webhook_keys(&mut self) {
        let workspace =
            text(&self.admin("POST", "/api/workspaces", Some(json!({ "name": NAME })), 201).json()["id"]);
        let keys = format!("/api/workspaces/{workspace}/webhook-keys");
        let first = self.shown(&keys, json!({ "name": "k" }), &["apiKey", "secret"]);
        let id = text(&self.admin("GET", &keys, None, 200).json()["items"][0]["id"]);
        let path = format!("/api/webhook-keys/{id}");
        let next = self.shown(&format!("{path}/rotate"), json!({}), &["apiKey", "secret"]);
        let wrong = self.knows("a wrong API key", "wk_canaryCanaryCanaryCanaryCanaryCanaryCanaryCanary");
        for (key, status) in [(&first[0], 200), (&next[0], 200), (&wrong, 401)] {
            self.sends(&Call::get("/orders").header("X-API-Key", key), status);
            self.sends(&Call::get("/orders").header("Authorization", format!("Bearer {key}")), 401);
            self.sends(&Call::get(&format!("/orders?key={key}")), 401);
        }
        for (secret, body, status) in [(&first[1], "{}", 200), (&next[1], "{}", 200), (&next[1], "{ }", 401)]
        {
            let signature = format!("sha256={}", hmac_hex(secret, &[b"{}"]));
            let call = Call::post("/orders", body).header("X-Workspace-ID", &workspace);
            self.sends(
                &call.header("X-Webhook-Key-Id", &id).header("X-Webhook-Signature", signature),
                status,
            );
            // The secret itself, where its signature belongs.
            let call = Call::post("/orders", body).header("X-Workspace-ID", &workspace);
            self.sends(&call.header("X-Webhook-Signature", format!("sha256={secret}")), 401);
        }
        self.over_h2(&next[0]);
        self.admin("POST", &format!("{path}/rotate"), Some(json!({})), 409);
        self.admin("GET", &path, None, 200);
        self.admin("PATCH", &path, Some(json!({ "secret": next[1], "apiKey": next[0] })), 422);
        self.admin("PATCH", &path, Some(json!({ "isActive": false })), 200);
        self.admin("POST", &format!("{path}/retire-previous"), None, 200);
    }

    fn over_h2(&self, api_key: &str) {
        let (url, header) =
            (format!("http://{}/orders", self.serve.traffic), format!("X-API-Key: {api_key}"));
        let args =
            ["-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}", "-H", &header, &url];
        let output = tool_command(&tool("curl"), &std::env::temp_dir(), &args).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "200");
    }

    fn integrations(&mut self) {
        let all = "/api/integrations";
        self.shown(
            all,
            json!({ "name": "own", "type": "generic", "webhookSecret": GIVEN }),
            &["webhookSecret"],
        );
        let own = "/api/integrations/own";
        self.shown(
            &format!("{own}/rotate-secret"),
            json!({ "webhookSecret": GIVEN_NEXT }),
            &["webhookSecret"],
        );
        let made = self.shown(&format!("{own}/rotate-secret"), json!({ "force": true }), &["webhookSecret"]);
        for (secret, status) in [(GIVEN, 401), (GIVEN_NEXT, 200), (&made[0], 200)] {
            let call = Call::post("/webhooks/own", "{}");
            let signature = format!("sha256={}", hmac_hex(secret, &[b"{}"]));
            self.sends(&call.header("X-Webhook-Signature", signature), status);
        }
        let given = json!({ "name": "dd", "type": "datadog", "webhookSecret": TOKEN_SECRET });
        self.shown(all, given, &["webhookSecret"]);
        let wrong = self.knows("a wrong token", "canary-of-a-wrong-token-92c5d1");
        for (token, status) in [(TOKEN_SECRET, 200), (&wrong, 401)] {
            self.sends(&Call::post("/webhooks/dd", "{}").header("X-Datadog-Token", token), status);
        }
        self.handshakes();
        self.deliveries(&made[0]);
        // Every way to send a secret wrongly.
        for (body, status) in [
            (json!({ "name": "x", "secret": GIVEN }), 422),
            (json!({ "name": GIVEN, "webhookSecret": "short" }), 422),
            (json!({ "name": "x", "webhookSecret": format!("{GIVEN}\u{7}") }), 422),
            (json!({ "name": "x", "type": GIVEN, "webhookSecret": GIVEN }), 422),
            (json!({ "name": "x", "webhookSecret": [GIVEN] }), 422),
            (json!({ "name": "own", "webhookSecret": GIVEN }), 409),
            (json!(GIVEN), 422),
        ] {
            self.admin("POST", all, Some(body), status);
        }
        let mut call = admin_call("POST", all, Some(json!({})));
        for broken in
            [format!("{{\"webhookSecret\":\"{TOKEN_SECRET}"), format!("{{\"a\":1,\"a\":{}}}", json!(GIVEN))]
        {
            call.body = broken.into_bytes();
            let answer = call.ask(self.serve.admin);
            assert_eq!(answer.status, 400);
            self.keep(&answer);
        }
        let answer =
            Call::get(all).header("Authorization", format!("Bearer {TOKEN_SECRET}")).ask(self.serve.admin);
        assert_eq!(answer.status, 401);
        self.keep(&answer);
    }

    /// Secrets wherever a sender may put them, and what is kept of that.
    fn deliveries(&mut self, secret: &str) {
        for header in ["X-Webhook-Signature", "Authorization", "Cookie", "X-Acme-Token", "X-Api-Key"] {
            let call = Call::post(&format!("/webhooks/own?secret={secret}"), secret);
            self.sends(&call.header(header, secret).header("X-Canary", EVENT), 401);
        }
        let listed = |watched: &mut Self| {
            let listed = watched.admin("GET", "/api/deliveries?outcome=refused", None, 200);
            listed.text().matches(EVENT).count()
        };
        until("what was refused is kept", || listed(self) == 5);
        self.admin("GET", "/api/integrations/own/deliveries", None, 200);
    }

    fn handshakes(&mut self) {
        let token = self.knows("a verify token", VERIFY_TOKEN);
        let given = json!({ "name": "meta", "type": "meta", "webhookSecret": GIVEN, "handshake": { "verifyToken": token } });
        self.shown("/api/integrations", given, &["webhookSecret"]);
        self.admin("GET", "/api/integrations/meta", None, 200);
        let next = self.knows("the next verify token", "canary-of-a-next-verify-token-aa03");
        let change = json!({ "handshake": { "verifyToken": next } });
        let wrong = self.knows("a wrong verify token", "canary-of-a-wrong-verify-token-1f");
        for (sent, status) in [(token.as_str(), 200), (&wrong, 401)] {
            let sent: String = sent.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let query = format!("hub.mode=subscribe&hub.challenge=11&hub.verify_token={sent}");
            self.sends(&Call::get(&format!("/webhooks/meta?{query}")), status);
        }
        self.admin("PATCH", "/api/integrations/meta", Some(change), 200);
        self.admin(
            "PATCH",
            "/api/integrations/meta",
            Some(json!({ "handshake": { "verifyToken": "short" } })),
            422,
        );
    }

    /// What the others do with all of it.
    fn everything_else(&mut self) {
        for path in ["/api/integrations", "/api/workspaces", "/api/sidecars", "/api/keks", "/api/schemes"] {
            self.admin("GET", path, None, 200);
        }
        self.admin("POST", "/api/keks/rotate", Some(json!({ "to": GIVEN })), 409);
        let keks = self.admin("GET", "/api/keks", None, 200).json();
        self.admin("POST", "/api/keks/rotate", Some(json!({ "to": keks["sealWith"] })), 200);
        self.admin("POST", "/api/store/migrate", None, 200);
        for path in ["/metrics", "/readyz?verbose"] {
            let answer = self.serve.ops(path);
            assert_eq!(answer.status, 200);
            self.keep(&answer);
        }
    }
}

/// Runs everything; gives the secrets, the answers and both outputs of the process, which has ended.
fn everything(mut command: Command, more: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<u8>, String) {
    command.env("COUNTERSIGN_LOG__LEVEL", "trace");
    let mut watched = Watched { serve: Serve::of(command), secrets: Vec::new(), answers: Vec::new() };
    watched.knows("the admin token", TOKEN);
    for (name, secret) in more {
        watched.knows(name, secret);
    }
    watched.webhook_keys();
    watched.integrations();
    watched.everything_else();
    let Watched { serve, secrets, answers } = watched;
    serve.process.signal("TERM");
    let ended = serve.process.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    (secrets, answers, ended.stdout + &ended.stderr)
}

/// `what` holds a thing that it must, and no secret.
fn is_clean(what: &str, haystack: &[u8], proof: &str, secrets: &[(String, String)]) {
    assert!(memmem::find(haystack, proof.as_bytes()).is_some(), "{what} is not what it should be");
    assert_eq!(found(secrets, haystack), Vec::<String>::new(), "in {what}");
}

#[test]
fn no_secret_is_left_behind_with_the_embedded_store() {
    let (dir, upstream) = (tempdir().unwrap(), Upstream::start());
    let (secrets, answers, output) = everything(Serve::command(dir.path(), &upstream.url), &[]);
    is_clean("the answers", &answers, NAME, &secrets);
    is_clean("the deliveries", &answers, EVENT, &secrets);
    is_clean("the metrics", &answers, "countersign_verified_total", &secrets);
    is_clean("the log", output.as_bytes(), "\"level\":\"TRACE\"", &secrets);
    for proof in [NAME, EVENT] {
        is_clean("the file", &std::fs::read(dir.path().join("keys.redb")).unwrap(), proof, &secrets);
    }
}

#[test]
fn no_secret_is_left_behind_with_redis() {
    let server = Server::start(&["--rdbcompression", "no"]);
    let (keks, dir, upstream) = (kek_dir(&[("k1", 'a')]), tempdir().unwrap(), Upstream::start());
    let commands = monitor(server.port);
    server.do_it(&["ACL", "SETUSER", "sidecar", "on", &format!(">{PASSWORD}"), "~*", "+@all"]);
    until("the monitor runs", || {
        memmem::find(&commands.lock(), b"SETUSER").is_some() || !commands.lock().is_empty()
    });
    // Of the test's own making, and no command of the sidecar's.
    commands.lock().clear();
    let mut command = Serve::command(dir.path(), &upstream.url);
    command
        .env_remove("COUNTERSIGN_STORE__PATH")
        .env("COUNTERSIGN_STORE__KIND", "redis")
        .env(
            "COUNTERSIGN_STORE__URL",
            server.url().replace("redis://", &format!("redis://sidecar:{PASSWORD}@")),
        )
        .env("COUNTERSIGN_STORE__INIT", "if-empty")
        .env("COUNTERSIGN_KEYS__KEK_DIR", keks.path())
        .env("COUNTERSIGN_KEYS__SEAL_WITH", "k1");
    let (secrets, answers, output) = everything(command, &[("the password of the store", PASSWORD)]);
    is_clean("the answers", &answers, NAME, &secrets);
    is_clean("the deliveries", &answers, EVENT, &secrets);
    is_clean("the log", output.as_bytes(), "\"level\":\"TRACE\"", &secrets);
    server.do_it(&["ECHO", "the-end-of-the-test"]);
    until("the monitor saw the end", || memmem::find(&commands.lock(), b"the-end-of-the-test").is_some());
    is_clean("MONITOR", &commands.lock(), NAME, &secrets);
    let mut dump = Vec::new();
    for key in server.ask::<Vec<String>>(&["KEYS", "*"]) {
        dump.extend(server.ask::<Vec<u8>>(&["DUMP", &key]));
    }
    is_clean("the dump", &dump, NAME, &secrets);
    is_clean("the dump", &dump, EVENT, &secrets);
}

/// Every command that the server gets, as MONITOR shows it.
fn monitor(port: u16) -> Arc<Mutex<Vec<u8>>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"MONITOR\r\n").unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let filled = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut chunk = [0; 65_536];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            filled.lock().extend_from_slice(&chunk[..length]);
        }
    });
    until("the monitor runs", || !seen.lock().is_empty());
    seen
}
