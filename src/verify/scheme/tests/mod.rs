//! Behaviour of the scheme engine, trap by trap.

mod built_in;
mod changes;
mod explained;
mod faults;
mod grammar;
mod kind;
mod language;
mod properties;
mod secrets;
mod signed;
mod sources;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    CUSTOM, Scheme, SchemeChoice, SchemeSpec, SecretFault, SignatureCredential, VerifyKey, preset, presets,
    resolve,
};
use crate::clock::UnixMillis;
use crate::credential::{CredentialFault, Extraction, Head};
use crate::secret::Secret;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const BODY: &[u8] = b"{\"event\": 1}";
/// A body that Linear takes: it signs a time in it.
const TIMED: &[u8] = b"{\"event\": 1, \"webhookTimestamp\": 1700000000000}";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A request that a test changes before it is judged.
#[derive(Clone)]
struct Sent {
    method: Method,
    target: String,
    url: Option<String>,
    headers: HeaderMap,
}

impl Sent {
    fn new() -> Self {
        Self { method: Method::POST, target: "/hooks/a?b=c".to_owned(), url: None, headers: HeaderMap::new() }
    }

    fn with(lines: &[(&str, &str)]) -> Self {
        let mut sent = Self::new();
        for (name, value) in lines {
            sent.add(name, value);
        }
        sent
    }

    fn signed(scheme: &Scheme, key: &VerifyKey, body: &[u8]) -> Self {
        let mut sent = Self::new();
        let form = scheme.spec().signed.as_ref().is_some_and(|signed| signed.contains("form."));
        let media_type = if form { "application/x-www-form-urlencoded" } else { "application/json" };
        sent.add("content-type", media_type);
        sent.add("host", "hooks.example");
        sent.url = scheme.needs_url().then(|| "https://hooks.example/hooks/a?b=c".to_owned());
        let made = scheme.sign(key, &sent.head(), &[body], NOW, None);
        assert!(!made.is_empty());
        sent.headers.extend(made);
        sent
    }

    /// The headers that a sender would add to a small request; none where it can't be signed here.
    fn sample(scheme: &Scheme) -> Vec<(HeaderName, HeaderValue)> {
        let mut sent = Self::with(&[("content-type", "application/json"), ("host", "hooks.example")]);
        sent.url = Some("https://hooks.example/hooks/a?b=c".to_owned());
        let Ok(key) = scheme.prepare(&scheme.generate_secret(&[7; 32])) else { return Vec::new() };
        scheme.sign(&key, &sent.head(), &[BODY], NOW, None)
    }

    fn add(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }

    fn head(&self) -> Head<'_> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, url: self.url.as_deref() }
    }
}

fn named(name: &str) -> &'static Scheme {
    preset(name).unwrap()
}

fn key(scheme: &Scheme) -> VerifyKey {
    scheme.prepare(&Secret::from_text(SECRET)).unwrap()
}

fn compile(text: &str) -> Scheme {
    let spec: SchemeSpec = toml::from_str(text).unwrap();
    Scheme::compile(&spec, CUSTOM).unwrap()
}

/// Whether a sample can be signed by adding headers.
fn signs_in_head(scheme: &Scheme) -> bool {
    scheme.generates_secrets() && !scheme.header().is_empty()
}

/// The paths of all faults, in their order.
fn faults(text: &str) -> Vec<String> {
    let spec: SchemeSpec = toml::from_str(text).unwrap();
    match Scheme::compile(&spec, CUSTOM) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.path).collect(),
    }
}

fn extract(scheme: &Scheme, sent: &Sent) -> Result<SignatureCredential, CredentialFault> {
    match scheme.extract(&sent.head()) {
        Extraction::Present(credential) => Ok(credential),
        Extraction::Malformed(fault) => Err(fault),
        Extraction::Absent => panic!("absent"),
    }
}

fn verifies(scheme: &Scheme, key: &VerifyKey, sent: &Sent, body: &[u8]) -> bool {
    let Ok(credential) = extract(scheme, sent) else { return false };
    let mut attempt = scheme.begin(key, &sent.head(), &credential);
    attempt.update(body);
    attempt.finish(scheme, &credential, body).matched.into()
}

fn is_malformed(scheme: &Scheme, lines: &[(&str, &str)]) -> bool {
    matches!(extract(scheme, &Sent::with(lines)), Err(CredentialFault::Malformed(_)))
}

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
