//! What each role may do, and what is noted of those who ask for more.

use std::sync::Arc;

use countersign::admin::{OPERATIONS, Permission};
use countersign::keys::record::AdminRole;
use countersign::store::deliveries::{Kept, Side};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admins::call_as;
use crate::support::admin_port::Port;

const ROLES: [&str; 3] = ["platform-admin", "workspace-admin", "auditor"];

/// An operation's path with ids of this port in the place of names.
fn filled(path: &str, ids: &[(&str, &str)]) -> String {
    ids.iter().fold(path.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id))
}

/// N10: what each role may ask for is what the table says, operation by operation.
#[tokio::test]
async fn n10_a_role_reaches_the_operations_of_its_permission_and_no_other() {
    let port = Port::open().await;
    let workspace = port.workspace("theirs").await;
    let key = port.key(&workspace, json!({ "name": "k" })).await.str("id").to_owned();
    let hook = port.integration(json!({ "name": "h" })).await.str("id").to_owned();
    let (victim, _) = port.admin(json!({ "name": "victim", "role": "auditor" })).await;
    let (id, integration) = (Uuid::now_v7(), Uuid::parse_str(&hook).unwrap());
    let delivery = json!({
        "id": id, "integrationId": integration, "integration": "h", "at": 0, "outcome": "verified", "reason": null,
        "cause": null, "status": 200, "route": "webhooks", "scheme": "generic", "secret": "current",
        "client": "192.0.2.7", "method": "POST", "path": "/webhooks/h", "hasQuery": false, "headers": [], "body": null,
        "stages": { "judged": null, "read": null, "verified": null, "answered": 0.1 },
    });
    let kept =
        Kept { integration, side: Side::Verified, id, json: Arc::from(delivery.to_string().as_bytes()) };
    port.store.keep_deliveries(&[kept], 10, port.writer.now()).await.unwrap();
    let delivery = id.to_string();
    let ids = [
        ("delivery", &*delivery),
        ("workspace", &workspace),
        ("key", &key),
        ("integration", &hook),
        ("admin", &victim),
        ("scheme", "github"),
    ];
    for (role, kind) in ROLES.into_iter().zip(AdminRole::ALL) {
        assert_eq!(role, kind.name());
        let mut body = json!({ "name": role, "role": role });
        if role == "workspace-admin" {
            body["workspaces"] = json!([workspace]);
        }
        let (_, token) = port.admin(body).await;
        // Deletions last, so that there is something to ask for until then.
        for deletes in [false, true] {
            for operation in OPERATIONS.iter().filter(|operation| (operation.method == "DELETE") == deletes) {
                let allowed = operation.permission.roles().contains(&kind);
                if deletes && allowed || operation.permission == Permission::Public {
                    continue;
                }
                let path = filled(operation.path, &ids);
                let answer = call_as(&port, &token, operation.method.as_str(), &path).await;
                let what = format!("{role}: {} {path}: {}", operation.method, answer.text);
                assert_eq!(answer.status != 403, allowed, "{what}");
                if !allowed {
                    assert_eq!(answer.str("type"), "urn:countersign:problem:forbidden", "{what}");
                    assert!(answer.str("detail").contains(role), "{what}");
                } else {
                    assert!(!matches!(answer.status.as_u16(), 401 | 404 | 405 | 500..), "{what}");
                }
            }
        }
    }
    // Nothing of what was refused has happened.
    for path in [format!("/api/workspaces/{workspace}"), format!("/api/admins/{victim}")] {
        assert_eq!(port.get(&path).await.status, 200);
    }
}

/// N10, N20: what a workspace admin does not see is answered as what is not there.
#[tokio::test]
async fn n20_another_workspace_is_as_good_as_none() {
    let port = Port::open().await;
    let (own, other) = (port.workspace("own").await, port.workspace("other").await);
    let own_key = port.key(&own, json!({ "name": "k" })).await.str("id").to_owned();
    let key = port.key(&other, json!({ "name": "k" })).await.str("id").to_owned();
    let body = json!({ "name": "w", "role": "workspace-admin", "workspaces": [own] });
    let (_, token) = port.admin(body).await;

    let listed = call_as(&port, &token, "GET", "/api/workspaces").await;
    assert_eq!(listed.json["items"].as_array().unwrap().len(), 1, "{}", listed.text);
    assert_eq!(listed.json["items"][0]["id"], own.as_str());
    let keys = call_as(&port, &token, "GET", &format!("/api/workspaces/{own}/webhook-keys")).await;
    assert_eq!(keys.json["items"][0]["id"], *own_key);

    let missing = "01900000-0000-7000-8000-000000000009";
    for (method, path, has_body) in [
        ("GET", "/api/workspaces/{workspace}", false),
        ("GET", "/api/workspaces/{workspace}/webhook-keys", false),
        ("POST", "/api/workspaces/{workspace}/webhook-keys", true),
        ("GET", "/api/webhook-keys/{key}", false),
        ("PATCH", "/api/webhook-keys/{key}", true),
        ("POST", "/api/webhook-keys/{key}/rotate", false),
        ("POST", "/api/webhook-keys/{key}/retire-previous", false),
        ("DELETE", "/api/webhook-keys/{key}", false),
        ("GET", "/api/workspaces/{own}/webhook-keys/{key}", false),
        ("GET", "/api/workspaces/{workspace}/webhook-keys/{key}", false),
    ] {
        let hidden = filled(path, &[("own", &own), ("workspace", &other), ("key", &key)]);
        let absent = filled(path, &[("own", &own), ("workspace", missing), ("key", missing)]);
        let body = has_body.then(|| json!({ "name": "x" }));
        let mut answers = Vec::new();
        for path in [&hidden, &absent] {
            let mut answer = port.call_as(&token, method, path, body.clone(), &[]).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
            answer.json["instance"] = Value::Null;
            answers.push(answer.json);
        }
        assert_eq!(answers[0], answers[1], "{method} {hidden}");
    }
    let kept = port.get(&format!("/api/webhook-keys/{key}")).await;
    assert_eq!((kept.status.as_u16(), &kept.json["revision"]), (200, &json!(1)));
}

/// N20: no page, no cursor and no filter leads to what is another's, and no size of a page counts it.
#[tokio::test]
async fn n20_pages_and_cursors_lead_to_nothing_of_others() {
    let port = Port::open().await;
    let mut own = Vec::new();
    for n in 0..6 {
        let id = port.workspace(&n.to_string()).await;
        if n % 2 == 1 {
            own.push(id);
        }
    }
    let body = json!({ "name": "w", "role": "workspace-admin", "workspaces": own });
    let (_, token) = port.admin(body).await;
    let cursor = port.get("/api/workspaces?limit=1").await.str("nextCursor").to_owned();
    for (query, expected) in [("", 3), ("?limit=200", 3), (&*format!("?cursor={cursor}"), 3)] {
        let page = call_as(&port, &token, "GET", &format!("/api/workspaces{query}")).await;
        let items = page.json["items"].as_array().unwrap();
        assert_eq!((items.len(), &page.json["nextCursor"]), (expected, &Value::Null), "{query}");
        assert!(items.iter().all(|item| own.contains(&item["id"].as_str().unwrap().to_owned())), "{query}");
    }
    let mut seen = Vec::new();
    let mut next = "/api/workspaces?limit=1".to_owned();
    loop {
        let page = call_as(&port, &token, "GET", &next).await;
        let items = page.json["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page.json["nextCursor"].as_str() {
            Some(cursor) => next = format!("/api/workspaces?limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, own);
    // What only others may list is refused whole, whatever the filter says.
    for path in [
        "/api/integrations?workspaceId=x",
        "/api/deliveries?integration=h",
        "/api/audit-events",
        "/api/admins",
    ] {
        assert_eq!(call_as(&port, &token, "GET", path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_workspace_admin_manages_the_keys_of_its_workspaces() {
    let port = Port::open().await;
    let own = port.workspace("own").await;
    let (_, token) =
        port.admin(json!({ "name": "Wim", "role": "workspace-admin", "workspaces": [own] })).await;
    let keys = format!("/api/workspaces/{own}/webhook-keys");
    let made = port.call_as(&token, "POST", &keys, Some(json!({ "name": "k" })), &[]).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["createdBy"], "Wim");
    let path = format!("/api/webhook-keys/{}", made.str("id"));
    assert_eq!(call_as(&port, &token, "POST", &format!("{path}/rotate")).await.status, 200);
    assert_eq!(call_as(&port, &token, "DELETE", &path).await.status, 204);
    let last = port.audit().await.pop().unwrap();
    assert_eq!((&last["action"], &last["actor"]), (&json!("webhook_key.deleted"), &json!("Wim")));
}

/// N18: a refused call of a known admin is an event; those beyond a bound are counted in the next.
#[tokio::test]
async fn n18_a_refused_call_of_an_admin_is_an_event() {
    let port = Port::open().await;
    let (id, token) = port.admin(json!({ "name": "eve", "role": "auditor" })).await;
    let refused = call_as(&port, &token, "POST", "/api/keks/rotate").await;
    assert_eq!(refused.status, 403);
    let event = port.audit().await.pop().unwrap();
    assert_eq!(event["action"], "call.refused");
    assert_eq!((&event["actor"], &event["actorId"]), (&json!("eve"), &json!(id)));
    assert_eq!((&event["resourceType"], &event["resourceId"]), (&json!("admin"), &json!(id)));
    assert_eq!(event["requestId"], refused.header("countersign-request-id"));
    let metadata = json!({ "method": "POST", "path": "/api/keks/rotate", "role": "auditor", "leftOut": 0 });
    assert_eq!(event["metadata"], metadata);

    for _ in 0..40 {
        assert_eq!(call_as(&port, &token, "POST", "/api/admins").await.status, 403);
    }
    assert_eq!(port.audit().await.len(), 1 + 30);
    port.advance(60);
    call_as(&port, &token, "POST", "/api/admins").await;
    let last = port.audit().await.pop().unwrap();
    assert_eq!(last["metadata"]["leftOut"], 11);
    assert_eq!(port.refused.total(), 0, "nobody was anonymous");
}
