//! What is known to go wrong with webhook signatures, by its number in the catalogue of such faults.
//!
//! The others are where their subject is: W21 to W25 in `integrations/bodies.rs`, W36 in `rotation.rs` and in the
//! unit tests of `verify`, W39 and W40 in `wycheproof.rs`, W45 in `layering.rs`.

use countersign::verify::scheme::presets;
use data_encoding::{BASE64, BASE64_NOPAD};
use serde_json::json;
use sha2::{Digest, Sha256, Sha512};

use super::{PUBLIC, sidecar};
use crate::support::http::Call;
use crate::support::mac::{hmac, hmac_hex};
use crate::support::sidecar::{START, Sidecar};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = START.0 / 1000;

fn with(kind: &str, secret: &str) -> Sidecar {
    let sidecar = sidecar();
    sidecar.integration(json!({ "name": "hook", "type": kind, "webhookSecret": secret }));
    sidecar
}

fn hook(body: &str) -> Call {
    Call::post("/webhooks/hook", body)
}

/// As Standard Webhooks signs, with these tags before the right signature.
fn standard(list: impl Fn(&str) -> String, at: i64) -> Call {
    let tag = BASE64.encode(&hmac(SECRET.as_bytes(), &[format!("msg_1.{at}.body").as_bytes()]));
    let call = hook("body").header("webhook-id", "msg_1").header("webhook-timestamp", at.to_string());
    call.header("webhook-signature", list(&tag))
}

fn whsec() -> String {
    format!("whsec_{}", BASE64.encode(SECRET.as_bytes()))
}

#[test]
fn w01_an_empty_signature_is_none() {
    let sidecar = with("standard-webhooks", &whsec());
    for list in ["v1,", "v1, ", "v1,=", "v1,AA==", ",", "v1,v1,", " v1, v1,"] {
        sidecar.refuses(&standard(|_| list.to_owned(), NOW), 401);
    }
    sidecar.passes(&standard(|tag| format!("v1,{tag}"), NOW));
}

#[test]
fn w03_whatever_is_no_signature_is_refused_under_every_preset() {
    let sidecar = sidecar();
    let mut tried = 0;
    for scheme in presets().filter(|scheme| scheme.generates_secrets() && !scheme.header().is_empty()) {
        let name = scheme.label();
        sidecar.integration(json!({ "name": name, "type": name }));
        let call = Call::post(&format!("/webhooks/{name}"), "{}").header("Content-Type", "application/json");
        sidecar.refuses(&call, 401);
        for value in ["", "   ", "v1", ",", "sha256=", "Bearer", "=", "e30.e30.", "hmac", "Signature "] {
            sidecar.refuses(&call.clone().header(scheme.header(), value), 401);
        }
        tried += 1;
    }
    assert!(tried > 90, "only {tried}");
    sidecar.upstream.saw_nothing();
}

#[test]
fn w04_a_secret_that_is_empty_is_not_taken() {
    let sidecar = sidecar();
    for kind in ["generic", "standard-webhooks", "gitlab-token", "box", "wise"] {
        for secret in ["", " ", &" ".repeat(40), "\n\n", "whsec_", "whsec_====", "\t"] {
            let body = json!({ "name": "hook", "type": kind, "webhookSecret": secret });
            let answer = sidecar.admin("POST", "/api/integrations", Some(body));
            assert_eq!(answer.status, 422, "{kind} {secret:?}: {}", answer.text());
        }
    }
    let stored = sidecar.admin("GET", "/api/integrations", None).json();
    assert_eq!(stored["items"], json!([]));
}

#[test]
fn w07_a_long_list_is_refused_as_a_whole() {
    let sidecar = with("pagerduty", SECRET);
    let right = format!("v1={}", hmac_hex(SECRET, &[b"body"]));
    for (length, status) in [(16, 200), (17, 401), (200, 401)] {
        let list =
            [vec![format!("v1={}", "0".repeat(64)); length - 1], vec![right.clone()]].concat().join(",");
        let call = hook("body").header("X-PagerDuty-Signature", list);
        if status == 200 {
            sidecar.passes(&call);
        } else {
            sidecar.refuses(&call, status);
        }
    }
}

#[test]
fn w08_other_versions_are_passed_over_and_are_no_signature_themselves() {
    let sidecar = with("standard-webhooks", &whsec());
    sidecar.passes(&standard(|tag| format!("v2,x v1a,y v1,{tag}"), NOW));
    for version in ["v0", "v2", "v1a", "V1", "v", ""] {
        sidecar.refuses(&standard(|tag| format!("{version},{tag}"), NOW), 401);
    }
}

#[test]
fn w11_hexadecimal_is_read_as_bytes_or_not_at_all() {
    let sidecar = with("gitea", SECRET);
    let hex = hmac_hex(SECRET, &[b"body"]);
    let mixed: String = hex
        .chars()
        .enumerate()
        .map(|(n, digit)| if n % 2 == 0 { digit.to_ascii_uppercase() } else { digit })
        .collect();
    for value in [&hex, &hex.to_uppercase(), &mixed] {
        sidecar.passes(&hook("body").header("X-Gitea-Signature", value));
    }
    for value in [
        &hex[1..],
        &hex[2..],
        &format!("0x{hex}"),
        &format!("{}g", &hex[1..]),
        &format!("{hex} {hex}"),
        &format!("é{}", &hex[2..]),
    ] {
        sidecar.refuses(&hook("body").header("X-Gitea-Signature", value), 401);
    }
}

#[test]
fn w16_the_window_has_both_of_its_ends() {
    let sidecar = with("standard-webhooks", &whsec());
    for (offset, passes) in [(-300, true), (-301, false), (300, true), (301, false)] {
        let call = standard(|tag| format!("v1,{tag}"), NOW + offset);
        if passes {
            sidecar.passes(&call);
        } else {
            sidecar.refuses(&call, 401);
        }
    }
}

#[test]
fn w18_only_the_signed_time_is_judged() {
    let sidecar = with("stripe", SECRET);
    let signed = |at: i64, beside: i64| {
        let hex = hmac_hex(SECRET, &[format!("{at}.body").as_bytes()]);
        let call = hook("body").header("Stripe-Signature", format!("t={at},v1={hex}"));
        call.header("X-Timestamp", beside.to_string()).header("webhook-timestamp", beside.to_string())
    };
    sidecar.passes(&signed(NOW, NOW - 10_000));
    sidecar.refuses(&signed(NOW - 10_000, NOW), 401);
}

#[test]
fn w19_two_lines_of_what_is_read_are_a_refusal() {
    let sidecar = with("standard-webhooks", &whsec());
    let good = standard(|tag| format!("v1,{tag}"), NOW);
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let (_, value) = good.headers.iter().find(|(own, _)| own == name).unwrap().clone();
        for value in [value.as_str(), "other"] {
            sidecar.refuses(&good.clone().header(name, value), 401);
            let mut first = good.clone();
            first.headers.insert(0, (name.to_owned(), value.to_owned()));
            sidecar.refuses(&first, 401);
        }
    }
    sidecar.passes(&good);
}

#[test]
fn w26_a_signature_opens_no_other_method_or_path_where_it_covers_them() {
    let sidecar = with("signed-request", SECRET);
    let signed = |method: &str, target: &str| {
        let hex = hmac_hex(SECRET, &[format!("{NOW}.{method}.{target}.body").as_bytes()]);
        hook("body")
            .header("X-Webhook-Timestamp", NOW.to_string())
            .header("X-Webhook-Signature", format!("v1={hex}"))
    };
    let good = signed("POST", "/webhooks/hook");
    sidecar.passes(&good);
    for method in ["PUT", "DELETE", "GET", "PATCH"] {
        sidecar.refuses(&Call { method: method.into(), ..good.clone() }, 401);
    }
    for target in ["/webhooks/hook?", "/webhooks/hook?a", "/webhooks/hook/", "/webhooks/%68ook"] {
        sidecar.refuses(&Call { target: target.into(), ..good.clone() }, 401);
    }
}

#[test]
fn w28_a_url_is_signed_as_it_is_written() {
    let sidecar = with("square", SECRET);
    let signed = |url: &str, target: &str| {
        let tag = BASE64.encode(&hmac(SECRET.as_bytes(), &[url.as_bytes(), b"body"]));
        Call { target: target.into(), ..hook("body") }.header("X-Square-HmacSha256-Signature", tag)
    };
    let targets = ["", "?", "/", "?a=b+c", "?a=b%20c", "?a=%2f", "?a=%2F", "?a=1&a=2", "?a=2&a=1"];
    for sent in targets.map(|rest| format!("/webhooks/hook{rest}")) {
        for other in targets.map(|rest| format!("/webhooks/hook{rest}")) {
            let call = signed(&format!("{PUBLIC}{other}"), &sent);
            if sent == other {
                sidecar.passes(&call);
            } else {
                sidecar.refuses(&call, 401);
            }
        }
        sidecar.refuses(&signed(&format!("{PUBLIC}:443{sent}"), &sent), 401);
    }
}

#[test]
fn w29_a_digest_that_is_not_signed_binds_nothing() {
    let date = "Thu, 01 Jan 2026 00:00:00 GMT";
    let digest = format!("SHA-256={}", BASE64.encode(&Sha256::digest(b"body")));
    let sidecar = with("cavage", SECRET);
    let signed = |lines: &str, names: &str| {
        let tag = BASE64.encode(&hmac(SECRET.as_bytes(), &[lines.as_bytes()]));
        let value = format!("keyId=\"k\",algorithm=\"hmac-sha256\",headers=\"{names}\",signature=\"{tag}\"");
        hook("body").header("Date", date).header("Digest", &digest).header("Signature", value)
    };
    let target = format!("(request-target): post /webhooks/hook\ndate: {date}");
    sidecar.refuses(&signed(&target, "(request-target) date"), 401);
    sidecar.passes(&signed(&format!("{target}\ndigest: {digest}"), "(request-target) date digest"));
}

#[test]
fn w31_every_digest_that_is_said_must_be_right_and_one_strong_one_must_be_there() {
    let sidecar = with("rfc9421", SECRET);
    let signed = |digest: &str| {
        let covered = format!("(\"@method\" \"@path\" \"@query\" \"content-digest\");created={NOW}");
        let base = format!(
            "\"@method\": POST\n\"@path\": /webhooks/hook\n\"@query\": ?\n\"content-digest\": {digest}\n\
             \"@signature-params\": {covered}"
        );
        let tag = BASE64.encode(&hmac(SECRET.as_bytes(), &[base.as_bytes()]));
        let call =
            hook("body").header("Content-Digest", digest).header("Signature-Input", format!("s={covered}"));
        call.header("Signature", format!("s=:{tag}:"))
    };
    let (right, long) = (BASE64.encode(&Sha256::digest(b"body")), BASE64.encode(&Sha512::digest(b"body")));
    let wrong = BASE64.encode(&Sha256::digest(b"other"));
    sidecar.passes(&signed(&format!("sha-256=:{right}:")));
    sidecar.passes(&signed(&format!("sha-256=:{right}:, sha-512=:{long}:")));
    for digest in [
        format!("sha-256=:{wrong}:"),
        format!("sha-256=:{wrong}:, sha-512=:{long}:"),
        format!("sha-512=:{long}:, sha-256=:{wrong}:"),
        "md5=:hBotaJrKa9FhFEdFPCLG/A==:".to_owned(),
        format!("sha-256={right}"),
        "sha-256=::".to_owned(),
    ] {
        sidecar.refuses(&signed(&digest), 401);
    }
}

#[test]
fn w34_a_signature_for_one_integration_opens_no_other() {
    let sidecar = sidecar();
    let secrets = ["a", "b"].map(|name| sidecar.integration(json!({ "name": name, "type": "github" })));
    let call = |secret: &str, name: &str| {
        let value = format!("sha256={}", hmac_hex(secret, &[b"body"]));
        Call::post(&format!("/webhooks/{name}"), "body").header("X-Hub-Signature-256", value)
    };
    sidecar.refuses_as(&call(&secrets[0], "b"), "integration", "github", "mismatch");
    sidecar.refuses_as(&call(&secrets[1], "a"), "integration", "github", "mismatch");
    sidecar.passes(&call(&secrets[0], "a"));
    sidecar.passes(&call(&secrets[1], "b"));
}

#[test]
fn w42_a_secret_is_what_its_scheme_says_and_nothing_is_guessed() {
    let long = "long-secret-".repeat(12);
    for (kind, header, given, key) in [
        ("github", "X-Hub-Signature-256", long.as_str(), long.as_bytes()),
        ("github", "X-Hub-Signature-256", SECRET, SECRET.as_bytes()),
        (
            "github",
            "X-Hub-Signature-256",
            "d2hzZWMtbG9va3MtbGlrZS1iYXNlNjQ=",
            b"d2hzZWMtbG9va3MtbGlrZS1iYXNlNjQ=",
        ),
        ("github", "X-Hub-Signature-256", " a secret with spaces ", b" a secret with spaces "),
    ] {
        let sidecar = with(kind, given);
        let signed = |key: &[u8]| {
            let hex: String = hmac(key, &[b"body"]).iter().map(|byte| format!("{byte:02x}")).collect();
            hook("body").header(header, format!("sha256={hex}"))
        };
        sidecar.passes(&signed(key));
        for other in [
            given.trim().as_bytes().to_vec(),
            [given.as_bytes(), b"\n"].concat(),
            BASE64.decode(given.as_bytes()).unwrap_or_default(),
            data_encoding::HEXLOWER.decode(given.as_bytes()).unwrap_or_default(),
        ] {
            if !other.is_empty() && other != key {
                sidecar.refuses(&signed(&other), 401);
            }
        }
    }
    let unpadded = format!("whsec_{}", BASE64_NOPAD.encode(SECRET.as_bytes()));
    let sidecar = with("standard-webhooks", &unpadded);
    sidecar.passes(&standard(|tag| format!("v1,{tag}"), NOW));
    let body = json!({ "name": "other", "type": "github", "webhookSecret": format!("{SECRET}\n") });
    assert_eq!(sidecar.admin("POST", "/api/integrations", Some(body)).status, 422, "the line end of a file");
}
