//! The compact serialization of a signed token: text in, claims and signature out. Pure.
//!
//! Not a verdict: nothing here has a key. Invariants: three parts in canonical unpadded base64url, none empty,
//! of bounded length; header and claims are JSON objects without a member twice; `alg` is one of those that are
//! configured, and there is no `crit`.
//! Spec: RFC 7515 §3.1, §4.1, §5.2; RFC 7518 §3.1 (names of algorithms), RFC 8037 §3.1 (`EdDSA`).

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::credential::CredentialFault;
use crate::verify::mac::Hash;
use crate::verify::scheme::body::json;
use crate::verify::verifier;

/// Characters of a token in a header or in the query. Real ones have some hundreds.
const LONGEST: usize = 16 * 1024;
/// Characters of a token's header, which names an algorithm and a key.
const LONGEST_HEADER: usize = 4096;
/// Characters of a signature: that of an RSA key of 8192 bits.
const LONGEST_SIGNATURE: usize = 1366;

/// An algorithm under its registered name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS512,
    PS512,
    ES256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// The registered name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS512 => "RS512",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// How it is verified.
    pub(super) fn verified_as(self) -> verifier::Algorithm {
        match self {
            Self::HS256 => verifier::Algorithm::Hmac(Hash::Sha256),
            Self::HS384 => verifier::Algorithm::Hmac(Hash::Sha384),
            Self::HS512 => verifier::Algorithm::Hmac(Hash::Sha512),
            Self::RS256 => verifier::Algorithm::RsaPkcs1Sha256,
            Self::RS512 => verifier::Algorithm::RsaPkcs1Sha512,
            Self::PS512 => verifier::Algorithm::RsaPssSha512,
            Self::ES256 => verifier::Algorithm::EcdsaP256Fixed,
            Self::EdDsa => verifier::Algorithm::Ed25519,
        }
    }
}

/// A token whose signature is still to be judged.
pub(super) struct Token<'t> {
    pub(super) algorithm: Algorithm,
    /// The bytes that are signed: header and claims as they arrived.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
    pub(super) claims: Map<String, Value>,
}

impl<'t> Token<'t> {
    /// Reads a token from a header or the query.
    pub(super) fn in_head(text: &'t [u8], allowed: &[Algorithm]) -> Result<Self, CredentialFault> {
        if text.len() > LONGEST {
            return Err(CredentialFault::Malformed("the token is too long"));
        }
        Self::read(text, allowed)
    }

    /// Reads a token whose length is bounded already.
    pub(super) fn read(text: &'t [u8], allowed: &[Algorithm]) -> Result<Self, CredentialFault> {
        let malformed = CredentialFault::Malformed;
        let mut parts = text.split(|byte| *byte == b'.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("the token has not three parts"));
        };
        let signed = text.get(..=header.len() + claims.len()).unwrap_or_default();
        let header = decode(header, LONGEST_HEADER)
            .and_then(|header| object(&header))
            .ok_or_else(|| malformed("the token's header is not canonical base64url of a JSON object"))?;
        if header.contains_key("crit") {
            return Err(malformed("the token has a critical extension"));
        }
        let named = header.get("alg").and_then(Value::as_str);
        let algorithm = allowed.iter().copied().find(|allowed| Some(allowed.name()) == named);
        let algorithm = algorithm.ok_or_else(|| malformed("the token names another algorithm"))?;
        let claims = decode(claims, claims.len())
            .and_then(|claims| object(&claims))
            .ok_or_else(|| malformed("the token's claims are not canonical base64url of a JSON object"))?;
        let signature = decode(signature, LONGEST_SIGNATURE)
            .ok_or_else(|| malformed("the token's signature is not canonical base64url"))?;
        Ok(Self { algorithm, signed, signature, claims })
    }
}

/// Whether a text has the form of a token: three parts, no white space.
pub(super) fn looks_like(text: &[u8]) -> bool {
    text.iter().filter(|byte| **byte == b'.').count() == 2 && !text.iter().any(u8::is_ascii_whitespace)
}

fn decode(part: &[u8], longest: usize) -> Option<Vec<u8>> {
    if part.is_empty() || part.len() > longest {
        return None;
    }
    BASE64URL_NOPAD.decode(part).ok()
}

fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match json(text)? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}
