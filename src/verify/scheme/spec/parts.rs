//! The secret, the signed time and id, and bound digests, as written. Pure.

use serde::{Deserialize, Serialize};

use super::sig::HeaderNames;
use crate::verify::timestamp::Unit;

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
    /// Whether the text is Unicode-normalised before it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<Normalize>,
    /// What becomes of the decoded bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derive: Option<Derive>,
    /// Whether the text holds several secrets, one per line, of which any may have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub several: Option<bool>,
    /// What a generated secret looks like.
    #[serde(default)]
    pub generate: Generate,
}

/// A Unicode normalisation form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// NFKD.
    Nfkd,
}

/// How a key comes from the decoded secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Derive {
    /// Its SHA-1, 20 bytes.
    Sha1,
}

impl SecretSpec {
    pub(super) fn is_default(&self) -> bool {
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
    /// Base64 as JavaScript reads it: either alphabet, padded or not, trailing bits overlooked.
    #[serde(rename = "base64-loose")]
    Base64Loose,
    /// Hexadecimal, in either case.
    Hex,
    /// A public key: PEM, or the base64 within.
    Pem,
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
    /// In this item of the signature's list: its key, or its position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// At this path of the JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// In this field of the form body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// How it is written. Default: `s`.
    #[serde(default)]
    pub unit: Unit,
    /// How far it may be from now, either way, in seconds. Default: 300; bounds: 1 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<u32>,
    /// Whether it is judged; `false` where the sender's own libraries don't. Default: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce: Option<bool>,
}

/// Where the signed message id is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdSpec {
    /// In this header (or an alias).
    #[serde(default, skip_serializing_if = "HeaderNames::is_empty")]
    pub header: HeaderNames,
    /// At this path of the JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// In this field of the form body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
}

/// A digest of the body that stands where the signature covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindSpec {
    /// In this header, which the template must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// In this parameter of the query, which the template must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What stands before the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How it is made and written.
    pub digest: BindDigest,
    /// Not asked for with this content type, whose fields the template covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless_content_type: Option<String>,
}

/// How a bound digest is made and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindDigest {
    /// SHA-256 in hexadecimal.
    #[serde(rename = "sha256-hex")]
    Sha256Hex,
    /// SHA-256 in base64.
    #[serde(rename = "sha256-base64")]
    Sha256Base64,
    /// SHA-512 in hexadecimal.
    #[serde(rename = "sha512-hex")]
    Sha512Hex,
    /// SHA-512 in base64.
    #[serde(rename = "sha512-base64")]
    Sha512Base64,
}
