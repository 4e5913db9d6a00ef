//! Attempts to have an event signed by a handshake.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;

use super::{SECRET, get, with};
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::START;

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn x_event(signature: &str, body: &str) -> Call {
    Call::post("/webhooks/hook", body).header("x-twitter-webhooks-signature", signature)
}

#[test]
fn x_signs_no_event_for_a_stranger() {
    let sidecar = with("x", json!(true));
    let event = r#"{"for_user_id":"1","direct_message_events":[]}"#;
    for forged in [event, " {}", "[]", "\"a\"", "{\"a\":1}", "a=b&c=d", "a.b"] {
        let call = get(&format!("crc_token={}", encoded(forged)));
        sidecar.refuses_as(&call, "integration", "x", "malformed");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn what_x_does_sign_for_a_stranger_passes_as_no_event_even_when_handshakes_are_off_again() {
    let sidecar = with("x", json!(true));
    let tokens = ["abc", "true", "1", "null", "9b4507b3-9040-4669-9ca3-6b94edb50553"];
    let signed: Vec<(&str, String)> = tokens
        .into_iter()
        .map(|token| {
            let answer = sidecar.answers(&get(&format!("crc_token={token}"))).json();
            (token, answer["response_token"].as_str().unwrap().to_owned())
        })
        .collect();
    for enabled in [true, false] {
        sidecar.patch_integration("hook", json!({ "handshake": enabled }));
        for (token, signature) in &signed {
            let tag = HEXLOWER.decode(hmac_hex(SECRET, &[token.as_bytes()]).as_bytes()).unwrap();
            assert_eq!(*signature, format!("sha256={}", BASE64.encode(&tag)), "it is the event's own MAC");
            sidecar.refuses_as(&x_event(signature, token), "integration", "x", "mismatch");
            sidecar.refuses_as(&x_event(signature, &format!("{token}\n")), "integration", "x", "mismatch");
        }
    }
    sidecar.upstream.saw_nothing();
    // An event of the sender is one all the same.
    let tag = HEXLOWER.decode(hmac_hex(SECRET, &[b"{}"]).as_bytes()).unwrap();
    sidecar.passes(&x_event(&format!("sha256={}", BASE64.encode(&tag)), "{}"));
}

#[test]
fn zoom_signs_nothing_for_a_stranger_and_no_event_for_zoom() {
    let sidecar = with("zoom", json!(true));
    let now = START.0 / 1000;
    let validation = |token: &str| {
        json!({ "event": "endpoint.url_validation", "payload": { "plainToken": token } }).to_string()
    };
    let signed = |body: &str| {
        let tag = hmac_hex(SECRET, &[format!("v0:{now}:{body}").as_bytes()]);
        Call::post("/webhooks/hook", body)
            .header("x-zm-signature", format!("v0={tag}"))
            .header("x-zm-request-timestamp", now.to_string())
    };
    // A stranger, whatever they ask for.
    for token in ["abc", "qgg8vlvZRS6UYooatFL8Aw"] {
        let bare = Call::post("/webhooks/hook", validation(token));
        sidecar.refuses_as(&bare, "integration", "zoom", "absent");
        let guessed = signed(&validation(token)).without("x-zm-signature").header("x-zm-signature", "v0=00");
        sidecar.refuses_as(&guessed, "integration", "zoom", "malformed");
    }
    // Somebody who can make Zoom itself send a token of their choice.
    for token in [format!("v0:{now}:{{}}"), format!("v0:{now}:"), "v0:".to_owned(), "a:b".to_owned()] {
        sidecar.refuses(&signed(&validation(&token)), 401);
    }
    sidecar.upstream.saw_nothing();
    // What is signed can't be moved to an event: no time and body make the token.
    let answer = sidecar.answers(&signed(&validation("abc"))).json();
    let mac = answer["encryptedToken"].as_str().unwrap();
    let event = Call::post("/webhooks/hook", "abc")
        .header("x-zm-signature", format!("v0={mac}"))
        .header("x-zm-request-timestamp", now.to_string());
    sidecar.refuses_as(&event, "integration", "zoom", "mismatch");
}

#[test]
fn echoes_sign_nothing_at_all() {
    for (kind, handshake, call) in [
        ("dropbox", json!(true), get("challenge=abc")),
        (
            "meta",
            json!({ "verifyToken": "a-verify-token-of-some-length" }),
            get("hub.mode=subscribe&hub.challenge=abc&hub.verify_token=a-verify-token-of-some-length"),
        ),
        (
            "okta",
            json!(true),
            Call::get("/webhooks/hook")
                .header("X-Okta-Verification-Challenge", "abc")
                .header("Authorization", SECRET),
        ),
    ] {
        let sidecar = with(kind, handshake);
        let answer = sidecar.answers(&call);
        let sent = format!("{:?} {}", answer.headers, answer.text());
        for secret in [SECRET, "a-verify-token", &hmac_hex(SECRET, &[b"abc"])] {
            assert!(!sent.contains(secret), "{kind}: {sent}");
        }
    }
}
