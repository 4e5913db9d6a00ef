//! An example of a built-in kind, for tests and for whoever writes one: HMAC-SHA256 of the body in hex, in a
//! header that the parameters name. Pure.
//!
//! Not a sender's. It hashes the body as it arrives and keeps nothing of it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::{About, Evidence, Finding, Kind, KindAttempt, KindKey, Params, ToSign, hmac_key, read_params};
use crate::credential::grammar::{DECODE_BUFFER, Encoding, one_line};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::mac::{Hash, Mac, MacKey, Tag};
use crate::verify::scheme::{SchemeFault, SecretFault};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleParams {
    header: String,
}

/// The kind: its one header is in `about`.
#[derive(Debug)]
pub(crate) struct Example {
    about: About,
}

impl Example {
    pub(crate) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let params: ExampleParams = read_params(params)?;
        let header = HeaderName::from_bytes(params.header.as_bytes())
            .map_err(|_| vec![SchemeFault::new("params.header", "is not a header name")])?;
        let about = About {
            headers: vec![header],
            algorithm: "hmac-sha256",
            tolerance: None,
            binds_body: true,
            binds_target: false,
            signs_id: false,
            needs_url: false,
            whole_body: false,
            symmetric: true,
        };
        Ok(Arc::new(Self { about }))
    }
}

impl Kind for Example {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        Ok(Arc::new(ExampleKey(hmac_key(key)?)))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        let signature = one_line(head.headers, &self.about.headers).credential("the signature header");
        signature.read(|text| {
            let mut buffer = [0; DECODE_BUFFER];
            let tag = Encoding::Hex.decode(text, 32, &mut buffer).and_then(Tag::new);
            tag.map(Evidence::new).ok_or(CredentialFault::Malformed("the signature is not 64 hex digits"))
        })
    }

    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut mac = MacKey::new(Hash::Sha256, key)?.begin();
        mac.update(request.body);
        let value = HeaderValue::from_str(&Encoding::Hex.encode(mac.finish().as_bytes())).ok()?;
        Some(vec![(self.about.headers.first()?.clone(), value)])
    }
}

#[derive(Debug)]
struct ExampleKey(MacKey);

impl KindKey for ExampleKey {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let expected = evidence.data::<Tag>()?.clone();
        Some(Box::new(ExampleAttempt { mac: self.0.begin(), expected }))
    }
}

#[derive(Debug)]
struct ExampleAttempt {
    mac: Mac,
    expected: Tag,
}

impl KindAttempt for ExampleAttempt {
    fn update(&mut self, chunk: &[u8]) {
        self.mac.update(chunk);
    }

    fn finish(self: Box<Self>, _body: &[u8]) -> Finding {
        Finding::of(self.mac.finish().ct_eq(&self.expected), true)
    }
}
