//! Rotations: what is valid for how long, judged by the key ring that requests are judged by.

use countersign::clock::Clock;
use countersign::credential::api_key;
use countersign::keys::record::Kind;
use countersign::keys::record::RecordKey;
use countersign::keys::{Candidates, Locator, LookupError, decode::Decoded};
use serde_json::{Value, json};

use crate::support::admin_port::{Port, START};

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
        "until": "2026-01-02T00:00:00.000Z", "lastUsedAt": null,
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
    assert_eq!(entry.record.secret_version, 2);

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
    let bodies =
        [json!({}), json!({ "overlapSeconds": 0 }), json!({ "force": false }), json!({ "what": "secret" })];
    for body in bodies {
        let refused = port.post(&path, body).await;
        assert_eq!((refused.status.as_u16(), refused.faults()), (409, vec!["/force overlap".to_owned()]));
        // Until when, and both ways out.
        for said in ["2026-01-01T00:01:00.000Z", "retire-previous", "\"force\": true"] {
            assert!(refused.str("detail").contains(said), "{}", refused.text);
        }
    }
    assert_eq!(port.audit().await.len(), 3, "a rotation that was refused left an event");
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
    assert_eq!(port.post(path, json!({})).await.faults(), ["/force overlap"]);
    assert_eq!(port.post(path, json!({ "force": true })).await.status, 200);
}

#[tokio::test]
async fn force_ends_all_former_values_whatever_is_rotated() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}/rotate", made.str("id"));
    let first = port.post(&path, json!({ "what": "apiKey", "overlapSeconds": 604_800 })).await;
    assert_eq!(first.json.get("secret"), None);
    let previous = json!({
        "what": "apiKey", "apiKeyPrefix": made.str("apiKeyPrefix"), "until": "2026-01-08T00:00:00.000Z",
        "lastUsedAt": null,
    });
    assert_eq!(first.json["previous"], previous);
    assert_eq!(opens(&port, made.str("apiKey")), Ok(true));
    let forced = port.post(&path, json!({ "what": "secret", "force": true })).await;
    assert_eq!(forced.json["previous"]["what"], "secret");
    assert_eq!(opens(&port, made.str("apiKey")), Err(LookupError::Unknown));
    assert_eq!(opens(&port, first.str("apiKey")), Ok(false));
}

#[tokio::test]
async fn of_two_rotations_at_once_one_is_refused() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}/rotate", made.str("id"));
    let (one, other) = tokio::join!(port.post(&path, json!({})), port.post(&path, json!({})));
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.status.as_u16(), lost.status.as_u16()), (200, 409));
    assert_eq!(opens(&port, made.str("apiKey")), Ok(true));
    assert_eq!(opens(&port, won.str("apiKey")), Ok(false));
}

#[tokio::test]
async fn retired_values_of_a_key_end_now_and_the_present_ones_stay() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}", made.str("id"));
    let rotated = port.post(&format!("{path}/rotate"), json!({})).await;
    let retire = format!("/api/workspaces/{workspace}/webhook-keys/{}/retire-previous", made.str("id"));

    let stale = port.call_with("POST", &retire, None, &[("if-match", "\"1\"")]).await;
    assert_eq!(stale.status, 412);
    assert_eq!(port.post(&retire, json!({ "force": true })).await.faults(), ["/force unknown"]);
    assert_eq!(opens(&port, made.str("apiKey")), Ok(true));

    let retired = port.call_with("POST", &retire, None, &[("if-match", "\"2\"")]).await;
    assert_eq!((retired.status.as_u16(), retired.header("etag")), (200, "\"3\""), "{}", retired.text);
    assert_eq!(retired.json["previous"], Value::Null);
    assert_eq!(retired.json, port.get(&path).await.json);
    assert_eq!(retired.json["secretPrefix"], rotated.json["secretPrefix"]);
    assert_eq!(opens(&port, made.str("apiKey")), Err(LookupError::Unknown));
    assert_eq!(opens(&port, rotated.str("apiKey")), Ok(false));
    let event = port.audit().await.pop().unwrap();
    assert_eq!(event["action"], "webhook_key.previous_retired");
    assert_eq!(event["severity"], "HIGH");
    let metadata = json!({
        "name": "k", "workspaceId": workspace, "what": "both", "until": "2026-01-02T00:00:00.000Z",
    });
    assert_eq!(event["metadata"], metadata);

    // The way is free for the next rotation, without force.
    assert_eq!(port.post(&format!("{path}/rotate"), json!({ "what": "secret" })).await.status, 200);
    port.post(&format!("{path}/retire-previous"), json!({})).await;
    assert_eq!(port.audit().await.pop().unwrap()["metadata"]["what"], "secret");
}

#[tokio::test]
async fn a_retired_secret_of_an_integration_leaves_the_record() {
    let port = Port::open().await;
    let made = port.integration(json!({ "name": "h" })).await;
    port.post("/api/integrations/h/rotate-secret", json!({ "overlapSeconds": 60 })).await;
    let id = RecordKey { kind: Kind::Integration, id: made.str("id").parse().unwrap() };
    let holds = || match port.writer.mirror().get(id) {
        Some(Decoded::Integration(entry)) => {
            (entry.record.previous.is_some(), entry.previous_secret.is_some())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(holds(), (true, true));
    let retired = port.call("POST", "/api/integrations/h/retire-previous", None).await;
    assert_eq!((retired.status.as_u16(), &retired.json["previous"]), (200, &Value::Null));
    assert_eq!(retired.json, port.get("/api/integrations/h").await.json);
    assert_eq!(holds(), (false, false));
    let event = port.audit().await.pop().unwrap();
    assert_eq!(event["action"], "integration.previous_retired");
    let metadata = json!({ "name": "h", "workspaceId": null, "until": "2026-01-01T00:01:00.000Z" });
    assert_eq!((&event["severity"], &event["metadata"]), (&json!("HIGH"), &metadata));
    assert_eq!(port.post("/api/integrations/h/rotate-secret", json!({})).await.status, 200);
}

#[tokio::test]
async fn there_is_nothing_to_retire_where_nothing_was_rotated() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    port.integration(json!({ "name": "h" })).await;
    let key = format!("/api/webhook-keys/{}", made.str("id"));
    let events = port.audit().await.len();
    for path in [key.as_str(), "/api/integrations/h"] {
        for _ in 0..2 {
            let answer = port.call("POST", &format!("{path}/retire-previous"), None).await;
            assert_eq!((answer.status.as_u16(), answer.header("etag")), (200, "\"1\""), "{}", answer.text);
            assert_eq!(answer.json, port.get(path).await.json);
        }
    }
    assert_eq!(port.audit().await.len(), events);
    let nowhere = "/api/webhook-keys/01890000-0000-7000-8000-000000000000/retire-previous";
    for path in [nowhere, "/api/integrations/nobody/retire-previous"] {
        assert_eq!(port.call("POST", path, None).await.status, 404);
        assert_eq!(port.get(path).await.status, 405);
    }
}

#[tokio::test]
async fn retiring_after_the_overlap_drops_what_a_wrong_clock_could_revive() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}", made.str("id"));
    port.post(&format!("{path}/rotate"), json!({ "overlapSeconds": 60 })).await;
    port.advance(60);
    assert_eq!(opens(&port, made.str("apiKey")), Err(LookupError::Unknown));
    assert_eq!(port.get(&path).await.json["previous"], Value::Null);
    let retired = port.call("POST", &format!("{path}/retire-previous"), None).await;
    assert_eq!((retired.status.as_u16(), &retired.json["revision"]), (200, &json!(3)));
    port.clock.set_wall(START);
    assert_eq!(opens(&port, made.str("apiKey")), Err(LookupError::Unknown));
}
