//! A SigV4 signature against a key, and one made for a sample. Pure.
//!
//! Not the reading of the head: that is the parent's. Invariants: keys that are derived on the way are zeroed; what
//! [`Kind::sign`] makes verifies under the same scheme.
//! Spec: AWS IAM User Guide, "Create a signed AWS API request", steps 3 to 5.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use http::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{
    ALGORITHM, CONTENT_SHA256, Claimed, DATE, SECURITY_TOKEN, SigV4, Signed, TERMINATOR, UNSIGNED,
    authorization, basic, canonical,
};
use crate::credential::{Extraction, Head};
use crate::verify::kind::{About, Evidence, Finding, Kind, KindAttempt, KindKey, ToSign};
use crate::verify::mac::{Hash, Mac, MacKey, Tag};
use crate::verify::scheme::SecretFault;

impl Kind for SigV4 {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        Ok(Arc::new(Key::new(key).ok_or(SecretFault::Empty)?))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        authorization(head).read(|text| self.read(head, text))
    }

    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let stamp = basic(request.now);
        let digest = HEXLOWER.encode(&Sha256::digest(request.body));
        let mut made = vec![
            (HeaderName::from_static(DATE), HeaderValue::from_str(&stamp).ok()?),
            (HeaderName::from_static(CONTENT_SHA256), HeaderValue::from_str(&digest).ok()?),
        ];
        let mut headers = request.head.headers.clone();
        headers.extend(made.iter().cloned());
        let mut names: Vec<&str> = self.required.iter().map(String::as_str).collect();
        names.extend([DATE, CONTENT_SHA256]);
        if headers.contains_key(SECURITY_TOKEN) {
            names.push(SECURITY_TOKEN);
        }
        names.sort_unstable();
        names.dedup();
        let head = Head { headers: &headers, ..*request.head };
        let or = |given: &Option<String>, sample: &str| given.clone().unwrap_or_else(|| sample.to_owned());
        let date = stamp.get(..8)?.to_owned();
        let scope = [date, or(&self.region, "us-east-1"), or(&self.service, "webhooks")];
        let request = canonical::request(&head, &names, self.path)?;
        let tag = Chain::begin(&Key::new(key)?, &request, &stamp, &scope)?.finish(digest.as_bytes());
        let value = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
            or(&self.access_key_id, "AKIDEXAMPLE"),
            scope_text(&scope),
            names.join(";"),
            HEXLOWER.encode(tag.as_bytes())
        );
        made.push((http::header::AUTHORIZATION, HeaderValue::from_str(&value).ok()?));
        Some(made)
    }
}

/// The secret access key after `AWS4`, as the first key of the chain.
struct Key(MacKey);

impl Key {
    fn new(secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        let key = Zeroizing::new([b"AWS4".as_slice(), secret].concat());
        MacKey::new(Hash::Sha256, &key).map(Self)
    }

    /// The key of one date, region and service.
    fn derive(&self, scope: &[String; 3]) -> Option<MacKey> {
        let mut key = self.0.clone();
        for part in scope.iter().map(String::as_str).chain([TERMINATOR]) {
            let mut mac = key.begin();
            mac.update(part.as_bytes());
            key = MacKey::new(Hash::Sha256, Zeroizing::new(mac.finish()).as_bytes())?;
        }
        Some(key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let signed: &Signed = evidence.data()?;
        Some(Box::new(Attempt {
            chain: Chain::begin(self, &signed.request, &signed.stamp, &signed.scope)?,
            body: Sha256::new(),
            claimed: signed.claimed.clone(),
            tag: signed.tag.clone(),
        }))
    }
}

/// All that is signed, absorbed up to the hash of the body.
#[derive(Debug)]
struct Chain {
    mac: Mac,
    request: Sha256,
}

impl Chain {
    fn begin(key: &Key, request: &[u8], stamp: &str, scope: &[String; 3]) -> Option<Self> {
        let mut mac = key.derive(scope)?.begin();
        mac.update(format!("{ALGORITHM}\n{stamp}\n{}\n", scope_text(scope)).as_bytes());
        Some(Self { mac, request: Sha256::new_with_prefix(request) })
    }

    fn finish(mut self, payload: &[u8]) -> Tag {
        self.request.update(payload);
        self.mac.update(HEXLOWER.encode(&self.request.finalize()).as_bytes());
        self.mac.finish()
    }
}

#[derive(Debug)]
struct Attempt {
    chain: Chain,
    body: Sha256,
    claimed: Claimed,
    tag: Tag,
}

impl KindAttempt for Attempt {
    fn update(&mut self, chunk: &[u8]) {
        self.body.update(chunk);
    }

    fn finish(self: Box<Self>, _body: &[u8]) -> Finding {
        let hash = HEXLOWER.encode(&self.body.finalize()).into_bytes();
        let (payload, is_as_claimed) = match &self.claimed {
            Claimed::Nothing => (hash.as_slice(), true),
            Claimed::Hash(claimed) => (hash.as_slice(), *claimed == hash),
            Claimed::Unsigned => (UNSIGNED.as_bytes(), true),
        };
        let matched = self.chain.finish(payload).ct_eq(&self.tag) & Choice::from(u8::from(is_as_claimed));
        Finding::of(matched, self.claimed != Claimed::Unsigned)
    }
}

/// `20150830/us-east-1/service/aws4_request`.
fn scope_text(scope: &[String; 3]) -> String {
    format!("{}/{TERMINATOR}", scope.join("/"))
}
