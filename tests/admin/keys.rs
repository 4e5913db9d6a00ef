//! Webhook keys: what is shown, what is refused, what a change touches.

use serde_json::{Value, json};

use crate::support::admin_port::Port;

#[tokio::test]
async fn secrets_are_shown_once() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let (api_key, secret) = (made.str("apiKey").to_owned(), made.str("secret").to_owned());
    assert_eq!((api_key.len(), &api_key[..3]), (52, "wk_"));
    assert!(secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(made.str("warning").contains("this once"));
    assert_eq!(made.str("apiKeyPrefix"), format!("{}...", &api_key[..8]));
    assert_eq!(made.str("secretPrefix"), format!("{}...", &secret[..8]));
    assert_eq!(made.json["lastUsedAt"], Value::Null);
    assert_eq!(made.json["previous"], Value::Null);

    let location = made.header("location").to_owned();
    let by_id = format!("/api/webhook-keys/{}", made.str("id"));
    let list = format!("/api/workspaces/{workspace}/webhook-keys");
    for path in [&location, &by_id, &list] {
        let answer = port.get(path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        for hidden in [api_key.as_str(), &secret, "\"apiKey\"", "\"secret\"", "\"data\"", "kek"] {
            assert!(!answer.text.contains(hidden), "{path}: {hidden}");
        }
    }
    assert_eq!(port.get(&location).await.json, port.get(&by_id).await.json);
    let rotated = port.call("POST", &format!("{by_id}/rotate"), None).await;
    assert_ne!(rotated.str("apiKey"), api_key);
    assert_ne!(rotated.str("secret"), secret);

    let hook = port.integration(json!({ "name": "hook" })).await;
    let secret = hook.str("webhookSecret").to_owned();
    for path in ["/api/integrations", "/api/integrations/hook"] {
        let answer = port.get(path).await;
        assert!(!answer.text.contains(&secret) && !answer.text.contains("webhookSecret"));
    }
}

#[tokio::test]
async fn every_fault_of_a_body_is_named_at_once() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let path = format!("/api/workspaces/{workspace}/webhook-keys");
    let answer = port
        .post(
            &path,
            json!({
                "name": " ", "scheme": "none", "requireKeyId": "yes", "isActive": null,
                "expiresAt": "2025-12-31T23:59:59Z", "allowedCidrs": ["10.0.0.0/8", "x", 5], "routes": [],
                "rateLimit": { "rate": 5 }, "secret": "chosen", "a/b~c": 1,
            }),
        )
        .await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.faults(),
        [
            "/allowedCidrs/1 format",
            "/allowedCidrs/2 type",
            "/a~1b~0c unknown",
            "/expiresAt range",
            "/isActive type",
            "/name empty",
            "/rateLimit unknown",
            "/requireKeyId type",
            "/routes empty",
            "/scheme unknown",
            "/secret read_only",
        ]
    );
    assert!(!answer.text.contains("chosen"));
    let answer = port.post(&path, json!({ "routes": ["webhooks", "nowhere"] })).await;
    assert_eq!(answer.faults(), ["/name required", "/routes/1 unknown"]);
    assert_eq!(port.get(&path).await.json["items"], json!([]));
    assert_eq!(port.audit().await.len(), 1);
}

#[tokio::test]
async fn a_key_is_reached_only_through_its_own_workspace() {
    let port = Port::open().await;
    let (mine, theirs) = (port.workspace("mine").await, port.workspace("theirs").await);
    let id = port.key(&mine, json!({ "name": "k" })).await.str("id").to_owned();
    for method in ["GET", "DELETE"] {
        let path = format!("/api/workspaces/{theirs}/webhook-keys/{id}");
        assert_eq!(port.call(method, &path, None).await.status, 404);
    }
    assert_eq!(port.get(&format!("/api/workspaces/{mine}/webhook-keys/{id}")).await.status, 200);
}

#[tokio::test]
async fn the_fifth_signing_key_requires_its_id() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let mut ids = Vec::new();
    for number in 0..4 {
        let made = port.key(&workspace, json!({ "name": format!("k{number}") })).await;
        assert_eq!(made.json["requireKeyId"], false);
        ids.push(made.str("id").to_owned());
    }
    let named = port.key(&workspace, json!({ "name": "named", "requireKeyId": true })).await;
    assert!(!named.str("warning").contains("X-Webhook-Key-Id"));
    let asleep = port.key(&workspace, json!({ "name": "asleep", "isActive": false })).await;
    assert_eq!(asleep.json["requireKeyId"], false);

    let fifth = port.key(&workspace, json!({ "name": "fifth" })).await;
    assert_eq!(fifth.json["requireKeyId"], true);
    assert!(fifth.str("warning").contains("X-Webhook-Key-Id"));

    for (id, body) in [(asleep.str("id"), "isActive"), (named.str("id"), "requireKeyId")] {
        let value = body == "isActive";
        let answer = port.patch(&format!("/api/webhook-keys/{id}"), json!({ body: value })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let woken = port.get(&format!("/api/webhook-keys/{}", asleep.str("id"))).await;
    assert_eq!((&woken.json["isActive"], &woken.json["requireKeyId"]), (&json!(true), &json!(true)));

    port.patch(&format!("/api/webhook-keys/{}", ids[0]), json!({ "isActive": false })).await;
    let freed =
        port.patch(&format!("/api/webhook-keys/{}", fifth.str("id")), json!({ "requireKeyId": false })).await;
    assert_eq!(freed.json["requireKeyId"], false);
    assert_eq!(freed.json.get("warning"), None);
    let again = port.patch(&format!("/api/webhook-keys/{}", ids[0]), json!({ "isActive": true })).await;
    assert_eq!(again.json["requireKeyId"], true);
    assert!(again.str("warning").contains("X-Webhook-Key-Id"));
    let other = port.workspace("other").await;
    assert_eq!(port.key(&other, json!({ "name": "k" })).await.json["requireKeyId"], false);
}

#[tokio::test]
async fn patch_changes_only_what_it_names() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port
        .key(
            &workspace,
            json!({
                "name": "k", "scheme": "signed-request", "allowedCidrs": ["2001:db8::1", "10.1.2.3/8"],
                "routes": ["webhooks"], "expiresAt": "2027-01-01T02:00:00+02:00", "requireKeyId": true,
            }),
        )
        .await;
    let path = format!("/api/webhook-keys/{}", made.str("id"));
    let before = port.get(&path).await.json;
    assert_eq!(before["allowedCidrs"], json!(["10.0.0.0/8", "2001:db8::1/128"]));
    assert_eq!(before["expiresAt"], "2027-01-01T00:00:00.000Z");

    port.advance(5);
    let after = port.patch(&path, json!({ "name": "renamed" })).await;
    assert_eq!(after.status, 200, "{}", after.text);
    let mut expected = before.clone();
    expected["name"] = json!("renamed");
    expected["revision"] = json!(2);
    expected["updatedAt"] = json!("2026-01-01T00:00:05.000Z");
    assert_eq!(after.json, expected);
    assert_eq!(port.get(&path).await.json, expected);

    let same = port.patch(&path, json!({ "name": "renamed" })).await;
    assert_eq!((same.status.as_u16(), &same.json["revision"]), (200, &json!(2)));
    assert_eq!(port.patch(&path, json!({ "secret": "x" })).await.faults(), ["/secret read_only"]);
}

#[tokio::test]
async fn null_clears_an_optional_field() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port
        .key(
            &workspace,
            json!({ "name": "k", "allowedCidrs": ["::1"], "routes": ["default"], "expiresAt": "2027-01-01T00:00:00Z" }),
        )
        .await;
    let path = format!("/api/webhook-keys/{}", made.str("id"));
    let body = json!({ "allowedCidrs": null, "routes": null, "expiresAt": null });
    let answer = port.patch(&path, body).await;
    for field in ["allowedCidrs", "routes", "expiresAt"] {
        assert_eq!(answer.json[field], Value::Null);
    }
    let answer = port.patch(&path, json!({ "name": null, "isActive": null })).await;
    assert_eq!(answer.faults(), ["/isActive type", "/name type"]);

    let hook = json!({ "name": "h", "workspaceId": workspace, "rejectStatus": 404, "allowedCidrs": ["::1"] });
    port.integration(hook).await;
    let body = json!({ "workspaceId": null, "rejectStatus": null, "allowedCidrs": null });
    let answer = port.patch("/api/integrations/h", body).await;
    for field in ["workspaceId", "rejectStatus", "allowedCidrs"] {
        assert_eq!(answer.json[field], Value::Null);
    }
}

#[tokio::test]
async fn if_match_guards_against_lost_updates() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let made = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}", made.str("id"));
    assert_eq!(port.get(&path).await.header("etag"), "\"1\"");
    let patch = async |tag: &str, name: &str| {
        port.call_with("PATCH", &path, Some(json!({ "name": name })), &[("if-match", tag)]).await
    };
    let first = patch("\"1\"", "first").await;
    assert_eq!((first.status.as_u16(), first.header("etag")), (200, "\"2\""));
    for stale in ["\"1\"", "W/\"2\"", "2", ""] {
        assert_eq!(patch(stale, "lost").await.status, 412, "{stale}");
    }
    assert_eq!(patch("\"7\", \"2\"", "second").await.status, 200);
    assert_eq!(patch("*", "third").await.status, 200);
    let stale = [("if-match", "\"1\"")];
    assert_eq!(port.call_with("DELETE", &path, None, &stale).await.status, 412);
    assert_eq!(port.call_with("POST", &format!("{path}/rotate"), None, &stale).await.status, 412);
    let workspace = format!("/api/workspaces/{workspace}");
    assert_eq!(port.call_with("DELETE", &workspace, None, &[("if-match", "\"9\"")]).await.status, 412);
    assert_eq!(port.get(&path).await.str("name"), "third");
    assert_eq!(port.call_with("DELETE", &path, None, &[("if-match", "\"4\"")]).await.status, 204);
}
