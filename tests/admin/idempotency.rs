//! `Idempotency-Key`: a create or a rotation that is sent again is made once, and answered twice.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::admin_port::{Answer, Port, TOKEN};

/// One of each store.
async fn ports() -> [Port; 2] {
    [Port::open().await, Port::over_redis().await]
}

async fn once(port: &Port, key: &str, path: &str, body: &Value) -> Answer {
    port.call_with("POST", path, Some(body.clone()), &[("idempotency-key", key)]).await
}

/// Sends it twice: the answer, which is the same, and which leaves one event.
async fn twice(port: &Port, key: &str, path: &str, body: &Value, status: u16) -> Answer {
    let events = port.audit().await.len();
    let first = once(port, key, path, body).await;
    assert_eq!(first.status, status, "{}", first.text);
    assert_eq!(first.header("idempotency-replayed"), "");
    let second = once(port, key, path, body).await;
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    for header in ["etag", "location", "content-type", "cache-control"] {
        assert_eq!(second.header(header), first.header(header), "{header}");
    }
    assert_eq!(port.audit().await.len(), events + 1);
    first
}

#[tokio::test]
async fn a_create_or_a_rotation_that_is_sent_again_is_made_once_and_shows_its_secret_again() {
    for port in ports().await {
        let workspace = twice(&port, "w", "/api/workspaces", &json!({ "name": "one" }), 201).await;
        let keys = format!("/api/workspaces/{}/webhook-keys", workspace.str("id"));
        let key = twice(&port, "k", &keys, &json!({ "name": "ci" }), 201).await;
        assert!(key.str("apiKey").starts_with("wk_"));
        let rotate = format!("/api/webhook-keys/{}/rotate", key.str("id"));
        let rotated = twice(&port, "kr", &rotate, &json!({}), 200).await;
        assert_ne!(rotated.str("secret"), key.str("secret"));
        let made = twice(&port, "i", "/api/integrations", &json!({ "name": "pd" }), 201).await;
        let rotate = "/api/integrations/pd/rotate-secret";
        let rotated = twice(&port, "ir", rotate, &json!({ "overlapSeconds": 0 }), 200).await;
        assert_ne!(rotated.str("webhookSecret"), made.str("webhookSecret"));
        // The first answer stays as it was, whatever became of the record.
        port.call("DELETE", "/api/integrations/pd", None).await;
        let again = once(&port, "i", "/api/integrations", &json!({ "name": "pd" })).await;
        assert_eq!(again.text, made.text);
        assert_eq!(port.get("/api/integrations").await.json["items"], json!([]));
    }
}

#[tokio::test]
async fn the_answer_is_repeated_by_another_sidecar_and_only_for_ten_minutes() {
    for port in ports().await {
        let body = json!({ "name": "one" });
        let first = once(&port, "a", "/api/integrations", &body).await;
        let beside = port.beside().await;
        let second = once(&beside, "a", "/api/integrations", &body).await;
        assert_eq!((second.status.as_u16(), &second.text), (201, &first.text));
        port.advance(599);
        assert_eq!(once(&port, "a", "/api/integrations", &body).await.text, first.text);
        port.advance(1);
        // Forgotten: a request like any other, for a name that is taken.
        assert_eq!(once(&port, "a", "/api/integrations", &body).await.status, 409);
        port.call("DELETE", "/api/integrations/one", None).await;
        let anew = once(&port, "a", "/api/integrations", &body).await;
        assert_eq!(anew.status, 201);
        assert_ne!(anew.str("webhookSecret"), first.str("webhookSecret"));
    }
}

#[tokio::test]
async fn a_key_that_came_with_another_request_is_refused_and_nothing_changes() {
    for port in ports().await {
        let body = json!({ "name": "one" });
        let made = once(&port, "a", "/api/workspaces", &body).await;
        let events = port.audit().await.len();
        for (path, body) in [
            ("/api/workspaces".to_owned(), json!({ "name": "two" })),
            ("/api/integrations".to_owned(), body.clone()),
            (format!("/api/workspaces/{}/webhook-keys", made.str("id")), body.clone()),
        ] {
            let answer = once(&port, "a", &path, &body).await;
            assert_eq!(answer.status, 422, "{path}: {}", answer.text);
            assert_eq!(answer.str("type"), "urn:countersign:problem:idempotency-key-used");
            assert!(!answer.text.contains("secret"), "{}", answer.text);
        }
        assert_eq!(port.audit().await.len(), events);
    }
}

#[tokio::test]
async fn a_request_that_was_refused_is_judged_anew() {
    let port = Port::open().await;
    let taken = port.integration(json!({ "name": "one" })).await;
    let body = json!({ "name": "one" });
    assert_eq!(once(&port, "a", "/api/integrations", &body).await.status, 409);
    port.call("DELETE", &format!("/api/integrations/{}", taken.str("id")), None).await;
    assert_eq!(once(&port, "a", "/api/integrations", &body).await.status, 201);
    // Nothing is kept of a request that did not come this far, either.
    assert_eq!(once(&port, "b", "/api/workspaces", &json!({})).await.status, 422);
    assert_eq!(once(&port, "b", "/api/workspaces", &json!({ "name": "b" })).await.status, 201);
}

#[tokio::test]
async fn the_same_request_many_times_at_once_is_made_once() {
    for port in ports().await {
        let workspace = port.workspace("one").await;
        let beside = port.beside().await;
        let keys = format!("/api/workspaces/{workspace}/webhook-keys");
        let body = json!({ "name": "ci" });
        let ask = |port| once(port, "a", &keys, &body);
        let answers = tokio::join!(ask(&port), ask(&beside), ask(&port), ask(&beside), ask(&port));
        let texts = [answers.0, answers.1, answers.2, answers.3, answers.4].map(|answer| {
            assert_eq!(answer.status, 201, "{}", answer.text);
            answer.text
        });
        assert!(texts.iter().all(|text| *text == texts[0]));
        assert_eq!(port.get(&keys).await.json["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_header_that_is_no_key_is_refused_before_anything_is_made() {
    let port = Port::open().await;
    let long = "a".repeat(256);
    for lines in [&[""][..], &["a b"], &["a\tb"], &[&long], &["a", "a"], &["\u{e9}"]] {
        let mut request = Request::post("/api/workspaces")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json");
        for line in lines {
            request = request.header("idempotency-key", *line);
        }
        let answer = port.send(request.body(Body::from(r#"{"name":"a"}"#)).unwrap()).await;
        assert_eq!(answer.status, 400, "{lines:?}");
    }
    assert!(port.audit().await.is_empty());
    let longest = "a".repeat(255);
    assert_eq!(once(&port, &longest, "/api/workspaces", &json!({ "name": "a" })).await.status, 201);
}

#[tokio::test]
async fn what_is_kept_of_an_answer_shows_nothing_of_it() {
    let server = crate::support::redis::shared();
    let port = Port::over_redis().await;
    let made = once(&port, "a-key", "/api/integrations", &json!({ "name": "findable" })).await;
    let kept: Vec<Vec<u8>> = server.ask(&["HGETALL", &format!("{{{}}}:answers", port.namespace())]);
    let kept = String::from_utf8_lossy(&kept.concat()).into_owned();
    for hidden in ["findable", "a-key", made.str("webhookSecret"), &made.str("webhookSecret")[..8]] {
        assert!(!kept.contains(hidden), "{hidden}: {kept}");
    }
    let left: i64 = server.ask(&["PTTL", &format!("{{{}}}:answers", port.namespace())]);
    assert!((1..=600_000).contains(&left), "{left}");
}

#[tokio::test]
async fn of_two_rotations_at_once_one_is_made() {
    for port in ports().await {
        let workspace = port.workspace("one").await;
        let key = port.key(&workspace, json!({ "name": "ci" })).await;
        port.integration(json!({ "name": "pd" })).await;
        let beside = port.beside().await;
        let rotate = format!("/api/webhook-keys/{}/rotate", key.str("id"));
        for path in [rotate.as_str(), "/api/integrations/pd/rotate-secret"] {
            for body in [json!({ "overlapSeconds": 0 }), json!({ "force": true })] {
                let (one, other) = tokio::join!(port.post(path, body.clone()), beside.post(path, body));
                let mut statuses = [one.status.as_u16(), other.status.as_u16()];
                statuses.sort_unstable();
                assert_eq!(statuses, [200, 409], "{} {}", one.text, other.text);
            }
        }
        // With the revision that both saw, the other is told so.
        let path = "/api/integrations/pd/rotate-secret";
        let etag = port.get("/api/integrations/pd").await.header("etag").to_owned();
        let seen = [("if-match", etag.as_str())];
        let (one, other) = tokio::join!(
            port.call_with("POST", path, Some(json!({ "force": true })), &seen),
            beside.call_with("POST", path, Some(json!({ "force": true })), &seen),
        );
        let refused = if one.status == 200 { other } else { one };
        assert!([409, 412].contains(&refused.status.as_u16()), "{}", refused.text);
    }
}
