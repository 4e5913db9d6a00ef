//! Whether files that a running process goes by have changed: by content, read again and again.
//!
//! Not what is done about it. Invariants: a mounted directory whose symbolic link was swapped is read as it stands; a
//! change counts when it was read twice alike, because an editor may be half-way; a file that is gone is a change too.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// How often files are read.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// Files, and what they held.
pub(super) struct Follow {
    files: Vec<PathBuf>,
    judged: [u8; 32],
    seen: [u8; 32],
}

impl Follow {
    /// As they are now.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let now = digest(&files);
        Self { files, judged: now, seen: now }
    }

    /// Reads them; whether they have changed since they were judged, and have settled. They count as judged then.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = digest(&self.files);
        let settled = self.seen == now;
        self.seen = now;
        if !settled || self.judged == now {
            return false;
        }
        self.judged = now;
        true
    }

    /// They are judged as they are now.
    pub(super) fn judged(&mut self) {
        self.seen = digest(&self.files);
        self.judged = self.seen;
    }
}

fn digest(files: &[PathBuf]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in files {
        match std::fs::read(file).map(Zeroizing::new) {
            Ok(bytes) => {
                hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(&*bytes);
            }
            Err(error) => hash.update(error.kind().to_string().as_bytes()),
        }
    }
    hash.finalize().into()
}
