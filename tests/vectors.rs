//! Every published vector of a scheme that we have must be judged as its sender judges it.
//!
//! A vector passes through the same stages as a request, but for those that ask who may send at all: extract,
//! timestamp window, empty body, MAC. Vectors of schemes that can't be expressed yet are counted, not skipped
//! unseen: the counts below change with every scheme that is added.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

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

/// How many valid and invalid vectors each scheme has judged.
const JUDGED: &[(&str, u32, u32)] = &[
    ("adyen-header", 0, 1),
    ("adyen-notification", 4, 1),
    ("airtable", 1, 1),
    ("apisix-hmac", 1, 1),
    ("bitbucket", 4, 2),
    ("box", 3, 3),
    ("cavage", 3, 6),
    ("checkr", 1, 1),
    ("circleci", 3, 1),
    ("coinbase-commerce", 1, 1),
    ("configcat", 1, 1),
    ("convoy", 1, 1),
    ("convoy-advanced", 3, 6),
    ("cronofy", 2, 2),
    ("easypost", 1, 1),
    ("finch", 1, 1),
    ("gitea", 2, 1),
    ("github", 3, 4),
    ("github-sha1", 1, 0),
    ("gitlab-token", 1, 1),
    ("gocardless", 1, 1),
    ("gogs", 2, 1),
    ("hub-sha1", 2, 0),
    ("hub-sha256", 2, 2),
    ("hub-sha512", 2, 2),
    ("hubspot-v1", 1, 0),
    ("hubspot-v2", 3, 0),
    ("hubspot-v3", 1, 1),
    ("line", 1, 1),
    ("mailgun", 1, 1),
    ("modern-treasury", 4, 2),
    ("onfido", 1, 1),
    ("orb", 3, 2),
    ("paddle", 3, 8),
    ("pagerduty-v3", 2, 3),
    ("raw-sha256-hex", 2, 0),
    ("razorpay", 1, 1),
    ("rfc9421", 2, 1),
    ("sanity", 1, 1),
    ("scalr", 1, 1),
    ("sendgrid", 1, 4),
    ("shopify", 1, 1),
    ("sinch-conversation", 0, 1),
    ("sinch-numbers", 1, 2),
    ("sinch-voice", 1, 0),
    ("slack", 1, 4),
    ("square", 2, 3),
    ("standard-webhooks", 7, 11),
    ("stripe", 2, 10),
    ("tink", 1, 1),
    ("twilio", 11, 4),
    ("wise", 1, 1),
    ("zendesk", 0, 1),
    ("zendesk-2021-docs", 1, 0),
];

/// Senders with a preset of their own whose vectors carry the name of the format that they share.
const NAMED_BY_FORMAT: [&str; 3] = ["jira", "openai", "svix"];

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
        if let Some(own) = own_preset(vector) {
            assert_eq!(judge(own, vector).is_ok(), verdict.is_ok(), "{} as {}", vector["id"], own.label());
        }
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
    assert_eq!(counts, JUDGED);
    assert_eq!((vectors.len(), unknown), (237, 26));
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
    assert_eq!(mutated, 93);
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

/// The preset of the sender itself, where the vector names another one.
fn own_preset(vector: &Value) -> Option<&'static Scheme> {
    let sender = text(vector, "provider");
    NAMED_BY_FORMAT.contains(&sender).then(|| preset(sender)).flatten().map(std::sync::Arc::as_ref)
}

/// What two schemes must share for a signature of one to tell something of the other: where the signature is, how
/// it is read, what it covers and how it is made; not the names of headers and keys, and not how the secret or the
/// time is written.
fn shape(scheme: &Scheme) -> String {
    let spec = serde_json::to_value(scheme.spec()).unwrap();
    let sig = &spec["sig"];
    let place = ["header", "headers", "numbered", "json", "form", "query"]
        .into_iter()
        .find(|place| !sig[*place].is_null());
    let parse = sig["parse"].as_str().unwrap_or("plain");
    let made = ["kind", "algorithm", "encoding", "signed"].map(|key| spec[key].as_str());
    let params = spec["params"].as_object().into_iter().flatten();
    let params: Vec<_> = params.filter(|(name, _)| ["dialect", "algorithm"].contains(&&***name)).collect();
    format!("{place:?} {parse} {} {made:?} {params:?}", spec["each"].is_string())
}

#[test]
fn a_preset_claims_the_proof_that_the_vectors_give_it() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let (mut own, mut shapes) = (BTreeSet::new(), BTreeSet::new());
    for vector in vectors.iter().filter(|vector| vector["expect"] == "valid") {
        let Some(scheme) = preset(text(vector, "scheme")) else { continue };
        shapes.insert(shape(&scheme_of(scheme, vector).unwrap()));
        if vector["official"] != false {
            own.insert(scheme.label());
            own.extend(own_preset(vector).map(Scheme::label));
        }
    }
    let mut wrong = Vec::new();
    for scheme in presets() {
        let due = match (own.contains(scheme.label()), shapes.contains(&shape(scheme))) {
            (true, _) => Proof::Published,
            (false, true) => Proof::Shape,
            (false, false) => Proof::None,
        };
        if scheme.spec().proof != Some(due) {
            wrong.push(format!("{} {due:?}", scheme.label()));
        }
    }
    assert!(wrong.is_empty(), "what the vectors show:\n{}", wrong.join("\n"));
}
