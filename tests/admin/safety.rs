//! What keeps strangers, and the web pages that an admin visits, from the admin port.

use std::net::Ipv4Addr;

use axum::body::Body;
use countersign::admin::{OPERATIONS, Peer};
use http::Request;
use serde_json::json;

use crate::support::admin_port::{Answer, Port, TOKEN};
use crate::support::http::Call;
use crate::support::sidecar::Sidecar;

const ATTACKER: Peer = Peer {
    address: std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    reached: std::net::IpAddr::V4(Ipv4Addr::LOCALHOST),
};

/// A login from an address, with a token and perhaps none.
async fn login(port: &Port, from: Peer, token: Option<&str>) -> Answer {
    let mut request = Request::get("/api/workspaces").extension(from);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    port.send(request.body(Body::empty()).unwrap()).await
}

/// A create of a workspace with the right token and these headers.
async fn create(port: &Port, headers: &[(&str, &str)]) -> Answer {
    port.call_with("POST", "/api/workspaces", Some(json!({ "name": "w" })), headers).await
}

async fn is_empty(port: &Port) -> bool {
    port.get("/api/workspaces").await.json["items"] == json!([]) && port.audit().await.is_empty()
}

#[tokio::test]
async fn n05_a_host_that_is_not_ours_reaches_no_handler() {
    let port = Port::open().await;
    for host in ["evil.test", "evil.test:9901", "localhost.evil.test", "192.0.2.9", "0.0.0.0"] {
        let answer = create(&port, &[("host", host)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.str("type")),
            (421, "urn:countersign:problem:misdirected"),
            "{host}"
        );
        assert!(!answer.text.contains("evil"), "{}", answer.text);
    }
    for host in ["", "a b", "user@localhost"] {
        assert_eq!(create(&port, &[("host", host)]).await.status, 400, "{host}");
    }
    assert_eq!(create(&port, &[("host", "localhost"), ("host", "evil.test")]).await.status, 400);
    // A target in absolute-form names a host, too.
    let absolute =
        Request::get("http://evil.test/api/workspaces").header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(port.send(absolute.body(Body::empty()).unwrap()).await.status, 421);
    // Before the token is looked at, so that no page learns anything of it.
    let nobody = Request::get("/api/workspaces").header("host", "evil.test").body(Body::empty()).unwrap();
    assert_eq!(port.send(nobody).await.status, 421);
    assert!(is_empty(&port).await);

    for host in ["localhost:1", "127.0.0.1", "[::1]:9901", "admin.example.com", "ADMIN.example.com.:443"] {
        let request = Request::get("/api/workspaces").header("host", host);
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        assert_eq!(port.send(request.body(Body::empty()).unwrap()).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn n06_what_a_page_of_another_site_sends_is_refused() {
    let port = Port::open().await;
    for headers in [
        [("origin", "null")],
        [("origin", "http://evil.test")],
        [("origin", "http://localhost")],
        [("origin", "http://localhost:9902")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ] {
        let answer = create(&port, &headers).await;
        assert_eq!(
            (answer.status.as_u16(), answer.str("type")),
            (403, "urn:countersign:problem:cross-site"),
            "{headers:?}"
        );
        assert_eq!(port.call_with("GET", "/api/workspaces", None, &headers).await.status, 403, "{headers:?}");
    }
    // What a form can send without asking first.
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = Request::post("/api/workspaces")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", media_type)
            .body(Body::from(r#"{"name":"w"}"#));
        assert_eq!(port.send(request.unwrap()).await.status, 415, "{media_type}");
    }
    assert!(is_empty(&port).await);

    let own = [("origin", "http://localhost:9901"), ("sec-fetch-site", "same-origin")];
    assert_eq!(create(&port, &own).await.status, 201);
}

#[tokio::test]
async fn n07_no_other_origin_is_ever_allowed() {
    let port = Port::open().await;
    let headers = [("origin", "http://evil.test"), ("access-control-request-method", "POST")];
    for (method, headers) in
        [("OPTIONS", &headers[..]), ("GET", &headers[..1]), ("OPTIONS", &[]), ("GET", &[])]
    {
        let answer = port.call_with(method, "/api/workspaces", None, headers).await;
        let allows = answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
        assert!(!allows, "{method}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn n11_an_address_with_too_many_bad_tokens_waits_and_others_do_not() {
    let port = Port::open().await;
    // Nobody is locked out by coming without a token.
    for _ in 0..30 {
        assert_eq!(login(&port, ATTACKER, None).await.status, 401);
    }
    for attempt in 0..20 {
        let answer = login(&port, ATTACKER, Some(&format!("wrong-{attempt}"))).await;
        assert_eq!(answer.status, 401, "attempt {attempt}");
    }
    port.advance(15);
    // The right one is not looked at, either: the bound is one on guesses.
    for token in ["wrong", TOKEN] {
        let answer = login(&port, ATTACKER, Some(token)).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "45"), "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(
        login(&port, Peer { address: Ipv4Addr::new(192, 0, 2, 2).into(), ..ATTACKER }, Some(TOKEN))
            .await
            .status,
        200
    );
    assert_eq!(port.refused.total(), 30 + 20 + 2);
    port.advance(45);
    assert_eq!(login(&port, ATTACKER, Some(TOKEN)).await.status, 200);
}

#[test]
fn n11_the_address_is_that_of_the_connection() {
    let sidecar = Sidecar::start();
    let admin = sidecar.running().admin.unwrap();
    let call = |token: &str| {
        let call = Call::get("/api/workspaces").header("Authorization", format!("Bearer {token}"));
        call.header("X-Forwarded-For", "192.0.2.7").ask(admin).status
    };
    assert_eq!(call(crate::support::sidecar::TOKEN), 200);
    let answers: Vec<_> = (0..21).map(|_| call("wrong")).collect();
    assert_eq!((answers[19], answers[20]), (401, 429));
}

#[tokio::test]
async fn n13_json_that_two_readers_could_read_differently_is_refused() {
    let port = Port::open().await;
    let send = async |body: String| {
        let request = Request::post("/api/integrations")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json");
        port.send(request.body(Body::from(body)).unwrap()).await
    };
    let secret = "an-imported-secret-0123456789";
    let twice =
        format!(r#"{{"name":"h","webhookSecret":"{secret}","webhookSecret":"another-secret-0123456789"}}"#);
    let nested = r#"{"name":"h","scheme":{"a":{"b":1,"b":2}}}"#.to_owned();
    let escaped = r#"{"name":"h","n\u0061me":"i"}"#.to_owned();
    for body in [twice, nested, escaped] {
        let answer = send(body).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(!answer.text.contains("secret-0123"), "{}", answer.text);
    }
    let deep = format!(r#"{{"name":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(send(deep).await.status, 400);
    assert_eq!(send(format!(r#"{{"name":"{}"}}"#, "a".repeat(1 << 20))).await.status, 413);
    for name in ["WebhookSecret", "webhooksecret", "webhookSecret ", "webhook_secret"] {
        let answer = send(format!(r#"{{"name":"h","{name}":"{secret}"}}"#)).await;
        assert_eq!((answer.status.as_u16(), answer.faults()), (422, vec![format!("/{name} unknown")]));
        assert!(!answer.text.contains(secret), "{}", answer.text);
    }
    assert_eq!(port.get("/api/integrations").await.json["items"], json!([]));
    assert!(port.audit().await.is_empty());
}

#[tokio::test]
async fn n14_every_answer_carries_what_keeps_browsers_safe() {
    let port = Port::open().await;
    let nobody = port.send(Request::get("/").body(Body::empty()).unwrap()).await;
    let misdirected = create(&port, &[("host", "evil.test")]).await;
    let cross_site = create(&port, &[("origin", "null")]).await;
    let made = create(&port, &[]).await;
    let (found, missing) = (port.get("/api/workspaces").await, port.get("/api/nothing").await);
    let deleted = port.call("DELETE", &format!("/api/workspaces/{}", made.str("id")), None).await;
    for answer in [nobody, misdirected, cross_site, made, found, missing, deleted] {
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{name} of {}", answer.status);
        }
    }
}

#[tokio::test]
async fn paths_match_exactly() {
    let port = Port::open().await;
    let id = port.workspace("w").await;
    for path in [
        "/api/workspaces/".to_owned(),
        "/api//workspaces".to_owned(),
        "//api/workspaces".to_owned(),
        "/API/workspaces".to_owned(),
        "/api/workspaces;x".to_owned(),
        "/api/workspaces%2f".to_owned(),
        "/api/%77orkspaces".to_owned(),
        "/api/./workspaces".to_owned(),
        "/api/x/../workspaces".to_owned(),
        format!("/api/workspaces/{id}/"),
        format!("/api/workspaces/{id}%00"),
        format!("/api/workspaces/{}", id.replace('-', "")),
        format!("/api/workspaces/{{{id}}}"),
    ] {
        let Ok(request) =
            Request::get(&path).header("authorization", format!("Bearer {TOKEN}")).body(Body::empty())
        else {
            continue;
        };
        assert_eq!(port.send(request).await.status, 404, "{path}");
    }
}

#[test]
fn n04_admin_paths_are_nothing_on_the_traffic_port_and_the_other_way_round() {
    let sidecar = Sidecar::start();
    for operation in OPERATIONS {
        let call = Call::new(operation.method.as_str(), &operation.path.replace(['{', '}'], ""))
            .header("Authorization", format!("Bearer {}", crate::support::sidecar::TOKEN));
        let status = sidecar.send(&call).status;
        assert!(matches!(status, 401 | 404 | 405), "{} {}: {status}", operation.method, operation.path);
    }
    sidecar.upstream.saw_nothing();
    let key = sidecar.key(&sidecar.workspace("w"), json!({}));
    let call = Call::get("/").header("X-API-Key", &key.api_key);
    assert_eq!(call.ask(sidecar.running().admin.unwrap()).status, 401);
    sidecar.upstream.saw_nothing();
}
