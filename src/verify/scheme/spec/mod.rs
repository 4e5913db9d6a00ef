//! The scheme language: the struct that presets (TOML) and inline schemes (JSON) are read into. Pure.
//!
//! Not checked beyond its types: [`super::Scheme::compile`] does that, and names every fault at once.
//! Invariants: unknown keys are faults; one struct for presets and for users' own schemes.
//! Spec: `config/schemes/README.md`.

mod parts;
mod sig;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use parts::{
    BindDigest, BindSpec, Derive, Generate, IdSpec, Normalize, SecretDecode, SecretSpec, TimestampSpec,
};
pub use sig::{HeaderNames, Parse, SigSpec};

use super::size::ByteSize;
use crate::credential::grammar::Encoding;
use crate::verify::handshake::HandshakeSpec;
use crate::verify::kind::Params;
use crate::verify::mac::Hash;

/// A signature scheme as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeSpec {
    /// The sender's name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// URL of the sender's own description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
    /// What shows that this scheme is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// What an admin pastes where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// Template of the signed bytes; absent for `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// A built-in kind, for what data can't describe; absent = what is below describes the scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Parameters of the kind.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// How the signature is computed; absent for a kind.
    #[serde(default, skip_serializing_if = "Algorithm::is_unset")]
    pub algorithm: Algorithm,
    /// How it is written as text; absent for `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Whether the body may be empty; absent = it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyRule>,
    /// The largest body that the sender sends, where that is more than the proxy's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<ByteSize>,
    /// Where the signature is; absent for a kind.
    #[serde(default, skip_serializing_if = "SigSpec::is_default")]
    pub sig: SigSpec,
    /// What the secret's text stands for.
    #[serde(default, skip_serializing_if = "SecretSpec::is_default")]
    pub secret: SecretSpec,
    /// Where the signed time is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<TimestampSpec>,
    /// Where the signed message id is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<IdSpec>,
    /// Headers that must have exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub require: BTreeMap<String, String>,
    /// A digest of the body that stands elsewhere and is signed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<BindSpec>,
    /// Path of a JSON array in the body: each item carries a signature of its own, and every one must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// How the sender asks who we are when the URL is registered; absent = it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<HandshakeSpec>,
    /// Forms of the URL that may have been signed; absent = as it is configured and received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub url: Vec<UrlForm>,
}

/// What shows that a scheme is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// A signature that the sender published verifies under it.
    Published,
    /// Another sender's published signature of the same shape does.
    Shape,
    /// Nothing but the sender's prose.
    None,
}

/// How a signature is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Algorithm {
    /// Not said: the scheme is of a built-in kind, or has a fault.
    #[default]
    #[serde(skip)]
    Unset,
    /// HMAC with SHA-1, where the sender has nothing else.
    #[serde(rename = "hmac-sha1")]
    HmacSha1,
    /// HMAC with SHA-256.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// HMAC with SHA-384.
    #[serde(rename = "hmac-sha384")]
    HmacSha384,
    /// HMAC with SHA-512.
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
    /// SHA-256 of a text that contains the secret. Weaker than an HMAC.
    #[serde(rename = "sha256")]
    Sha256,
    /// Ed25519 (RFC 8032).
    #[serde(rename = "ed25519")]
    Ed25519,
    /// ECDSA with P-256 and SHA-256, the signature in DER.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// The same, the signature as `r` and `s`, 32 bytes each.
    #[serde(rename = "ecdsa-p256-sha256-raw")]
    EcdsaP256Sha256Raw,
    /// RSA PKCS #1 v1.5 with SHA-1, where the sender has nothing else.
    #[serde(rename = "rsa-pkcs1-sha1")]
    RsaPkcs1Sha1,
    /// RSA PKCS #1 v1.5 with SHA-256.
    #[serde(rename = "rsa-pkcs1-sha256")]
    RsaPkcs1Sha256,
    /// RSA-PSS with SHA-512.
    #[serde(rename = "rsa-pss-sha512")]
    RsaPssSha512,
    /// No signature: the header carries the secret itself. Binds nothing.
    #[serde(rename = "token")]
    Token,
}

impl Algorithm {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_unset(&self) -> bool {
        *self == Self::Unset
    }

    /// The name in the scheme language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::HmacSha1 => "hmac-sha1",
            Self::Sha256 => "sha256",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP256Sha256Raw => "ecdsa-p256-sha256-raw",
            Self::RsaPkcs1Sha1 => "rsa-pkcs1-sha1",
            Self::RsaPkcs1Sha256 => "rsa-pkcs1-sha256",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
            Self::Token => "token",
        }
    }

    /// The hash of its HMAC; `None` where it is none.
    #[must_use]
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::HmacSha1 => Some(Hash::Sha1),
            Self::HmacSha256 => Some(Hash::Sha256),
            Self::HmacSha384 => Some(Hash::Sha384),
            Self::HmacSha512 => Some(Hash::Sha512),
            _ => None,
        }
    }

    /// Bytes of a tag that is computed and compared; `None` for public keys and tokens.
    #[must_use]
    pub fn tag_len(self) -> Option<usize> {
        if self == Self::Sha256 { Some(Hash::Sha256.tag_len()) } else { self.hash().map(Hash::tag_len) }
    }

    /// Whether it verifies with a public key, which can't be generated here.
    #[must_use]
    pub fn is_asymmetric(self) -> bool {
        !matches!(self, Self::Unset | Self::Token | Self::Sha256) && self.hash().is_none()
    }
}

/// A form of the URL that the sender may have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UrlForm {
    /// As it is configured and received.
    AsIs,
    /// Without its port.
    StripPort,
    /// With the port of its scheme, where it has none.
    DefaultPort,
    /// Without its query, which is then not signed.
    StripQuery,
    /// With the percent-escapes decoded that HubSpot decodes.
    Decoded,
}

/// Whether a body may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyRule {
    /// An empty body is refused.
    Required,
}
