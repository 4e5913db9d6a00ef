//! What the writer seals and opens, each in its place.
//!
//! Not the cipher (`store/seal/secrets.rs`).

use super::Writer;
use crate::keys::decode::{SECRET_FIELD, VERIFY_TOKEN_FIELD};
use crate::keys::record::{RecordKey, Sealed};
use crate::secret::Secret;
use crate::store::answered::{AnswerId, Answered};
use crate::store::seal::{SealError, SealPlace};

impl Writer {
    /// Seals a record's secret.
    ///
    /// # Errors
    /// Where no randomness or no key is to be had.
    pub fn seal(&self, key: RecordKey, version: u32, secret: &Secret) -> Result<Sealed, SealError> {
        self.decoder.keyring().seal(&self.place(key, SECRET_FIELD, version), secret)
    }

    /// Seals an integration's verify token.
    ///
    /// # Errors
    /// As [`Writer::seal`].
    pub fn seal_verify_token(
        &self,
        key: RecordKey,
        version: u32,
        token: &Secret,
    ) -> Result<Sealed, SealError> {
        self.decoder.keyring().seal(&self.place(key, VERIFY_TOKEN_FIELD, version), token)
    }

    /// Opens a record's secret: to check it against another scheme, never to show it.
    ///
    /// # Errors
    /// Where it was altered, or is sealed under a key that is not loaded.
    pub fn open(&self, key: RecordKey, sealed: &Sealed) -> Result<Secret, SealError> {
        self.decoder.keyring().open(&self.place(key, SECRET_FIELD, sealed.version), sealed)
    }

    /// Opens an integration's verify token: to tell whether another is given, never to show it.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_verify_token(&self, key: RecordKey, sealed: &Sealed) -> Result<Secret, SealError> {
        self.decoder.keyring().open(&self.place(key, VERIFY_TOKEN_FIELD, sealed.version), sealed)
    }

    /// Seals an answer that is kept for whoever asks again.
    ///
    /// # Errors
    /// As [`Writer::seal`].
    pub fn seal_answer(&self, id: AnswerId, answer: &Secret) -> Result<Answered, SealError> {
        let sealed = self.decoder.keyring().seal_answer(self.decoder.namespace(), &id, answer)?;
        Ok(Answered { id, at: self.now(), sealed: sealed.into() })
    }

    /// Opens an answer that was kept under this id.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_answer(&self, id: AnswerId, sealed: &[u8]) -> Result<Secret, SealError> {
        self.decoder.keyring().open_answer(self.decoder.namespace(), &id, sealed)
    }

    /// The same secret of the same version in the same place, under the KEK that seals now.
    pub(super) fn resealed(
        &self,
        key: RecordKey,
        field: &'static str,
        sealed: &Sealed,
    ) -> Result<Sealed, SealError> {
        let place = self.place(key, field, sealed.version);
        let secret = self.decoder.keyring().open(&place, sealed)?;
        self.decoder.keyring().seal(&place, &secret)
    }

    fn place(&self, key: RecordKey, field: &'static str, version: u32) -> SealPlace<'_> {
        SealPlace { namespace: self.decoder.namespace(), key, field, version }
    }
}
