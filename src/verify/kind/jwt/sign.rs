//! A token for a sample, as a sender with a shared secret would send it. Pure.
//!
//! Not how anything is countersigned. Invariant: what it makes verifies under the same scheme, key and time, or
//! it makes nothing: a public key can't sign, and a sample is signed in a header.

use data_encoding::BASE64URL_NOPAD;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use super::claims::Claims;
use super::{Place, Rules};
use crate::verify::kind::ToSign;
use crate::verify::mac::Hash;
use crate::verify::verifier;

/// How long a sample is good for, in seconds.
const LIFETIME: i64 = 300;

/// The header with the token.
pub(super) fn sign(
    rules: &Rules,
    key: &[u8],
    request: &ToSign<'_>,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let Place::Head { header: Some(carrier), .. } = &rules.place else { return None };
    let algorithm = rules.algorithms.first()?;
    let verifier::Algorithm::Hmac(hash) = algorithm.verified_as() else { return None };
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let header = encode(&json!({"alg": algorithm.name(), "typ": "JWT"}));
    let message = format!("{header}.{}", encode(&Value::Object(claims(rules, request)?)));
    let tag = verifier::mac(hash, key, message.as_bytes())?;
    let text = format!("{}{message}.{}", carrier.prefix, BASE64URL_NOPAD.encode(tag.as_bytes()));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(vec![(carrier.name.clone(), value)])
}

fn claims(rules: &Rules, request: &ToSign<'_>) -> Option<Claims> {
    let seconds = request.now.seconds();
    let mut claims = Claims::new();
    for name in &rules.required {
        claims.insert(
            name.clone(),
            match name.as_str() {
                "exp" => Value::from(seconds + LIFETIME),
                "iat" | "nbf" => Value::from(seconds),
                _ if *name == rules.id_claim => Value::from(format!("n{}", request.now.0)),
                _ => Value::from("sample"),
            },
        );
    }
    if rules.issued {
        claims.insert("iat".to_owned(), Value::from(seconds));
    }
    let texts = [
        ("iss", rules.issuer.as_deref()),
        ("aud", rules.audience.as_deref()),
        (rules.id_claim.as_str(), request.id),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            claims.insert(name.to_owned(), Value::from(text));
        }
    }
    if let Some(name) = &rules.body.claim {
        let digest = match rules.body.hash {
            Hash::Sha512 => Sha512::digest(request.body).to_vec(),
            _ => Sha256::digest(request.body).to_vec(),
        };
        claims.insert(name.clone(), Value::from(rules.body.encoding.encode(&digest)));
    }
    if let Some(rule) = &rules.address {
        claims.insert(rule.claim.clone(), Value::from(rule.expected(request.head)?));
    }
    Some(claims)
}
