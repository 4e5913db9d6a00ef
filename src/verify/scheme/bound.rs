//! A digest of the body that stands elsewhere in the request, where the signature covers it. Pure.
//!
//! Not a signature. Invariants: a digest that is there must be right, whatever the content type says; one that
//! is missing is a refusal, but for an empty body and the content type that the scheme exempts.
//! Spec: Twilio's `bodySHA256`.

use http::HeaderName;
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

use super::form::query_value;
use super::spec::{BindDigest, BindSpec};
use super::whole::has_content_type;
use crate::credential::Head;
use crate::credential::grammar::{Encoding, Line, one_line};

/// What the head says of the body.
pub(super) enum Bound {
    /// Nothing needs to be said.
    Exempt,
    /// It should have said something and did not.
    Missing,
    /// The digest, decoded; `None` where it is none.
    Digest(BindDigest, Option<Vec<u8>>),
}

impl Bound {
    /// Reads the digest.
    pub(super) fn read(spec: Option<&BindSpec>, head: &Head<'_>) -> Self {
        let Some(spec) = spec else { return Self::Exempt };
        let value = match (&spec.header, &spec.query) {
            (Some(name), _) => match HeaderName::from_bytes(name.as_bytes()).map(|name| [name]) {
                Ok(names) => match one_line(head.headers, &names) {
                    Line::None => None,
                    Line::One(value) => Some(value.to_vec()),
                    Line::Many => return Self::Digest(spec.digest, None),
                },
                Err(_) => None,
            },
            (None, Some(name)) if head.target.contains('?') && head.target.contains(name.as_str()) => {
                Some(query_value(head.target, name).unwrap_or_default())
            }
            _ => None,
        };
        match value {
            Some(value) => {
                let prefix = spec.prefix.as_deref().unwrap_or_default();
                let digest = value.strip_prefix(prefix.as_bytes());
                Self::Digest(spec.digest, digest.and_then(|text| spec.digest.encoding().decode_any(text, 64)))
            }
            None if spec
                .unless_content_type
                .as_ref()
                .is_some_and(|exempt| has_content_type(head, exempt)) =>
            {
                Self::Exempt
            }
            None => Self::Missing,
        }
    }

    /// Whether that is true of the body.
    pub(super) fn holds(&self, body: &[u8]) -> Choice {
        match self {
            Self::Exempt => Choice::from(1),
            Self::Missing => Choice::from(u8::from(body.is_empty())),
            Self::Digest(_, None) => Choice::from(0),
            Self::Digest(digest, Some(said)) => digest.of(body).ct_eq(said),
        }
    }
}

impl BindDigest {
    fn encoding(self) -> Encoding {
        match self {
            Self::Sha256Hex | Self::Sha512Hex => Encoding::Hex,
            Self::Sha256Base64 | Self::Sha512Base64 => Encoding::Base64,
        }
    }

    fn of(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256Hex | Self::Sha256Base64 => Sha256::digest(body).to_vec(),
            Self::Sha512Hex | Self::Sha512Base64 => Sha512::digest(body).to_vec(),
        }
    }
}
