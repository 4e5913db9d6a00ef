//! One key-encryption key and the four keys that are derived from it.
//!
//! Not how keys are found (`files.rs`) or used (`secrets.rs`, `envelope.rs`, `audit.rs`). The derivation is
//! HMAC-SHA256 keyed with the 32 bytes of the KEK over one of four fixed labels: the expand step of HKDF
//! (RFC 5869 §2.3) without its counter, which one block of output does not need; the extract step is
//! left out because a KEK is 32 uniformly random bytes already. Invariants: the labels never change (they
//! would orphan everything stored) and no label is used twice; nothing here can be printed.

use aws_lc_rs::aead::{AES_256_GCM_SIV, RandomizedNonceKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::framing;
use super::secrets::SealError;

/// Bytes of a KEK and of each derived key.
pub(super) const KEY_BYTES: usize = 32;

const SEAL_LABEL: &[u8] = b"countersign/v1/key/secret-seal";
const RECORD_LABEL: &[u8] = b"countersign/v1/key/record-mac";
const AUDIT_LABEL: &[u8] = b"countersign/v1/key/audit-chain";
const FILE_LABEL: &[u8] = b"countersign/v1/key/export-file";

/// What one KEK can do.
pub(super) struct Kek {
    /// Seals and opens secrets.
    pub(super) sealing: RandomizedNonceKey,
    record: Hmac<Sha256>,
    audit: Hmac<Sha256>,
    file: Hmac<Sha256>,
}

impl Kek {
    /// Derives the four keys. The KEK itself is not kept.
    pub(super) fn derive(kek: &[u8; KEY_BYTES]) -> Result<Self, SealError> {
        let sealing = derived(kek, SEAL_LABEL)?;
        let sealing =
            RandomizedNonceKey::new(&AES_256_GCM_SIV, sealing.as_ref()).map_err(|_| SealError::Cipher)?;
        Ok(Self {
            sealing,
            record: keyed(derived(kek, RECORD_LABEL)?.as_ref())?,
            audit: keyed(derived(kek, AUDIT_LABEL)?.as_ref())?,
            file: keyed(derived(kek, FILE_LABEL)?.as_ref())?,
        })
    }

    /// MAC over a record, ready to finish or to compare.
    pub(super) fn record_mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        over(&self.record, parts)
    }

    /// MAC over an audit event, ready to finish.
    pub(super) fn audit_mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        over(&self.audit, parts)
    }

    /// MAC over an exported file, which nothing was fed to yet.
    pub(super) fn file_mac(&self) -> Hmac<Sha256> {
        self.file.clone()
    }
}

fn over(key: &Hmac<Sha256>, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    framing::feed(parts, |part| mac.update(part));
    mac
}

fn derived(kek: &[u8; KEY_BYTES], label: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let mut mac = keyed(kek)?;
    mac.update(label);
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>, SealError> {
    Hmac::new_from_slice(key).map_err(|_| SealError::Cipher)
}
