//! Keys as senders publish them: JSON Web Keys, turned into what the verifier reads. Pure.
//!
//! Not a key store: a key is configured, and what a token says of its key is not looked at. Invariants: a JSON
//! text with `kty` is never an HMAC key, so that no public key can be turned into a shared secret; a key for
//! another algorithm or for encryption is not used; of a set, all that fit are, and one must.
//! Spec: RFC 7517 §4, §5; RFC 7518 §6; RFC 8037 §2; RFC 5480 §2 and RFC 8017 §A.1 (`SubjectPublicKeyInfo`).

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::Value;

use super::token::Algorithm;
use crate::verify::scheme::SecretFault;
use crate::verify::scheme::body::json;
use crate::verify::verifier::Verifier;

/// Keys of a set that are tried; senders have two during a rotation.
const MOST_KEYS: usize = 4;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// `AlgorithmIdentifier` of id-ecPublicKey with prime256v1.
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07,
];
/// `AlgorithmIdentifier` of rsaEncryption.
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// The verifiers of a configured key: a shared secret, a public key as the verifier reads it, a JWK or a set.
pub(super) fn verifiers(algorithm: Algorithm, key: &[u8]) -> Result<Vec<Verifier>, SecretFault> {
    let Some(document) = json(key).filter(|document| document.is_object()) else {
        return Ok(vec![Verifier::new(algorithm.verified_as(), key)?]);
    };
    let is_key = document.get("kty").is_some() || document.get("keys").is_some();
    if algorithm.verified_as().symmetric() {
        if is_key {
            return Err(SecretFault::Encoding("a shared secret: it is a JSON Web Key"));
        }
        return Ok(vec![Verifier::new(algorithm.verified_as(), key)?]);
    }
    let fault = SecretFault::Encoding("a JSON Web Key of the scheme's algorithm");
    let one = std::slice::from_ref(&document);
    let keys = document.get("keys").map_or(Some(one), |keys| keys.as_array().map(Vec::as_slice));
    let found: Vec<Verifier> = keys
        .ok_or(fault)?
        .iter()
        .filter_map(|key| Verifier::new(algorithm.verified_as(), pem(algorithm, key)?.as_bytes()).ok())
        .take(MOST_KEYS)
        .collect();
    if found.is_empty() { Err(fault) } else { Ok(found) }
}

/// One key as the verifier reads it.
fn pem(algorithm: Algorithm, key: &Value) -> Option<String> {
    let member = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| BASE64URL_NOPAD.decode(member(name)?.as_bytes()).ok();
    if member("use").is_some_and(|purpose| purpose != "sig")
        || member("alg").is_some_and(|said| said != algorithm.name())
    {
        return None;
    }
    let info = match (algorithm, member("kty")?, member("crv")) {
        (Algorithm::ES256, "EC", Some("P-256")) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            if (x.len(), y.len()) != (32, 32) {
                return None;
            }
            // 0: no unused bits; 4: an uncompressed point.
            [P256, &element(BIT_STRING, &[&[0, 4], x.as_slice(), &y].concat())?].concat()
        }
        (Algorithm::RS256 | Algorithm::RS512 | Algorithm::PS512, "RSA", None) => {
            let numbers = [integer(&bytes("n")?)?, integer(&bytes("e")?)?].concat();
            let numbers = element(SEQUENCE, &numbers)?;
            [RSA, &element(BIT_STRING, &[&[0], numbers.as_slice()].concat())?].concat()
        }
        (Algorithm::EdDsa, "OKP", Some("Ed25519")) => return Some(BASE64.encode(&bytes("x")?)),
        _ => return None,
    };
    let info = BASE64.encode(&element(SEQUENCE, &info)?);
    Some(format!("-----BEGIN PUBLIC KEY-----{info}-----END PUBLIC KEY-----"))
}

/// A positive integer in DER: a zero goes before a first bit that is set.
fn integer(digits: &[u8]) -> Option<Vec<u8>> {
    let first = digits.first().filter(|first| **first != 0)?;
    if *first < 0x80 { element(INTEGER, digits) } else { element(INTEGER, &[&[0], digits].concat()) }
}

/// Tag, definite length and content.
fn element(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    let length: &[u8] = match (high, low) {
        (0, 0..0x80) => &[low],
        (0, _) => &[0x81, low],
        _ => &[0x82, high, low],
    };
    Some([&[tag], length, content].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Algorithm, element, integer, verifiers};

    #[test]
    fn only_a_key_of_the_algorithm_is_used() {
        // RFC 7517 §A.1, the public keys of its examples.
        let point = "\"kty\":\"EC\",\"crv\":\"P-256\",\
            \"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\
            \"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"";
        let rsa = "\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7\
            aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGj\
            QR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6We\
            Zu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\"";
        let good =
            |algorithm, text: &str| verifiers(algorithm, text.as_bytes()).map_or(0, |found| found.len());
        assert_eq!(good(Algorithm::ES256, &format!("{{{point}}}")), 1);
        assert_eq!(good(Algorithm::RS256, &format!("{{{rsa},\"alg\":\"RS256\",\"use\":\"sig\"}}")), 1);
        let set = format!("{{\"keys\":[{{{point}}},{{{rsa}}},{{{rsa},\"kid\":\"2\"}}]}}");
        assert_eq!((good(Algorithm::ES256, &set), good(Algorithm::RS256, &set)), (1, 2));
        for (algorithm, text) in [
            (Algorithm::RS256, format!("{{{point}}}")),
            (Algorithm::ES256, format!("{{{point},\"use\":\"enc\"}}")),
            (Algorithm::ES256, format!("{{{point},\"alg\":\"ES384\"}}")),
            (Algorithm::ES256, format!("{{{point},\"kty\":\"EC\"}}")),
            (Algorithm::ES256, "{\"keys\":[]}".to_owned()),
            (Algorithm::ES256, "{\"keys\":7}".to_owned()),
            (Algorithm::ES256, "{}".to_owned()),
            (Algorithm::EdDsa, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}".to_owned()),
            (Algorithm::HS256, format!("{{{point}}}")),
            (Algorithm::HS256, set),
            (Algorithm::HS256, "-----BEGIN PUBLIC KEY-----".to_owned()),
        ] {
            assert_eq!(good(algorithm, &text), 0, "{algorithm:?} {text}");
        }
        assert_eq!(good(Algorithm::HS256, "{\"a secret\": 1}"), 1);
        assert_eq!(
            good(
                Algorithm::EdDsa,
                "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\
            \"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
            ),
            1,
            "RFC 8037 §A.2"
        );
    }

    /// X.690, §8.1.3 and §10.1: the definite form, in as few octets as it takes.
    #[test]
    fn the_length_of_an_element_takes_one_two_or_three_octets() {
        for (length, head) in [
            (0, &[0x04, 0][..]),
            (127, &[0x04, 0x7f]),
            (128, &[0x04, 0x81, 0x80]),
            (255, &[0x04, 0x81, 0xff]),
            (256, &[0x04, 0x82, 0x01, 0x00]),
            (65_535, &[0x04, 0x82, 0xff, 0xff]),
        ] {
            let content = vec![7; length];
            assert_eq!(element(0x04, &content), Some([head, &content].concat()), "{length}");
        }
        assert_eq!(element(0x04, &[7; 65_536]), None);
    }

    #[test]
    fn an_integer_is_positive() {
        assert_eq!(integer(&[0x7f]), Some(vec![2, 1, 0x7f]));
        assert_eq!(integer(&[0x80]), Some(vec![2, 2, 0, 0x80]));
        assert_eq!(integer(&[]), None);
        assert_eq!(integer(&[0, 1]), None, "not the shortest");
    }

    proptest! {
        #[test]
        fn no_key_panics(bytes in any::<Vec<u8>>(), x in "[A-Za-z0-9_-]{0,48}") {
            let _ = verifiers(Algorithm::ES256, &bytes);
            for kty in ["EC", "RSA", "OKP"] {
                let text = format!("{{\"kty\":\"{kty}\",\"x\":\"{x}\",\"y\":\"{x}\",\"n\":\"{x}\",\"e\":\"{x}\"}}");
                let _ = verifiers(Algorithm::RS256, text.as_bytes());
            }
        }
    }
}
