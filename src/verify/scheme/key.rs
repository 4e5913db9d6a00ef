//! Secrets of a scheme: from an admin's text to a key that verifies, and new ones. Pure.
//!
//! Not a store: it never keeps the text. Invariants: a secret that is empty, or empty once decoded, makes no
//! key; decoded bytes are zeroed when they are no longer needed.

use std::sync::Arc;

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha1::{Digest, Sha1};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::Scheme;
use super::spec::{Algorithm, Derive, Generate, Normalize, SecretDecode};
use super::template::Part;
use crate::credential::grammar::trim_ows;
use crate::secret::Secret;
use crate::verify::kind::KindKey;
use crate::verify::mac::{MacKey, Tag};
use crate::verify::pem;
use crate::verify::verifier::{self, PublicKey};

/// What a generated secret of [`Generate::Whsec`] begins with.
const WHSEC: &str = "whsec_";

/// Secrets that one text may hold.
const MOST_SECRETS: usize = 4;

/// Why a secret can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Nothing is left of it.
    #[error("the secret is empty")]
    Empty,
    /// It is not what the scheme decodes; the text names the encoding.
    #[error("the secret is not {0}")]
    Encoding(&'static str),
    /// One text holds more than 4.
    #[error("there are more secrets than 4")]
    TooMany,
}

/// A secret, ready to verify with: the HMAC has absorbed it.
#[derive(Debug, Clone)]
pub struct VerifyKey(pub(super) Keyed);

#[derive(Debug, Clone)]
pub(super) enum Keyed {
    /// A keyed hash; with the secret where it is part of what is hashed.
    Mac {
        key: MacKey,
        secret: Option<Secret>,
    },
    Token {
        digest: Box<Tag>,
        token: Secret,
    },
    Kind {
        key: Arc<dyn KindKey>,
        secret: Secret,
    },
    Public(PublicKey),
    /// Any of them.
    Several(Vec<VerifyKey>),
}

impl Keyed {
    /// The secret that the template may contain.
    pub(super) fn secret(&self) -> Option<&[u8]> {
        match self {
            Self::Mac { secret: Some(secret), .. } => Some(secret.expose()),
            _ => None,
        }
    }
}

impl Scheme {
    /// Prepares a secret.
    ///
    /// # Errors
    /// Where it is empty or can't be decoded. Such a secret verifies nothing.
    pub fn prepare(&self, secret: &Secret) -> Result<VerifyKey, SecretFault> {
        if self.spec.secret.several != Some(true) {
            return self.prepare_one(secret);
        }
        let keys: Result<Vec<VerifyKey>, SecretFault> =
            lines(secret).map(|line| self.prepare_one(&line)).collect();
        match keys? {
            keys if keys.is_empty() => Err(SecretFault::Empty),
            keys if keys.len() > MOST_SECRETS => Err(SecretFault::TooMany),
            keys => Ok(VerifyKey(Keyed::Several(keys))),
        }
    }

    fn prepare_one(&self, secret: &Secret) -> Result<VerifyKey, SecretFault> {
        let key = self.decode(secret)?;
        if let Some(kind) = &self.kind {
            return Ok(VerifyKey(Keyed::Kind { key: kind.prepare(key.expose())?, secret: key }));
        }
        let algorithm = self.spec.algorithm;
        if let Some(algorithm) = verified_by(algorithm) {
            let public = PublicKey::new(algorithm, key.expose());
            return Ok(VerifyKey(Keyed::Public(public.ok_or(SecretFault::Encoding("such a public key"))?)));
        }
        let mac = match algorithm.hash() {
            None if algorithm == Algorithm::Sha256 => MacKey::plain(),
            None => {
                return Ok(VerifyKey(Keyed::Token {
                    digest: Box::new(Tag::of_token(key.expose())),
                    token: key,
                }));
            }
            Some(hash) => MacKey::new(hash, key.expose()).ok_or(SecretFault::Empty)?,
        };
        let secret = self.signs(&Part::Secret).then_some(key);
        Ok(VerifyKey(Keyed::Mac { key: mac, secret }))
    }

    /// The MAC of a challenge, as text: under the key that verifies events, in the scheme's own encoding; of a
    /// built-in kind, what its key makes of it. Of several secrets, the first. Whoever asks has made sure that
    /// no event is signed by it.
    pub(in crate::verify) fn answer_challenge(&self, key: &VerifyKey, challenge: &str) -> Option<String> {
        match &key.0 {
            Keyed::Mac { key, secret: None } => {
                let mut mac = key.begin();
                mac.update(challenge.as_bytes());
                Some(self.spec.encoding?.encode(mac.finish().as_bytes()))
            }
            Keyed::Kind { key, .. } => key.answer_challenge(challenge),
            Keyed::Several(keys) => self.answer_challenge(keys.first()?, challenge),
            Keyed::Mac { .. } | Keyed::Token { .. } | Keyed::Public(_) => None,
        }
    }

    /// Whether the text of a secret may have several lines: PEM, or one secret per line.
    #[must_use]
    pub fn takes_lines(&self) -> bool {
        self.spec.secret.several == Some(true) || !self.generates_secrets()
    }

    /// How many bytes of key a secret holds.
    ///
    /// # Errors
    /// As [`Scheme::prepare`].
    pub fn secret_len(&self, secret: &Secret) -> Result<usize, SecretFault> {
        if self.spec.secret.several == Some(true) {
            let lengths: Result<Vec<usize>, SecretFault> =
                lines(secret).map(|line| self.decode(&line).map(|key| key.len())).collect();
            return lengths?.into_iter().min().ok_or(SecretFault::Empty);
        }
        self.decode(secret).map(|key| key.len())
    }

    /// Makes a secret in the form that the scheme's senders take.
    #[must_use]
    pub fn generate_secret(&self, random: &[u8; 32]) -> Secret {
        Secret::new(match self.spec.secret.generate {
            Generate::Hex => HEXLOWER.encode(random).into_bytes(),
            Generate::Whsec => {
                // Of the exact size: growing would leave copies behind.
                let mut text = String::with_capacity(WHSEC.len() + BASE64.encode_len(random.len()));
                text.push_str(WHSEC);
                BASE64.encode_append(random, &mut text);
                text.into_bytes()
            }
        })
    }

    fn decode(&self, secret: &Secret) -> Result<Secret, SecretFault> {
        let rules = &self.spec.secret;
        let text = secret.expose();
        let strip = rules.strip.as_deref().unwrap_or_default();
        let text = text.strip_prefix(strip.as_bytes()).unwrap_or(text);
        let normal: Zeroizing<Vec<u8>> = Zeroizing::new(match (rules.normalize, std::str::from_utf8(text)) {
            (None, _) => Vec::new(),
            (Some(Normalize::Nfkd), Ok(text)) => text.nfkd().collect::<String>().into_bytes(),
            (Some(Normalize::Nfkd), Err(_)) => return Err(SecretFault::Encoding("UTF-8")),
        });
        let text = if rules.normalize.is_some() { normal.as_slice() } else { text };
        let key = Zeroizing::new(match rules.decode {
            SecretDecode::Utf8 => text.to_vec(),
            SecretDecode::Hex => {
                HEXLOWER_PERMISSIVE.decode(text).map_err(|_| SecretFault::Encoding("hexadecimal"))?
            }
            SecretDecode::Base64 => {
                let codec = if text.ends_with(b"=") { &BASE64 } else { &BASE64_NOPAD };
                codec.decode(text).map_err(|_| SecretFault::Encoding("base64"))?
            }
            SecretDecode::Base64Loose => loose_base64(text).ok_or(SecretFault::Encoding("base64"))?,
            SecretDecode::Pem if pem::looks_like(text) => {
                pem::public_key(text).ok_or(SecretFault::Encoding("a public key or certificate in PEM"))?
            }
            SecretDecode::Pem => {
                BASE64.decode(text.trim_ascii()).map_err(|_| SecretFault::Encoding("PEM or base64"))?
            }
        });
        if key.is_empty() {
            return Err(SecretFault::Empty);
        }
        let key = match rules.derive {
            None => key,
            Some(Derive::Sha1) => Zeroizing::new(Sha1::digest(key.as_slice()).to_vec()),
        };
        if key.is_empty() { Err(SecretFault::Empty) } else { Ok(Secret::new(key.to_vec())) }
    }
}

/// How a public key verifies; `None` where the secret is none.
fn verified_by(algorithm: Algorithm) -> Option<verifier::Algorithm> {
    Some(match algorithm {
        Algorithm::Ed25519 => verifier::Algorithm::Ed25519,
        Algorithm::EcdsaP256Sha256 => verifier::Algorithm::EcdsaP256Der,
        Algorithm::EcdsaP256Sha256Raw => verifier::Algorithm::EcdsaP256Fixed,
        Algorithm::RsaPkcs1Sha1 => verifier::Algorithm::RsaPkcs1Sha1,
        Algorithm::RsaPkcs1Sha256 => verifier::Algorithm::RsaPkcs1Sha256,
        Algorithm::RsaPssSha512 => verifier::Algorithm::RsaPssSha512,
        _ => return None,
    })
}

/// The secrets of a text that holds one per line.
fn lines(secret: &Secret) -> impl Iterator<Item = Secret> {
    let lines = secret.expose().split(|byte| *byte == b'\n');
    lines
        .map(|line| trim_ows(line.strip_suffix(b"\r").unwrap_or(line)))
        .filter(|line| !line.is_empty())
        .map(|line| Secret::new(line.to_vec()))
}

/// Decodes base64 of either alphabet, padded or not, and overlooks the unused bits of the last character. For
/// secrets only, which an admin gives; signatures have one spelling.
fn loose_base64(text: &[u8]) -> Option<Vec<u8>> {
    let stripped = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if stripped.len() < text.len() && !text.len().is_multiple_of(4) {
        return None;
    }
    let standard: Zeroizing<Vec<u8>> = Zeroizing::new(
        stripped
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                byte => *byte,
            })
            .collect(),
    );
    let mut lenient = BASE64_NOPAD.specification();
    lenient.check_trailing_bits = false;
    lenient.encoding().ok()?.decode(&standard).ok()
}
