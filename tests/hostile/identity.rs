//! Identity headers come only from us, in whatever spelling a client sends its own.

use super::{open, raw, status};
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::upstream::is_via;

/// Names that an application may read as one of ours.
const FORGED: [&str; 28] = [
    "Countersign-Verified",
    "countersign_verified",
    "COUNTERSIGN.VERIFIED",
    "Countersign_Workspace-Id",
    "Countersign-Workspace_Id",
    "countersign-key-id",
    "Countersign_Key_Id",
    "Countersign-Integration",
    "Countersign-Scheme",
    "Countersign-Delivery-Id",
    "Countersign-Request-Id",
    "Countersign-Body-Bound",
    "Countersign-Assertion",
    "Countersign-Anything-At-All",
    "countersign~verified",
    "X-Workspace-ID",
    "X_Workspace_ID",
    "X-Webhook-Key_Id",
    "X.Webhook.Key.Id",
    "X-Real-IP",
    "X_Real_IP",
    "X-Forwarded",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "x-forwarded-anything",
    "Forwarded",
];

fn forged(mut call: Call, except: &[&str]) -> Call {
    for name in FORGED.iter().filter(|name| !except.contains(name)) {
        call = call.header(name, "canary-of-the-client");
    }
    call
}

#[test]
fn p03_forged_identity_never_arrives_on_a_verified_route() {
    let (sidecar, key) = open();
    let hook = sidecar.integration(serde_json::json!({ "name": "hook" }));
    let by_key = forged(Call::post("/in", "body").header("X-API-Key", &key.api_key), &[]);
    let by_hook =
        Call::post("/webhooks/hook", "body").header("X-Webhook-Signature", hmac_hex(&hook, &[b"body"]));
    let by_signature = Call::post("/in", "body")
        .header("X-Workspace-ID", &key.workspace)
        .header("X-Webhook-Signature", format!("sha256={}", hmac_hex(&key.secret, &[b"body"])));
    for (call, verified) in [
        (by_key, "api-key"),
        (forged(by_hook, &[]), "integration"),
        (forged(by_signature, &["X-Workspace-ID"]), "signature"),
    ] {
        let seen = sidecar.passes(&call);
        assert_eq!(seen.all("countersign-verified"), [verified]);
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
        assert_eq!(seen.all("x-forwarded-host"), ["app.example"]);
        assert_eq!(seen.all("host"), ["app.example"]);
        assert_eq!(seen.names("countersign_"), Vec::<&str>::new());
    }
    assert!(!sidecar.upstream.raw().contains("canary"), "{}", sidecar.upstream.raw());
}

#[test]
fn p03_forged_identity_never_arrives_on_an_open_route() {
    let (sidecar, key) = open();
    let call = forged(Call::get("/public/a"), &[])
        .header("X-API-Key", &key.api_key)
        .header("X_API_KEY", &key.api_key)
        .header("X-Webhook-Signature", "canary-of-the-client");
    let seen = sidecar.passes(&call);
    let mut ours = seen.names("countersign");
    ours.sort_unstable();
    assert_eq!(ours, ["countersign-body-bound", "countersign-request-id", "countersign-verified"]);
    assert_eq!(seen.all("countersign-verified"), ["none"]);
    assert_eq!(seen.all("countersign-body-bound"), ["false"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    let sent = sidecar.upstream.raw();
    assert!(!sent.contains("canary") && !sent.contains("wk_"), "{sent}");
}

#[test]
fn p03_forged_identity_opens_nothing() {
    let (sidecar, _) = open();
    sidecar.integration(serde_json::json!({ "name": "hook" }));
    for target in ["/in", "/webhooks/hook"] {
        sidecar.refuses(&forged(Call::post(target, "body"), &["X-Workspace-ID"]), 401);
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn p01_connection_cannot_name_our_headers_away() {
    let (sidecar, key) = open();
    for list in [
        "countersign-verified, x-forwarded-for, host",
        "Countersign-Verified",
        "close, COUNTERSIGN-KEY-ID , X-Forwarded-Host,x-forwarded-proto",
        "countersign-request-id\r\nConnection: countersign-workspace-id, via",
        "content-length, content-type, transfer-encoding",
    ] {
        let bytes = format!(
            "POST /in HTTP/1.1\r\nHost: app.example\r\nX-API-Key: {}\r\nContent-Type: a/b\r\n\
             Content-Length: 5\r\nX-Hop: hop\r\nConnection: x-hop, {list}\r\n\r\nhello",
            key.api_key
        );
        assert_eq!(status(&sidecar, bytes), 200, "{list}");
        let seen = sidecar.upstream.only();
        assert_eq!(seen.all("countersign-verified"), ["api-key"], "{list}");
        assert_eq!(seen.all("countersign-key-id"), [key.id.as_str()], "{list}");
        assert_eq!(seen.all("countersign-workspace-id"), [key.workspace.as_str()], "{list}");
        assert_eq!(seen.all("countersign-request-id").len(), 1, "{list}");
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"], "{list}");
        assert_eq!(seen.all("x-forwarded-host"), ["app.example"], "{list}");
        assert_eq!(seen.all("host"), ["app.example"], "{list}");
        assert!(
            matches!(seen.all("via")[..], [ours] if is_via(ours, "1.1")),
            "{list}: {:?}",
            seen.all("via")
        );
        assert_eq!(seen.all("content-type"), ["a/b"], "{list}");
        assert_eq!((seen.header("x-hop"), seen.header("connection")), (None, None), "{list}");
        assert_eq!(seen.body, b"hello");
    }
}

#[test]
fn p01_connection_cannot_name_a_credential_away() {
    let (sidecar, key) = open();
    let hook = sidecar.integration(serde_json::json!({ "name": "hook" }));
    // Verified as it arrived, and gone upstream either way.
    let seen = sidecar.passes(
        &Call::post("/webhooks/hook", "body")
            .header("Connection", "x-webhook-signature")
            .header("X-Webhook-Signature", hmac_hex(&hook, &[b"body"])),
    );
    assert_eq!(seen.header("x-webhook-signature"), None);
    // A present signature stays present, so no downgrade to the API key.
    let call = Call::post("/in", "body")
        .header("Connection", "x-webhook-signature, x-workspace-id")
        .header("X-Webhook-Signature", "sha256=00")
        .header("X-API-Key", &key.api_key);
    sidecar.refuses(&call, 401);
}

#[test]
fn hop_by_hop_headers_end_here() {
    let (sidecar, key) = open();
    let bytes = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: Basic x\r\nProxy-Authenticate: Basic\r\nTE: trailers, gzip\r\nTrailer: X\r\n\
         Upgrade: h2c\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nVia: 1.0 before\r\n\r\n",
        key.api_key
    );
    assert_eq!(status(&sidecar, bytes), 200);
    let seen = sidecar.upstream.only();
    for gone in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "transfer-encoding",
    ] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert!(
        matches!(seen.all("via")[..], ["1.0 before", ours] if is_via(ours, "1.1")),
        "{:?}",
        seen.all("via")
    );
}

#[test]
fn p14_nothing_of_a_refused_request_comes_back() {
    let (sidecar, _) = open();
    for bytes in [
        "GET /canary?canary=1 HTTP/1.1\r\nHost: canary\r\nX-API-Key: canary\r\nX-Canary: canary\r\n\r\n",
        "GET /canary/../x HTTP/1.1\r\nHost: canary\r\n\r\n",
        "CANARY /canary HTTP/1.1\r\nHost: canary\r\nExpect: canary\r\n\r\n",
        "POST /webhooks/canary HTTP/1.1\r\nHost: canary\r\nContent-Length: 6\r\n\r\ncanary",
        "GET /canary HTTP/1.1\r\nHost: canary\r\nHost: canary\r\n\r\n",
        "GET canary HTTP/1.1\r\nHost: canary\r\n\r\n",
    ] {
        let (answer, _) = raw(&sidecar, bytes);
        let answer = format!("{:?} {}", answer.as_ref().unwrap().headers, answer.as_ref().unwrap().text());
        assert!(!answer.to_lowercase().contains("canary"), "{answer}");
    }
    sidecar.upstream.saw_nothing();
}
