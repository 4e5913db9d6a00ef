//! Plivo's signature V3: HMAC-SHA256 over the URL, its parameters sorted, the form's fields and a nonce. Pure.
//!
//! Not V2, which covers URL and nonce alone and is data. Invariants: the method is configured, because it is not
//! signed and a form could else pass for a query; the path is covered as it stands, query and form but for their
//! order, escapes and the edges between fields; a nonce has no dot, so that it ends where it was said to.
//! Spec: Plivo, "Signature validation"; the signed text is that of plivo-go (`ComputeSignatureV3`) and plivo-python
//! (`signature_v3.py`): `<url>?<name=value&…>.<nonce>` for GET, `<url>?<name=value&…>.<namevalue…>.<nonce>` for
//! POST; an empty query goes with the dot behind it, and the escapes of query and form are decoded.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;

use super::tags::Tags;
use super::{
    About, Evidence, Finding, Kind, KindAttempt, KindKey, Params, ToSign, checked_id, hmac_key, read_params,
};
use crate::credential::grammar::{Encoding, Line, one_line};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::mac::{Hash, MacKey};
use crate::verify::scheme::{Fields, SchemeFault, SecretFault, is_form};

const SIGNATURE: HeaderName = HeaderName::from_static("x-plivo-signature-v3");
const NONCE: HeaderName = HeaderName::from_static("x-plivo-signature-v3-nonce");

/// How Plivo was told to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Call {
    /// The parameters are in the query.
    Get,
    /// They are a form in the body.
    Post,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlivoParams {
    method: Call,
}

/// The kind.
#[derive(Debug)]
pub(super) struct Plivo {
    about: About,
    call: Call,
}

impl Plivo {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let PlivoParams { method } = read_params(params)?;
        let about = About {
            headers: vec![SIGNATURE],
            algorithm: "hmac-sha256",
            tolerance: None,
            binds_body: true,
            // A query could pass for the beginning of the form that is signed behind it.
            binds_target: method == Call::Get,
            signs_id: true,
            needs_url: true,
            whole_body: true,
            // It is the auth token of the account.
            symmetric: false,
        };
        Ok(Arc::new(Self { about, call: method }))
    }

    fn read(&self, head: &Head<'_>, signatures: &[u8]) -> Result<Evidence, CredentialFault> {
        let malformed = CredentialFault::Malformed;
        let wanted = if self.call == Call::Get { Method::GET } else { Method::POST };
        if *head.method != wanted {
            return Err(malformed("the method is not the one that the scheme is configured for"));
        }
        let tags =
            Tags::read(signatures.split(|byte| *byte == b','), Encoding::Base64, Hash::Sha256.tag_len())
                .ok_or_else(|| malformed("the header holds no signature of 32 bytes in base64"))?;
        let nonce = match one_line(head.headers, &[NONCE]) {
            Line::None => return Err(malformed("the nonce is missing")),
            Line::Many => return Err(CredentialFault::Duplicate("the nonce")),
            Line::One(nonce) => checked_id(std::str::from_utf8(nonce).unwrap_or_default())?,
        };
        if nonce.contains('.') {
            return Err(malformed("the nonce contains what ends the rest of the signed bytes"));
        }
        let url = head.url.ok_or_else(|| malformed("the scheme signs the URL and none is configured"))?;
        let (url, query) = url.split_once('?').unwrap_or((url, ""));
        let mut room = Vec::new();
        let query = Fields::parse(query.as_bytes(), &mut room)
            .ok_or_else(|| malformed("the query has a broken escape, or too many parameters"))?;
        let query = joined(&query, b"=", b"&");
        let signed = Signed {
            url: url.as_bytes().to_vec(),
            query,
            nonce: nonce.clone(),
            tags,
            is_form: is_form(head),
        };
        let mut evidence = Evidence::new(signed);
        evidence.id = Some(nonce);
        Ok(evidence)
    }
}

impl Kind for Plivo {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        Ok(Arc::new(Key { mac: hmac_key(key)?, call: self.call }))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        let signatures = one_line(head.headers, &[SIGNATURE]).credential("X-Plivo-Signature-V3");
        signatures.read(|signatures| self.read(head, signatures))
    }

    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let nonce = request.id.map_or_else(|| request.now.0.to_string(), str::to_owned);
        let nonce = (NONCE, HeaderValue::from_str(&nonce).ok()?);
        let mut headers = request.head.headers.clone();
        headers.extend([nonce.clone()]);
        let head = Head { headers: &headers, ..*request.head };
        // A signature must be there to be read; none can be all zeros.
        let evidence = self.read(&head, Encoding::Base64.encode(&[0; 32]).as_bytes()).ok()?;
        let text = evidence.data::<Signed>()?.text(self.call, request.body)?;
        let mut mac = MacKey::new(Hash::Sha256, key)?.begin();
        mac.update(&text);
        let signature = Encoding::Base64.encode(mac.finish().as_bytes());
        Some(vec![nonce, (SIGNATURE, HeaderValue::from_str(&signature).ok()?)])
    }
}

/// What the head tells.
#[derive(Debug, Clone)]
struct Signed {
    /// Without its query.
    url: Vec<u8>,
    query: Vec<u8>,
    nonce: Box<str>,
    tags: Tags,
    is_form: bool,
}

impl Signed {
    /// The signed text; `None` for a body that it would not cover.
    fn text(&self, call: Call, body: &[u8]) -> Option<Vec<u8>> {
        let form = match call {
            Call::Get if body.is_empty() => Vec::new(),
            Call::Post if self.is_form => joined(&Fields::parse(body, &mut Vec::new())?, b"", b""),
            Call::Get | Call::Post => return None,
        };
        if call == Call::Post && form.is_empty() {
            return None;
        }
        let mut text = self.url.clone();
        if !self.query.is_empty() || !form.is_empty() {
            text.push(b'?');
            text.extend_from_slice(&self.query);
        }
        if !self.query.is_empty() && !form.is_empty() {
            text.push(b'.');
        }
        text.extend_from_slice(&form);
        text.push(b'.');
        text.extend_from_slice(self.nonce.as_bytes());
        Some(text)
    }
}

/// Names with their values, sorted by both.
fn joined(fields: &Fields<'_>, between: &[u8], separator: &[u8]) -> Vec<u8> {
    let mut pairs: Vec<_> = fields.pairs().iter().collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| [*name, between, *value].concat()).collect::<Vec<_>>().join(separator)
}

#[derive(Debug)]
struct Key {
    mac: MacKey,
    call: Call,
}

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let signed = evidence.data::<Signed>()?.clone();
        Some(Box::new(Attempt { mac: self.mac.clone(), call: self.call, signed }))
    }
}

#[derive(Debug)]
struct Attempt {
    mac: MacKey,
    call: Call,
    signed: Signed,
}

impl KindAttempt for Attempt {
    fn finish(self: Box<Self>, body: &[u8]) -> Finding {
        let Some(text) = self.signed.text(self.call, body) else { return Finding::refused() };
        let mut mac = self.mac.begin();
        mac.update(&text);
        Finding::of(self.signed.tags.contain(&mac.finish()), true)
    }
}
