//! The MAC of an exported file: over every byte before it, under a key of its own.
//!
//! Not the file's form (`store/transfer/file.rs`). Invariant: compared in constant time.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Keyring;

/// The MAC of a file that is being written or read.
pub struct FileMac(Hmac<Sha256>);

impl Keyring {
    /// A MAC under the KEK of this id; `None` where the keyring lacks it.
    #[must_use]
    pub fn file_mac(&self, kek_id: &str) -> Option<FileMac> {
        self.keks.get(kek_id).map(|kek| FileMac(kek.file_mac()))
    }
}

impl FileMac {
    /// Covers the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The MAC of what was covered.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }

    /// Whether this is the MAC of what was covered.
    #[must_use]
    pub fn verify(self, mac: &[u8; 32]) -> bool {
        self.0.verify_slice(mac).is_ok()
    }
}
