//! What holds for every request: the token, bodies, problem documents.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::support::admin_port::{Port, TOKEN};

#[tokio::test]
async fn n01_no_token_no_answer() {
    let port = Port::open().await;
    let right = format!("Bearer {TOKEN}");
    let longer = format!("Bearer {TOKEN}x");
    let shorter = format!("Bearer {}", &TOKEN[..TOKEN.len() - 1]);
    let basic = format!("Basic {TOKEN}");
    let cases: &[&[&str]] = &[
        &[],
        &["Bearer wrong"],
        &[&longer],
        &[&shorter],
        &[""],
        &["Bearer"],
        &["Bearer "],
        &[&basic],
        &[TOKEN],
        &[&right, &right],
        &[&right, "Bearer wrong"],
    ];
    for lines in cases {
        for path in ["/api/workspaces", "/api/nothing", "/"] {
            let mut request = Request::builder().uri(path);
            for line in *lines {
                request = request.header("authorization", *line);
            }
            let answer = port.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 401, "{lines:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"countersign-admin\"");
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
    let lower = Request::builder().uri("/api/workspaces").header("authorization", format!("bearer {TOKEN}"));
    assert_eq!(port.send(lower.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn every_answer_names_its_request_and_is_not_stored() {
    let port = Port::open().await;
    for path in ["/api/workspaces", "/api/nothing", "/api/workspaces?limit=0"] {
        let answer = port.get(path).await;
        let id = answer.header("countersign-request-id").to_owned();
        assert!(uuid::Uuid::parse_str(&id).is_ok(), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        if answer.status != 200 {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.str("instance"), format!("urn:uuid:{id}"));
            assert_eq!(answer.json["status"], answer.status.as_u16());
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let port = Port::open().await;
    assert_eq!(port.get("/api/nothing").await.status, 404);
    assert_eq!(port.get("/api/workspaces/").await.status, 404);
    assert_eq!(port.get("/api/workspaces/not-an-id").await.status, 404);
    assert_eq!(port.get("/api/workspaces/%ff").await.header("content-type"), "application/problem+json");
    let answer = port.call("PUT", "/api/workspaces", None).await;
    assert_eq!(answer.status, 405);
    assert!(answer.header("allow").contains("POST"), "{:?}", answer.headers);
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_and_stores_nothing() {
    let port = Port::open().await;
    let send = async |media_type: Option<&str>, body: Body| {
        let mut request = Request::post("/api/workspaces").header("authorization", format!("Bearer {TOKEN}"));
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        port.send(request.body(body).unwrap()).await
    };
    let json = Some("application/json");
    let good = r#"{"name":"a"}"#;
    for bad in ["", "{", "nonsense", r#"{"name":"a"} x"#, r#"{"name":"a","name":"b"}"#] {
        assert_eq!(send(json, Body::from(bad)).await.status, 400, "{bad}");
    }
    let nested = format!(r#"{{"x":{{"y":1,"y":2}},"name":{}}}"#, "1");
    assert_eq!(send(json, Body::from(nested)).await.status, 400);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(send(json, Body::from(deep)).await.status, 400);
    assert_eq!(send(json, Body::from("[]")).await.status, 422);
    for media_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
        assert_eq!(send(media_type, Body::from(good)).await.status, 415, "{media_type:?}");
    }
    let large = format!(r#"{{"name":"{}"}}"#, "a".repeat(1 << 20));
    assert_eq!(send(json, Body::from(large)).await.status, 413);
    assert_eq!(port.get("/api/workspaces").await.json["items"], json!([]));
    assert!(port.audit().await.is_empty());

    assert_eq!(send(Some("application/json; charset=utf-8"), Body::from(good)).await.status, 201);
}

#[tokio::test]
async fn nothing_is_answered_from_keys_that_are_not_loaded() {
    let port = Port::unloaded(false).await;
    for (method, path) in [("GET", "/api/workspaces"), ("POST", "/api/integrations")] {
        let answer = port.call(method, path, Some(json!({ "name": "a" }))).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), "1");
        assert!(!answer.text.contains(".redb"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_query_that_would_be_ignored_is_refused() {
    let port = Port::open().await;
    let id = port.workspace("one").await;
    let answer = port.call("DELETE", &format!("/api/workspaces/{id}?force=true"), None).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.faults(), ["force unknown"]);
    assert_eq!(port.get(&format!("/api/workspaces/{id}")).await.status, 200);
}
