//! Rotations as an admin watches them: who still sends with what was replaced, and the end of it.

use serde_json::{Value, json};

use super::{generic, signed};
use crate::support::http::{Call, Connection};
use crate::support::log;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::{Key, Sidecar, until};

const HOOK: &str = "/api/integrations/hook";

/// A member of `previous` as the admin port shows it.
fn previous(sidecar: &Sidecar, path: &str, member: &str) -> Value {
    sidecar.admin("GET", path, None).json()["previous"][member].clone()
}

fn retire(sidecar: &Sidecar, path: &str) {
    let answer = sidecar.admin("POST", &format!("{path}/retire-previous"), None);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn with_api_key(api_key: &str) -> Call {
    Call::get("/orders").header("X-API-Key", api_key)
}

fn with_secret(key: &Key, secret: &str) -> Call {
    let signature = hmac_hex(secret, &[b"body"]);
    Call::post("/orders", "body")
        .header("X-Workspace-ID", &key.workspace)
        .header("X-Webhook-Signature", format!("sha256={signature}"))
}

fn verified(sidecar: &Sidecar, kind: &str) -> [String; 2] {
    ["current", "previous"].map(|secret| {
        let line = format!("countersign_verified_total{{kind=\"{kind}\",secret=\"{secret}\"}} ");
        let [found] = <[String; 1]>::try_from(sidecar.metrics(&line)).unwrap();
        found[line.len()..].to_owned()
    })
}

#[test]
fn the_use_of_a_replaced_secret_is_shown_apart() {
    let (sidecar, old) = generic();
    sidecar.passes(&signed(&old, "body"));
    let new = sidecar.rotate_integration("hook", json!({}));
    assert_eq!(previous(&sidecar, HOOK, "lastUsedAt"), Value::Null, "used, but not since the rotation");
    sidecar.advance(5);
    sidecar.passes(&signed(&old, "body"));
    let used = json!("2026-01-01T00:00:05.000Z");
    assert_eq!(previous(&sidecar, HOOK, "lastUsedAt"), used);

    // The sender has switched: one moves on, the other stays, whatever else is changed.
    sidecar.advance(5);
    sidecar.passes(&signed(&new, "body"));
    sidecar.refuses_as(&signed("neither", "body"), "integration", "generic", "mismatch");
    sidecar.patch_integration("hook", json!({ "rejectStatus": 404 }));
    assert_eq!(previous(&sidecar, HOOK, "lastUsedAt"), used);
    let shown = sidecar.admin("GET", HOOK, None).json();
    assert_eq!(shown["lastWebhookAt"], "2026-01-01T00:00:10.000Z");
    assert_eq!((&shown["webhookCount"], &shown["errorCount"]), (&json!(3), &json!(1)));
    assert_eq!(verified(&sidecar, "integration"), ["2", "1"]);

    // Another rotation has replaced another secret.
    sidecar.rotate_integration("hook", json!({ "force": true }));
    assert_eq!(previous(&sidecar, HOOK, "lastUsedAt"), Value::Null);
    sidecar.passes(&signed(&new, "body"));
    assert_eq!(previous(&sidecar, HOOK, "lastUsedAt"), "2026-01-01T00:00:10.000Z");
}

#[test]
fn a_key_shows_the_use_of_its_replaced_api_key_or_secret() {
    let sidecar = Sidecar::builder().config(TWO_KINDS).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let path = format!("/api/webhook-keys/{}", key.id);
    let rotated = sidecar.rotate_key(&key, json!({}));
    let (api_key, secret) = (rotated["apiKey"].as_str().unwrap(), rotated["secret"].as_str().unwrap());
    sidecar.passes(&with_api_key(api_key));
    sidecar.passes(&with_secret(&key, secret));
    assert_eq!(previous(&sidecar, &path, "lastUsedAt"), Value::Null);
    sidecar.advance(1);
    sidecar.passes(&with_api_key(&key.api_key));
    assert_eq!(previous(&sidecar, &path, "lastUsedAt"), "2026-01-01T00:00:01.000Z");
    sidecar.advance(1);
    sidecar.passes(&with_secret(&key, &key.secret));
    assert_eq!(previous(&sidecar, &path, "lastUsedAt"), "2026-01-01T00:00:02.000Z");
    for kind in ["api-key", "signature"] {
        assert_eq!(verified(&sidecar, kind), ["1", "1"], "{kind}");
    }
    assert_eq!(verified(&sidecar, "integration"), ["0", "0"]);
}

#[test]
fn of_two_credentials_each_is_counted_as_what_it_was() {
    let sidecar = Sidecar::builder().config(&format!("{TWO_KINDS}require = 'all'")).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    sidecar.rotate_key(&key, json!({ "what": "apiKey" }));
    sidecar.passes(&with_secret(&key, &key.secret).header("X-API-Key", &key.api_key));
    assert_eq!(verified(&sidecar, "api-key"), ["0", "1"]);
    assert_eq!(verified(&sidecar, "signature"), ["1", "0"]);
}

#[test]
fn an_overlap_and_its_end_outlast_a_restart() {
    let (mut sidecar, old) = generic();
    let new = sidecar.rotate_integration("hook", json!({}));
    sidecar.stop();
    sidecar.start_again();
    sidecar.passes(&signed(&old, "body"));
    retire(&sidecar, HOOK);
    sidecar.stop();
    sidecar.start_again();
    sidecar.refuses_as(&signed(&old, "body"), "integration", "generic", "mismatch");
    sidecar.passes(&signed(&new, "body"));
}

const TWO_KINDS: &str = "
[[routes]]
name = 'default'
path = '/{*rest}'
verify = ['signature', 'api-key']
";

#[test]
fn what_is_retired_is_refused_at_the_next_request() {
    let sidecar = Sidecar::builder().config(TWO_KINDS).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let rotated = sidecar.rotate_key(&key, json!({}));
    let bystander = sidecar.key(&workspace, json!({}));
    let beside = sidecar.rotate_key(&bystander, json!({}));
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&with_api_key(&key.api_key).bytes());
    assert_eq!(connection.answer().status, 200);
    sidecar.passes(&with_secret(&key, &key.secret));

    retire(&sidecar, &format!("/api/webhook-keys/{}", key.id));
    let before = sidecar.upstream.bytes();
    connection.write(&with_api_key(&key.api_key).bytes());
    assert_eq!(connection.answer().status, 401);
    assert_eq!(sidecar.upstream.bytes(), before, "the upstream saw a request of a retired key");
    sidecar.refuses_as(&with_api_key(&key.api_key), "api-key", "unknown", "unknown_key");
    sidecar.refuses_as(&with_secret(&key, &key.secret), "signature", "workspace", "mismatch");
    sidecar.passes(&with_api_key(rotated["apiKey"].as_str().unwrap()));
    sidecar.passes(&with_secret(&key, rotated["secret"].as_str().unwrap()));
    for api_key in [&bystander.api_key, beside["apiKey"].as_str().unwrap()] {
        sidecar.passes(&with_api_key(api_key));
    }
}

#[test]
fn a_secret_that_is_retired_while_the_body_arrives_refuses_it() {
    for (retired, status) in [(true, 401), (false, 200)] {
        let (sidecar, old) = generic();
        sidecar.rotate_integration("hook", json!({}));
        let head = Call { body: Vec::new(), ..signed(&old, "body") }
            .header("Content-Length", "4")
            .header("Expect", "100-continue");
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&head.bytes());
        assert_eq!(connection.interim(), 100);
        if retired {
            retire(&sidecar, HOOK);
        }
        connection.write(b"body");
        assert_eq!(connection.answer().status, status);
        if retired {
            sidecar.upstream.saw_nothing();
        }
    }
}

#[test]
fn the_log_names_who_has_not_switched_once_a_minute() {
    log::keep();
    let sidecar = Sidecar::start();
    let name = "slow-to-switch";
    let old = sidecar.integration(json!({ "name": name }));
    let new = sidecar.rotate_integration(name, json!({}));
    let call = |secret: &str| {
        let signature = hmac_hex(secret, &[b"body"]);
        Call::post(&format!("/webhooks/{name}"), "body").header("X-Webhook-Signature", signature)
    };
    let lines = || {
        let lines = log::kept();
        lines.lines().filter(|line| line.contains(name) && line.contains("not switched")).count()
    };
    sidecar.passes(&call(&new));
    assert_eq!(lines(), 0);
    for (seconds, expected) in [(0, 1), (30, 1), (30, 2), (59, 2), (1, 3)] {
        sidecar.advance(seconds);
        sidecar.passes(&call(&old));
        sidecar.passes(&call(&old));
        // The line is written with the head of the answer.
        until("it is logged", || lines() >= expected);
        assert_eq!(lines(), expected, "after {seconds} more seconds");
    }
}

#[test]
fn the_record_of_a_request_without_an_answer_says_which_secret_it_was() {
    log::keep();
    let sidecar = Sidecar::builder().upstream(&crate::support::upstream::nobody()).start();
    let name = "which-secret-was-it";
    let old = sidecar.integration(json!({ "name": name }));
    let new = sidecar.rotate_integration(name, json!({}));
    for (secret, which, status) in
        [(&old, Some("previous"), 502), (&new, Some("current"), 502), (&"x".to_owned(), None, 401)]
    {
        let signature = hmac_hex(secret, &[b"body"]);
        let call = Call::post(&format!("/webhooks/{name}"), "body").header("X-Webhook-Signature", signature);
        let answer = sidecar.send(&call);
        assert_eq!(answer.status, status);
        let id = answer.header("countersign-request-id").unwrap();
        let refused = || {
            let kept = log::kept();
            let mut lines = kept.lines().filter(|line| line.contains(id) && line.contains("request refused"));
            lines.next().map(|line| serde_json::from_str::<Value>(line).unwrap())
        };
        until("it is logged", || refused().is_some());
        assert_eq!(refused().unwrap()["fields"]["secret"].as_str(), which);
    }
}
