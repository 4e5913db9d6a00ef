//! Secrets of a scheme: from an admin's text to a key that verifies, and new ones. Pure.
//!
//! Not a store: it never keeps the text. Invariants: a secret that is empty, or empty once decoded, makes no
//! key; decoded bytes are zeroed when they are no longer needed.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use super::Scheme;
use super::spec::{Generate, SecretDecode};
use crate::secret::Secret;
use crate::verify::mac::{MacKey, Tag};

/// What a generated secret of [`Generate::Whsec`] begins with.
const WHSEC: &str = "whsec_";

/// Why a secret can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Nothing is left of it.
    #[error("the secret is empty")]
    Empty,
    /// It is not what the scheme decodes; the text names the encoding.
    #[error("the secret is not {0}")]
    Encoding(&'static str),
}

/// A secret, ready to verify with: the HMAC has absorbed it.
#[derive(Debug, Clone)]
pub struct VerifyKey(pub(super) Keyed);

#[derive(Debug, Clone)]
pub(super) enum Keyed {
    Mac(Box<MacKey>),
    Token { digest: Tag, token: Secret },
}

impl Scheme {
    /// Prepares a secret.
    ///
    /// # Errors
    /// Where it is empty or can't be decoded. Such a secret verifies nothing.
    pub fn prepare(&self, secret: &Secret) -> Result<VerifyKey, SecretFault> {
        let key = self.decode(secret)?;
        let keyed = match self.spec.algorithm.hash() {
            Some(hash) => {
                Keyed::Mac(MacKey::new(hash, key.expose()).map(Box::new).ok_or(SecretFault::Empty)?)
            }
            None => Keyed::Token { digest: Tag::of_token(key.expose()), token: key },
        };
        Ok(VerifyKey(keyed))
    }

    /// How many bytes of key a secret holds.
    ///
    /// # Errors
    /// As [`Scheme::prepare`].
    pub fn secret_len(&self, secret: &Secret) -> Result<usize, SecretFault> {
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
        let key = Zeroizing::new(match rules.decode {
            SecretDecode::Utf8 => text.to_vec(),
            SecretDecode::Hex => {
                HEXLOWER_PERMISSIVE.decode(text).map_err(|_| SecretFault::Encoding("hexadecimal"))?
            }
            SecretDecode::Base64 => {
                let codec = if text.ends_with(b"=") { &BASE64 } else { &BASE64_NOPAD };
                codec.decode(text).map_err(|_| SecretFault::Encoding("base64"))?
            }
        });
        if key.is_empty() { Err(SecretFault::Empty) } else { Ok(Secret::new(key.to_vec())) }
    }
}
