//! Public keys from PEM: a `SubjectPublicKeyInfo`, or the one inside a certificate. Pure.
//!
//! Not a check of a certificate: it is configured, so the admin has judged it, and neither its dates nor its
//! chain are looked at. Invariants: exactly one block is read; lengths never exceed what is there.
//! Spec: RFC 7468 §3, RFC 5280 §4.1, X.690 §8.1 (definite lengths).

use data_encoding::BASE64;

/// A certificate with the longest key is some 3 KiB.
const LONGEST: usize = 16 * 1024;
const SEQUENCE: u8 = 0x30;
/// `[0]`, the version of a certificate.
const VERSION: u8 = 0xa0;

/// Whether a text is meant as PEM.
pub(super) fn looks_like(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"-----BEGIN")
}

/// The DER of the public key in a PEM text of one `PUBLIC KEY` or `CERTIFICATE`.
pub(super) fn public_key(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > LONGEST {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Some(der) = block(text, "PUBLIC KEY") {
        return Some(der);
    }
    let certificate = block(text, "CERTIFICATE")?;
    key_of(&certificate).map(<[u8]>::to_vec)
}

fn block(text: &str, label: &str) -> Option<Vec<u8>> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let inside = text.strip_prefix(begin.as_str())?.strip_suffix(end.as_str())?;
    let digits: Vec<u8> = inside.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(&digits).ok().filter(|der| !der.is_empty())
}

/// The `subjectPublicKeyInfo` of a certificate, with its header.
fn key_of(certificate: &[u8]) -> Option<&[u8]> {
    let outer = element(certificate).filter(|outer| outer.tag == SEQUENCE && outer.rest.is_empty())?;
    let signed = element(outer.content).filter(|signed| signed.tag == SEQUENCE)?;
    let mut rest = signed.content;
    let first = element(rest)?;
    if first.tag == VERSION {
        rest = first.rest;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for _ in 0..5 {
        rest = element(rest)?.rest;
    }
    element(rest).filter(|key| key.tag == SEQUENCE).map(|key| key.whole)
}

struct Element<'d> {
    tag: u8,
    content: &'d [u8],
    whole: &'d [u8],
    rest: &'d [u8],
}

fn element(der: &[u8]) -> Option<Element<'_>> {
    let (tag, after) = der.split_first()?;
    let (first, after) = after.split_first()?;
    let (length, after) = if *first < 0x80 {
        (usize::from(*first), after)
    } else {
        let (digits, after) = after.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 3 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), after)
    };
    let (content, rest) = after.split_at_checked(length)?;
    let whole = der.get(..der.len() - rest.len())?;
    Some(Element { tag: *tag, content, whole, rest })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{element, key_of, looks_like, public_key};

    #[test]
    fn one_block_and_nothing_else() {
        let key = "-----BEGIN PUBLIC KEY-----\nAAAA\nAAAA\n-----END PUBLIC KEY-----\n";
        assert!(looks_like(key.as_bytes()));
        assert_eq!(public_key(key.as_bytes()), Some(vec![0; 6]));
        assert_eq!(public_key(format!("{key}{key}").as_bytes()), None, "two blocks");
        assert_eq!(public_key(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), None);
        assert_eq!(public_key(b"-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----"), None, "empty");
        assert_eq!(public_key(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), None);
    }

    #[test]
    fn a_length_beyond_the_end_is_no_element() {
        assert!(element(&[0x30, 0x01]).is_none());
        assert!(element(&[0x30, 0x80]).is_none(), "indefinite");
        assert!(element(&[0x30, 0x84, 0, 0, 0, 1, 0]).is_none(), "too many digits");
        assert!(element(&[0x30, 0x81, 1, 7]).is_some_and(|found| found.content == [7]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = (public_key(&bytes), key_of(&bytes));
        }
    }
}
