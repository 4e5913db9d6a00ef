//! A configured algorithm with its key: one message in, a verdict out. Pure.
//!
//! Not a choice of algorithm: what a request claims is compared by a scheme's kind, never obeyed. Invariants: a key
//! that does not parse under its algorithm makes no [`Verifier`]; a PEM text is never an HMAC key, so that no
//! public key can be turned into a shared secret; MACs are compared in constant time.
//! Spec: RFC 9421 §3.3, RFC 7518 §3, RFC 8017 §8, FIPS 186-5 §6.4.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use subtle::{Choice, ConstantTimeEq};

use super::pem;
use crate::verify::mac::{Hash, MacKey, Tag};
use crate::verify::scheme::SecretFault;

/// The longest signature: that of an RSA key of 8192 bits.
const LONGEST_SIGNATURE: usize = 1024;

/// How a signature is computed, and how it is written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// HMAC over a shared secret.
    Hmac(Hash),
    /// Ed25519.
    Ed25519,
    /// ECDSA over P-256 with SHA-256, as `r` and `s` of 32 bytes each.
    EcdsaP256Fixed,
    /// The same in DER.
    EcdsaP256Der,
    /// ECDSA over P-256 with SHA-1 in DER, for senders that have nothing else (eBay).
    EcdsaP256Sha1,
    /// RSA-PSS with SHA-512.
    RsaPssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-1, for senders that have nothing else (SNS).
    RsaPkcs1Sha1,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
}

impl Algorithm {
    /// Whether the key is a shared secret.
    pub(super) fn symmetric(self) -> bool {
        matches!(self, Self::Hmac(_))
    }

    fn parameters(self) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match self {
            Self::Hmac(_) => return None,
            Self::Ed25519 => &signature::ED25519,
            Self::EcdsaP256Fixed => &signature::ECDSA_P256_SHA256_FIXED,
            Self::EcdsaP256Der => &signature::ECDSA_P256_SHA256_ASN1,
            Self::EcdsaP256Sha1 => &signature::ECDSA_P256_SHA1_ASN1,
            Self::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::RsaPkcs1Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::RsaPkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        })
    }
}

/// A public key under its algorithm.
#[derive(Clone)]
pub(super) struct PublicKey(Arc<ParsedPublicKey>);

impl PublicKey {
    /// Parses a key: raw or SPKI for Ed25519, a point or SPKI for P-256, SPKI or PKCS #1 for RSA; `None` where it
    /// is none of this algorithm.
    pub(super) fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(algorithm.parameters()?, bytes).ok().map(Arc::new).map(Self)
    }

    /// Whether a signature is that of a message.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let fits = !signature.is_empty() && signature.len() <= LONGEST_SIGNATURE;
        fits && self.0.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey")
    }
}

/// A key under its algorithm.
pub(super) enum Verifier {
    /// A shared secret.
    Mac(Box<MacKey>),
    /// A public key.
    Public(PublicKey),
}

impl Verifier {
    /// Reads a key: a shared secret as it is; a public key as PEM (public key or certificate), or an Ed25519
    /// one as its 32 bytes in base64 or hex.
    ///
    /// # Errors
    /// Where it is not a key of this algorithm.
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, SecretFault> {
        if let Algorithm::Hmac(hash) = algorithm {
            if pem::looks_like(key) {
                return Err(SecretFault::Encoding("a shared secret: it is a PEM text"));
            }
            return MacKey::new(hash, key).map(Box::new).map(Self::Mac).ok_or(SecretFault::Empty);
        }
        let fault = SecretFault::Encoding("a public key or certificate of the scheme's algorithm in PEM");
        let bytes = if pem::looks_like(key) {
            pem::public_key(key).ok_or(fault)?
        } else if algorithm == Algorithm::Ed25519 {
            raw_key(key).ok_or(fault)?
        } else {
            return Err(fault);
        };
        PublicKey::new(algorithm, &bytes).map(Self::Public).ok_or(fault)
    }

    /// Whether a signature is that of a message.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Choice {
        match self {
            Self::Mac(key) => {
                let mut mac = key.begin();
                mac.update(message);
                Tag::new(signature).map_or_else(|| Choice::from(0), |tried| mac.finish().ct_eq(&tried))
            }
            Self::Public(key) => Choice::from(u8::from(key.verify(message, signature))),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier([redacted])")
    }
}

/// The bytes of a signature in canonical base64.
pub(super) fn decode(digits: &str) -> Option<Vec<u8>> {
    if digits.len() > BASE64.encode_len(LONGEST_SIGNATURE) {
        return None;
    }
    BASE64.decode(digits.as_bytes()).ok()
}

/// The MAC of a message, for samples.
pub(super) fn mac(hash: Hash, key: &[u8], message: &[u8]) -> Option<Tag> {
    let mut mac = MacKey::new(hash, key)?.begin();
    mac.update(message);
    Some(mac.finish())
}

fn raw_key(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let decoded = if text.len() == 64 { HEXLOWER_PERMISSIVE.decode(text) } else { BASE64.decode(text) };
    decoded.ok().filter(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::{LONGEST_SIGNATURE, decode};

    #[test]
    fn a_signature_is_as_long_as_the_longest_key_makes_it_and_no_longer() {
        let text = |length: usize| BASE64.encode(&vec![7; length]);
        assert_eq!(decode(&text(LONGEST_SIGNATURE)).map(|bytes| bytes.len()), Some(LONGEST_SIGNATURE));
        assert_eq!(decode(&text(LONGEST_SIGNATURE + 3)), None);
        assert_eq!(decode("Bw"), None, "no padding");
    }
}
