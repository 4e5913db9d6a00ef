//! Requests for the tests of built-in kinds, judged as captured ones are.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::keys::entry::Which;
use crate::secret::Secret;
use crate::verify::offline::{Captured, Refused, Terms, judge};
use crate::verify::scheme::{CUSTOM, Scheme, SchemeSpec};

/// 2023-11-14T22:13:20Z.
pub(super) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// A request; tests change its fields.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) url: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Sent {
    pub(super) fn post(target: &str, body: &[u8]) -> Self {
        let url = Some(format!("https://hooks.example{target}"));
        let mut sent = Self {
            method: Method::POST,
            target: target.to_owned(),
            url,
            headers: HeaderMap::new(),
            body: body.to_vec(),
        };
        sent.set("host", "hooks.example");
        sent
    }

    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }

    pub(super) fn add(&mut self, name: &'static str, value: &str) {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }

    pub(super) fn get(&self, name: &str) -> String {
        self.headers.get(name).unwrap().to_str().unwrap().to_owned()
    }

    pub(super) fn head(&self) -> Head<'_> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, url: self.url.as_deref() }
    }

    /// Adds what a sender with this key would add at [`NOW`].
    pub(super) fn signed(mut self, scheme: &Scheme, secret: &str) -> Self {
        let key = scheme.prepare(&Secret::from_text(secret)).unwrap();
        let made = scheme.sign(&key, &self.head(), &[&self.body], NOW, None);
        assert!(!made.is_empty(), "nothing was signed");
        for (name, value) in made {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn judged(&self, scheme: &Scheme, secret: &str, now: UnixMillis) -> Result<Which, Refused> {
        let secrets = [Secret::from_text(secret)];
        let terms = Terms { scheme, secrets: &secrets, now, tolerance_seconds: None };
        judge(&terms, &Captured { head: self.head(), body: &self.body })
    }

    pub(super) fn passes(&self, scheme: &Scheme, secret: &str) -> bool {
        self.judged(scheme, secret, NOW).is_ok()
    }
}

pub(super) fn compile(text: &str) -> Scheme {
    let spec: SchemeSpec = toml::from_str(text).unwrap();
    Scheme::compile(&spec, CUSTOM).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

/// The paths of the faults of a scheme; none where it loads.
pub(super) fn faults(text: &str) -> Vec<String> {
    let spec: SchemeSpec = toml::from_str(text).unwrap();
    let faults = Scheme::compile(&spec, CUSTOM).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.path).collect()
}

/// A vector of a file in `tests/vectors/`: the request, the secret, and the time at which it is judged.
pub(super) fn vector(file: &str, id: &str) -> (Sent, String, UnixMillis) {
    let vectors: Vec<serde_json::Value> = serde_json::from_str(file).unwrap();
    let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
    let text = |key: &str| vector[key].as_str().unwrap();
    let target = text("url").splitn(4, '/').nth(3).unwrap();
    let mut sent = Sent::post(&format!("/{target}"), text("body").as_bytes());
    for (name, value) in vector["headers"].as_object().unwrap() {
        let name: HeaderName = name.parse().unwrap();
        sent.headers.insert(name, value.as_str().unwrap().parse().unwrap());
    }
    let at = UnixMillis(0).plus_seconds(vector["at"].as_i64().unwrap_or_default());
    (sent, text("secret").to_owned(), at)
}
