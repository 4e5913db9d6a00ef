//! Rotations: what is valid for how long, judged by the key ring that requests are judged by.

use countersign::clock::Clock;
use countersign::credential::api_key;
use countersign::keys::record::Kind;
use countersign::keys::record::RecordKey;
use countersign::keys::{Candidates, Locator, LookupError, decode::Decoded};
use serde_json::{Value, json};

use crate::support::admin_port::Port;

const DAY: u64 = 86_400;

fn opens(port: &Port, key: &str) -> Result<bool, LookupError> {
    match port.ring.at(port.clock.moment()).find(&Locator::ApiKey(api_key::digest(key)))? {
        Candidates::ApiKey { previous, .. } => Ok(previous),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rotation_keeps_the_previous_values_until_the_overlap_ends() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}", made.str("id"));
    let rotated = port.call("POST", &format!("{path}/rotate"), None).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    let previous = json!({
        "what": "both", "apiKeyPrefix": made.str("apiKeyPrefix"), "secretPrefix": made.str("secretPrefix"),
        "until": "2026-01-02T00:00:00.000Z",
    });
    assert_eq!(rotated.json["previous"], previous);
    assert_eq!(port.get(&path).await.json["previous"], previous);
    assert_eq!(opens(&port, rotated.str("apiKey")), Ok(false));
    assert_eq!(opens(&port, made.str("apiKey")), Ok(true));

    port.advance(DAY - 1);
    assert_eq!(opens(&port, made.str("apiKey")), Ok(true));
    port.advance(1);
    assert_eq!(opens(&port, made.str("apiKey")), Err(LookupError::Unknown));
    assert_eq!(opens(&port, rotated.str("apiKey")), Ok(false));
    assert_eq!(port.get(&path).await.json["previous"], Value::Null);
}

#[tokio::test]
async fn only_what_is_named_is_rotated() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}/rotate", made.str("id"));
    let answer = port.post(&path, json!({ "what": "secret", "overlapSeconds": 60 })).await;
    assert_eq!(answer.json.get("apiKey"), None);
    assert_eq!(answer.json["apiKeyPrefix"], made.json["apiKeyPrefix"]);
    assert_eq!(answer.json["previous"]["what"], "secret");
    assert_eq!(opens(&port, made.str("apiKey")), Ok(false));
    let id = RecordKey { kind: Kind::WebhookKey, id: made.str("id").parse().unwrap() };
    let Some(Decoded::Key(entry)) = port.writer.mirror().get(id) else { panic!("no such key") };
    assert_eq!(entry.record.secret.version, 2);

    let answer = port.post(&path, json!({ "what": "all", "overlapSeconds": 604_801, "x": 1 })).await;
    assert_eq!(answer.faults(), ["/overlapSeconds range", "/what unknown", "/x unknown"]);
}

#[tokio::test]
async fn overlap_zero_ends_at_once() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}/rotate", made.str("id"));
    let rotated = port.post(&path, json!({ "overlapSeconds": 0 })).await;
    assert_eq!(rotated.json["previous"], Value::Null);
    assert_eq!(opens(&port, made.str("apiKey")), Err(LookupError::Unknown));
    assert_eq!(opens(&port, rotated.str("apiKey")), Ok(false));

    port.integration(json!({ "name": "h" })).await;
    let answer = port.post("/api/integrations/h/rotate-secret", json!({ "overlapSeconds": 0 })).await;
    assert_eq!(answer.json["previous"], Value::Null);
}

#[tokio::test]
async fn a_second_rotation_inside_the_window_is_refused_unless_forced() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}/rotate", made.str("id"));
    let first = port.post(&path, json!({ "overlapSeconds": 60 })).await;
    for body in [json!({}), json!({ "overlapSeconds": 0 }), json!({ "force": false })] {
        assert_eq!(port.post(&path, body).await.status, 409);
    }
    assert_eq!(opens(&port, made.str("apiKey")), Ok(true));
    let forced = port.post(&path, json!({ "force": true })).await;
    assert_eq!(forced.status, 200, "{}", forced.text);
    assert_eq!(opens(&port, made.str("apiKey")), Err(LookupError::Unknown));
    assert_eq!(opens(&port, first.str("apiKey")), Ok(true));
    port.advance(DAY);
    assert_eq!(port.post(&path, json!({})).await.status, 200);

    let hook = port.integration(json!({ "name": "h" })).await;
    let path = "/api/integrations/h/rotate-secret";
    let given = json!({ "webhookSecret": "0123456789abcdef-given", "overlapSeconds": 60 });
    let answer = port.post(path, given).await;
    assert_eq!(answer.str("webhookSecret"), "0123456789abcdef-given");
    assert_eq!(answer.json["previous"]["secretPrefix"], hook.json["secretPrefix"]);
    assert_eq!(port.post(path, json!({})).await.status, 409);
    assert_eq!(port.post(path, json!({ "force": true })).await.status, 200);
}
