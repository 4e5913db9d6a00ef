//! A cavage signature against a key, and one made for a sample. Pure.
//!
//! Not the reading of the head: that is the parent's. Invariant: what [`Kind::sign`] makes verifies under the
//! same scheme.

use std::sync::Arc;

use data_encoding::BASE64;
use http::{HeaderName, HeaderValue};
use subtle::Choice;

use super::fields::parameters;
use super::{Cavage, DIGEST, Dialect, Signed};
use crate::credential::{Extraction, Head};
use crate::verify::http_date;
use crate::verify::kind::digest::{self, Body};
use crate::verify::kind::{About, BodyPolicy, Evidence, Finding, Kind, KindAttempt, KindKey, ToSign};
use crate::verify::scheme::SecretFault;
use crate::verify::verifier::{Algorithm, Verifier, mac};

impl Kind for Cavage {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        Ok(Arc::new(Key { verifier: Verifier::new(self.algorithm, key)?, body: self.body }))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        self.credential(head).read(|text| self.read(head, text))
    }

    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let Algorithm::Hmac(hash) = self.algorithm else { return None };
        let date = HeaderValue::from_str(&http_date::render(request.now)).ok()?;
        let digest = HeaderValue::from_str(&digest::digest(request.body)).ok()?;
        let mut headers = request.head.headers.clone();
        headers.insert(http::header::DATE, date.clone());
        headers.insert(HeaderName::from_static(DIGEST), digest.clone());
        let mut names: Vec<&str> = self.required.iter().map(String::as_str).collect();
        for name in ["date", DIGEST] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let kong = self.dialect == Dialect::Kong;
        let key_name = if kong { "username" } else { "keyId" };
        let text = format!(
            "{key_name}=\"{}\",algorithm=\"{}\",headers=\"{}\"",
            self.key_id.as_deref().unwrap_or("default"),
            self.about.algorithm,
            names.join(" ")
        );
        let head = Head { headers: &headers, ..*request.head };
        let base = self.signing_string(&head, &parameters(&text, key_name)?)?;
        let signature = BASE64.encode(mac(hash, key, &base)?.as_bytes());
        let scheme = if kong { "hmac" } else { "Signature" };
        let value = HeaderValue::from_str(&format!("{scheme} {text},signature=\"{signature}\"")).ok()?;
        Some(vec![
            (http::header::DATE, date),
            (HeaderName::from_static(DIGEST), digest),
            (http::header::AUTHORIZATION, value),
        ])
    }
}

#[derive(Debug)]
struct Key {
    verifier: Verifier,
    body: BodyPolicy,
}

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let signed: &Signed = evidence.data()?;
        Some(Box::new(Attempt {
            matched: self.verifier.verify(&signed.base, &signed.signature),
            covered: signed.covered,
            body: Body::new(signed.digest.clone()),
            empty: true,
            policy: self.body,
        }))
    }
}

#[derive(Debug)]
struct Attempt {
    matched: Choice,
    covered: bool,
    body: Body,
    empty: bool,
    policy: BodyPolicy,
}

impl KindAttempt for Attempt {
    fn update(&mut self, chunk: &[u8]) {
        self.empty &= chunk.is_empty();
        self.body.update(chunk);
    }

    fn finish(self: Box<Self>, _body: &[u8]) -> Finding {
        let required = self.policy.binds();
        let bound = self.covered || (required && self.empty);
        let fits = Choice::from(u8::from(bound || !required));
        Finding::of(self.matched & self.body.finish(false) & fits, bound)
    }
}
