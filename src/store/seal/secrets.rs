//! Secrets at rest: AES-256-GCM-SIV (RFC 8452) under a key derived from a KEK.
//!
//! Not the record around them, whose own MAC is in `envelope.rs`. GCM-SIV because a repeated nonce then
//! reveals no more than that two plaintexts are equal. Invariants: the nonce is random and drawn by the
//! cipher's own module; the additional data name the place, so that a sealed secret that is copied into
//! another record, field, version or namespace does not open; a plaintext buffer is zeroed when dropped.

use aws_lc_rs::aead::{Aad, MAX_TAG_LEN, NONCE_LEN, Nonce};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::kek::Kek;
use super::{Keyring, framing};
use crate::keys::record::{RecordKey, Sealed};
use crate::secret::Secret;

const LABEL: &[u8] = b"countersign/v1/secret";

/// Where a secret belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealPlace<'a> {
    /// The store's namespace.
    pub namespace: &'a str,
    /// The record that holds it.
    pub key: RecordKey,
    /// Which secret of the record: `secret`.
    pub field: &'static str,
    /// Which version of that secret; one more with each rotation.
    pub version: u32,
}

impl SealPlace<'_> {
    fn additional_data(&self, kek_id: &str) -> Vec<u8> {
        framing::joined(&[
            LABEL,
            self.namespace.as_bytes(),
            self.key.kind.name().as_bytes(),
            self.key.id.as_bytes(),
            self.field.as_bytes(),
            &self.version.to_be_bytes(),
            kek_id.as_bytes(),
        ])
    }
}

impl Keyring {
    /// Encrypts `secret` for `place` under the KEK that seals.
    ///
    /// # Errors
    /// [`SealError::Empty`] for an empty secret; [`SealError::Cipher`] where the cipher or the random
    /// nonce fails.
    pub fn seal(&self, place: &SealPlace<'_>, secret: &Secret) -> Result<Sealed, SealError> {
        let data = encrypted(&self.sealing, place.additional_data(&self.seal_with), secret)?;
        Ok(Sealed { kek: self.seal_with.clone(), version: place.version, data: BASE64.encode(&data) })
    }

    /// Decrypts what was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError::UnknownKek`] where its KEK is not in the keyring; [`SealError::Malformed`] where the
    /// stored form is not one of ours; [`SealError::Refused`] where it was altered, or sealed for another
    /// place or under another key.
    pub fn open(&self, place: &SealPlace<'_>, sealed: &Sealed) -> Result<Secret, SealError> {
        let kek = self.keks.get(&sealed.kek).ok_or_else(|| SealError::UnknownKek(sealed.kek.clone()))?;
        if sealed.version != place.version {
            return Err(SealError::Refused);
        }
        let data = BASE64.decode(sealed.data.as_bytes()).map_err(|_| SealError::Malformed)?;
        decrypted(kek, place.additional_data(&sealed.kek), data)
    }
}

/// The nonce, the encrypted secret, the tag.
pub(super) fn encrypted(kek: &Kek, place: Vec<u8>, secret: &Secret) -> Result<Vec<u8>, SealError> {
    if secret.is_empty() {
        return Err(SealError::Empty);
    }
    let mut text = Zeroizing::new(secret.expose().to_vec());
    let sealed = kek.sealing.seal_in_place_separate_tag(Aad::from(place), &mut text);
    let (nonce, tag) = sealed.map_err(|_| SealError::Cipher)?;
    let mut data = Vec::with_capacity(NONCE_LEN + text.len() + MAX_TAG_LEN);
    data.extend_from_slice(nonce.as_ref());
    data.extend_from_slice(&text);
    data.extend_from_slice(tag.as_ref());
    Ok(data)
}

/// The secret in what [`encrypted`] gave for the same place.
pub(super) fn decrypted(kek: &Kek, place: Vec<u8>, data: Vec<u8>) -> Result<Secret, SealError> {
    let mut data = Zeroizing::new(data);
    let (nonce, text) = data.split_at_mut_checked(NONCE_LEN).ok_or(SealError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
    let text = kek.sealing.open_in_place(nonce, Aad::from(place), text).map_err(|_| SealError::Refused)?;
    if text.is_empty() {
        return Err(SealError::Empty);
    }
    Ok(Secret::new(text.to_vec()))
}

/// `N` bytes from the system's random number generator, for keys, tokens and ids.
///
/// # Errors
/// [`SealError::Random`] where it fails; there is no weaker source to fall back on.
pub fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::Random)?;
    Ok(bytes)
}

/// Why a secret was not sealed or opened. All are faults of ours, never a sender's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The KEK that it names is not in the keyring.
    #[error("the key-encryption key {0:?} is not in keys.kek_dir")]
    UnknownKek(String),
    /// It is not a sealed secret at all.
    #[error("the sealed secret is malformed")]
    Malformed,
    /// It was altered, or belongs to another place or another key of the same id.
    #[error("the sealed secret was altered, moved from its place, or sealed under another key of that id")]
    Refused,
    /// There is nothing in it: an empty secret would verify what anybody can compute.
    #[error("a secret must not be empty")]
    Empty,
    /// The system's random number generator failed.
    #[error("the system's random number generator failed")]
    Random,
    /// The cipher failed to work at all.
    #[error("the cipher failed")]
    Cipher,
}
