//! Handshakes that are signed as events are: Slack, Zoom, Discord, and Xero as a scheme of one's own.

use serde_json::{Value, json};

use super::{SECRET, is_json, with};
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::{START, Sidecar};

fn v0(headers: [&str; 2], secret: &str, body: &str) -> Call {
    let now = (START.0 / 1000).to_string();
    let tag = hmac_hex(secret, &[format!("v0:{now}:{body}").as_bytes()]);
    Call::post("/webhooks/hook", body).header(headers[0], format!("v0={tag}")).header(headers[1], now)
}

fn slack(secret: &str, body: &Value) -> Call {
    v0(["X-Slack-Signature", "X-Slack-Request-Timestamp"], secret, &body.to_string())
}

fn zoom(secret: &str, token: &str) -> Call {
    let body = json!({ "event": "endpoint.url_validation", "payload": { "plainToken": token } });
    v0(["x-zm-signature", "x-zm-request-timestamp"], secret, &body.to_string())
}

#[test]
fn slack_is_answered_once_its_signature_holds() {
    let sidecar = with("slack", json!(true));
    let body = json!({ "type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV" });
    is_json(&sidecar.answers(&slack(SECRET, &body)), json!({ "challenge": "3eZbrw1aBm2rZgRNFdxV" }));
    sidecar.refuses_as(&slack("another", &body), "integration", "slack", "mismatch");
    let bare = Call::post("/webhooks/hook", body.to_string());
    sidecar.refuses_as(&bare, "integration", "slack", "absent");
    let call = slack(SECRET, &body);
    sidecar.advance(301);
    sidecar.refuses_as(&call, "integration", "slack", "timestamp_old");
}

#[test]
fn events_go_on_to_the_application_while_handshakes_are_enabled() {
    let sidecar = with("slack", json!(true));
    for body in [
        json!({ "type": "event_callback", "challenge": "abc" }),
        json!({ "event": { "type": "url_verification" }, "challenge": "abc" }),
        json!({ "type": ["url_verification"] }),
        json!([{ "type": "url_verification" }]),
        json!({ "type": "url_verification", "challenge": "abc", "more": "x".repeat(20_000) }),
    ] {
        let seen = sidecar.passes(&slack(SECRET, &body));
        assert_eq!(seen.body, body.to_string().into_bytes());
    }
    for text in ["not JSON", r#"{"type":"a","type":"url_verification","challenge":"x"}"#] {
        let call = v0(["X-Slack-Signature", "X-Slack-Request-Timestamp"], SECRET, text);
        assert_eq!(sidecar.passes(&call).body, text.as_bytes());
    }
    assert_eq!(sidecar.outcomes("answered"), 0);
}

#[test]
fn a_signed_handshake_without_a_proper_challenge_is_refused() {
    let sidecar = with("slack", json!(true));
    let long = "a".repeat(129);
    for challenge in [json!(null), json!(""), json!("a b"), json!("<b>"), json!(long), json!(["a"])] {
        let call = slack(SECRET, &json!({ "type": "url_verification", "challenge": challenge }));
        sidecar.refuses(&call, 401);
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn zoom_gets_the_mac_of_its_token_once_its_signature_holds() {
    let sidecar = with("zoom", json!(true));
    let token = "qgg8vlvZRS6UYooatFL8Aw";
    let answer = sidecar.answers(&zoom(SECRET, token));
    let mac = hmac_hex(SECRET, &[token.as_bytes()]);
    is_json(&answer, json!({ "plainToken": token, "encryptedToken": mac }));
    sidecar.refuses_as(&zoom("another", token), "integration", "zoom", "mismatch");
}

#[test]
fn xero_gets_200_without_a_body_where_the_signature_is_right_and_401_where_not() {
    let sidecar = Sidecar::start();
    let scheme = json!({
        "signed": "{body}", "algorithm": "hmac-sha256", "encoding": "base64",
        "sig": { "header": "x-xero-signature" },
        "handshake": { "shape": "signed-post", "when": { "events": [] } },
    });
    sidecar.integration(json!({
        "name": "hook", "scheme": scheme, "webhookSecret": SECRET, "handshake": true,
    }));
    let signed = |body: &str| {
        let hex = hmac_hex(SECRET, &[body.as_bytes()]);
        let tag = data_encoding::BASE64.encode(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap());
        Call::post("/webhooks/hook", body).header("x-xero-signature", tag)
    };
    let intent = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}"#;
    let answer = sidecar.answers(&signed(intent));
    assert_eq!(
        (answer.body.len(), answer.header("content-type"), answer.header("set-cookie")),
        (0, None, None)
    );
    let wrong = Call { body: intent.replace("S0m3", "S0m4").into_bytes(), ..signed(intent) };
    sidecar.refuses_as(&wrong, "integration", "custom", "mismatch");
    sidecar
        .passes(&signed(r#"{"events":[{"resourceId":"1"}],"firstEventSequence":1,"lastEventSequence":1}"#));
}
