//! Public keys from PEM: a `SubjectPublicKeyInfo`, or the one inside a certificate. Pure.
//!
//! Not a check of a certificate: it is configured, so the admin has judged it, and neither its dates nor its
//! chain are looked at. Invariant: exactly one block is read. Its lines may be of any length, for some senders hand
//! out a key on a single line (eBay), which strict readers of PEM refuse.
//! Spec: RFC 7468 §2, RFC 5280 §4.1.

use data_encoding::BASE64;
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// A certificate with the longest key is some 3 KiB.
const LONGEST: usize = 16 * 1024;

/// Whether a text is meant as PEM.
pub(super) fn looks_like(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"-----BEGIN")
}

/// The lines above a PEM text, without blank ones, and that text: what an admin gives where a sender's certificate
/// alone does not say whom it sends to.
pub(super) fn below_lines(text: &[u8]) -> Option<(Vec<&str>, &str)> {
    let text = std::str::from_utf8(text).ok()?;
    let (lines, pem) = text.split_at_checked(text.find("-----BEGIN")?)?;
    Some((lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect(), pem))
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
    let der = CertificateDer::from(block(text, "CERTIFICATE")?);
    let certificate = EndEntityCert::try_from(&der).ok()?;
    Some(certificate.subject_public_key_info().as_ref().to_vec())
}

fn block(text: &str, label: &str) -> Option<Vec<u8>> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let inside = text.strip_prefix(begin.as_str())?.strip_suffix(end.as_str())?;
    let digits: Vec<u8> = inside.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(&digits).ok().filter(|der| !der.is_empty())
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::{any, proptest};

    use super::{below_lines, looks_like, public_key};

    /// Made with `openssl req -x509`, and what `openssl x509 -pubkey` says of it.
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBdDCCARmgAwIBAgIUPFoqjusWk1TLY1fNmH1w233lOB4wCgYIKoZIzj0EAwIw\n\
        DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjEyMzQyMzlaFw0yNjExMjIyMzQyMzla\n\
        MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQduQty\n\
        Cz3DyaM/OASRuEVlGFbZP0LXr5RSmEXmwsKu4rOHpUaYB/TpA5jfb3KkQpe8TT0p\n\
        fo/3X8sTQPjR6/pBo1MwUTAdBgNVHQ4EFgQUtYi0s4CIOYHOHjhLT0KgvRq738Mw\n\
        HwYDVR0jBBgwFoAUtYi0s4CIOYHOHjhLT0KgvRq738MwDwYDVR0TAQH/BAUwAwEB\n\
        /zAKBggqhkjOPQQDAgNJADBGAiEA3v0B9JYdrFJn1LwHLknx4pjAAr+wECldDpaO\n\
        Pouk9q4CIQCMn9kZ7PDf4zS2R56zwri7lur/2lRXliqWypD9/DDLSQ==\n\
        -----END CERTIFICATE-----";
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHbkLcgs9w8mjPzgEkbhFZRhW2T9C\n\
        16+UUphF5sLCruKzh6VGmAf06QOY329ypEKXvE09KX6P91/LE0D40ev6QQ==\n\
        -----END PUBLIC KEY-----";

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
    fn a_key_on_a_single_line_is_read() {
        assert_eq!(public_key(b"-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----"), Some(vec![0; 3]));
    }

    #[test]
    fn the_key_of_a_certificate_is_that_of_its_subject() {
        let key = public_key(CERTIFICATE.as_bytes()).unwrap();
        assert_eq!(Some(key), public_key(KEY.as_bytes()));
        let cut = CERTIFICATE.replacen("MII", "MIH", 1);
        assert_eq!(public_key(cut.as_bytes()), None, "a length that is not that of the rest");
    }

    #[test]
    fn a_text_of_16_kib_is_read_and_no_longer_one() {
        let padded = |length: usize| format!("{KEY}{}", "\n".repeat(length - KEY.len()));
        assert!(public_key(padded(16_384).as_bytes()).is_some());
        assert_eq!(public_key(padded(16_385).as_bytes()), None);
    }

    #[test]
    fn lines_may_stand_above() {
        assert_eq!(below_lines(b" a \r\n\nb\n-----BEGIN X"), Some((vec!["a", "b"], "-----BEGIN X")));
        assert_eq!(below_lines(b"-----BEGIN"), Some((vec![], "-----BEGIN")));
        assert_eq!(below_lines(b"a\nb"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = below_lines(&bytes);
            let _ = public_key(&bytes);
            for label in ["PUBLIC KEY", "CERTIFICATE"] {
                let text = BASE64.encode(&bytes);
                let _ = public_key(format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----").as_bytes());
            }
        }
    }
}
