//! Where a demo is, for the commands that are run beside it: one small file in its directory.
//!
//! Not a secret: the token has a file of its own. Invariant: the file is whole or not there, and goes when the demo
//! ends; one that a killed demo left behind names ports where nobody answers.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The directory of a demo unless its `--dir` says otherwise.
pub const DIR: &str = ".countersign";
/// The file of the admin token in it.
pub const TOKEN: &str = "admin.token";
const FILE: &str = "addresses.json";

/// The ports of a demo, as `http://host:port`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Addresses {
    /// Where admins reach it.
    pub admin: String,
    /// Where senders reach it, unless that is a Unix socket.
    pub traffic: Option<String>,
}

/// Those of the demo that runs in `dir`.
#[must_use]
pub fn of_demo(dir: &Path) -> Option<Addresses> {
    serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()
}

impl Addresses {
    /// Leaves them in `dir`.
    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        put(dir, FILE, &serde_json::to_vec(self)?)
    }
}

/// The demo has ended.
pub(super) fn remove(dir: &Path) {
    // One that is not there is as good.
    let _gone = std::fs::remove_file(dir.join(FILE));
}

/// Writes a file that its owner alone reads; aside and renamed, so that a reader never sees half of it and the mode
/// is right from the start.
pub(super) fn put(dir: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    let aside = dir.join(format!("{name}.new"));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(content)?;
    file.write_all(b"\n")?;
    std::fs::rename(&aside, dir.join(name))
}
