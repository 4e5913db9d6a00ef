//! `GET /api/audit-events`, on both stores.

use std::sync::Arc;

use countersign::store::Store;
use http::Request;
use serde_json::{Value, json};

use crate::support::admin_port::{Answer, Port};
use crate::support::redis::{namespace, shared};

const FIELDS: [&str; 12] = [
    "action",
    "actor",
    "actorId",
    "at",
    "id",
    "kek",
    "mac",
    "metadata",
    "requestId",
    "resourceId",
    "resourceType",
    "severity",
];

async fn over_redis() -> (Port, String) {
    let namespace = namespace();
    let store: Arc<dyn Store> = shared().store(&namespace);
    store.init().await.unwrap();
    (Port::over(move |_| store).await, namespace)
}

async fn ports() -> [Port; 2] {
    [Port::open().await, over_redis().await.0]
}

async fn list(port: &Port, query: &str) -> Answer {
    let answer = port.get(&format!("/api/audit-events{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

fn column(answer: &Answer, name: &str) -> Vec<String> {
    let items = answer.json["items"].as_array().unwrap();
    items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn n15_every_change_is_one_event_with_the_changed_names_and_no_secret() {
    for port in ports().await {
        let mut secrets: Vec<String> = Vec::new();
        let workspace = port.workspace("w").await;
        let key = port.key(&workspace, json!({ "name": "k" })).await;
        secrets.extend([key.str("apiKey").to_owned(), key.str("secret").to_owned()]);
        let path = format!("/api/webhook-keys/{}", key.str("id"));
        assert_eq!(port.patch(&path, json!({ "isActive": false })).await.status, 200);
        assert_eq!(port.patch(&path, json!({ "isActive": false })).await.status, 200, "nothing changes");
        let rotated = port.post(&format!("{path}/rotate"), json!({ "what": "secret" })).await;
        secrets.push(rotated.str("secret").to_owned());
        assert_eq!(port.call("POST", &format!("{path}/retire-previous"), None).await.status, 200);
        let made = json!({ "name": "meta", "type": "meta", "webhookSecret": "a-secret-of-the-sender",
            "handshake": { "verifyToken": "a-verify-token-of-some-length" } });
        port.integration(made).await;
        secrets.extend(["a-secret-of-the-sender", "a-verify-token-of-some-length"].map(str::to_owned));
        let path_of = "/api/integrations/meta";
        assert_eq!(port.patch(path_of, json!({ "isActive": false })).await.status, 200);
        let body = json!({ "webhookSecret": "another-secret-of-the-sender" });
        assert_eq!(port.post(&format!("{path_of}/rotate-secret"), body).await.status, 200);
        secrets.push("another-secret-of-the-sender".to_owned());
        assert_eq!(port.call("POST", &format!("{path_of}/retire-previous"), None).await.status, 200);
        assert_eq!(port.call("DELETE", path_of, None).await.status, 204);
        assert_eq!(port.call("DELETE", &path, None).await.status, 204);
        let second = port.key(&workspace, json!({ "name": "k2" })).await.str("id").to_owned();
        assert_eq!(port.call("DELETE", &format!("/api/workspaces/{workspace}"), None).await.status, 204);

        let answer = list(&port, "").await;
        let mut actions = column(&answer, "action");
        actions.reverse();
        let expected = [
            "workspace.created",
            "webhook_key.created",
            "webhook_key.updated",
            "webhook_key.rotated",
            "webhook_key.previous_retired",
            "integration.created",
            "integration.updated",
            "integration.secret_rotated",
            "integration.previous_retired",
            "integration.deleted",
            "webhook_key.deleted",
            "webhook_key.created",
            "workspace.deleted",
        ];
        assert_eq!(actions, expected);
        for secret in &secrets {
            assert!(!answer.text.contains(secret), "{secret} is in {}", answer.text);
        }
        let items = answer.json["items"].as_array().unwrap();
        for item in items {
            let fields: Vec<&String> = item.as_object().unwrap().keys().collect();
            assert_eq!(fields, FIELDS);
            assert_eq!((&item["actor"], &item["kek"]), (&json!("bootstrap"), &json!("default")));
            assert_eq!(item["at"], "2026-01-01T00:00:00.000Z");
            assert_eq!(item["mac"].as_str().unwrap().len(), 64);
        }
        let of = |action: &str| items.iter().find(|item| item["action"] == action).unwrap();
        assert!(of("webhook_key.updated")["metadata"].to_string().contains("isActive"));
        assert_eq!(of("webhook_key.updated")["severity"], "NORMAL");
        assert_eq!(of("workspace.deleted")["metadata"]["webhookKeys"], json!([second]));
        assert_eq!(rotated.header("countersign-request-id"), of("webhook_key.rotated")["requestId"]);
        assert_eq!(answer.json["nextCursor"], Value::Null);
    }
}

#[tokio::test]
async fn pages_show_every_event_once_newest_first() {
    for port in ports().await {
        for n in 0..7 {
            port.workspace(&n.to_string()).await;
        }
        let all = column(&list(&port, "").await, "id");
        let mut sorted = all.clone();
        sorted.sort();
        sorted.reverse();
        assert_eq!(all, sorted);
        for limit in [1, 2, 3, 7, 8] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = list(&port, &format!("?limit={limit}{cursor}")).await;
                let ids = column(&page, "id");
                assert!(ids.len() <= limit);
                seen.extend(ids);
                // What is made meanwhile is newer than every page to come.
                match page.json["nextCursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(seen, all, "limit {limit}");
        }
    }
}

#[tokio::test]
async fn filters_take_what_they_name() {
    for port in ports().await {
        let first = port.workspace("first").await;
        port.key(&first, json!({ "name": "k" })).await;
        port.advance(3 * 3600);
        let second = port.workspace("second").await;
        let actions = async |query: &str| column(&list(&port, query).await, "action");
        assert_eq!(actions("?resourceType=webhook-key").await, ["webhook_key.created"]);
        assert_eq!(actions(&format!("?resourceId={second}")).await, ["workspace.created"]);
        assert_eq!(actions("?action=workspace.created").await.len(), 2);
        assert_eq!(actions("?actor=bootstrap").await.len(), 3);
        assert!(actions("?actor=somebody").await.is_empty());
        assert_eq!(actions("?since=2026-01-01T00:00:00Z").await.len(), 3);
        assert_eq!(actions("?since=2026-01-01T01:00:00%2B00:00").await.len(), 1);
        assert_eq!(actions("?until=2026-01-01T02:59:59Z").await.len(), 2);
        let both = actions("?since=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00Z&action=workspace.created");
        assert_eq!(both.await.len(), 1);
        let page = list(&port, "?action=workspace.created&limit=1").await;
        let next = page.json["nextCursor"].as_str().unwrap();
        let rest = list(&port, &format!("?action=workspace.created&limit=1&cursor={next}")).await;
        assert_eq!(column(&rest, "resourceId"), [first]);
    }
}

#[tokio::test]
async fn what_is_no_parameter_or_no_value_is_refused_by_name() {
    let port = Port::open().await;
    for (query, fault) in [
        ("?nope=1", "nope unknown"),
        ("?limit=0", "limit range"),
        ("?limit=201", "limit range"),
        ("?cursor=x", "cursor format"),
        ("?resourceId=abc", "resourceId format"),
        ("?since=yesterday", "since format"),
        ("?until=2026-01-01", "until format"),
        ("?actor=a&actor=b", "actor duplicate"),
        ("/verify?head=abc", "head format"),
        ("/verify?limit=5", "limit unknown"),
        ("/verify?cursor=AAAA", "cursor format"),
    ] {
        let answer = port.get(&format!("/api/audit-events{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.faults()), (422, vec![fault.to_owned()]), "{query}");
    }
    assert_eq!(port.post("/api/audit-events", json!({})).await.status, 405);
    let request = Request::get("/api/audit-events").body(axum::body::Body::empty()).unwrap();
    assert_eq!(port.send(request).await.status, 401);
}

#[tokio::test]
async fn a_filter_that_takes_little_reads_a_bounded_part_at_a_time() {
    let (port, namespace) = over_redis().await;
    let needle = port.workspace("needle").await;
    let event = port.audit().await.remove(0);
    let key = format!("{{{namespace}}}:audit");
    let mut pipe = redis::pipe();
    let other = event.to_string().replace(&needle, "0190163d-8694-739b-aea5-966c26f8ad91");
    for _ in 0..5_500 {
        let add = pipe.cmd("XADD").arg(&key).arg("*").arg("m").arg("00".repeat(32)).arg("e").arg(&other);
        add.ignore();
    }
    pipe.query::<()>(&mut shared().connection()).unwrap();
    let query = format!("?resourceId={needle}");
    let page = list(&port, &query).await;
    assert!(column(&page, "id").is_empty());
    let next = page.json["nextCursor"].as_str().unwrap();
    let page = list(&port, &format!("{query}&cursor={next}")).await;
    assert_eq!(column(&page, "resourceId"), [needle]);
    assert_eq!(page.json["nextCursor"], Value::Null);
}

#[tokio::test]
async fn the_chain_is_checked_in_pieces_over_the_port() {
    let (port, namespace) = over_redis().await;
    for n in 0..3 {
        port.workspace(&n.to_string()).await;
    }
    let head = column(&list(&port, "?limit=1").await, "mac").remove(0);
    let answer = port.get(&format!("/api/audit-events/verify?head={head}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    for (name, value) in [
        ("checked", json!(3)),
        ("broken", json!(0)),
        ("headFound", json!(true)),
        ("head", json!(head)),
        ("nextCursor", Value::Null),
    ] {
        assert_eq!(answer.json[name], value, "{name} in {}", answer.text);
    }
    // Two thousand forged events at the end: two pieces, each fault counted and the first of them named.
    let event = port.audit().await.remove(0).to_string();
    let mut pipe = redis::pipe();
    let key = format!("{{{namespace}}}:audit");
    for _ in 0..2_000 {
        pipe.cmd("XADD").arg(&key).arg("*").arg("m").arg("11".repeat(32)).arg("e").arg(&event).ignore();
    }
    pipe.query::<()>(&mut shared().connection()).unwrap();
    let first = port.get("/api/audit-events/verify").await;
    assert_eq!((&first.json["checked"], &first.json["broken"]), (&json!(3), &json!(1997)));
    assert_eq!(first.json["findings"].as_array().unwrap().len(), 50);
    let next = first.str("nextCursor");
    let second = port.get(&format!("/api/audit-events/verify?cursor={next}")).await;
    assert_eq!(second.json["nextCursor"], Value::Null);
    assert!(second.text.contains("beyond_head"), "{}", second.text);
}

#[tokio::test]
async fn who_comes_without_the_token_is_counted() {
    let port = Port::open().await;
    for _ in 0..3 {
        let request = Request::get("/api/workspaces").body(axum::body::Body::empty()).unwrap();
        assert_eq!(port.send(request).await.status, 401);
    }
    assert_eq!(port.get("/api/workspaces").await.status, 200);
    assert_eq!(port.refused.total(), 3);
}
