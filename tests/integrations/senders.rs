//! Senders that we know, with signatures that they published or that RFC 2104 gives.

use data_encoding::BASE64;
use serde_json::json;

use super::{identity, with};
use crate::support::http::Call;
use crate::support::mac::{hmac, hmac_hex};
use crate::support::sidecar::START;

fn hook(body: impl AsRef<[u8]>) -> Call {
    Call::post("/webhooks/hook", body)
}

#[test]
fn the_example_of_githubs_documentation_passes_unless_a_byte_changes() {
    let secret = "It's a Secret to Everybody";
    let (sidecar, _) = with(json!({ "name": "hook", "type": "github", "webhookSecret": secret }));
    // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    let value = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let delivery = |body: &str| hook(body).header("X-Hub-Signature-256", value);
    let seen = sidecar.passes(&delivery("Hello, World!"));
    assert_eq!(identity(&seen, "scheme"), Some("github"));
    assert_eq!(identity(&seen, "body-bound"), Some("true"));
    for body in ["Hello, World", "hello, World!", "Hello, World!\n", "Hello,  World!"] {
        sidecar.refuses_as(&delivery(body), "integration", "github", "mismatch");
    }
}

#[test]
fn w10_githubs_sha_1_alone_is_no_signature() {
    let (sidecar, secret) = with(json!({
        "name": "hook", "type": "github", "webhookSecret": "It's a Secret to Everybody",
    }));
    // printf '{"foo":"bar"}' | openssl dgst -sha1 -hmac "It's a Secret to Everybody"
    let sha1 = "sha1=9d7f292da07c3ddcc553f2c27a200e70bbee602e";
    let body = "{\"foo\":\"bar\"}";
    sidecar.refuses_as(&hook(body).header("X-Hub-Signature", sha1), "integration", "github", "absent");
    let in_256 = hook(body).header("X-Hub-Signature-256", sha1);
    sidecar.refuses_as(&in_256, "integration", "github", "malformed");
    let wrong = format!("sha256={}", "0".repeat(64));
    let both = hook(body).header("X-Hub-Signature", sha1).header("X-Hub-Signature-256", wrong);
    sidecar.refuses_as(&both, "integration", "github", "mismatch");
    let right = format!("sha256={}", hmac_hex(&secret, &[body.as_bytes()]));
    sidecar.passes(&hook(body).header("X-Hub-Signature", sha1).header("X-Hub-Signature-256", right));
}

#[test]
fn generic_takes_the_hex_with_and_without_its_prefix() {
    let (sidecar, secret) = with(json!({ "name": "hook", "type": "generic" }));
    let hex = hmac_hex(&secret, &[b"body"]);
    for value in [hex.clone(), format!("sha256={hex}"), hex.to_uppercase()] {
        sidecar.passes(&hook("body").header("X-Webhook-Signature", value));
    }
}

#[test]
fn pagerduty_takes_any_right_one_of_up_to_sixteen() {
    let (sidecar, secret) = with(json!({ "name": "hook", "type": "pagerduty" }));
    let right = format!("v1={}", hmac_hex(&secret, &[b"body"]));
    let wrong = format!("v1={}", "0".repeat(64));
    let list = |items: &[&str]| hook("body").header("X-PagerDuty-Signature", items.join(","));
    for items in [
        vec![right.as_str()],
        vec![&wrong, &right],
        vec![&right, &wrong],
        vec!["v1=zz", "v0=00", "v2=x", "junk", &right],
        [vec![wrong.as_str(); 15], vec![&right]].concat(),
    ] {
        let seen = sidecar.passes(&list(&items));
        assert_eq!(identity(&seen, "scheme"), Some("pagerduty-v3"));
    }
    for (items, reason) in [
        (vec![wrong.as_str()], "mismatch"),
        (vec!["v1="], "malformed"),
        (vec!["v1"], "malformed"),
        (vec![""], "malformed"),
        ([vec![wrong.as_str(); 16], vec![&right]].concat(), "malformed"),
        (vec![wrong.as_str(); 800], "malformed"),
    ] {
        sidecar.refuses_as(&list(&items), "integration", "pagerduty-v3", reason);
    }
    let other_version = right.replacen("v1", "v0", 1);
    sidecar.refuses_as(&list(&[&other_version]), "integration", "pagerduty-v3", "malformed");
}

#[test]
fn standard_webhooks_sign_id_time_and_body() {
    let (sidecar, secret) = with(json!({ "name": "hook", "type": "standard-webhooks" }));
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
    let now = START.0 / 1000;
    let delivery = |names: [&str; 3], id: &str, at: i64, signed_at: i64| {
        let head = format!("{id}.{signed_at}.");
        let tag = BASE64.encode(&hmac(&key, &[head.as_bytes(), b"body"]));
        hook("body")
            .header(names[0], id)
            .header(names[1], at.to_string())
            .header(names[2], format!("v1,{tag}"))
    };
    let standard = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let svix = ["svix-id", "svix-timestamp", "svix-signature"];
    for names in [standard, svix] {
        for offset in [0, -300, 300] {
            let seen = sidecar.passes(&delivery(names, "msg_1", now + offset, now + offset));
            assert_eq!(seen.header(names[2]), None);
            assert_eq!(seen.header(names[0]), Some("msg_1"), "the id is no secret");
        }
        for (offset, reason) in [(-301, "timestamp_old"), (301, "timestamp_future")] {
            let call = delivery(names, "msg_1", now + offset, now + offset);
            sidecar.refuses_as(&call, "integration", "standard-webhooks", reason);
        }
    }
    let good = delivery(standard, "msg_1", now, now);
    let forged = good.clone().without("webhook-id").header("webhook-id", "msg_2");
    for (call, reason) in [
        (forged, "mismatch"),
        (delivery(standard, "msg_1", now, now - 1), "mismatch"),
        (delivery(standard, "msg.1", now, now), "malformed"),
        (good.clone().without("webhook-id"), "malformed"),
        (good.clone().without("webhook-timestamp"), "timestamp_missing"),
        (good.clone().header("webhook-id", "msg_1"), "duplicate"),
        (good.clone().header("svix-id", "msg_2"), "duplicate"),
        (good.clone().header("svix-timestamp", now.to_string()), "duplicate"),
        (good.header("svix-signature", "v1,x"), "duplicate"),
    ] {
        sidecar.refuses_as(&call, "integration", "standard-webhooks", reason);
    }
}

#[test]
fn a_token_binds_no_body_and_says_so() {
    for (kind, header) in [("datadog", "X-Datadog-Token"), ("newrelic", "X-NewRelic-Token")] {
        let (sidecar, secret) = with(json!({ "name": "hook", "type": kind }));
        let seen = sidecar.passes(&hook("anything").header(header, &secret));
        assert_eq!(identity(&seen, "body-bound"), Some("false"), "{kind}");
        assert_eq!(identity(&seen, "scheme"), Some(kind));
        assert_eq!(seen.header(&header.to_lowercase()), None);
        assert!(!sidecar.upstream.raw().contains(&secret), "{kind}: the token went upstream");
        for (value, reason) in [
            (format!("{secret}x"), "mismatch"),
            (secret[..63].to_owned(), "mismatch"),
            (secret.to_uppercase(), "mismatch"),
            ("x".to_owned(), "mismatch"),
            (String::new(), "malformed"),
        ] {
            sidecar.refuses_as(&hook("anything").header(header, value), "integration", kind, reason);
        }
        let bare = Call { method: "GET".into(), ..hook("") }.header(header, &secret);
        sidecar.refuses_as(&bare, "integration", kind, "method");
        sidecar.refuses_as(&hook("").header(header, &secret), "integration", kind, "body_empty");
    }
}

#[test]
fn relays_that_sign_use_the_hmac_forms() {
    for (kind, header) in [("datadog", "X-Datadog-Signature"), ("newrelic", "X-NewRelic-Signature")] {
        let scheme = format!("{kind}-hmac");
        let (sidecar, secret) = with(json!({ "name": "hook", "type": kind, "scheme": scheme }));
        let delivery = |secret: &str| hook("body").header(header, hmac_hex(secret, &[b"body"]));
        let seen = sidecar.passes(&delivery(&secret));
        assert_eq!(identity(&seen, "scheme"), Some(scheme.as_str()));
        assert_eq!(identity(&seen, "body-bound"), Some("true"));
        sidecar.refuses_as(&delivery("another"), "integration", &scheme, "mismatch");
        let token = hook("body").header(&header.replace("Signature", "Token"), &secret);
        sidecar.refuses_as(&token, "integration", &scheme, "absent");
    }
}
