//! JSON Web Tokens of senders, made elsewhere (tests/vectors/own/jwt.py), through the whole sidecar.

use countersign::clock::UnixMillis;
use serde_json::{Value, json};

use super::identity;
use crate::support::http::Call;
use crate::support::sidecar::Sidecar;

const VECTORS: &str = include_str!("../vectors/own/jwt.json");
const PUBLIC: &str = "[listener]\npublic_url = \"https://hooks.example.com\"";

/// A sidecar at the time of a vector, whose integration `sender` has its key, and its request.
fn sent(id: &str) -> (Sidecar, Call, String) {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let vector = vectors.into_iter().find(|vector| vector["id"] == id).unwrap();
    let text = |name: &str| vector[name].as_str().unwrap();
    let sidecar = Sidecar::builder().config(PUBLIC).start();
    sidecar.clock.set_wall(UnixMillis(vector["at"].as_i64().unwrap() * 1000));
    let scheme = text("scheme").to_owned();
    sidecar.integration(json!({ "name": "sender", "type": scheme, "webhookSecret": text("secret") }));
    let target = text("url").strip_prefix("https://hooks.example.com").unwrap();
    let mut call = Call { body: text("body").into(), ..Call::new(text("method"), target) };
    for (name, value) in vector["headers"].as_object().unwrap() {
        call = call.header(name, value.as_str().unwrap());
    }
    (sidecar, call, scheme)
}

#[test]
fn a_token_passes_without_its_header_and_says_what_it_binds() {
    for (id, header, bound) in [
        ("own-messagebird-post", "messagebird-signature-jwt", "true"),
        ("own-messagebird-get", "messagebird-signature-jwt", "true"),
        ("own-vonage", "authorization", "true"),
        ("own-netlify", "x-webhook-signature", "true"),
        ("own-monday", "authorization", "false"),
        ("own-atlassian-connect-header", "authorization", "false"),
        ("own-atlassian-connect-query", "authorization", "false"),
        ("own-plaid-jwk", "plaid-verification", "true"),
        ("own-kinde-jwks", "authorization", "true"),
    ] {
        let (sidecar, call, scheme) = sent(id);
        let seen = sidecar.passes(&call);
        assert_eq!((&seen.target, &seen.body), (&call.target, &call.body), "{id}");
        assert_eq!(seen.header(header), None, "{id}");
        assert_eq!(identity(&seen, "scheme"), Some(scheme.as_str()), "{id}");
        assert_eq!(identity(&seen, "body-bound"), Some(bound), "{id}");
    }
}

#[test]
fn another_body_address_or_token_leaves_the_upstream_untouched() {
    for (id, binds_body, binds_target) in [
        ("own-messagebird-post", true, true),
        ("own-vonage", true, false),
        ("own-netlify", true, false),
        ("own-monday", false, true),
        ("own-atlassian-connect-header", false, true),
        ("own-plaid-pem", true, false),
        ("own-kinde-pem", true, false),
    ] {
        let (sidecar, call, scheme) = sent(id);
        let other = Call { body: [&call.body[..], b" "].concat(), ..call.clone() };
        if binds_body {
            sidecar.refuses_as(&other, "integration", &scheme, "mismatch");
        } else {
            sidecar.passes(&other);
        }
        let separator = if call.target.contains('?') { '&' } else { '?' };
        let other = Call { target: format!("{}{separator}more=1", call.target), ..call.clone() };
        if binds_target {
            sidecar.refuses_as(&other, "integration", &scheme, "mismatch");
        } else {
            sidecar.passes(&other);
        }
        for (name, value) in &call.headers {
            if name.starts_with("Content") || name == "webhook-id" {
                continue;
            }
            let unsigned = value.rsplit_once('.').unwrap().0;
            let forged = call.clone().without(name).header(name, format!("{unsigned}.AAAA"));
            sidecar.refuses_as(&forged, "integration", &scheme, "mismatch");
            let absent = call.clone().without(name);
            sidecar.refuses_as(&absent, "integration", &scheme, "absent");
        }
        sidecar.passes(&call);
    }
}

#[test]
fn a_token_is_refused_once_it_has_expired() {
    for (id, seconds) in
        [("own-messagebird-post", 65), ("own-vonage", 301), ("own-monday", 300), ("own-plaid-jwk", 301)]
    {
        let (sidecar, call, scheme) = sent(id);
        sidecar.passes(&call);
        sidecar.advance(seconds);
        sidecar.refuses_as(&call, "integration", &scheme, "timestamp_old");
    }
}
