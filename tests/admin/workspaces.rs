//! Workspaces: names, conflicts, deletion with what they own, and what the audit keeps.

use serde_json::json;
use uuid::Uuid;

use countersign::keys::record::Kind;

use crate::support::admin_port::Port;

#[tokio::test]
async fn a_new_workspace_is_answered_as_it_is_stored() {
    let port = Port::open().await;
    let answer = port.post("/api/workspaces", json!({ "name": "  Cafe\u{301} " })).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.str("name"), "Caf\u{e9}");
    assert_eq!(answer.str("createdAt"), "2026-01-01T00:00:00.000Z");
    assert_eq!(answer.str("createdBy"), "bootstrap");
    assert_eq!(answer.str("managedBy"), "api");
    assert_eq!(answer.header("etag"), "\"1\"");
    let location = answer.header("location").to_owned();
    assert_eq!(location, format!("/api/workspaces/{}", answer.str("id")));
    assert_eq!(port.get(&location).await.json, answer.json);
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_and_nothing_is_stored() {
    let port = Port::open().await;
    port.workspace("Acme").await;
    let answer = port.post("/api/workspaces", json!({ "name": "Acme " })).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.faults(), ["/name taken"]);
    port.integration(json!({ "name": "acme" })).await;
    let answer = port.post("/api/integrations", json!({ "name": "acme" })).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.faults(), ["/name taken"]);
    assert_eq!(port.get("/api/workspaces").await.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(port.get("/api/integrations").await.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(port.audit().await.len(), 2);
}

#[tokio::test]
async fn of_two_creates_racing_for_a_name_exactly_one_wins() {
    let port = Port::open().await;
    for round in 0..5 {
        let body = json!({ "name": format!("race-{round}") });
        let (one, two) = tokio::join!(
            port.post("/api/integrations", body.clone()),
            port.post("/api/integrations", body.clone())
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
}

#[tokio::test]
async fn a_workspace_is_renamed_and_everything_in_it_stays() {
    for port in [Port::open().await, Port::over_redis().await] {
        let (id, other) = (port.workspace("Acme").await, port.workspace("Other").await);
        let path = format!("/api/workspaces/{id}");
        let key = port.key(&id, json!({ "name": "k" })).await.str("id").to_owned();
        let renamed = port.patch(&path, json!({ "name": " Acme Ltd " })).await;
        assert_eq!((renamed.status.as_u16(), renamed.str("name")), (200, "Acme Ltd"), "{}", renamed.text);
        assert_eq!((renamed.header("etag"), &renamed.json["revision"]), ("\"2\"", &json!(2)));
        assert_eq!(port.get(&path).await.json, renamed.json);
        assert_eq!(port.get(&format!("{path}/webhook-keys")).await.json["items"][0]["id"], *key);
        let event = port.audit().await.pop().unwrap();
        assert_eq!((&event["action"], &event["severity"]), (&json!("workspace.updated"), &json!("NORMAL")));
        assert_eq!(event["metadata"], json!({ "name": "Acme Ltd", "fields": ["name"] }));
        // The former name is free, and its own in another case is no conflict.
        assert_eq!(
            port.patch(&format!("/api/workspaces/{other}"), json!({ "name": "ACME" })).await.status,
            200
        );
        let events = port.audit().await.len();
        for same in [json!({ "name": "Acme Ltd" }), json!({})] {
            assert_eq!(port.patch(&path, same).await.json["revision"], 2);
        }
        for (body, faults) in [
            (json!({ "name": "acme" }), "/name taken"),
            (json!({ "name": null }), "/name type"),
            (json!({ "name": "" }), "/name empty"),
            (json!({ "name": "x", "id": id }), "/id read_only"),
            (json!({ "Name": "x" }), "/Name unknown"),
        ] {
            assert_eq!(port.patch(&path, body).await.faults(), [faults]);
        }
        assert_eq!(port.patch(&format!("/api/workspaces/{key}"), json!({ "name": "x" })).await.status, 404);
        assert_eq!(port.audit().await.len(), events);
        assert_eq!(port.patch(&path, json!({ "name": "ACME LTD" })).await.str("name"), "ACME LTD");
    }
}

#[tokio::test]
async fn deleting_a_workspace_deletes_its_keys_and_integrations() {
    let port = Port::open().await;
    let (doomed, other) = (port.workspace("doomed").await, port.workspace("other").await);
    let key = port.key(&doomed, json!({ "name": "k" })).await.str("id").to_owned();
    let kept = port.key(&other, json!({ "name": "k" })).await.str("id").to_owned();
    let hook = port.integration(json!({ "name": "hook", "workspaceId": doomed })).await.str("id").to_owned();
    port.integration(json!({ "name": "free" })).await;

    let path = format!("/api/workspaces/{doomed}");
    let answer = port.call("DELETE", &path, None).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(port.call("DELETE", &path, None).await.status, 404);
    for gone in [
        path.clone(),
        format!("{path}/webhook-keys"),
        format!("/api/webhook-keys/{key}"),
        "/api/integrations/hook".to_owned(),
        format!("/api/integrations/{hook}"),
    ] {
        assert_eq!(port.get(&gone).await.status, 404, "{gone}");
    }
    assert_eq!(port.get(&format!("/api/webhook-keys/{kept}")).await.status, 200);
    assert_eq!(port.get("/api/integrations/free").await.status, 200);
    let answer = port.post(&format!("{path}/webhook-keys"), json!({ "name": "late" })).await;
    assert_eq!(answer.status, 404);

    let event = port.audit().await.pop().unwrap();
    assert_eq!(event["action"], "workspace.deleted");
    assert_eq!(event["metadata"]["webhookKeys"], json!([key]));
    assert_eq!(event["metadata"]["integrations"], json!([hook]));
    port.workspace("doomed").await;
}

#[tokio::test]
async fn each_change_leaves_one_audit_event_without_secrets() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let key = port.key(&workspace, json!({ "name": "k" })).await;
    let key_path = format!("/api/webhook-keys/{}", key.str("id"));
    port.patch(&key_path, json!({ "isActive": false })).await;
    let rotated = port.call("POST", &format!("{key_path}/rotate"), None).await;
    let given = "an-imported-secret-0123456789";
    let hook = port.integration(json!({ "name": "h", "webhookSecret": given })).await;
    port.patch("/api/integrations/h", json!({ "isActive": false })).await;
    let turned = port.call("POST", "/api/integrations/h/rotate-secret", None).await;
    assert_eq!(turned.status, 200, "{}", turned.text);
    port.call("DELETE", "/api/integrations/h", None).await;
    port.call("DELETE", &key_path, None).await;
    port.call("DELETE", &format!("/api/workspaces/{workspace}"), None).await;

    let events = port.audit().await;
    let actions: Vec<&str> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "workspace.created",
            "webhook_key.created",
            "webhook_key.updated",
            "webhook_key.rotated",
            "integration.created",
            "integration.updated",
            "integration.secret_rotated",
            "integration.deleted",
            "webhook_key.deleted",
            "workspace.deleted",
        ]
    );
    assert_eq!(events[2]["metadata"]["fields"], json!(["isActive"]));
    assert_eq!(events[2]["severity"], "NORMAL");
    assert_eq!(events[3]["severity"], "HIGH");
    assert_eq!(events[3]["actor"], "bootstrap");
    assert_eq!(events[3]["requestId"], rotated.header("countersign-request-id"));
    let text = serde_json::to_string(&events).unwrap();
    let secrets = [
        key.str("apiKey"),
        key.str("secret"),
        rotated.str("apiKey"),
        rotated.str("secret"),
        hook.str("webhookSecret"),
        turned.str("webhookSecret"),
        given,
    ];
    for secret in secrets {
        assert!(!text.contains(secret));
    }
}

#[tokio::test]
async fn a_damaged_record_is_shown_as_such_and_can_be_deleted() {
    let port = Port::open().await;
    let id = Uuid::now_v7();
    let record = json!({
        "id": id, "revision": 1, "createdAt": 0, "updatedAt": 0, "managedBy": "api", "name": "forged",
        "type": "generic", "scheme": "generic", "secretPrefix": "...", "deduplicationWindowMinutes": 15,
        "isActive": true, "secret": { "kek": "default", "version": 1, "data": "" },
    });
    let dir = tempfile::TempDir::new().unwrap();
    let keks = dir.path().join("keks");
    countersign::store::seal::Keyring::create(&keks, "default").unwrap();
    let foreign = countersign::store::seal::Keyring::load(&keks, None).unwrap();
    let key = countersign::keys::record::RecordKey { kind: Kind::Integration, id };
    let payload = serde_json::to_vec(&record).unwrap();
    let envelope = foreign.wrap(crate::support::admin_port::NAMESPACE, &key, &payload);
    port.plant(Kind::Integration, id, &envelope, vec!["integration-name/forged".to_owned()]).await;

    let list = port.get("/api/integrations").await;
    assert_eq!(list.json["items"], json!([{ "id": id, "kind": "integration", "damaged": true }]));
    for path in [format!("/api/integrations/{id}"), "/api/integrations/forged".to_owned()] {
        let answer = port.get(&path).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.str("detail").contains("altered"), "{}", answer.text);
    }
    assert_eq!(port.post("/api/integrations", json!({ "name": "forged" })).await.status, 409);
    assert_eq!(port.call("DELETE", &format!("/api/integrations/{id}"), None).await.status, 204);
    assert_eq!(port.get(&format!("/api/integrations/{id}")).await.status, 404);
    port.integration(json!({ "name": "forged" })).await;
}
