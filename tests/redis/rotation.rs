//! Rotations in a fleet: what one sidecar rotates or retires, the others judge by.

use std::time::Duration;

use serde_json::{Value, json};

use super::sidecar::{Key, PROPAGATION, Sidecar, TOKEN};
use crate::support::http::{Answer, Call};
use crate::support::mac::hmac_hex;
use crate::support::redis::{namespace, shared, soon};

async fn two() -> (Sidecar, Sidecar) {
    let namespace = namespace();
    let a = Sidecar::start(shared().port, &namespace).ready().await;
    let b = Sidecar::start(shared().port, &namespace).ready().await;
    (a, b)
}

fn admin(sidecar: &Sidecar, method: &str, path: &str, body: Value) -> Answer {
    let mut call = Call::new(method, path).header("Authorization", format!("Bearer {TOKEN}"));
    if method != "GET" {
        call = call.header("Content-Type", "application/json");
        call.body = body.to_string().into_bytes();
    }
    call.ask(sidecar.running.admin.unwrap())
}

fn shown(sidecar: &Sidecar, path: &str) -> Value {
    admin(sidecar, "GET", path, Value::Null).json()["previous"].clone()
}

fn path(key: &Key) -> String {
    format!("/api/webhook-keys/{}", key.record.id)
}

/// Rotates the API key; the holder of the new one.
fn rotated(sidecar: &Sidecar, key: &Key, seconds: u32) -> Key {
    let body = json!({ "what": "apiKey", "overlapSeconds": seconds });
    let answer = admin(sidecar, "POST", &format!("{}/rotate", path(key)), body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    Key { record: key.record, api_key: answer.json()["apiKey"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn a_rotation_on_a_overlaps_on_b_until_it_is_retired() {
    let (a, b) = two().await;
    let old = a.create().await;
    b.gives(&old, 200, PROPAGATION).await;
    let new = rotated(&a, &old, 3600);
    b.gives(&new, 200, PROPAGATION).await;
    for sidecar in [&a, &b] {
        assert_eq!((sidecar.status(&old), sidecar.status(&new)), (200, 200));
        let previous = shown(sidecar, &path(&old));
        assert_eq!(previous["what"], "apiKey");
        assert!(previous["lastUsedAt"].is_string(), "{previous}");
    }
    assert_eq!(shown(&a, &path(&old))["until"], shown(&b, &path(&old))["until"]);
    let again = admin(&b, "POST", &format!("{}/rotate", path(&old)), json!({}));
    assert_eq!(again.status, 409, "{}", again.text());

    let retired = admin(&b, "POST", &format!("{}/retire-previous", path(&old)), json!({}));
    assert_eq!((retired.status, &retired.json()["previous"]), (200, &Value::Null));
    assert_eq!(b.status(&old), 401, "the sidecar that took the call");
    let took = a.gives(&old, 401, PROPAGATION).await;
    println!("retired on the other sidecar {took:?} after the answer");
    for sidecar in [&a, &b] {
        assert_eq!(sidecar.status(&new), 200);
        assert_eq!(shown(sidecar, &path(&old)), Value::Null);
    }
}

#[tokio::test]
async fn the_use_of_a_replaced_value_is_seen_on_every_sidecar() {
    let (a, b) = two().await;
    let old = a.create().await;
    let new = rotated(&a, &old, 3600);
    b.gives(&new, 200, PROPAGATION).await;
    assert_eq!(b.status(&old), 200);
    assert!(shown(&b, &path(&old))["lastUsedAt"].is_string());
    assert!(shown(&b, &path(&old))["lastUsedAt"].is_string(), "at once, where it was used");
    // Said at the latest when it ends.
    b.running.stop();
    assert!(shown(&a, &path(&old))["lastUsedAt"].is_string());
}

#[tokio::test]
async fn an_overlap_ends_on_every_sidecar() {
    let (a, b) = two().await;
    let old = a.create().await;
    let new = rotated(&a, &old, 10);
    b.gives(&new, 200, PROPAGATION).await;
    assert_eq!((a.status(&old), b.status(&old)), (200, 200));
    for sidecar in [&a, &b] {
        // Their clocks were not set at one moment.
        sidecar.clock.advance(Duration::from_secs(11));
        assert_eq!((sidecar.status(&old), sidecar.status(&new)), (401, 200));
    }
}

#[tokio::test]
async fn of_two_rotations_at_once_on_two_sidecars_one_is_refused() {
    let (a, b) = two().await;
    let old = a.create().await;
    b.gives(&old, 200, PROPAGATION).await;
    let rotate = |sidecar: &Sidecar| admin(sidecar, "POST", &format!("{}/rotate", path(&old)), json!({}));
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| rotate(&a));
        let other = rotate(&b);
        (one.join().unwrap(), other)
    });
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.status, lost.status), (200, 409), "{}", lost.text());
    let new = Key { record: old.record, api_key: won.json()["apiKey"].as_str().unwrap().to_owned() };
    for sidecar in [&a, &b] {
        sidecar.gives(&new, 200, PROPAGATION).await;
        assert_eq!(sidecar.status(&old), 200);
    }
}

#[tokio::test]
async fn a_secret_retired_on_a_signs_nothing_on_b() {
    let (a, b) = two().await;
    let made = admin(&a, "POST", "/api/integrations", json!({ "name": "hook" })).json();
    let rotated = admin(&a, "POST", "/api/integrations/hook/rotate-secret", json!({})).json();
    let [old, new] = [&made, &rotated].map(|answer| {
        let signature = hmac_hex(answer["webhookSecret"].as_str().unwrap(), &[b"body"]);
        Call::post("/webhooks/hook", "body").header("X-Webhook-Signature", signature)
    });
    let gives = async |call: &Call, status: u16| {
        let there = || call.send(b.running.traffic.clone().unwrap().tcp().unwrap()).status == status;
        soon(&format!("status {status}"), PROPAGATION, there).await
    };
    gives(&new, 200).await;
    gives(&old, 200).await;
    let retired = admin(&a, "POST", "/api/integrations/hook/retire-previous", json!({}));
    assert_eq!(retired.status, 200, "{}", retired.text());
    assert_eq!(old.send(a.running.traffic.clone().unwrap().tcp().unwrap()).status, 401);
    gives(&old, 401).await;
    gives(&new, 200).await;
}
