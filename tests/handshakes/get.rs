//! Challenges by GET: Meta, X, Okta, Dropbox, and schemes of one's own in the shape of Braintree and eBay.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{SECRET, get, is_json, is_text, with};
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::Sidecar;

const TOKEN: &str = "a-verify-token-of-some-length";

fn meta(token: &str) -> Call {
    get(&format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}"))
}

#[test]
fn the_challenge_of_meta_goes_back_only_with_the_verify_token() {
    let sidecar = with("meta", json!({ "verifyToken": TOKEN }));
    is_text(&sidecar.answers(&meta(TOKEN)), "1158201444");
    for wrong in ["", "x", &TOKEN[1..], &format!("{TOKEN}x"), &TOKEN.to_uppercase(), SECRET] {
        sidecar.refuses_as(&meta(wrong), "integration", "meta", "mismatch");
    }
    let twice =
        get(&format!("hub.mode=subscribe&hub.challenge=1&hub.verify_token={TOKEN}&hub.verify_token=x"));
    sidecar.refuses_as(&twice, "integration", "meta", "mismatch");
    sidecar
        .patch_integration("hook", json!({ "handshake": { "verifyToken": "another-token-of-some-length" } }));
    sidecar.refuses_as(&meta(TOKEN), "integration", "meta", "mismatch");
    sidecar.answers(&meta("another-token-of-some-length"));
    sidecar.patch_integration("hook", json!({ "handshake": null }));
    sidecar.refuses_as(&meta("another-token-of-some-length"), "integration", "meta", "absent");
}

#[test]
fn nothing_but_a_plain_short_challenge_is_reflected() {
    let sidecar = with("dropbox", json!(true));
    is_text(&sidecar.answers(&get("challenge=abc123")), "abc123");
    sidecar.answers(&get(&format!("challenge={}", "a".repeat(128))));
    for bad in ["", "%3Cscript%3E", "a%0d%0aX-Evil:1", "a%20b", "a%00", "%C3%A9", "a%zz", "a&challenge=a"] {
        sidecar.refuses_as(&get(&format!("challenge={bad}")), "integration", "dropbox", "malformed");
    }
    let long = get(&format!("challenge={}", "a".repeat(129)));
    sidecar.refuses_as(&long, "integration", "dropbox", "malformed");
    for other in ["Challenge=a", "challeng=a", "x=challenge"] {
        sidecar.refuses_as(&get(other), "integration", "dropbox", "absent");
    }
    for method in ["HEAD", "POST", "PUT", "OPTIONS"] {
        let call = Call { method: method.into(), ..get("challenge=abc123") };
        assert_eq!(sidecar.send(&call).status, 401, "{method}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn okta_is_answered_with_its_credential_only() {
    let sidecar = with("okta", json!(true));
    let name = "X-Okta-Verification-Challenge";
    let challenge = Call::get("/webhooks/hook").header(name, "Me_rShK8JHsTnbyYrWXC");
    let call = challenge.clone().header("Authorization", SECRET);
    is_json(&sidecar.answers(&call), json!({ "verification": "Me_rShK8JHsTnbyYrWXC" }));
    sidecar.refuses_as(&challenge, "integration", "okta", "mismatch");
    let wrong = challenge.clone().header("Authorization", "another secret of the operator");
    sidecar.refuses_as(&wrong, "integration", "okta", "mismatch");
    sidecar.refuses_as(&call.clone().header("Authorization", SECRET), "integration", "okta", "mismatch");
    sidecar.refuses_as(&call.clone().header(name, "x"), "integration", "okta", "malformed");
    // After a rotation both secrets are good, as for events, and then the new one is.
    let new = sidecar.rotate_integration("hook", json!({ "overlapSeconds": 60 }));
    sidecar.answers(&call);
    sidecar.answers(&challenge.header("Authorization", new));
    sidecar.advance(60);
    sidecar.refuses_as(&call, "integration", "okta", "mismatch");
}

#[test]
fn x_is_answered_under_the_present_secret() {
    let sidecar = with("x", json!(true));
    let token = |sidecar: &Sidecar| sidecar.answers(&get("crc_token=abc")).json()["response_token"].clone();
    let before = token(&sidecar);
    sidecar
        .rotate_integration("hook", json!({ "webhookSecret": "another-secret-of-x", "overlapSeconds": 60 }));
    assert_ne!(token(&sidecar), before);
}

/// A scheme of one's own with this handshake.
fn own(sidecar: &Sidecar, rest: Value, handshake: Value) {
    let mut scheme = json!({
        "signed": "{body}", "algorithm": "hmac-sha256", "encoding": "hex", "sig": { "header": "X-Sig" },
    });
    scheme["handshake"] = rest;
    sidecar.integration(
        json!({ "name": "hook", "scheme": scheme, "webhookSecret": SECRET, "handshake": handshake }),
    );
}

#[test]
fn a_digest_of_challenge_token_and_url_is_that_of_ebay() {
    let url = "https://hooks.example.com/base";
    let sidecar = Sidecar::builder().config(&format!("[listener]\npublic_url = '{url}'")).start();
    let shape = json!({
        "shape": "get", "challenge": { "query": "challenge_code" }, "json": { "challengeResponse": "{digest}" },
    });
    own(&sidecar, shape, json!({ "verifyToken": TOKEN }));
    let digest = Sha256::digest(format!("a8628072-3d33{TOKEN}{url}/webhooks/hook"));
    let answer = sidecar.answers(&get("challenge_code=a8628072-3d33"));
    is_json(&answer, json!({ "challengeResponse": HEXLOWER.encode(&digest) }));
}

#[test]
fn a_digest_needs_the_public_url() {
    let sidecar = Sidecar::start();
    let scheme = json!({
        "signed": "{body}", "algorithm": "hmac-sha256", "encoding": "hex", "sig": { "header": "X-Sig" },
        "handshake": { "shape": "get", "challenge": { "query": "c" }, "text": "{digest}" },
    });
    let body = json!({ "name": "hook", "scheme": scheme, "handshake": { "verifyToken": TOKEN } });
    let answer = sidecar.admin("POST", "/api/integrations", Some(body));
    assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &json!("/handshake")));
}

#[test]
fn a_mac_goes_back_as_text_too() {
    let sidecar = Sidecar::start();
    let shape = json!({
        "shape": "get", "challenge": { "query": "bt_challenge" }, "text": "public|{mac}",
    });
    own(&sidecar, shape, json!(true));
    let challenge = "20f9f8ed05f77439fe955c977e4c8a53";
    let answer = sidecar.answers(&get(&format!("bt_challenge={challenge}")));
    is_text(&answer, &format!("public|{}", hmac_hex(SECRET, &[challenge.as_bytes()])));
}
