//! Key-encryption keys (KEKs) and what they protect: secrets at rest, records, the audit chain, and
//! exported files.
//!
//! Not where records live (the backends of `store/`), and not what records mean (`keys/record.rs`).
//! Invariants:
//! - every KEK of the keyring opens and verifies; exactly one seals;
//! - a KEK itself encrypts nothing: each use has a key of its own, derived from it (`kek.rs`);
//! - a sealed secret opens only in the place that it was sealed for: namespace, record, field, version, KEK;
//! - an envelope yields its payload only where the MAC holds;
//! - key bytes are zeroed when dropped, and neither `Debug` nor an error shows any.

mod answers;
mod audit;
mod envelope;
mod file_mac;
mod files;
mod framing;
mod kek;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use envelope::EnvelopeError;
pub use file_mac::FileMac;
pub use secrets::{SealError, SealPlace, random};

use kek::Kek;

/// The KEKs in use: all of them open, one seals. Loaded once; never changes.
pub struct Keyring {
    keks: BTreeMap<String, Arc<Kek>>,
    seal_with: String,
    sealing: Arc<Kek>,
}

impl Keyring {
    /// Ids of all KEKs, ascending.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keks.keys().map(String::as_str)
    }

    /// Id of the KEK that seals and signs.
    #[must_use]
    pub fn seal_with(&self) -> &str {
        &self.seal_with
    }

    /// Chooses the KEK that seals.
    fn choose(
        dir: PathBuf,
        keks: BTreeMap<String, Arc<Kek>>,
        seal_with: Option<&str>,
    ) -> Result<Self, KeyringError> {
        let chosen = match seal_with {
            Some(id) => keks.get_key_value(id),
            None if keks.len() > 1 => return Err(KeyringError::Ambiguous { ids: listed(&keks) }),
            None => keks.first_key_value(),
        };
        let chosen = chosen.map(|(id, kek)| (id.clone(), Arc::clone(kek)));
        match (chosen, seal_with) {
            (Some((seal_with, sealing)), _) => Ok(Self { keks, seal_with, sealing }),
            (None, Some(id)) if !keks.is_empty() => {
                Err(KeyringError::UnknownSealWith { id: id.to_owned(), ids: listed(&keks) })
            }
            (None, _) => Err(KeyringError::Empty { dir }),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({}; seals with {})", listed(&self.keks), self.seal_with)
    }
}

fn listed(keks: &BTreeMap<String, Arc<Kek>>) -> String {
    keks.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Why there is no keyring. Names files and ids, never what a file holds.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The directory cannot be read or made.
    #[error("the key-encryption keys in {} cannot be read: {source}", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file's name does not give a valid id.
    #[error("{} is not a key-encryption key's name: <id>.key, id of 1 to 32 of a-z, 0-9 and -", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// It is a directory, a device, a pipe or a socket.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may touch it.
    #[error("{} has mode {mode:04o}; nobody but its owner may have access: chmod 600", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not hold a key.
    #[error("{} is not a key-encryption key: 64 hex characters and at most one line feed", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// There is no key at all.
    #[error("{} holds no key-encryption key (<id>.key)", dir.display())]
    Empty {
        /// The directory.
        dir: PathBuf,
    },
    /// There are several keys and nobody said which one seals.
    #[error("several key-encryption keys ({ids}): name the one that seals in keys.seal_with")]
    Ambiguous {
        /// The ids, ascending.
        ids: String,
    },
    /// The key that should seal is not there.
    #[error("keys.seal_with names {id:?}, which is not there; there are: {ids}")]
    UnknownSealWith {
        /// The id asked for.
        id: String,
        /// The ids that are there, ascending.
        ids: String,
    },
    /// A key with this id exists, and a key is never overwritten.
    #[error("{} exists already and is left as it is", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system's random numbers or the cipher failed.
    #[error("no key-encryption key: {0}")]
    Crypto(#[from] SealError),
}
