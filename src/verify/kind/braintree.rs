//! Braintree's webhooks: a form of `bt_payload` and `bt_signature`, the latter `public key|signature` for each
//! of the merchant's keys, with `&` in between. Pure.
//!
//! Not the challenge that Braintree sends to a new endpoint. Invariants: only a pair of the configured public key
//! counts; the form has these two fields, each once, and no other, so that the whole body is covered; what could
//! have been asked as a challenge is no event.
//! Spec: Braintree, "Webhooks: Parse"; the signature is HMAC-SHA1 in hex over `bt_payload` as the form has it,
//! line feeds and all, keyed with the SHA-1 of the private key.

use std::sync::Arc;

use serde::Deserialize;
use sha1::{Digest, Sha1};
use subtle::Choice;
use zeroize::Zeroizing;

use super::tags::Tags;
use super::{About, Evidence, Finding, Kind, KindAttempt, KindKey, Params, read_params};
use crate::credential::grammar::Encoding;
use crate::credential::{Extraction, Head};
use crate::verify::mac::{Hash, MacKey};
use crate::verify::scheme::{Fields, SchemeFault, SecretFault, is_form};

const SIGNATURE: &str = "bt_signature";
const PAYLOAD: &str = "bt_payload";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BraintreeParams {
    #[serde(default)]
    public_key: Option<String>,
}

/// The kind.
#[derive(Debug)]
pub(super) struct Braintree {
    about: About,
    public_key: Option<String>,
}

impl Braintree {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let BraintreeParams { public_key } = read_params(params)?;
        if public_key.as_ref().is_some_and(|key| key.is_empty() || key.contains(['|', '&', ':'])) {
            return Err(vec![SchemeFault::new("params.public_key", "is no public key of Braintree")]);
        }
        let about = About {
            headers: Vec::new(),
            algorithm: "hmac-sha1",
            tolerance: None,
            binds_body: true,
            binds_target: false,
            signs_id: false,
            needs_url: false,
            whole_body: true,
            // Both keys are Braintree's.
            symmetric: false,
        };
        Ok(Arc::new(Self { about, public_key }))
    }
}

impl Kind for Braintree {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        let fault = SecretFault::Encoding("Braintree's public key and private key with a colon in between");
        let (public, private) = match &self.public_key {
            Some(public) => (public.as_bytes(), key),
            None => {
                let colon = key.iter().position(|byte| *byte == b':').ok_or(fault)?;
                let (public, rest) = key.split_at_checked(colon).ok_or(fault)?;
                (public, rest.get(1..).unwrap_or_default())
            }
        };
        if public.is_empty() || private.is_empty() {
            return Err(fault);
        }
        let derived = Zeroizing::new(Sha1::digest(private).to_vec());
        let mac = MacKey::new(Hash::Sha1, &derived).ok_or(fault)?;
        Ok(Arc::new(Key { public: public.into(), mac }))
    }

    fn extract(&self, _head: &Head<'_>) -> Extraction<Evidence> {
        Extraction::Present(Evidence::new(()))
    }

    fn answers_challenges(&self) -> bool {
        true
    }
}

#[derive(Debug, Clone)]
struct Key {
    public: Box<[u8]>,
    mac: MacKey,
}

impl KindKey for Key {
    fn begin(&self, head: &Head<'_>, _evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        is_form(head).then(|| Box::new(Attempt(self.clone())) as Box<dyn KindAttempt>)
    }

    /// Of 20 to 32 hex digits alone, which no payload that verifies is.
    fn answer_challenge(&self, challenge: &str) -> Option<String> {
        let is_hex = challenge.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || !(20..=32).contains(&challenge.len()) {
            return None;
        }
        let public = std::str::from_utf8(&self.public).ok()?;
        let mut mac = self.mac.begin();
        mac.update(challenge.as_bytes());
        Some(format!("{public}|{}", Encoding::Hex.encode(mac.finish().as_bytes())))
    }
}

#[derive(Debug)]
struct Attempt(Key);

impl Attempt {
    fn judge(&self, body: &[u8]) -> Option<Choice> {
        let mut room = Vec::new();
        let form = Fields::parse(body, &mut room)?;
        let (signature, payload) = (form.only(SIGNATURE)?, form.only(PAYLOAD)?);
        // As in Braintree's own libraries: what base64 has not can't be meant.
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\n".contains(byte);
        // Whoever answers Braintree's challenges signs any 20 to 32 hex digits that anybody asks for.
        let challenge = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'\n';
        if form.pairs().len() != 2 || !payload.iter().all(plain) || payload.iter().all(challenge) {
            return None;
        }
        let ours = signature
            .split(|byte| *byte == b'&')
            .filter_map(|pair| pair.strip_prefix(&*self.0.public)?.strip_prefix(b"|"));
        let tags = Tags::read(ours, Encoding::Hex, Hash::Sha1.tag_len())?;
        let mut mac = self.0.mac.begin();
        mac.update(payload);
        Some(tags.contain(&mac.finish()))
    }
}

impl KindAttempt for Attempt {
    fn finish(self: Box<Self>, body: &[u8]) -> Finding {
        self.judge(body).map_or_else(Finding::refused, |matched| Finding::of(matched, true))
    }
}

#[cfg(test)]
mod tests {
    use crate::secret::Secret;
    use crate::verify::kind::testing::{Sent, compile, faults};
    use crate::verify::scheme::{Scheme, preset};

    /// HMAC-SHA1 of `PAYLOAD` under the SHA-1 of `private`, by Python's hmac.
    const SIGNATURE: &str = "ed45e4edf8e0af8136e1c5375b5eb8f55ff5a8d7";
    const PAYLOAD: &str = "ICAgPG5vdGlmaWNhdGlvbj4KPC9ub3RpZmljYXRpb24%2B%0A";
    const SECRET: &str = "public:private";

    fn sent(body: &str) -> Sent {
        let mut sent = Sent::post("/hook", body.as_bytes());
        sent.set("content-type", "application/x-www-form-urlencoded");
        sent
    }

    fn named() -> &'static Scheme {
        preset("braintree").unwrap()
    }

    fn passes(body: &str) -> bool {
        sent(body).passes(named(), SECRET)
    }

    #[test]
    fn only_the_pair_of_the_configured_public_key_counts() {
        let with = |pairs: &str| passes(&format!("bt_signature={pairs}&bt_payload={PAYLOAD}"));
        assert!(with(&format!("public%7C{SIGNATURE}")));
        assert!(with(&format!("other%7C00%26public%7C{SIGNATURE}%26x")));
        for pairs in [
            "",
            "%26",
            SIGNATURE,
            &format!("other%7C{SIGNATURE}"),
            &format!("publi%7C{SIGNATURE}"),
            &format!("public2%7C{SIGNATURE}"),
            &format!("public%7C{}", &SIGNATURE[1..]),
            &format!("other%7C{SIGNATURE}%26public%7C{}", "0".repeat(40)),
        ] {
            assert!(!with(pairs), "{pairs}");
        }
    }

    #[test]
    fn the_payload_is_signed_as_the_form_has_it() {
        let with = |payload: &str| passes(&format!("bt_payload={payload}&bt_signature=public%7C{SIGNATURE}"));
        assert!(with(PAYLOAD));
        for payload in ["", "~", &PAYLOAD[3..], PAYLOAD.trim_end_matches("%0A"), &PAYLOAD.replace("%2B", "+")]
        {
            assert!(!with(payload), "{payload}");
        }
    }

    #[test]
    fn a_payload_is_base64_and_no_challenge_whoever_signed_it() {
        for (payload, signature) in [
            ("PG4x", "bd2461048596818668f8f5506a5983ba123a4b03"),
            ("PG4~", "0e4e8eca2237a165efd6b55ec72f6b51244b58df"),
            ("20f9f8ed05f77439fe955c977e4c8a53", "3077328431565fee44b856ee88190b8a2abd06e4"),
            ("20f9f8ed05f77439fe955c977e4c8a53%0A", "cb343d034660adf8e2282212e55c70a975acae24"),
        ] {
            let body = format!("bt_signature=public%7C{signature}&bt_payload={payload}");
            assert_eq!(passes(&body), payload == "PG4x", "{payload}");
        }
    }

    #[test]
    fn a_challenge_is_20_to_32_lower_case_hex_digits() {
        let key = named().prepare(&Secret::from_text(SECRET)).unwrap();
        let answered = |challenge: &str| named().answer_challenge(&key, challenge);
        // HMAC-SHA1 under the SHA-1 of `private`, by Python's hmac.
        let answer = "public|3077328431565fee44b856ee88190b8a2abd06e4";
        assert_eq!(answered("20f9f8ed05f77439fe955c977e4c8a53").as_deref(), Some(answer));
        assert!(answered(&"a".repeat(20)).is_some());
        for other in
            ["", &"a".repeat(19), &"a".repeat(33), &"A".repeat(20), "20f9f8ed05f77439fe955c977e4c8a5g"]
        {
            assert_eq!(answered(other), None, "{other}");
        }
    }

    #[test]
    fn the_form_has_both_fields_once_and_no_other() {
        let signature = format!("bt_signature=public%7C{SIGNATURE}");
        let payload = format!("bt_payload={PAYLOAD}");
        assert!(passes(&format!("{signature}&{payload}")));
        for body in [
            String::new(),
            signature.clone(),
            payload.clone(),
            format!("{signature}&{signature}&{payload}"),
            format!("{signature}&{payload}&{payload}"),
            format!("{signature}&{payload}&bt%5Fpayload=x"),
            format!("{signature}&{payload}&kind=check"),
            format!("{signature}&{payload}&%"),
        ] {
            assert!(!passes(&body), "{body}");
        }
        let mut json = sent(&format!("{signature}&{payload}"));
        json.set("content-type", "application/json");
        assert!(!json.passes(named(), SECRET), "no form");
    }

    #[test]
    fn the_secret_is_both_keys_or_the_private_one_where_the_public_one_is_a_parameter() {
        let sent = sent(&format!("bt_signature=public%7C{SIGNATURE}&bt_payload={PAYLOAD}"));
        for secret in ["private", ":private", "public:", "public:privatf", "publib:private", "private:public"]
        {
            assert!(!sent.passes(named(), secret), "{secret}");
        }
        for half in ["private", ":private", "public:", ":"] {
            assert!(named().prepare(&Secret::from_text(half)).is_err(), "{half}");
        }
        let own = compile("kind = 'braintree'\nparams = { public_key = 'public' }");
        assert!(sent.passes(&own, "private"));
        assert!(!sent.passes(&own, SECRET));
        let other = compile("kind = 'braintree'\nparams = { public_key = 'other' }");
        assert!(!sent.passes(&other, "private"));
        for key in ["", "a|b", "a:b"] {
            let text = format!("kind = 'braintree'\nparams = {{ public_key = '{key}' }}");
            assert_eq!(faults(&text), ["params.public_key"]);
        }
        assert_eq!(faults("kind = 'braintree'\nparams = { private_key = 'x' }"), ["params"]);
    }
}
