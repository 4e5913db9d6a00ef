//! eBay's notifications: ECDSA over the body, the signature in JSON in base64 in a header. Pure.
//!
//! Not a fetcher of keys: the one that the header names is configured. Invariant: the message id is read from the
//! body, all of which is signed; the time is not judged, for eBay states none as that of signing.
//! Spec: eBay developers program, "Marketplace account deletion: overview", verifying the validity of a notification.

use std::sync::Arc;

use http::HeaderName;
use serde::Deserialize;
use serde_json::Value;

use super::{About, Evidence, Finding, Kind, KindAttempt, KindKey, Params, checked_id, read_params};
use crate::credential::grammar::one_line;
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::scheme::{SchemeFault, SecretFault, json};
use crate::verify::verifier::{Algorithm, Verifier, decode};

const SIGNATURE: HeaderName = HeaderName::from_static("x-ebay-signature");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EbayParams {
    #[serde(default)]
    key_id: Option<String>,
}

/// The kind.
#[derive(Debug)]
pub(super) struct Ebay {
    about: About,
    key_id: Option<String>,
}

impl Ebay {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let EbayParams { key_id } = read_params(params)?;
        let about = About {
            headers: vec![SIGNATURE],
            algorithm: "ecdsa-p256-sha1",
            tolerance: None,
            binds_body: true,
            binds_target: false,
            signs_id: true,
            needs_url: false,
            whole_body: true,
            symmetric: false,
        };
        Ok(Arc::new(Self { about, key_id }))
    }

    /// The signature in the header's text.
    fn read(&self, text: &[u8]) -> Result<Vec<u8>, CredentialFault> {
        let malformed = CredentialFault::Malformed;
        let document = std::str::from_utf8(text).ok().and_then(decode).and_then(|text| json(&text));
        let document = document.ok_or_else(|| malformed("the header is not JSON in canonical base64"))?;
        let member = |name: &str| document.get(name).and_then(Value::as_str);
        let is =
            |name: &str, wanted: &str| member(name).is_some_and(|said| said.eq_ignore_ascii_case(wanted));
        if !is("alg", "ecdsa") || !is("digest", "SHA1") {
            return Err(malformed("the signature is not ECDSA with SHA-1"));
        }
        if self.key_id.is_some() && self.key_id.as_deref() != member("kid") {
            return Err(malformed("the signature is of another key id"));
        }
        let signature = member("signature").and_then(decode);
        signature.ok_or_else(|| malformed("the signature is not canonical base64"))
    }
}

impl Kind for Ebay {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        Ok(Arc::new(Key(Arc::new(Verifier::new(Algorithm::EcdsaP256Sha1, key)?))))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        let signature = one_line(head.headers, &[SIGNATURE]).credential("X-EBAY-SIGNATURE");
        signature.read(|text| self.read(text)).map(Evidence::new)
    }
}

#[derive(Debug)]
struct Key(Arc<Verifier>);

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let signature: &Vec<u8> = evidence.data()?;
        Some(Box::new(Attempt { verifier: Arc::clone(&self.0), signature: signature.clone() }))
    }
}

#[derive(Debug)]
struct Attempt {
    verifier: Arc<Verifier>,
    signature: Vec<u8>,
}

impl KindAttempt for Attempt {
    fn finish(self: Box<Self>, body: &[u8]) -> Finding {
        let Some(id) = notification_id(body) else { return Finding::refused() };
        let mut finding = Finding::of(self.verifier.verify(body, &self.signature), true);
        finding.id = Some(id);
        finding
    }
}

fn notification_id(body: &[u8]) -> Option<Box<str>> {
    checked_id(json(body)?.get("notification")?.get("notificationId")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::{any, proptest};

    use crate::verify::kind::testing::{Sent, compile, faults, vector};
    use crate::verify::scheme::{Scheme, preset};

    const VECTORS: &str = include_str!("../../../tests/vectors/more-published.json");
    const HEADER: &str = "x-ebay-signature";

    fn scheme() -> &'static Scheme {
        preset("ebay").unwrap()
    }

    fn sent() -> (Sent, String) {
        let (sent, secret, _) = vector(VECTORS, "ebay-valid");
        (sent, secret)
    }

    #[test]
    fn the_whole_body_is_signed() {
        let (mut sent, secret) = sent();
        assert!(sent.passes(scheme(), &secret));
        sent.body.push(b'\n');
        assert!(!sent.passes(scheme(), &secret));
        sent.headers.remove(HEADER);
        assert_eq!(
            sent.judged(scheme(), &secret, crate::verify::kind::testing::NOW),
            Err(crate::verify::offline::Refused::Absent)
        );
    }

    #[test]
    fn the_header_says_what_was_configured() {
        let (mut sent, secret) = sent();
        let value = sent.get(HEADER);
        let header = String::from_utf8(BASE64.decode(value.as_bytes()).unwrap()).unwrap();
        let kid = "9936261a-7d7b-4621-a0f1-96ccb428af49";
        let fixed = |kid: &str| compile(&format!("kind = 'ebay'\n[params]\nkey_id = '{kid}'"));
        assert!(sent.passes(&fixed(kid), &secret));
        assert!(!sent.passes(&fixed("other"), &secret));
        for (from, to) in [
            ("\"ecdsa\"", "\"rsa\""),
            ("\"SHA1\"", "\"SHA256\""),
            ("\"signature\":\"", "\"signature\":\"A"),
            ("\"signature\"", "\"other\""),
            ("{", "{\"digest\":\"SHA1\","),
            ("}", ""),
        ] {
            assert!(header.contains(from));
            sent.set(HEADER, &BASE64.encode(header.replace(from, to).as_bytes()));
            assert!(!sent.passes(scheme(), &secret), "{to}");
        }
        sent.set(HEADER, &BASE64.encode(header.replace("ecdsa", "ECDSA").as_bytes()));
        assert!(sent.passes(scheme(), &secret));
        sent.add(HEADER, &value);
        assert!(!sent.passes(scheme(), &secret), "twice");
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(faults("kind = 'ebay'\n[params]\nother = 1"), ["params"]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in any::<Vec<u8>>(), header in any::<Vec<u8>>()) {
            let (mut sent, secret) = sent();
            sent.body = body;
            assert!(!sent.passes(scheme(), &secret));
            sent.set(HEADER, &BASE64.encode(&header));
            assert!(!sent.passes(scheme(), &secret));
        }
    }
}
