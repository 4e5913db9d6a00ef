//! Admission that lasts: what was let in once and goes on, such as a stream, is looked at again.
//!
//! Not a timer, which its holder keeps. Invariant: what would no longer be admitted, or what nobody can judge any more,
//! does not stand.

use super::{Admitted, GuardError, still_valid};
use crate::keys::ring::KeysNow;
use crate::verify::{AuthenticSet, Subject};

/// The credentials that something which goes on was admitted by.
#[derive(Debug)]
pub struct Tenure(AuthenticSet);

impl Tenure {
    /// What an admission rests on; `None` on an open route, where nothing can be revoked.
    #[must_use]
    pub fn of(admitted: Admitted) -> Option<Self> {
        admitted.credentials.map(Self)
    }

    /// Whether every credential is still good.
    ///
    /// # Errors
    /// See [`GuardError`]; keys that are older than they may be stand for nothing.
    pub fn confirm(&self, keys: KeysNow<'_>) -> Result<(), GuardError> {
        self.0.iter().try_for_each(|authentic| still_valid(authentic, keys))
    }

    /// The names of its records, for a line of the log: key ids and integrations.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let name = |subject: &Subject| match subject {
            Subject::ApiKey(entry) | Subject::Signature(entry) => entry.record.meta.id.to_string(),
            Subject::Integration(entry) => entry.record.name.clone(),
        };
        self.0.iter().map(|authentic| name(authentic.subject())).collect()
    }
}
