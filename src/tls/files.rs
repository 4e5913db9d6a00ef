//! Reads PEM files (RFC 7468), as they are now.
//!
//! Not their meaning. Invariants: a path is opened anew each time, so that a mounted directory whose symbolic link was
//! swapped is read as it stands; nothing longer than [`LARGEST`] is read, and only regular files, so that a pipe holds
//! nobody up; what was read is zeroed when it is dropped; no error holds a file's content.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Bytes of one file. A bundle of every public authority is some 200 KiB.
const LARGEST: u64 = 1 << 20;

/// What is wrong with a file, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} = {path}: {what}", path = .path.display())]
pub struct MaterialFault {
    /// The option that names the file.
    pub option: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
}

/// A certificate with its chain, and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFiles {
    /// PEM: the certificate first, then those that vouch for it.
    pub cert_file: PathBuf,
    /// PEM: the key, in PKCS #8, PKCS #1 or SEC 1.
    pub key_file: PathBuf,
}

/// A file, and the option that names it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) option: String,
    pub(super) path: PathBuf,
    /// Whether others must not read it.
    pub(super) is_secret: bool,
}

/// What a file held when it was read.
pub(super) struct Content {
    pub(super) named: Named,
    bytes: Result<Zeroizing<Vec<u8>>, String>,
    /// Whether everybody on the machine may read a file that is secret.
    pub(super) is_exposed: bool,
}

impl Named {
    pub(super) fn new(option: String, path: &Path) -> Self {
        Self { option, path: path.to_owned(), is_secret: false }
    }

    pub(super) fn secret(option: String, path: &Path) -> Self {
        Self { is_secret: true, ..Self::new(option, path) }
    }

    /// Reads it; a fault is kept, for it is news only once.
    pub(super) fn read(&self) -> Content {
        let read = read(&self.path);
        let mode = read.as_ref().map_or(0, |(_, mode)| *mode);
        let is_exposed = self.is_secret && mode & 0o007 != 0;
        Content { named: self.clone(), bytes: read.map(|(bytes, _)| bytes), is_exposed }
    }
}

impl Content {
    /// What it held.
    pub(super) fn bytes(&self) -> Result<&[u8], MaterialFault> {
        self.bytes.as_deref().map(Vec::as_slice).map_err(|what| self.fault(what.clone()))
    }

    /// What its digest is taken of, whether it could be read or not.
    pub(super) fn digestible(&self) -> &[u8] {
        self.bytes.as_ref().map_or_else(String::as_bytes, |bytes| bytes.as_slice())
    }

    pub(super) fn fault(&self, what: impl Into<String>) -> MaterialFault {
        MaterialFault { option: self.named.option.clone(), path: self.named.path.clone(), what: what.into() }
    }
}

fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), String> {
    let fault = |error: std::io::Error| format!("cannot be read: {error}");
    if !std::fs::metadata(path).map_err(fault)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(fault)?;
    let about = file.metadata().map_err(fault)?;
    // Of its full size from the start: a buffer that grows leaves copies of a key behind.
    let room = usize::try_from(about.len().min(LARGEST)).unwrap_or_default().saturating_add(64);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("has more than {LARGEST} bytes"));
    }
    Ok((bytes, about.permissions().mode()))
}
