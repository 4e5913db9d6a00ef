//! PayPal: RSA over the ids of transmission and webhook, a time, and the CRC-32 of the body. Pure.
//!
//! Not a fetcher of certificates: PayPal's is configured, below the webhook's id, which is signed and not sent.
//! Invariant: the body does not count as bound: whoever has one signed request can make another body with the same
//! CRC-32, for it is no cryptographic hash.
//! Spec: PayPal REST APIs, "Integrate webhooks", self verification method.

use std::sync::Arc;

use crc32fast::Hasher;
use http::HeaderName;
use serde::Deserialize;

use super::{
    About, Evidence, Finding, Kind, KindAttempt, KindKey, Params, Times, checked_id, read_params, tolerance,
};
use crate::credential::grammar::{Line, one_line};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::pem;
use crate::verify::scheme::{SchemeFault, SecretFault};
use crate::verify::timestamp::Unit;
use crate::verify::verifier::{Algorithm, Verifier, decode};

const SIGNATURE: HeaderName = HeaderName::from_static("paypal-transmission-sig");
const ID: HeaderName = HeaderName::from_static("paypal-transmission-id");
const TIME: HeaderName = HeaderName::from_static("paypal-transmission-time");
const ALGORITHM: HeaderName = HeaderName::from_static("paypal-auth-algo");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayPalParams {
    #[serde(default = "tolerance::standard")]
    tolerance: u32,
}

/// The kind.
#[derive(Debug)]
pub(super) struct PayPal {
    about: About,
}

impl PayPal {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let params: PayPalParams = read_params(params)?;
        let faults = tolerance::faults(params.tolerance);
        if !faults.is_empty() {
            return Err(faults);
        }
        let about = About {
            headers: vec![SIGNATURE],
            algorithm: "rsa-pkcs1-sha256",
            tolerance: Some(params.tolerance),
            binds_body: false,
            binds_target: false,
            signs_id: true,
            needs_url: false,
            whole_body: false,
            symmetric: false,
        };
        Ok(Arc::new(Self { about }))
    }
}

impl Kind for PayPal {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        let fault =
            SecretFault::Encoding("the webhook's id on a line of its own and a certificate in PEM below it");
        let (lines, certificate) = pem::below_lines(key).ok_or(fault)?;
        let [webhook] = lines.as_slice() else { return Err(fault) };
        if !webhook.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(fault);
        }
        let verifier = Verifier::new(Algorithm::RsaPkcs1Sha256, certificate.as_bytes()).map_err(|_| fault)?;
        Ok(Arc::new(Key(Arc::new(Keyed { webhook: (*webhook).to_owned(), verifier }))))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        let signature = one_line(head.headers, &[SIGNATURE]).credential("Paypal-Transmission-Sig");
        signature.read(|signature| read(head, signature))
    }
}

/// What the head says.
#[derive(Debug, Clone)]
struct Signed {
    /// Id and time with what ends them: `{id}|{time}|`.
    start: String,
    signature: Vec<u8>,
}

fn read(head: &Head<'_>, signature: &[u8]) -> Result<Evidence, CredentialFault> {
    let malformed = CredentialFault::Malformed;
    let text = |name: HeaderName, missing| match one_line(head.headers, &[name]) {
        Line::One(text) => std::str::from_utf8(text).map_err(|_| missing),
        Line::None => Err(missing),
        Line::Many => Err(CredentialFault::Duplicate("a header of PayPal")),
    };
    if text(ALGORITHM, malformed("there is no Paypal-Auth-Algo"))? != "SHA256withRSA" {
        return Err(malformed("Paypal-Auth-Algo is not SHA256withRSA"));
    }
    let id = checked_id(text(ID, malformed("there is no Paypal-Transmission-Id"))?)?;
    let time = text(TIME, CredentialFault::TimestampMissing)?;
    let at = Unit::Rfc3339.parse(time.as_bytes()).ok_or(CredentialFault::TimestampMissing)?;
    let signature = std::str::from_utf8(signature)
        .ok()
        .and_then(decode)
        .ok_or_else(|| malformed("the signature is not canonical base64"))?;
    let mut evidence = Evidence::new(Signed { start: format!("{id}|{time}|"), signature });
    evidence.times = Times { at: Some(at), ..Times::default() };
    evidence.id = Some(id);
    Ok(evidence)
}

#[derive(Debug)]
struct Key(Arc<Keyed>);

#[derive(Debug)]
struct Keyed {
    webhook: String,
    verifier: Verifier,
}

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let signed: &Signed = evidence.data()?;
        Some(Box::new(Attempt { key: Arc::clone(&self.0), signed: signed.clone(), crc: Hasher::new() }))
    }
}

#[derive(Debug)]
struct Attempt {
    key: Arc<Keyed>,
    signed: Signed,
    crc: Hasher,
}

impl KindAttempt for Attempt {
    fn update(&mut self, chunk: &[u8]) {
        self.crc.update(chunk);
    }

    fn finish(self: Box<Self>, _body: &[u8]) -> Finding {
        let message = format!("{}{}|{}", self.signed.start, self.key.webhook, self.crc.finalize());
        Finding::of(self.key.verifier.verify(message.as_bytes(), &self.signed.signature), false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use crate::clock::UnixMillis;
    use crate::secret::Secret;
    use crate::verify::kind::testing::{NOW, Sent, faults, vector};
    use crate::verify::scheme::{Scheme, preset};

    const VECTORS: &str = include_str!("../../../tests/vectors/own/certs.json");

    fn scheme() -> &'static Scheme {
        preset("paypal").unwrap()
    }

    fn sent() -> (Sent, String) {
        let (sent, secret, at) = vector(VECTORS, "paypal");
        assert_eq!(at, NOW);
        (sent, secret)
    }

    fn says(sent: &Sent, secret: &str, now: UnixMillis) -> String {
        sent.judged(scheme(), secret, now).unwrap_err().to_string()
    }

    #[test]
    fn id_time_and_algorithm_are_signed_or_fixed() {
        let (sent, secret) = sent();
        assert!(sent.passes(scheme(), &secret));
        assert!(!scheme().binds_body() && scheme().signs_id());
        assert!(sent.judged(scheme(), &secret, NOW.plus_seconds(300)).is_ok());
        assert!(says(&sent, &secret, NOW.plus_seconds(301)).contains("old"));
        for (name, value, wrong) in [
            ("paypal-transmission-id", "other", "no signature matches"),
            ("paypal-transmission-id", "a b", "visible"),
            ("paypal-transmission-time", "2023-11-14T22:13:21Z", "no signature matches"),
            ("paypal-transmission-time", "1700000000", "timestamp"),
            ("paypal-auth-algo", "SHA1withRSA", "SHA256withRSA"),
            ("paypal-transmission-sig", "AAAA", "no signature matches"),
            ("paypal-transmission-sig", "AAA", "base64"),
        ] {
            let mut changed = sent.clone();
            changed.set(name, value);
            assert!(says(&changed, &secret, NOW).contains(wrong), "{name}: {value}");
            changed.headers.remove(name);
            let absent = if name.ends_with("sig") { "is not there" } else { "" };
            assert!(says(&changed, &secret, NOW).contains(absent), "no {name}");
            changed.set(name, &sent.get(name));
            assert!(changed.passes(scheme(), &secret));
            changed.add(name, &sent.get(name));
            assert!(says(&changed, &secret, NOW).contains("more than once"), "{name}");
        }
    }

    #[test]
    fn a_secret_is_the_webhooks_id_above_a_certificate() {
        let (_, secret) = sent();
        let prepare = |text: &str| scheme().prepare(&Secret::from_text(text));
        let (id, certificate) = secret.split_once('\n').unwrap();
        for right in
            [secret.clone(), format!("{id}\r\n\r\n{certificate}"), format!("\n {id} \n{certificate}")]
        {
            assert!(prepare(&right).is_ok(), "{right}");
        }
        for wrong in [id, certificate, &format!("a|b\n{certificate}"), &format!("{id}\n{id}"), "\n"] {
            assert!(prepare(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(faults("kind = 'paypal'\n[params]\nother = 1"), ["params"]);
        assert_eq!(faults("kind = 'paypal'\n[params]\ntolerance = 86401"), ["params.tolerance"]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in any::<Vec<u8>>(), header in "[ -~]{0,40}", secret in any::<String>()) {
            let (mut sent, right) = sent();
            assert!(scheme().prepare(&Secret::from_text(&secret)).is_err());
            sent.set("paypal-transmission-sig", &header);
            sent.set("paypal-transmission-time", &header);
            sent.body = body;
            assert!(!sent.passes(scheme(), &right));
        }
    }
}
