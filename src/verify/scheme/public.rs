//! Public keys of senders that sign asymmetrically. Pure.
//!
//! Not a certificate store: nothing is fetched, nothing has a chain. Invariant: a key is parsed when it is
//! configured, so that one that can't verify is refused then.
//! Spec: RFC 8032 (Ed25519), FIPS 186-5 (ECDSA), RFC 8017 (RSA), RFC 7468 (PEM).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512,
};
use data_encoding::BASE64;

use super::spec::Algorithm;

/// A public key with its algorithm.
#[derive(Clone)]
pub(super) struct PublicKey(Arc<ParsedPublicKey>);

impl PublicKey {
    /// Parses a key: raw or SPKI for Ed25519, a point or SPKI for P-256, SPKI or PKCS #1 for RSA.
    pub(super) fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let parsed = match algorithm {
            Algorithm::Ed25519 => ParsedPublicKey::new(&ED25519, bytes),
            Algorithm::EcdsaP256Sha256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes),
            Algorithm::EcdsaP256Sha256Raw => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes),
            Algorithm::RsaPkcs1Sha1 => {
                ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, bytes)
            }
            Algorithm::RsaPkcs1Sha256 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, bytes),
            Algorithm::RsaPssSha512 => ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, bytes),
            _ => return None,
        };
        parsed.ok().map(Arc::new).map(Self)
    }

    /// Whether the signature is of this message.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey")
    }
}

/// The bytes within PEM, or within bare base64; `None` where it is neither.
pub(super) fn pem(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let inner = match text.strip_prefix("-----BEGIN ") {
        Some(rest) => rest.split_once("-----")?.1.split_once("-----END ")?.0,
        None => text,
    };
    let joined: Vec<u8> = inner.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(&joined).ok()
}
