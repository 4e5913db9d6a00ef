//! Requests that senders published, and those that the second implementation in `tests/vectors/own` signed.
//!
//! Not a judge. Each vector can be changed in one part: `body`, `method`, `target`, `timestamp`, `id` or
//! `header:<name>`, as its lists `bound` and `unbound` name them.

mod changes;

use std::path::Path;
use std::sync::Arc;

use countersign::clock::UnixMillis;
use countersign::credential::Head;
use countersign::keys::entry::Which;
use countersign::secret::Secret;
use countersign::verify::kind::vectors::scheme_of;
use countersign::verify::offline::{self, Captured, Refused, Terms};
use countersign::verify::scheme::spec::SchemeSpec;
use countersign::verify::scheme::{CUSTOM, Scheme, preset};
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

const PUBLISHED: [&str; 2] =
    [include_str!("../../vectors/webhook-vectors.json"), include_str!("../../vectors/more-published.json")];

/// Presets without a valid vector of which the secret can be imported and the URL be called. None may be left: a
/// preset without proof is a guess.
pub(crate) const UNPROVEN: &[&str] = &[];

/// One request with what it is judged by.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    pub(crate) id: String,
    /// The preset that must judge it.
    pub(crate) scheme: String,
    pub(crate) secrets: Vec<Vec<u8>>,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Unix seconds; `None` where no time is signed.
    pub(crate) at: Option<i64>,
    pub(crate) tolerance: Option<u32>,
    pub(crate) valid: bool,
    pub(crate) bound: Vec<String>,
    pub(crate) unbound: Vec<String>,
    /// Whether the second implementation signed it.
    pub(crate) own: bool,
    /// As its file has it.
    pub(crate) whole: Value,
}

/// The vectors that senders published, handshakes among them.
pub(crate) fn published() -> Vec<Vector> {
    let values = PUBLISHED.iter().flat_map(|file| serde_json::from_str::<Vec<Value>>(file).unwrap());
    values.map(|value| Vector::read(value, false)).collect()
}

/// The vectors of every file in `tests/vectors/own`, but for handshakes.
pub(crate) fn own() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/own");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    let values = files.iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        serde_json::from_str::<Vec<Value>>(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    });
    let events = values.filter(|value| value["kind"] != "handshake");
    events.map(|value| Vector::read(value, true)).collect()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
        _ => Vec::new(),
    }
}

impl Vector {
    fn read(whole: Value, own: bool) -> Self {
        let text =
            |key: &str| whole[key].as_str().unwrap_or_else(|| panic!("{}: no {key}", whole["id"])).to_owned();
        let secret = |text: String| match whole["secret_encoding"].as_str() {
            None => text.into_bytes(),
            Some("base64") => BASE64.decode(text.as_bytes()).unwrap(),
            Some(other) => panic!("{}: secret_encoding {other}", whole["id"]),
        };
        let headers = whole["headers"].as_object().unwrap().iter();
        let lines = |(name, value): (&String, &Value)| {
            texts(value).into_iter().map(|value| (name.clone(), value)).collect::<Vec<_>>()
        };
        Self {
            id: text("id"),
            scheme: text("scheme"),
            secrets: texts(&whole["secret"]).into_iter().map(secret).collect(),
            method: text("method"),
            url: text("url"),
            headers: headers.flat_map(lines).collect(),
            body: match whole["body_base64"].as_str() {
                Some(body) => BASE64.decode(body.as_bytes()).unwrap(),
                None => text("body").into_bytes(),
            },
            at: whole["at"].as_i64(),
            tolerance: whole["tolerance_s"].as_u64().map(|seconds| seconds.try_into().unwrap()),
            valid: match text("expect").as_str() {
                "valid" => true,
                "invalid" => false,
                other => panic!("{}: expect {other}", whole["id"]),
            },
            bound: texts(&whole["bound"]),
            unbound: texts(&whole["unbound"]),
            own,
            whole,
        }
    }

    /// Whether the application must be told that the body is bound; `None` where the vector says nothing of it.
    pub(crate) fn body_bound(&self) -> Option<bool> {
        let says = |list: &[String]| list.iter().any(|part| part == "body");
        let listed = says(&self.bound).then_some(true).or_else(|| says(&self.unbound).then_some(false));
        self.whole["body_bound"].as_bool().or(listed)
    }

    /// A text of its file that only some have, or nothing.
    pub(crate) fn note(&self, key: &str) -> &str {
        self.whole[key].as_str().unwrap_or_default()
    }

    /// The scheme that it brings itself, or the preset that judges it, with parameters of a kind where the vector
    /// brings some. An own vector that brings none keeps the preset's policy too.
    pub(crate) fn scheme(&self) -> Option<Arc<Scheme>> {
        if let Some(text) = self.whole["toml"].as_str() {
            let spec: SchemeSpec =
                toml::from_str(text).unwrap_or_else(|error| panic!("{}: {error}", self.id));
            let scheme = Scheme::compile(&spec, CUSTOM);
            return Some(Arc::new(scheme.unwrap_or_else(|faults| panic!("{}: {faults:?}", self.id))));
        }
        let preset = preset(&self.scheme)?;
        let with = |vector: &Value| scheme_of(preset, vector).unwrap_or_else(|faults| panic!("{faults:?}"));
        let judge = with(&self.whole);
        let is_bare = self.own && judge.spec() == with(&Value::Null).spec();
        Some(if is_bare { Arc::clone(preset) } else { judge })
    }

    /// Path and query, as they are sent.
    pub(crate) fn target(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
    }

    fn header_map(&self) -> HeaderMap {
        let line = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().map(line) {
            headers.append(name, value);
        }
        headers
    }

    /// Judges it offline, as of its own time.
    pub(crate) fn judged(&self, scheme: &Scheme) -> Result<Which, Refused> {
        if scheme.tolerance_seconds().is_some() {
            assert!(self.at.is_some(), "{}: a signed time needs `at`", self.id);
        }
        let secrets: Vec<Secret> = self.secrets.iter().map(|secret| Secret::new(secret.clone())).collect();
        let terms = Terms {
            scheme,
            secrets: &secrets,
            now: UnixMillis(self.at.unwrap_or(0) * 1000),
            tolerance_seconds: self.tolerance,
        };
        let (headers, method) = (self.header_map(), Method::from_bytes(self.method.as_bytes()).unwrap());
        let head = Head { method: &method, target: self.target(), headers: &headers, url: Some(&self.url) };
        offline::judge(&terms, &Captured { head, body: &self.body })
    }
}
