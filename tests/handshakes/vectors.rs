//! Every handshake vector, through the whole sidecar: enabled, and not enabled.

use countersign::clock::UnixMillis;
use serde_json::{Value, json};

use super::is_json;
use crate::support::http::Call;
use crate::support::sidecar::Sidecar;

const OWN: &str = include_str!("../vectors/own/handshakes.json");
const PUBLISHED: &str = include_str!("../vectors/webhook-vectors.json");

/// Published labels of presets' handshakes.
const LABELS: [(&str, &str); 2] = [("braintree-challenge", "braintree"), ("x-crc", "x")];

fn vectors() -> Vec<Value> {
    let own: Vec<Value> = serde_json::from_str(OWN).unwrap();
    let mut published: Vec<Value> = serde_json::from_str(PUBLISHED).unwrap();
    published.retain(|vector| LABELS.iter().any(|(label, _)| vector["scheme"] == *label));
    assert_eq!((own.len(), published.len()), (38, 2));
    own.into_iter().chain(published).collect()
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_else(|| panic!("{}: no {key}", vector["id"]))
}

fn preset(vector: &Value) -> &str {
    let label = text(vector, "scheme");
    LABELS.iter().find(|(known, _)| *known == label).map_or(label, |(_, preset)| preset)
}

fn start() -> Sidecar {
    Sidecar::builder().config("[listener]\npublic_url = \"https://hooks.example.com\"").start()
}

/// The integration's name: the vector's own where the answer depends on the URL.
fn name_of(vector: &Value, place: usize) -> String {
    match vector["needs_configured_url"].as_bool() {
        Some(true) => text(vector, "id").to_owned(),
        _ => format!("hook-{place}"),
    }
}

fn call(vector: &Value, name: &str) -> Call {
    let query = text(vector, "url").split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    let mut call = Call::new(text(vector, "method"), &format!("/webhooks/{name}{query}"));
    for (name, value) in vector["headers"].as_object().unwrap() {
        call = call.header(name, value.as_str().unwrap());
    }
    call.body = text(vector, "body").as_bytes().to_vec();
    call
}

/// An integration for each vector, all on one sidecar at the vectors' time.
fn integrate(sidecar: &Sidecar, vector: &Value, name: &str, enabled: bool) {
    if let Some(at) = vector["at"].as_i64() {
        sidecar.clock.set_wall(UnixMillis(at * 1000));
    }
    let handshake = match (enabled, vector["verify_token"].as_str()) {
        (false, _) => Value::Null,
        (true, None) => Value::Bool(true),
        (true, Some(token)) => json!({ "verifyToken": token }),
    };
    // Braintree's two keys are one secret to us.
    let secret = match vector["public_key"].as_str() {
        Some(public) => format!("{public}:{}", text(vector, "secret")),
        None => text(vector, "secret").to_owned(),
    };
    let body =
        json!({ "name": name, "type": preset(vector), "webhookSecret": secret, "handshake": handshake });
    sidecar.integration(body);
}

#[test]
fn enabled_handshakes_are_answered_as_their_senders_expect() {
    let sidecar = start();
    for (place, vector) in vectors().iter().enumerate() {
        let id = text(vector, "id");
        let name = name_of(vector, place);
        integrate(&sidecar, vector, &name, true);
        let call = call(vector, &name);
        if vector["expect"] == "invalid" {
            if vector["forwarded"] == true {
                sidecar.passes(&call);
            } else {
                sidecar.refuses(&call, 401);
            }
            continue;
        }
        let answer = sidecar.answers(&call);
        let expected = &vector["expect_response"];
        assert_eq!(expected["status"], answer.status, "{id}");
        match (expected["text"].as_str(), expected.get("json")) {
            (Some(text), None) => super::is_text(&answer, text),
            (None, Some(json)) => is_json(&answer, json.clone()),
            _ => assert!(answer.body.is_empty() && answer.header("content-type").is_none(), "{id}"),
        }
        if let Some(header) = expected["header"].as_array() {
            let name = header[0].as_str().unwrap().to_lowercase();
            assert_eq!(answer.header(&name), header[1].as_str(), "{id}");
        }
    }
}

#[test]
fn handshakes_that_are_not_enabled_are_not_answered() {
    let sidecar = start();
    let mut refused = 0;
    for (place, vector) in vectors().iter().enumerate().filter(|(_, vector)| vector["expect"] == "valid") {
        let name = name_of(vector, place);
        integrate(&sidecar, vector, &name, false);
        let call = call(vector, &name);
        if vector["bound"].as_array().is_none_or(Vec::is_empty) {
            sidecar.refuses(&call, 401);
            refused += 1;
        } else {
            // Signed as any event is, and to the application as any event goes.
            sidecar.passes(&call);
        }
    }
    assert_eq!((refused, sidecar.outcomes("answered")), (10, 0));
}
