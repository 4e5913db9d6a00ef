//! Deliveries of third parties: each sender's scheme, through the whole sidecar.

mod bodies;
mod custom;
mod life;
mod rotation;
mod senders;
mod tokens;

use serde_json::{Value, json};

use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::Sidecar;
use crate::support::upstream::Seen;

/// A sidecar with one integration, and its secret.
fn with(body: Value) -> (Sidecar, String) {
    let sidecar = Sidecar::start();
    let secret = sidecar.integration(body);
    (sidecar, secret)
}

fn generic() -> (Sidecar, String) {
    with(json!({ "name": "hook" }))
}

/// Signed as the type `generic` wants it.
fn signed(secret: &str, body: impl AsRef<[u8]>) -> Call {
    let signature = hmac_hex(secret, &[body.as_ref()]);
    Call::post("/webhooks/hook", body).header("X-Webhook-Signature", signature)
}

fn identity<'s>(seen: &'s Seen, name: &str) -> Option<&'s str> {
    seen.header(&format!("countersign-{name}"))
}

#[test]
fn a_signed_delivery_passes_and_says_who_sent_it() {
    let (sidecar, secret) = generic();
    let answer = sidecar.send(&signed(&secret, "{}"));
    assert_eq!(answer.status, 200);
    let seen = sidecar.upstream.only();
    assert_eq!(identity(&seen, "verified"), Some("integration"));
    assert_eq!(identity(&seen, "integration"), Some("hook"));
    assert_eq!(identity(&seen, "scheme"), Some("generic"));
    assert_eq!(identity(&seen, "body-bound"), Some("true"));
    assert_eq!((identity(&seen, "workspace-id"), identity(&seen, "key-id")), (None, None));
    let id = answer.header("countersign-request-id");
    assert_eq!((identity(&seen, "delivery-id"), identity(&seen, "request-id")), (id, id));
}

#[test]
fn an_integration_of_a_workspace_names_it() {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let secret = sidecar.integration(json!({ "name": "hook", "workspaceId": workspace }));
    let seen = sidecar.passes(&signed(&secret, "{}"));
    assert_eq!(identity(&seen, "workspace-id"), Some(workspace.as_str()));
}

#[test]
fn what_is_wrong_with_a_delivery_is_a_401_that_says_nothing() {
    let (sidecar, secret) = generic();
    let other = sidecar.integration(json!({ "name": "other" }));
    let good = signed(&secret, "body");
    let hex = hmac_hex(&secret, &[b"body"]);
    let set = |value: &str| good.clone().without("X-Webhook-Signature").header("X-Webhook-Signature", value);
    for (call, reason) in [
        (good.clone().without("X-Webhook-Signature"), "absent"),
        (set(""), "malformed"),
        (set("sha256="), "malformed"),
        (set("v1"), "malformed"),
        (set(","), "malformed"),
        (set(&hex[..62]), "malformed"),
        (set(&format!("sha1={hex}")), "malformed"),
        (set(&format!("sha256=sha256={hex}")), "malformed"),
        (set(&hmac_hex(&other, &[b"body"])), "mismatch"),
        (set(&hmac_hex("", &[b"body"])), "mismatch"),
        (good.clone().header("X-Webhook-Signature", "x"), "duplicate"),
        (good.clone().header("x-webhook-signature", &hex), "duplicate"),
        (Call { body: b"Body".to_vec(), ..good.clone() }, "mismatch"),
        (Call { body: b"body\n".to_vec(), ..good.clone() }, "mismatch"),
        (good.clone().without("X-Webhook-Signature").header("X_Webhook_Signature", &hex), "absent"),
    ] {
        sidecar.refuses_as(&call, "integration", "generic", reason);
    }
    let elsewhere = Call { target: "/webhooks/other".into(), ..good.clone() };
    sidecar.refuses_as(&elsewhere, "integration", "generic", "mismatch");
    sidecar.upstream.saw_nothing();
    sidecar.passes(&good);
}

#[test]
fn an_unknown_integration_is_a_401_like_any_other() {
    let (sidecar, secret) = generic();
    let good = signed(&secret, "body");
    for name in ["unknown", "Hook", "hook_", "hook%20", "hook%00x"] {
        let call = Call { target: format!("/webhooks/{name}"), ..good.clone() };
        if name.contains("%00") {
            sidecar.refuses(&call, 400);
        } else {
            sidecar.refuses_as(&call, "integration", "unknown", "unknown_key");
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_name_is_found_however_it_is_encoded() {
    let (sidecar, secret) = generic();
    let good = signed(&secret, "body");
    for target in ["/webhooks/%68ook", "/webhooks/h%6F%6fk", "/%77ebhooks/hook", "/webhooks/hook/"] {
        let seen = sidecar.passes(&Call { target: target.into(), ..good.clone() });
        assert_eq!(seen.target, target, "the target goes up as it came");
        assert_eq!(identity(&seen, "integration"), Some("hook"));
    }
}

#[test]
fn a_signature_opens_no_other_method_and_no_empty_body() {
    let (sidecar, secret) = generic();
    for (method, body, reason) in [
        ("GET", "", "method"),
        ("DELETE", "", "method"),
        ("GET", "body", "method"),
        ("POST", "", "body_empty"),
        ("PUT", "", "body_empty"),
    ] {
        let call = Call { method: method.into(), ..signed(&secret, body) };
        sidecar.refuses_as(&call, "integration", "generic", reason);
    }
    sidecar.upstream.saw_nothing();
    for method in ["PUT", "PATCH"] {
        sidecar.passes(&Call { method: method.into(), ..signed(&secret, "body") });
    }
}

#[test]
fn the_signature_goes_no_further_in_any_spelling() {
    let (sidecar, secret) = generic();
    let call = signed(&secret, "body")
        .header("X_Webhook_Signature", "canary")
        .header("x-webhook_signature", "canary")
        .header("X.Webhook.Signature", "canary");
    let seen = sidecar.passes(&call);
    assert_eq!(seen.names("x"), ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]);
    let sent = sidecar.upstream.raw();
    assert!(!sent.contains("canary") && !sent.contains(&hmac_hex(&secret, &[b"body"])), "{sent}");

    let (sidecar, secret) = with(json!({ "name": "hook", "type": "github" }));
    let value = format!("sha256={}", hmac_hex(&secret, &[b"body"]));
    let call = Call::post("/webhooks/hook", "body")
        .header("X-Hub-Signature-256", value)
        .header("X_Hub_Signature_256", "canary")
        .header("X-GitHub-Event", "push");
    let seen = sidecar.passes(&call);
    assert_eq!(seen.names("x-hub"), Vec::<&str>::new());
    assert_eq!(seen.names("x_hub"), Vec::<&str>::new());
    assert_eq!(seen.header("x-github-event"), Some("push"));
}
