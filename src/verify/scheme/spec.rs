//! The scheme language: the struct that presets (TOML) and inline schemes (JSON) are read into. Pure.
//!
//! Not checked beyond its types: [`super::Scheme::compile`] does that, and names every fault at once.
//! Invariants: unknown keys are faults; one struct for presets and for users' own schemes.
//! Spec: `config/schemes/README.md`.

use serde::{Deserialize, Serialize};

use super::size::ByteSize;
use crate::credential::grammar::Encoding;
use crate::verify::mac::Hash;
use crate::verify::timestamp::Unit;

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
    /// How the signature is computed.
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
    /// Where the signature is.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-256.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// HMAC with SHA-384.
    #[serde(rename = "hmac-sha384")]
    HmacSha384,
    /// HMAC with SHA-512.
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
    /// No signature: the header carries the secret itself. Binds nothing.
    Token,
}

impl Algorithm {
    /// The name in the scheme language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
            Self::Token => "token",
        }
    }

    /// The hash of its HMAC; `None` for a token.
    #[must_use]
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::HmacSha256 => Some(Hash::Sha256),
            Self::HmacSha384 => Some(Hash::Sha384),
            Self::HmacSha512 => Some(Hash::Sha512),
            Self::Token => None,
        }
    }
}

/// Whether a body may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyRule {
    /// An empty body is refused.
    Required,
}

/// Where the signature is and how its header is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigSpec {
    /// The header, or its aliases, of which a request may have one.
    pub header: HeaderNames,
    /// How the value is read.
    #[serde(default)]
    pub parse: Parse,
    /// `plain`: what stands before the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `plain`: whether the prefix may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_optional: Option<bool>,
    /// `kv`, `tagged`: the character between items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sep: Option<String>,
    /// `tagged`: the character between tag and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_sep: Option<String>,
    /// `kv`, `tagged`: the key or tag of the items that are signatures; others are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How the value of the signature header is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parse {
    /// The whole value is one signature, after a prefix perhaps.
    #[default]
    Plain,
    /// Items `key=value` between separators.
    Kv,
    /// Items of tag, tag separator and value between separators.
    Tagged,
}

/// One header name, or aliases of which a request may have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a header name or a list of header names")]
pub enum HeaderNames {
    /// One name.
    One(String),
    /// Aliases; the first is the one that signed samples use.
    Aliases(Vec<String>),
}

impl HeaderNames {
    /// All of them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Aliases(names) => names,
        }
    }
}

/// What the secret's text stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSpec {
    /// Removed from the front, where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip: Option<String>,
    /// How the rest becomes the key.
    #[serde(default)]
    pub decode: SecretDecode,
    /// What a generated secret looks like.
    #[serde(default)]
    pub generate: Generate,
}

impl SecretSpec {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How the text of a secret becomes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretDecode {
    /// Its bytes as they are.
    #[default]
    Utf8,
    /// Canonical base64, padded or not.
    Base64,
    /// Hexadecimal, in either case.
    Hex,
}

/// What a generated secret looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Generate {
    /// 64 hex characters.
    #[default]
    Hex,
    /// `whsec_` and base64.
    Whsec,
}

/// Where the signed time is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampSpec {
    /// In a header of its own (or an alias).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderNames>,
    /// In this item of the `kv` signature header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How it is written. Default: `s`.
    #[serde(default)]
    pub unit: Unit,
    /// How far it may be from now, either way, in seconds. Default: 300; bounds: 1 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<u32>,
}

/// Where the signed message id is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdSpec {
    /// In this header (or an alias).
    pub header: HeaderNames,
}
