//! Contentful's request verification: HMAC-SHA256 over method, path, the headers that the request lists, and body.
//! Pure.
//!
//! Invariants: the list names its own header and that of the time, so that neither can change; every header that
//! it names is there once; a target is refused where another one would be signed alike (a second `?`, or one with
//! nothing behind it).
//! Spec: Contentful, "Request Verification"; the canonical form is that of its node-apps-toolkit (`signRequest`):
//! `METHOD\nPATH\nname:value;name:value\nBODY`, the path escaped as by `encodeURI`, the query as by
//! `encodeURIComponent` and then once more with the path.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::{
    About, Evidence, Finding, Kind, KindAttempt, KindKey, Params, Times, ToSign, hmac_key, read_params,
    tolerance,
};
use crate::credential::grammar::{DECODE_BUFFER, Encoding, Line, one_line};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::mac::{Hash, Mac, MacKey, Tag};
use crate::verify::scheme::{SchemeFault, SecretFault};
use crate::verify::timestamp::Unit;

const SIGNATURE: HeaderName = HeaderName::from_static("x-contentful-signature");
const SIGNED_HEADERS: HeaderName = HeaderName::from_static("x-contentful-signed-headers");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-contentful-timestamp");

/// Headers that one signature may cover.
const MAX_HEADERS: usize = 64;
/// How old a request may be by default, in seconds: what Contentful's own library takes.
const WINDOW: u32 = 30;

/// What `encodeURIComponent` escapes (ECMA-262 §19.2.6).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// What `encodeURI` escapes: of that, not what separates the parts of a URI.
const URI: &AsciiSet = &COMPONENT
    .remove(b';')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b',')
    .remove(b'#');

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentfulParams {
    #[serde(default = "window")]
    tolerance: u32,
}

fn window() -> u32 {
    WINDOW
}

/// The kind.
#[derive(Debug)]
pub(super) struct Contentful {
    about: About,
}

impl Contentful {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let ContentfulParams { tolerance } = read_params(params)?;
        let faults = tolerance::faults(tolerance);
        if !faults.is_empty() {
            return Err(faults);
        }
        let about = About {
            headers: vec![SIGNATURE],
            algorithm: "hmac-sha256",
            tolerance: Some(tolerance),
            binds_body: true,
            binds_target: true,
            signs_id: false,
            needs_url: false,
            whole_body: false,
            symmetric: true,
        };
        Ok(Arc::new(Self { about }))
    }
}

impl Kind for Contentful {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        Ok(Arc::new(Key(hmac_key(key)?)))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        let signature = one_line(head.headers, &[SIGNATURE]).credential("X-Contentful-Signature");
        signature.read(|signature| read(head, signature))
    }

    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut made = vec![
            (SIGNED_HEADERS, HeaderValue::from_str(&format!("{SIGNED_HEADERS},{TIMESTAMP}")).ok()?),
            (TIMESTAMP, HeaderValue::from_str(&Unit::Ms.render(request.now)).ok()?),
        ];
        let mut headers = request.head.headers.clone();
        headers.extend(made.clone());
        let head = Head { headers: &headers, ..*request.head };
        let mut mac = MacKey::new(Hash::Sha256, key)?.begin();
        mac.update(&signed_head(&head).ok()?);
        mac.update(request.body);
        made.push((SIGNATURE, HeaderValue::from_str(&Encoding::Hex.encode(mac.finish().as_bytes())).ok()?));
        Some(made)
    }
}

/// What the head tells: the signed bytes before the body, and the signature.
struct Signed {
    head: Vec<u8>,
    signature: Tag,
}

fn read(head: &Head<'_>, signature: &[u8]) -> Result<Evidence, CredentialFault> {
    let mut buffer = [0; DECODE_BUFFER];
    let signature = Encoding::Hex
        .decode(signature, Hash::Sha256.tag_len(), &mut buffer)
        .and_then(Tag::new)
        .ok_or(CredentialFault::Malformed("the signature is not 64 hex digits"))?;
    let at = match one_line(head.headers, &[TIMESTAMP]) {
        Line::None => return Err(CredentialFault::TimestampMissing),
        Line::Many => return Err(CredentialFault::Duplicate("X-Contentful-Timestamp")),
        Line::One(text) => Unit::Ms.parse(text).ok_or(CredentialFault::TimestampMissing)?,
    };
    let mut evidence = Evidence::new(Signed { head: signed_head(head)?, signature });
    evidence.times = Times { at: Some(at), ..Times::default() };
    Ok(evidence)
}

/// `METHOD\nPATH\nname:value;name:value\n`.
fn signed_head(head: &Head<'_>) -> Result<Vec<u8>, CredentialFault> {
    let malformed = CredentialFault::Malformed;
    let path =
        signed_path(head.target).ok_or_else(|| malformed("the target has two queries, or an empty one"))?;
    let mut signed = format!("{}\n{path}\n", head.method).into_bytes();
    let Line::One(list) = one_line(head.headers, &[SIGNED_HEADERS]) else {
        return Err(malformed("X-Contentful-Signed-Headers must occur once"));
    };
    let mut names: Vec<HeaderName> = Vec::new();
    for name in list.split(|byte| *byte == b',') {
        let name = HeaderName::from_lowercase(name)
            .map_err(|_| malformed("the list of signed headers has other than lower-case names"))?;
        if names.contains(&name) || names.len() >= MAX_HEADERS {
            return Err(malformed("a header is listed twice, or more than 64 are"));
        }
        let Line::One(value) = one_line(head.headers, std::slice::from_ref(&name)) else {
            return Err(malformed("a signed header does not occur once"));
        };
        if !names.is_empty() {
            signed.push(b';');
        }
        signed.extend([name.as_str().as_bytes(), b":", value].concat());
        names.push(name);
    }
    if !names.contains(&SIGNED_HEADERS) || !names.contains(&TIMESTAMP) {
        return Err(malformed("the signature does not cover the time and its own list of headers"));
    }
    signed.push(b'\n');
    Ok(signed)
}

/// The target as it is signed; `None` where another one would be signed alike.
fn signed_path(target: &str) -> Option<String> {
    let Some((path, query)) = target.split_once('?') else {
        return Some(utf8_percent_encode(target, URI).to_string());
    };
    if query.is_empty() || query.contains('?') {
        return None;
    }
    let query = utf8_percent_encode(query, COMPONENT).to_string();
    Some(format!("{}?{}", utf8_percent_encode(path, URI), utf8_percent_encode(&query, URI)))
}

#[derive(Debug)]
struct Key(MacKey);

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let signed: &Signed = evidence.data()?;
        let mut mac = self.0.begin();
        mac.update(&signed.head);
        Some(Box::new(Attempt { mac, signature: signed.signature.clone() }))
    }
}

#[derive(Debug)]
struct Attempt {
    mac: Mac,
    signature: Tag,
}

impl KindAttempt for Attempt {
    fn update(&mut self, chunk: &[u8]) {
        self.mac.update(chunk);
    }

    fn finish(self: Box<Self>, _body: &[u8]) -> Finding {
        Finding::of(self.mac.finish().ct_eq(&self.signature), true)
    }
}
