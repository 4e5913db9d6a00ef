//! HTTP message signatures, with the body bound through `Content-Digest`. Pure.
//!
//! Not a negotiation: algorithm, key id and the least that must be covered are configured, and a request that
//! says otherwise is refused. Invariants: one signature is judged per request; the body is bound only where
//! the signature covers `content-digest` and the digest matches; by default a body must be bound so, and
//! method, target and `created` must be covered.
//! Spec: RFC 9421 (§3.2 verification, §3.3 algorithms), RFC 9530 §2.

mod base;
mod fields;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::digest::{self, BoundBody, Expected};
use super::{About, BodyPolicy, Evidence, Kind, KindAttempt, KindKey, Params, Times, ToSign};
use super::{checked_id, read_params, tolerance};
use crate::clock::UnixMillis;
use crate::credential::grammar::{Encoding, Line, one_line};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::mac::Hash;
use crate::verify::scheme::{SchemeFault, SecretFault};
use crate::verify::verifier::{Algorithm, Verifier, decode, mac};
use fields::Input;

const DIGEST: &str = "content-digest";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rfc9421Params {
    algorithm: String,
    #[serde(default)]
    key_id: Option<String>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default = "method")]
    required: Vec<String>,
    #[serde(default = "yes")]
    target: bool,
    #[serde(default)]
    nonce: bool,
    #[serde(default)]
    body: BodyPolicy,
    #[serde(default = "tolerance::standard")]
    tolerance: u32,
}

fn method() -> Vec<String> {
    vec!["@method".to_owned()]
}

fn yes() -> bool {
    true
}

/// The kind.
#[derive(Debug)]
pub(super) struct Rfc9421 {
    about: About,
    algorithm: Algorithm,
    name: &'static str,
    key_id: Option<String>,
    tag: Option<String>,
    label: Option<String>,
    required: Vec<String>,
    target: bool,
    nonce: bool,
    body: BodyPolicy,
}

impl Rfc9421 {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let params: Rfc9421Params = read_params(params)?;
        let mut faults = tolerance::faults(params.tolerance);
        let algorithm = algorithm(&params.algorithm);
        if algorithm.is_none() {
            let message =
                "must be hmac-sha256, ed25519, ecdsa-p256-sha256, rsa-pss-sha512 or rsa-v1_5-sha256";
            faults.push(SchemeFault::new("params.algorithm", message));
        }
        let (Some((algorithm, name)), true) = (algorithm, faults.is_empty()) else { return Err(faults) };
        let about = About {
            headers: vec![HeaderName::from_static("signature"), HeaderName::from_static("signature-input")],
            algorithm: name,
            tolerance: Some(params.tolerance),
            binds_body: params.body.binds() || params.required.iter().any(|name| name == DIGEST),
            binds_target: params.target,
            signs_id: params.nonce,
            needs_url: false,
            whole_body: false,
            symmetric: algorithm.symmetric(),
        };
        Ok(Arc::new(Self {
            about,
            algorithm,
            name,
            key_id: params.key_id,
            tag: params.tag,
            label: params.label,
            required: params.required,
            target: params.target,
            nonce: params.nonce,
            body: params.body,
        }))
    }

    fn read(&self, head: &Head<'_>, signatures: &str, inputs: &str) -> Result<Evidence, CredentialFault> {
        let malformed = CredentialFault::Malformed;
        let inputs = fields::inputs(inputs).ok_or_else(|| malformed("Signature-Input is not canonical"))?;
        let mut fitting = inputs.iter().filter(|input| self.concerns(input));
        let (Some(input), None) = (fitting.next(), fitting.next()) else {
            return Err(malformed("not exactly one signature has the label, keyid, tag and alg configured"));
        };
        let covers = |name: &str| input.components.contains(&name);
        if !self.required.iter().all(|name| covers(name)) || (self.target && !covers_target(input)) {
            return Err(malformed("the signature does not cover what it must"));
        }
        if self.nonce && input.nonce.is_none() {
            return Err(malformed("the signature has no nonce"));
        }
        let digits = fields::signature(signatures, input.label)
            .ok_or_else(|| malformed("Signature lacks the label"))?;
        let signature = decode(digits).ok_or_else(|| malformed("the signature is not canonical base64"))?;
        let base =
            base::signature_base(head, input).ok_or_else(|| malformed("a covered component is not there"))?;
        let digest = if covers(DIGEST) { Some(expected(head)?) } else { None };

        let mut evidence = Evidence::new(Signed { base, signature, digest });
        let millis = |seconds: i64| UnixMillis(seconds.saturating_mul(1000));
        evidence.times = Times {
            at: Some(millis(input.created.ok_or(CredentialFault::TimestampMissing)?)),
            not_before: None,
            expires: input.expires.map(millis),
        };
        evidence.id = input.nonce.map(checked_id).transpose()?;
        Ok(evidence)
    }

    /// Whether a signature is the one that is configured. The algorithm is not what chooses the key: a
    /// signature that names another than the configured one is none of ours.
    fn concerns(&self, input: &Input<'_>) -> bool {
        let fits = |configured: &Option<String>, said: Option<&str>| {
            configured.as_deref().is_none_or(|configured| said == Some(configured))
        };
        fits(&self.label, Some(input.label))
            && fits(&self.key_id, input.keyid)
            && fits(&self.tag, input.tag)
            && input.alg.is_none_or(|said| said == self.name)
    }
}

impl Kind for Rfc9421 {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        let verifier = Verifier::new(self.algorithm, key)?;
        Ok(Arc::new(Key { verifier, body: self.body }))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        let line = |name: &'static str| one_line(head.headers, &[HeaderName::from_static(name)]);
        let (signature, input) = match (line("signature"), line("signature-input")) {
            (Line::None, Line::None) => return Extraction::Absent,
            (Line::One(signature), Line::One(input)) => (signature, input),
            (Line::Many, _) => return Extraction::Malformed(CredentialFault::Duplicate("Signature")),
            (_, Line::Many) => return Extraction::Malformed(CredentialFault::Duplicate("Signature-Input")),
            _ => {
                let message = "one of Signature and Signature-Input is missing";
                return Extraction::Malformed(CredentialFault::Malformed(message));
            }
        };
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        self.read(head, text(signature), text(input)).into()
    }

    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        if self.algorithm != Algorithm::Hmac(Hash::Sha256) {
            return None;
        }
        let mut headers = request.head.headers.clone();
        let content_digest = HeaderValue::from_str(&digest::content_digest(request.body)).ok()?;
        headers.insert(HeaderName::from_static(DIGEST), content_digest.clone());
        let mut names: Vec<&str> = self.required.iter().map(String::as_str).collect();
        for name in ["@method", "@path", "@query", DIGEST] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let mut text = format!("({});created={}", quoted.join(" "), request.now.seconds());
        let nonce =
            request.id.map(str::to_owned).or_else(|| self.nonce.then(|| format!("n{}", request.now.0)));
        for (name, value) in
            [("nonce", nonce.as_deref()), ("keyid", self.key_id.as_deref()), ("tag", self.tag.as_deref())]
        {
            if let Some(value) = value {
                text.push_str(&format!(";{name}=\"{value}\""));
            }
        }
        let label = self.label.as_deref().unwrap_or("sig1");
        let value = format!("{label}={text}");
        let parsed = fields::inputs(&value)?;
        let head = Head { headers: &headers, ..*request.head };
        let base = base::signature_base(&head, parsed.first()?)?;
        let signature = Encoding::Base64.encode(mac(Hash::Sha256, key, &base)?.as_bytes());
        Some(vec![
            (HeaderName::from_static(DIGEST), content_digest),
            (HeaderName::from_static("signature-input"), HeaderValue::from_str(&value).ok()?),
            (
                HeaderName::from_static("signature"),
                HeaderValue::from_str(&format!("{label}=:{signature}:")).ok()?,
            ),
        ])
    }
}

fn algorithm(name: &str) -> Option<(Algorithm, &'static str)> {
    Some(match name {
        "hmac-sha256" => (Algorithm::Hmac(Hash::Sha256), "hmac-sha256"),
        "ed25519" => (Algorithm::Ed25519, "ed25519"),
        "ecdsa-p256-sha256" => (Algorithm::EcdsaP256Fixed, "ecdsa-p256-sha256"),
        "rsa-pss-sha512" => (Algorithm::RsaPssSha512, "rsa-pss-sha512"),
        "rsa-v1_5-sha256" => (Algorithm::RsaPkcs1Sha256, "rsa-v1_5-sha256"),
        _ => return None,
    })
}

fn covers_target(input: &Input<'_>) -> bool {
    let covers = |name: &str| input.components.contains(&name);
    covers("@target-uri") || covers("@request-target") || (covers("@path") && covers("@query"))
}

fn expected(head: &Head<'_>) -> Result<Expected, CredentialFault> {
    match one_line(head.headers, &[HeaderName::from_static(DIGEST)]) {
        Line::One(value) => Expected::content_digest(value)
            .ok_or(CredentialFault::Malformed("Content-Digest has no digest that is known")),
        Line::Many => Err(CredentialFault::Duplicate("Content-Digest")),
        Line::None => Err(CredentialFault::Malformed("a covered component is not there")),
    }
}

/// What the head says.
struct Signed {
    base: Vec<u8>,
    signature: Vec<u8>,
    digest: Option<Expected>,
}

#[derive(Debug)]
struct Key {
    verifier: Verifier,
    body: BodyPolicy,
}

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let signed: &Signed = evidence.data()?;
        let matched = self.verifier.verify(&signed.base, &signed.signature);
        Some(Box::new(BoundBody::new(matched, signed.digest.clone(), self.body)))
    }
}
