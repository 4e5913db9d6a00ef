//! Admins: their life, and what becomes of their token and of what they made.

use countersign::credential::minted::ADMIN_TOKEN;
use serde_json::{Value, json};

use crate::support::admin_port::{Answer, Port};

/// A call with the token of an admin, without a body.
pub(super) async fn call_as(port: &Port, token: &str, method: &str, path: &str) -> Answer {
    port.call_as(token, method, path, None, &[]).await
}

#[tokio::test]
async fn an_admin_is_made_with_a_token_that_is_shown_this_once() {
    let port = Port::open().await;
    let made = port.post("/api/admins", json!({ "name": " Ann ", "role": "auditor" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (id, token) = (made.str("id"), made.str("token"));
    assert!(token.starts_with("ca_") && token.len() == 52, "{token}");
    assert_eq!(made.header("location"), format!("/api/admins/{id}"));
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(made.json["name"], "Ann");
    assert_eq!(made.json["createdBy"], "bootstrap");
    assert_eq!(made.json["tokenPrefix"], format!("{}...", &token[..8]));
    assert_eq!(made.json["workspaces"], Value::Null);
    assert!(made.str("warning").contains("this once"));

    let digest = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(token));
    for shown in [port.get(&format!("/api/admins/{id}")).await, port.get("/api/admins").await] {
        assert_eq!(shown.status, 200);
        assert!(!shown.text.contains(token) && !shown.text.contains(&digest), "{}", shown.text);
    }
    assert_eq!(call_as(&port, token, "GET", "/api/workspaces").await.status, 200);
}

#[tokio::test]
async fn every_fault_of_an_admin_is_named() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let refused = async |body: Value| {
        let answer = port.post("/api/admins", body).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        answer.faults()
    };
    assert_eq!(refused(json!({})).await, ["/name required", "/role required"]);
    assert_eq!(refused(json!({ "name": "a", "role": "root" })).await, ["/role unknown"]);
    assert_eq!(refused(json!({ "name": "a", "role": "auditor", "token": "x" })).await, ["/token read_only"]);
    assert_eq!(
        refused(json!({ "name": "a", "role": "auditor", "Role": "auditor" })).await,
        ["/Role unknown"]
    );
    assert_eq!(refused(json!({ "name": "a", "role": "workspace-admin" })).await, ["/workspaces required"]);
    let none = json!({ "name": "a", "role": "workspace-admin", "workspaces": [] });
    assert_eq!(refused(none).await, ["/workspaces empty"]);
    let other = json!({ "name": "a", "role": "auditor", "workspaces": [workspace] });
    assert_eq!(refused(other).await, ["/workspaces range"]);
    let strange = json!({ "name": "a", "role": "workspace-admin",
        "workspaces": [workspace, "01900000-0000-7000-8000-000000000001"] });
    assert_eq!(refused(strange).await.len(), 1);
    for reserved in ["bootstrap", "Seed", "COUNTERSIGN"] {
        assert_eq!(refused(json!({ "name": reserved, "role": "auditor" })).await, ["/name reserved"]);
    }
    assert_eq!(port.get("/api/admins").await.json["items"], json!([]));
}

#[tokio::test]
async fn names_that_differ_only_in_case_or_unicode_form_conflict() {
    let port = Port::open().await;
    port.admin(json!({ "name": "Zoë", "role": "auditor" })).await;
    port.workspace("Straße").await;
    for same in ["zoë", "ZOË", "Zoe\u{308}", "Ｚoë"] {
        let answer = port.post("/api/admins", json!({ "name": same, "role": "auditor" })).await;
        assert_eq!(
            (answer.status.as_u16(), answer.faults()),
            (409, vec!["/name taken".to_owned()]),
            "{same}"
        );
    }
    for same in ["STRASSE", "strasse"] {
        assert_eq!(port.post("/api/workspaces", json!({ "name": same })).await.status, 409, "{same}");
    }
    let (other, _) = port.admin(json!({ "name": "Bo", "role": "auditor" })).await;
    assert_eq!(port.patch(&format!("/api/admins/{other}"), json!({ "name": "ZOË" })).await.status, 409);
    // One's own name in another case is no conflict.
    assert_eq!(port.patch(&format!("/api/admins/{other}"), json!({ "name": "BO" })).await.status, 200);
}

#[tokio::test]
async fn a_deleted_admin_is_nobody_at_once_and_what_they_made_stays() {
    let port = Port::open().await;
    let (id, token) = port.admin(json!({ "name": "Pia", "role": "platform-admin" })).await;
    let made = port.call_as(&token, "POST", "/api/workspaces", Some(json!({ "name": "w" })), &[]).await;
    let workspace = format!("/api/workspaces/{}", made.str("id"));
    let keys = format!("{workspace}/webhook-keys");
    let key = port.call_as(&token, "POST", &keys, Some(json!({ "name": "k" })), &[]).await;
    let key = format!("/api/webhook-keys/{}", key.str("id"));
    let hook = port.call_as(&token, "POST", "/api/integrations", Some(json!({ "name": "h" })), &[]).await;
    assert_eq!(hook.status, 201, "{}", hook.text);
    let all = [workspace.as_str(), &key, "/api/integrations/h"];
    for path in all {
        assert_eq!(port.get(path).await.json["createdBy"], "Pia", "{path}");
    }
    port.patch(&format!("/api/admins/{id}"), json!({ "name": "Pia B." })).await;
    assert_eq!(port.get(all[0]).await.json["createdBy"], "Pia B.");

    assert_eq!(port.call("DELETE", &format!("/api/admins/{id}"), None).await.status, 204);
    assert_eq!(call_as(&port, &token, "GET", "/api/workspaces").await.status, 401);
    assert_eq!(port.get(&format!("/api/admins/{id}")).await.status, 404);
    for path in all {
        let answer = port.get(path).await;
        assert_eq!((answer.status.as_u16(), &answer.json["createdBy"]), (200, &Value::Null), "{path}");
    }
    // The audit log still says who it was, and finds it by the id.
    let events = port.get(&format!("/api/audit-events?actor={id}")).await;
    let actors: Vec<&Value> =
        events.json["items"].as_array().unwrap().iter().map(|event| &event["actor"]).collect();
    assert_eq!(actors, ["Pia", "Pia", "Pia"]);
    assert_eq!(events.json["items"][0]["actorId"], id.as_str());
    // The name is free for somebody else.
    port.admin(json!({ "name": "pia b.", "role": "auditor" })).await;
}

#[tokio::test]
async fn a_rotated_token_ends_the_former_at_once() {
    let port = Port::open().await;
    let (id, token) = port.admin(json!({ "name": "a", "role": "auditor" })).await;
    let path = format!("/api/admins/{id}/rotate-token");
    let rotated = port.call("POST", &path, None).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    let fresh = rotated.str("token").to_owned();
    assert_ne!(fresh, token);
    assert_eq!(call_as(&port, &token, "GET", "/api/workspaces").await.status, 401);
    assert_eq!(call_as(&port, &fresh, "GET", "/api/workspaces").await.status, 200);
    assert_eq!(port.call_with("POST", &path, None, &[("if-match", "\"1\"")]).await.status, 412);
    let events = port.audit().await;
    let last = events.last().unwrap();
    assert_eq!((&last["action"], &last["severity"]), (&json!("admin.token_rotated"), &json!("HIGH")));
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains(&token) && !text.contains(&fresh));
}

#[tokio::test]
async fn the_last_platform_admin_stays_unless_the_configured_token_says_so() {
    let port = Port::open().await;
    let (first, token) = port.admin(json!({ "name": "one", "role": "platform-admin" })).await;
    let (second, _) = port.admin(json!({ "name": "two", "role": "platform-admin" })).await;
    let path = format!("/api/admins/{first}");
    let demoted = json!({ "role": "auditor" });
    assert_eq!(call_as(&port, &token, "DELETE", &format!("/api/admins/{second}")).await.status, 204);
    for (method, body) in [("DELETE", None), ("PATCH", Some(demoted.clone()))] {
        let answer = port.call_as(&token, method, &path, body, &[]).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert_eq!(answer.faults(), ["/role last_platform_admin"]);
    }
    assert_eq!(port.call("PATCH", &path, Some(demoted)).await.status, 200);
    assert_eq!(call_as(&port, &token, "POST", "/api/admins").await.status, 403);
    assert_eq!(port.call("DELETE", &path, None).await.status, 204);
}

#[tokio::test]
async fn an_admin_changes_name_role_and_workspaces() {
    let port = Port::open().await;
    let (one, two) = (port.workspace("one").await, port.workspace("two").await);
    let (id, token) =
        port.admin(json!({ "name": "a", "role": "workspace-admin", "workspaces": [one] })).await;
    let path = format!("/api/admins/{id}");
    let seen = async || {
        let answer = call_as(&port, &token, "GET", "/api/workspaces").await;
        answer.json["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(seen().await, ["one"]);
    let answer = port.patch(&path, json!({ "workspaces": [two, one] })).await;
    assert_eq!((answer.status.as_u16(), &answer.json["revision"]), (200, &json!(2)), "{}", answer.text);
    assert_eq!(seen().await, ["one", "two"]);
    let unchanged = port.patch(&path, json!({ "workspaces": [one, two], "name": "a" })).await;
    assert_eq!(unchanged.json["revision"], 2);
    let answer = port.patch(&path, json!({ "role": "auditor" })).await;
    assert_eq!((&answer.json["role"], &answer.json["workspaces"]), (&json!("auditor"), &Value::Null));
    assert_eq!(
        port.patch(&path, json!({ "role": "workspace-admin" })).await.faults(),
        ["/workspaces required"]
    );
    let last = port.audit().await.pop().unwrap();
    assert_eq!(last["metadata"]["fields"], json!(["role", "workspaces"]));
    assert_eq!(last["severity"], "HIGH");

    // A workspace that is gone is nothing that an admin could not be changed for.
    port.patch(&path, json!({ "role": "workspace-admin", "workspaces": [one, two] })).await;
    assert_eq!(port.call("DELETE", &format!("/api/workspaces/{two}"), None).await.status, 204);
    assert_eq!(seen().await, ["one"]);
    assert_eq!(port.patch(&path, json!({ "workspaces": [one, two], "name": "b" })).await.status, 200);
}

#[tokio::test]
async fn a_token_that_cannot_be_checked_is_a_fault_of_ours() {
    let port = Port::unloaded(false).await;
    let token = ADMIN_TOKEN.generate(&[7; 32]).expose_text().unwrap().to_owned();
    let answer = call_as(&port, &token, "GET", "/api/schemes").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{}", answer.text);
    // What has not the form of one is nobody's, and the configured token needs no key set.
    assert_eq!(call_as(&port, &token[1..], "GET", "/api/schemes").await.status, 401);
    for (path, status) in [("/api/schemes", 200), ("/api/audit-events", 200), ("/api/workspaces", 503)] {
        assert_eq!(port.get(path).await.status, status, "{path}");
    }
    let loaded = Port::open().await;
    assert_eq!(call_as(&loaded, &token, "GET", "/api/schemes").await.status, 401);
}

#[tokio::test]
async fn a_damaged_admin_is_503_for_its_own_token_and_can_be_deleted() {
    use countersign::keys::record::{Kind, RecordKey};
    let port = Port::open().await;
    let (id, token) = port.admin(json!({ "name": "a", "role": "auditor" })).await;
    let (_, other) = port.admin(json!({ "name": "b", "role": "auditor" })).await;
    let id: uuid::Uuid = id.parse().unwrap();
    let key = RecordKey { kind: Kind::Admin, id };
    // What a store writer without the KEK could do: raise the role in the record.
    let record = port.writer.mirror().get(key).unwrap().record().unwrap();
    let mut forged: Value = serde_json::from_slice(&record.encode().unwrap()).unwrap();
    forged["role"] = json!("platform-admin");
    forged["revision"] = json!(2);
    port.overwrite(key, 2, &serde_json::to_vec(&forged).unwrap()).await;

    assert_eq!(call_as(&port, &token, "GET", "/api/schemes").await.status, 503);
    assert_eq!(call_as(&port, &token, "POST", "/api/admins").await.status, 503);
    assert_eq!(call_as(&port, &other, "GET", "/api/schemes").await.status, 200);
    let listed = port.get("/api/admins").await;
    assert_eq!(listed.json["items"][0], json!({ "id": id, "kind": "admin", "damaged": true }));
    assert_eq!(port.call("DELETE", &format!("/api/admins/{id}"), None).await.status, 204);
    assert_eq!(call_as(&port, &token, "GET", "/api/schemes").await.status, 401);
}
