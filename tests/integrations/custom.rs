//! Schemes that an admin describes: inline, or by the signature fields of a type.

use data_encoding::BASE64;
use serde_json::json;

use super::{identity, with};
use crate::support::http::Call;
use crate::support::mac::{hmac, hmac_hex};
use crate::support::sidecar::{START, Sidecar};

#[test]
fn a_scheme_written_out_verifies_what_it_describes() {
    let scheme = json!({
        "signed": "{timestamp}:{method}:{target}:{header:x-event}:{body}",
        "algorithm": "hmac-sha256",
        "encoding": "base64",
        "sig": { "header": "Acme-Signature", "parse": "kv", "sep": ";", "key": "s" },
        "timestamp": { "field": "t", "tolerance": 60 },
    });
    let (sidecar, secret) = with(json!({ "name": "hook", "scheme": scheme }));
    let now = START.0 / 1000;
    let signed = |method: &str, event: &str, at: i64| {
        let head = format!("{at}:{method}:/webhooks/hook?x=1:{event}:");
        let tag = BASE64.encode(&hmac(secret.as_bytes(), &[head.as_bytes(), b"body"]));
        Call { method: method.into(), ..Call::post("/webhooks/hook?x=1", "body") }
            .header("X-Event", event)
            .header("Acme-Signature", format!("t={at};s={tag}"))
    };
    let good = signed("POST", "push", now);
    let seen = sidecar.passes(&good);
    assert_eq!(identity(&seen, "scheme"), Some("custom"));
    assert_eq!(seen.header("acme-signature"), None);
    assert_eq!(seen.header("x-event"), Some("push"));
    sidecar.passes(&signed("DELETE", "gone", now + 60));
    for (call, reason) in [
        (signed("POST", "push", now - 61), "timestamp_old"),
        (Call { target: "/webhooks/hook?x=2".into(), ..good.clone() }, "mismatch"),
        (Call { method: "PUT".into(), ..good.clone() }, "mismatch"),
        (good.clone().without("X-Event").header("X-Event", "pull"), "mismatch"),
        (good.clone().without("X-Event"), "malformed"),
        (good.clone().header("X-Event", "push"), "duplicate"),
        (good.header("Acme-Signature", "t=1;s=x"), "duplicate"),
    ] {
        sidecar.refuses_as(&call, "integration", "custom", reason);
    }
}

#[test]
fn the_fields_of_a_type_change_its_header_algorithm_format_and_prefix() {
    let (sidecar, secret) = with(json!({
        "name": "hook", "type": "generic", "signatureHeader": "x-acme-signature", "signatureFormat": "base64",
        "signaturePrefix": "acme ",
    }));
    let tag = BASE64.encode(&hmac(secret.as_bytes(), &[b"body"]));
    let call = Call::post("/webhooks/hook", "body").header("X-Acme-Signature", format!("acme {tag}"));
    let seen = sidecar.passes(&call);
    assert_eq!((seen.header("x-acme-signature"), identity(&seen, "scheme")), (None, Some("custom")));
    let usual =
        Call::post("/webhooks/hook", "body").header("X-Webhook-Signature", hmac_hex(&secret, &[b"body"]));
    sidecar.refuses_as(&usual, "integration", "custom", "absent");

    sidecar.patch_integration("hook", json!({ "signatureHeader": "X-Other", "signaturePrefix": "" }));
    sidecar.refuses_as(&call, "integration", "custom", "absent");
    sidecar.passes(&Call::post("/webhooks/hook", "body").header("X-Other", &tag));
    // One more spelling of the same bytes is none.
    let last = tag.find('=').unwrap() - 1;
    let stray_bits = [&tag[..last], "/", &tag[last + 1..]].concat();
    sidecar.refuses(&Call::post("/webhooks/hook", "body").header("X-Other", stray_bits), 401);
}

#[test]
fn a_signing_relay_of_a_sender_that_cannot_sign() {
    let (sidecar, secret) =
        with(json!({ "name": "hook", "type": "datadog", "signatureAlgorithm": "sha256" }));
    let call = |secret: &str| {
        Call::post("/webhooks/hook", "body").header("X-Datadog-Signature", hmac_hex(secret, &[b"body"]))
    };
    assert_eq!(identity(&sidecar.passes(&call(&secret)), "body-bound"), Some("true"));
    sidecar.refuses(&call("another"), 401);
}

#[test]
fn a_scheme_with_its_own_limit_raises_that_of_its_route() {
    let scheme = json!({
        "signed": "{body}", "algorithm": "hmac-sha256", "encoding": "hex", "max_body": "2MiB",
        "sig": { "header": "X-Acme" },
    });
    let (sidecar, secret) = with(json!({ "name": "hook", "scheme": scheme }));
    let body = vec![b'a'; 2 * 1024 * 1024];
    let call = Call::post("/webhooks/hook", &body).header("X-Acme", hmac_hex(&secret, &[&body]));
    assert_eq!(sidecar.passes(&call).body.len(), body.len());
    let more = Call { body: [body, vec![b'a']].concat(), ..call };
    sidecar.refuses(&more, 413);
}

#[test]
fn a_scheme_that_signs_the_url_is_a_503_where_no_url_is_configured() {
    let square = || json!({ "name": "hook", "type": "square" });
    let without = Sidecar::start();
    let refused = without.admin("POST", "/api/integrations", Some(square()));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(refused.json()["errors"][0]["pointer"], "/type");

    // Configured at first, and not any more: no sender is to blame.
    let public = "[listener]\npublic_url = \"https://hooks.example.com\"";
    let mut sidecar = Sidecar::builder().config(public).start();
    let secret = sidecar.integration(square());
    let url = b"https://hooks.example.com/webhooks/hook";
    let tag = BASE64.encode(&hmac(secret.as_bytes(), &[url, b"body"]));
    let call = Call::post("/webhooks/hook", "body").header("X-Square-HmacSha256-Signature", tag);
    sidecar.passes(&call);
    sidecar.stop();
    sidecar.reconfigure(|config| config.listener.public_url = None);
    sidecar.start_again();
    sidecar.refuses_with(&call, 503, "integration", "square", "internal");
}
