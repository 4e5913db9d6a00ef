//! Answers that are kept for a repeated request, sealed: they hold secrets that were shown once.
//!
//! Not secrets of records (`secrets.rs`), from which they are kept apart by a label of their own. The form is the id of
//! the KEK, a line feed, and what the cipher gives. Invariant: an answer opens only in its namespace and under its id.

use super::secrets::{decrypted, encrypted};
use super::{Keyring, SealError, framing};
use crate::secret::Secret;
use crate::store::answered::AnswerId;

const LABEL: &[u8] = b"countersign/v1/answer";

impl Keyring {
    /// Encrypts an answer under the KEK that seals.
    ///
    /// # Errors
    /// As [`Keyring::seal`].
    pub fn seal_answer(&self, namespace: &str, id: &AnswerId, answer: &Secret) -> Result<Vec<u8>, SealError> {
        let data = encrypted(&self.sealing, place(namespace, id, &self.seal_with), answer)?;
        Ok([self.seal_with.as_bytes(), b"\n", &data].concat())
    }

    /// Decrypts what was sealed under this id.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub fn open_answer(&self, namespace: &str, id: &AnswerId, sealed: &[u8]) -> Result<Secret, SealError> {
        let split = sealed.iter().position(|byte| *byte == b'\n').and_then(|at| sealed.split_at_checked(at));
        let (kek_id, data) = split.ok_or(SealError::Malformed)?;
        let kek_id = std::str::from_utf8(kek_id).map_err(|_| SealError::Malformed)?;
        let data = data.strip_prefix(b"\n").ok_or(SealError::Malformed)?;
        let kek = self.keks.get(kek_id).ok_or_else(|| SealError::UnknownKek(kek_id.to_owned()))?;
        decrypted(kek, place(namespace, id, kek_id), data.to_vec())
    }
}

fn place(namespace: &str, id: &AnswerId, kek_id: &str) -> Vec<u8> {
    framing::joined(&[LABEL, namespace.as_bytes(), &id.0, kek_id.as_bytes()])
}
