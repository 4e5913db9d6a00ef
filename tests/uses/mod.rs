//! Counters and `lastUsedAt`: of all sidecars, over restarts, never from the data path.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::admin_port::Port;
use crate::support::fickle::Fickle;
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::Sidecar;

fn signed(secret: &str) -> Call {
    Call::post("/webhooks/hook", "body").header("X-Webhook-Signature", hmac_hex(secret, &[b"body"]))
}

fn shown(sidecar: &Sidecar, path: &str) -> Value {
    sidecar.admin("GET", path, None).json()
}

#[test]
fn what_was_counted_survives_a_restart_and_is_added_to() {
    let mut sidecar = Sidecar::start();
    let secret = sidecar.integration(json!({ "name": "hook" }));
    let workspace = sidecar.workspace("w");
    let key = sidecar.key(&workspace, json!({}));
    let asks = Call::get("/orders").header("X-API-Key", &key.api_key);
    for round in 1..=3 {
        assert_eq!(sidecar.send(&signed(&secret)).status, 200);
        assert_eq!(sidecar.send(&signed("neither")).status, 401);
        assert_eq!(sidecar.send(&asks).status, 200);
        let hook = shown(&sidecar, "/api/integrations/hook");
        assert_eq!((&hook["webhookCount"], &hook["errorCount"]), (&json!(round), &json!(round)));
        sidecar.stop();
        sidecar.start_again();
    }
    drop(sidecar.upstream.take());
    let used = json!("2026-01-01T00:00:00.000Z");
    let hook = shown(&sidecar, "/api/integrations/hook");
    assert_eq!((&hook["webhookCount"], &hook["errorCount"]), (&json!(3), &json!(3)));
    assert_eq!(hook["lastWebhookAt"], used);
    assert_eq!(shown(&sidecar, &format!("/api/webhook-keys/{}", key.id))["lastUsedAt"], used);
    let list = shown(&sidecar, &format!("/api/workspaces/{workspace}/webhook-keys"));
    assert_eq!(list["items"][0]["lastUsedAt"], used);
    assert_eq!(shown(&sidecar, "/api/integrations")["items"][0]["webhookCount"], 3);
}

#[test]
fn a_former_value_is_known_as_used_after_a_restart() {
    let mut sidecar = Sidecar::start();
    let workspace = sidecar.workspace("w");
    let key = sidecar.key(&workspace, json!({}));
    let asks = Call::get("/orders").header("X-API-Key", &key.api_key);
    sidecar.rotate_key(&key, json!({ "what": "apiKey" }));
    sidecar.advance(5);
    assert_eq!(sidecar.send(&asks).status, 200);
    sidecar.stop();
    sidecar.start_again();
    let path = format!("/api/webhook-keys/{}", key.id);
    assert_eq!(shown(&sidecar, &path)["previous"]["lastUsedAt"], "2026-01-01T00:00:05.000Z");
    // Those of a later rotation were not.
    sidecar.rotate_key(&key, json!({ "what": "apiKey", "force": true }));
    assert_eq!(shown(&sidecar, &path)["previous"]["lastUsedAt"], Value::Null);
    drop(sidecar.upstream.take());
}

#[test]
fn a_record_made_anew_under_a_name_begins_at_zero() {
    let sidecar = Sidecar::start();
    let secret = sidecar.integration(json!({ "name": "hook" }));
    sidecar.send(&signed(&secret));
    drop(sidecar.upstream.take());
    assert_eq!(sidecar.admin("DELETE", "/api/integrations/hook", None).status, 204);
    sidecar.integration(json!({ "name": "hook" }));
    let hook = shown(&sidecar, "/api/integrations/hook");
    assert_eq!((&hook["webhookCount"], &hook["lastWebhookAt"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn a_use_that_the_store_does_not_tell_is_left_out_and_not_shown_as_none() {
    let broken = Arc::new(AtomicBool::new(false));
    let port = Port::over(|store| Arc::new(Fickle::of(store, Arc::clone(&broken)))).await;
    port.integration(json!({ "name": "hook" })).await;
    let workspace = port.workspace("w").await;
    let key = port.key(&workspace, json!({ "name": "k" })).await;
    let paths = ["/api/integrations/hook".to_owned(), format!("/api/webhook-keys/{}", key.str("id"))];
    let fields = [["webhookCount", "lastWebhookAt"].as_slice(), ["lastUsedAt"].as_slice()];
    for is_broken in [false, true] {
        broken.store(is_broken, Ordering::SeqCst);
        for (path, fields) in paths.iter().zip(fields) {
            let answer = port.get(path).await;
            assert_eq!(answer.status, 200);
            for field in fields {
                assert_eq!(answer.json.get(field).is_none(), is_broken, "{field} in {}", answer.text);
            }
        }
    }
}
