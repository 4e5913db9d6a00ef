//! Every published vector of a scheme that we have must be judged as its sender judges it.
//!
//! A vector passes through the same stages as a request, but for those that ask who may send at all: extract,
//! timestamp window, empty body, MAC. Vectors of schemes that can't be expressed yet are counted, not skipped
//! unseen: the counts below change with every scheme that is added.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use countersign::clock::UnixMillis;
use countersign::credential::Head;
use countersign::keys::entry::Which;
use countersign::secret::Secret;
use countersign::verify::kind::vectors::scheme_of;
use countersign::verify::offline::{self, Captured, Refused, Terms};
use countersign::verify::scheme::spec::Proof;
use countersign::verify::scheme::{CUSTOM, Scheme, SchemeSpec, preset, presets};
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

const VECTORS: &str = include_str!("vectors/webhook-vectors.json");

/// The example of Zendesk's documentation of 2021, which neither its prose nor its code bears out: no preset, but
/// proof that the language can say it.
const ZENDESK_2021: &str = "signed = '{body}{timestamp}'\nalgorithm = 'hmac-sha256'\nencoding = 'base64'\n\
    [sig]\nheader = 'X-Zendesk-Webhook-Signature'\n\
    [timestamp]\nheader = 'X-Zendesk-Webhook-Signature-Timestamp'\nunit = 'rfc3339'";

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_else(|| panic!("{}: no {key}", vector["id"]))
}

fn compile(scheme: &str) -> Scheme {
    let spec: SchemeSpec = toml::from_str(scheme).unwrap();
    Scheme::compile(&spec, CUSTOM).unwrap()
}

fn headers(vector: &Value) -> HeaderMap {
    vector["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_bytes(value.as_str().unwrap().as_bytes()).unwrap())
        })
        .collect()
}

fn judge(scheme: &Scheme, vector: &Value) -> Result<Which, Refused> {
    let headers = headers(vector);
    let method = Method::from_bytes(text(vector, "method").as_bytes()).unwrap();
    let url = text(vector, "url");
    let uri: http::Uri = url.parse().unwrap();
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let bytes = |secret: &str| match vector["secret_encoding"].as_str() {
        None => Secret::from_text(secret),
        Some(encoding) => {
            assert_eq!(encoding, "base64", "{}: secret_encoding", vector["id"]);
            Secret::new(BASE64.decode(secret.as_bytes()).unwrap())
        }
    };
    let secrets: Vec<Secret> = match &vector["secret"] {
        Value::Array(list) => list.iter().map(|text| bytes(text.as_str().unwrap())).collect(),
        _ => vec![bytes(text(vector, "secret"))],
    };
    if scheme.tolerance_seconds().is_some() {
        assert!(vector["at"].is_i64(), "{}: a signed time needs `at`", vector["id"]);
    }
    let terms = Terms {
        scheme,
        secrets: &secrets,
        now: UnixMillis(vector["at"].as_i64().unwrap_or(0) * 1000),
        tolerance_seconds: vector["tolerance_s"].as_u64().map(|own| own.try_into().unwrap()),
    };
    let head = Head { method: &method, target, headers: &headers, url: Some(url) };
    offline::judge(&terms, &Captured { head, body: text(vector, "body").as_bytes() })
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of counts, one line a scheme")]
fn published_vectors_are_judged_as_their_senders_judge_them() {
    let zendesk_2021 = compile(ZENDESK_2021);
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let mut judged: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let (mut unknown, mut wrong) = (0, Vec::new());
    for vector in &vectors {
        let name = text(vector, "scheme");
        let inline = (name == "zendesk-2021-docs").then_some(&zendesk_2021);
        let scheme = preset(name).map(|scheme| scheme_of(scheme, vector).unwrap());
        let Some(scheme) = scheme.as_deref().or(inline) else {
            unknown += 1;
            continue;
        };
        let verdict = judge(scheme, vector);
        let counts = judged.entry(name).or_default();
        let expected = match text(vector, "expect") {
            "valid" => {
                counts.0 += 1;
                true
            }
            "invalid" => {
                counts.1 += 1;
                false
            }
            other => panic!("{}: expect {other}", vector["id"]),
        };
        if verdict.is_ok() != expected {
            wrong.push(format!("{}: {verdict:?} ({})", text(vector, "id"), text(vector, "why")));
        }
    }
    assert!(wrong.is_empty(), "wrongly judged:\n{}", wrong.join("\n"));
    let counts: Vec<_> = judged.into_iter().map(|(name, (valid, invalid))| (name, valid, invalid)).collect();
    let expected = [
        ("adyen-header", 0, 1),
        ("adyen-notification", 4, 1),
        ("apisix-hmac", 1, 1),
        ("aws-sigv4", 6, 0),
        ("aws-sns", 3, 1),
        ("bitbucket", 4, 2),
        ("box", 3, 3),
        ("cavage", 3, 6),
        ("ebay", 1, 2),
        ("gitea", 2, 1),
        ("github", 3, 4),
        ("github-sha1", 1, 0),
        ("gitlab-token", 1, 1),
        ("gogs", 2, 1),
        ("hub-sha1", 2, 0),
        ("hub-sha256", 2, 2),
        ("hub-sha512", 2, 2),
        ("hubspot-v1", 1, 0),
        ("hubspot-v2", 3, 0),
        ("hubspot-v3", 1, 1),
        ("mailgun", 1, 1),
        ("messagebird-jwt", 6, 6),
        ("paddle", 3, 8),
        ("pagerduty-v3", 2, 3),
        ("plivo-v3", 2, 1),
        ("plivo-v3-get", 2, 1),
        ("raw-sha256-hex", 2, 0),
        ("razorpay", 1, 1),
        ("recurly", 2, 3),
        ("rfc9421", 2, 1),
        ("sendgrid", 1, 4),
        ("shopify", 1, 1),
        ("sinch-conversation", 0, 1),
        ("sinch-numbers", 1, 2),
        ("sinch-voice", 1, 0),
        ("slack", 1, 4),
        ("square", 2, 3),
        ("standard-webhooks", 7, 11),
        ("stripe", 2, 10),
        ("twilio", 11, 4),
        ("vonage-jwt", 1, 1),
        ("zendesk", 0, 1),
        ("zendesk-2021-docs", 1, 0),
    ];
    assert_eq!(counts, expected);
    assert_eq!((vectors.len(), unknown), (181, 12));
}

#[test]
fn a_valid_vector_with_one_more_byte_is_refused_where_the_body_is_bound() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let mut mutated = 0;
    for vector in vectors.iter().filter(|vector| vector["expect"] == "valid") {
        let Some(scheme) = preset(text(vector, "scheme")).map(|scheme| scheme_of(scheme, vector).unwrap())
        else {
            continue;
        };
        if !scheme.binds_body() {
            continue;
        }
        let mut vector = vector.clone();
        vector["body"] = Value::from(format!("{}\n", text(&vector, "body")));
        assert!(judge(&scheme, &vector).is_err(), "{}", vector["id"]);
        mutated += 1;
    }
    assert_eq!(mutated, 71);
}

#[test]
fn every_file_of_a_preset_is_embedded() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/schemes");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(preset(name).is_some(), "{name}.toml is not embedded");
            files += 1;
        }
    }
    assert_eq!(files, presets().count());
}

#[test]
fn a_preset_says_published_where_a_valid_vector_shows_it() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    for scheme in presets() {
        let shown = vectors
            .iter()
            .any(|vector| vector["expect"] == "valid" && text(vector, "scheme") == scheme.label());
        assert_eq!(scheme.spec().proof == Some(Proof::Published), shown, "{}", scheme.label());
    }
}
