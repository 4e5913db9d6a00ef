//! Workspace signatures: both schemes, signed here without the code under test.

mod candidates;
mod combined;
mod signed_request;
mod vectors;

use serde_json::json;

use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::{Key, START, Sidecar};

/// The manual clock's first second.
const NOW: i64 = START.0 / 1000;

fn with_key(scheme: &str) -> (Sidecar, Key) {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({ "scheme": scheme }));
    (sidecar, key)
}

/// Signed over the body alone.
fn over_body(key: &Key, call: Call) -> Call {
    let signature = hmac_hex(&key.secret, &[&call.body]);
    call.header("X-Workspace-ID", &key.workspace).header("X-Webhook-Signature", format!("sha256={signature}"))
}

/// Signed over time, method, target and body.
fn over_request(key: &Key, call: Call, at: i64) -> Call {
    let head = format!("{at}.{}.{}.", call.method, call.target);
    let signature = hmac_hex(&key.secret, &[head.as_bytes(), &call.body]);
    call.header("X-Workspace-ID", &key.workspace)
        .header("X-Webhook-Timestamp", at.to_string())
        .header("X-Webhook-Signature", format!("v1={signature}"))
}

/// The same call with another value of a header.
fn with(call: &Call, name: &str, value: &str) -> Call {
    call.clone().without(name).header(name, value)
}

fn signature_of(call: &Call) -> String {
    let (_, value) = call.headers.iter().find(|(name, _)| name == "X-Webhook-Signature").unwrap();
    value.clone()
}

#[test]
fn a_signed_body_passes_and_the_signature_goes_no_further() {
    let (sidecar, key) = with_key("workspace");
    for method in ["POST", "PUT", "PATCH"] {
        let body = b"{\"a\": 1}\r\n\0\xff".as_slice();
        let call = over_body(&key, Call { method: method.into(), ..Call::post("/in?x=1", body) });
        let seen = sidecar.passes(&call);
        assert_eq!(seen.body, body);
        assert_eq!(seen.header("countersign-verified"), Some("signature"));
        assert_eq!(seen.header("countersign-scheme"), Some("workspace"));
        assert_eq!(seen.header("countersign-workspace-id"), Some(key.workspace.as_str()));
        assert_eq!(seen.header("countersign-key-id"), Some(key.id.as_str()));
        assert_eq!(seen.header("countersign-body-bound"), Some("true"));
        for gone in ["x-webhook-signature", "x-workspace-id", "x-webhook-key-id", "x-api-key"] {
            assert_eq!(seen.header(gone), None);
        }
        assert!(!sidecar.upstream.raw().contains(&signature_of(&call)[7..]), "the signature went upstream");
    }
}

#[test]
fn a_signature_in_either_case_is_one_signature() {
    let (sidecar, key) = with_key("workspace");
    let call = over_body(&key, Call::post("/", "x"));
    let upper = format!("sha256={}", signature_of(&call)[7..].to_uppercase());
    sidecar.passes(&with(&call, "X-Webhook-Signature", &upper));
    let workspace = key.workspace.to_uppercase();
    sidecar.passes(&with(&call, "X-Workspace-ID", &workspace));
}

#[test]
fn what_is_not_the_signature_is_refused() {
    let (sidecar, key) = with_key("workspace");
    let call = over_body(&key, Call::post("/in", "body"));
    let good = signature_of(&call);
    let hex = &good[7..];
    let other = hmac_hex("another secret", &[b"body"]);
    let flipped = hex.replacen(&hex[..1], if hex.starts_with('0') { "1" } else { "0" }, 1);
    for (value, reason) in [
        (format!("sha256={other}"), "mismatch"),
        (format!("sha256={flipped}"), "mismatch"),
        (format!("sha256={}", "0".repeat(64)), "mismatch"),
        (format!("sha256={}", &hex[..62]), "malformed"),
        (format!("sha256={}", &hex[..32]), "malformed"),
        (format!("sha256={hex}00"), "malformed"),
        (format!("sha256={}", &hex[..63]), "malformed"),
        (format!("sha256=0x{}", &hex[2..]), "malformed"),
        (format!("sha256={}g", &hex[..63]), "malformed"),
        (format!("sha256= {hex}"), "malformed"),
        (format!("sha256={hex},sha256={hex}"), "malformed"),
        ("sha256=".to_owned(), "malformed"),
        ("sha256".to_owned(), "malformed"),
        ("=".to_owned(), "malformed"),
        (String::new(), "malformed"),
        (" ".to_owned(), "malformed"),
        (hex.to_owned(), "malformed"),
        (format!("SHA256={hex}"), "malformed"),
        (format!("sha1={hex}"), "malformed"),
        (format!("sha512={hex}"), "malformed"),
        (format!("v1={hex}"), "malformed"),
    ] {
        let call = with(&call, "X-Webhook-Signature", &value);
        sidecar.refuses_as(&call, "signature", "workspace", reason);
    }
    sidecar.upstream.saw_nothing();
    sidecar.passes(&call);
}

#[test]
fn a_body_that_is_not_the_signed_one_is_refused() {
    let (sidecar, key) = with_key("workspace");
    let call = over_body(&key, Call::post("/in", "body"));
    for body in ["Body", "bod", "body\n", " body", "body\0", "bodybody"] {
        let call = Call { body: body.as_bytes().to_vec(), ..call.clone() };
        sidecar.refuses_as(&call, "signature", "workspace", "mismatch");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_header_that_occurs_twice_is_refused_in_every_order() {
    let (sidecar, key) = with_key("workspace");
    let named = over_body(&key, Call::post("/in", "body")).header("X-Webhook-Key-Id", &key.id);
    sidecar.passes(&named);
    for name in ["X-Webhook-Signature", "X-Workspace-ID", "X-Webhook-Key-Id"] {
        let good = named.headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
        for pair in [[good.as_str(), "x"], ["x", &good], [&good, &good], ["", &good]] {
            let call = with(&named, name, pair[0]).header(&name.to_lowercase(), pair[1]);
            sidecar.refuses_as(&call, "signature", "unknown", "duplicate");
        }
    }
}

#[test]
fn ids_that_lead_nowhere_are_refused() {
    let (sidecar, key) = with_key("workspace");
    let other = sidecar.workspace("other");
    let stranger = sidecar.key(&other, json!({ "name": "stranger" }));
    let call = over_body(&key, Call::post("/in", "body"));
    let nobody = "01234567-89ab-7cde-8f01-23456789abcd";
    let simple = key.workspace.replace('-', "");
    for (workspace, reason) in [
        (nobody, "unknown_key"),
        ("", "malformed"),
        ("tenant", "malformed"),
        (simple.as_str(), "malformed"),
        (&format!("{{{}}}", key.workspace), "malformed"),
        (&format!("urn:uuid:{}", key.workspace), "malformed"),
    ] {
        sidecar.refuses_as(&with(&call, "X-Workspace-ID", workspace), "signature", "unknown", reason);
    }
    sidecar.refuses_as(&call.clone().without("X-Workspace-ID"), "signature", "unknown", "malformed");
    for (id, reason) in [
        (nobody, "unknown_key"),
        (stranger.id.as_str(), "unknown_key"),
        ("", "malformed"),
        ("1", "malformed"),
    ] {
        sidecar.refuses_as(&with(&call, "X-Webhook-Key-Id", id), "signature", "unknown", reason);
    }
    // Right signature, wrong workspace.
    sidecar.refuses_as(&with(&call, "X-Workspace-ID", &other), "signature", "workspace", "mismatch");
    sidecar.upstream.saw_nothing();
}

#[test]
fn an_empty_body_opens_nothing() {
    let (sidecar, key) = with_key("workspace");
    for (method, reason) in [
        ("GET", "method"),
        ("HEAD", "method"),
        ("DELETE", "method"),
        ("OPTIONS", "method"),
        ("PROPFIND", "method"),
        ("POST", "body_empty"),
        ("PUT", "body_empty"),
        ("PATCH", "body_empty"),
    ] {
        let call = over_body(&key, Call::new(method, "/secret"));
        if method == "HEAD" {
            assert_eq!(sidecar.send(&call).status, 401);
            continue;
        }
        sidecar.refuses_as(&call, "signature", "workspace", reason);
        let zero = call.header("Content-Length", "0");
        sidecar.refuses_as(&zero, "signature", "workspace", reason);
    }
    // Nor does a body where the method should have none.
    for method in ["GET", "DELETE", "post"] {
        let call = over_body(&key, Call { method: method.into(), ..Call::post("/", "body") });
        sidecar.refuses_as(&call, "signature", "workspace", "method");
    }
    let mut connection = crate::support::http::Connection::open(sidecar.traffic());
    connection.write(&over_body(&key, Call::new("POST", "/")).chunked(1));
    assert_eq!(connection.answer().status, 401);
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_key_that_may_not_be_used_signs_nothing() {
    let (sidecar, key) = with_key("workspace");
    let call = over_body(&key, Call::post("/in", "body"));
    sidecar.patch_key(&key, json!({ "isActive": false }));
    sidecar.refuses_as(&call, "signature", "workspace", "inactive");
    sidecar.patch_key(&key, json!({ "isActive": true, "allowedCidrs": ["192.0.2.0/24"] }));
    sidecar.refuses_as(&call, "signature", "workspace", "address");
    sidecar.patch_key(&key, json!({ "allowedCidrs": null, "expiresAt": "2026-01-01T00:01:00Z" }));
    sidecar.passes(&call);
    sidecar.advance(60);
    sidecar.refuses_as(&call, "signature", "workspace", "expired");
    sidecar.patch_key(&key, json!({ "expiresAt": null, "routes": ["webhooks"] }));
    sidecar.refuses_with(&call, 403, "signature", "workspace", "require_failed");
    let target = format!("/api/workspaces/{}/webhook-keys/{}", key.workspace, key.id);
    assert_eq!(sidecar.admin("DELETE", &target, None).status, 204);
    sidecar.refuses_as(&call, "signature", "unknown", "unknown_key");
}

#[test]
fn the_previous_secret_signs_until_the_overlap_ends() {
    let (sidecar, key) = with_key("workspace");
    let old = over_body(&key, Call::post("/in", "body"));
    let rotated = sidecar.rotate_key(&key, json!({ "what": "secret", "overlapSeconds": 600 }));
    let fresh = Key { secret: rotated["secret"].as_str().unwrap().to_owned(), ..key.clone() };
    let new = over_body(&fresh, Call::post("/in", "body"));
    sidecar.passes(&old);
    sidecar.passes(&new);
    sidecar.advance(599);
    sidecar.passes(&old);
    sidecar.advance(1);
    sidecar.refuses_as(&old, "signature", "workspace", "mismatch");
    sidecar.passes(&new);
    // The API key was not rotated.
    sidecar.passes(&Call::get("/").header("X-API-Key", &key.api_key));
}
