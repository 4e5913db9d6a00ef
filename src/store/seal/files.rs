//! Key-encryption keys on disk: `<id>.key`, 64 hex characters and an optional line feed.
//!
//! Not what is done with them. Invariants: a file that anybody but its owner may touch is refused, and so
//! is one that is not a regular file (a symbolic link to one is followed: Kubernetes mounts secrets so); a
//! faulty file stops the start instead of being skipped, since secrets sealed under it would not open;
//! no file is ever overwritten; no error repeats what a file holds.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use super::kek::{KEY_BYTES, Kek};
use super::secrets::random;
use super::{Keyring, KeyringError};

/// Longest id, in bytes: it stands in every envelope and sealed secret.
const MAX_ID_BYTES: usize = 32;
/// Bytes of the hex form, and of it with its line feed.
const HEX_BYTES: usize = 2 * KEY_BYTES;
/// Permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;

impl Keyring {
    /// Reads every `<id>.key` in `dir`. `seal_with` names the one that seals; `None` is enough where
    /// there is one. Blocks on the file system.
    ///
    /// # Errors
    /// Where the directory or any key file is not as it should be, there is no key, or the one that seals
    /// is not there or not named among several.
    pub fn load(dir: &Path, seal_with: Option<&str>) -> Result<Self, KeyringError> {
        Self::choose(dir.to_owned(), read_all(dir)?, seal_with)
    }

    /// The same for keys that only open: which one would seal does not matter.
    ///
    /// # Errors
    /// As [`Keyring::load`].
    pub fn load_to_open(dir: &Path) -> Result<Self, KeyringError> {
        let keks = read_all(dir)?;
        let first = keks.keys().next().cloned();
        Self::choose(dir.to_owned(), keks, first.as_deref())
    }

    /// Makes a new random key `<id>.key` (mode 0600), and `dir` (mode 0700, not its parents) where it is
    /// missing; durable when it returns. Gives the file's path. Blocks on the file system.
    ///
    /// # Errors
    /// Where the id is not valid, the file exists (it is left alone) or cannot be written, or the system
    /// has no random numbers.
    pub fn create(dir: &Path, id: &str) -> Result<PathBuf, KeyringError> {
        let path = dir.join(format!("{id}.key"));
        if !is_id(id) {
            return Err(KeyringError::Name { path });
        }
        make_directory(dir).map_err(|source| KeyringError::Directory { dir: dir.to_owned(), source })?;
        let key = Zeroizing::new(random::<KEY_BYTES>()?);
        let mut text = Zeroizing::new(HEXLOWER.encode(key.as_ref()).into_bytes());
        text.push(b'\n');
        // Written aside and linked: half a key under its own name would stop every later start, and a link,
        // unlike a rename, leaves a file that is there alone.
        let aside = dir.join(format!("{id}.key.{}", std::process::id()));
        let made = write_aside(&aside, &text).and_then(|()| fs::hard_link(&aside, &path));
        let _gone = fs::remove_file(&aside);
        match made.and_then(|()| sync_directory(dir)) {
            Ok(()) => {}
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeyringError::Exists { path });
            }
            Err(source) => return Err(KeyringError::Write { path, source }),
        }
        Ok(path)
    }
}

fn read_all(dir: &Path) -> Result<BTreeMap<String, Arc<Kek>>, KeyringError> {
    let unreadable = |source| KeyringError::Directory { dir: dir.to_owned(), source };
    let mut keks = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "key") {
            let (id, kek) = read(path)?;
            keks.insert(id, Arc::new(kek));
        }
    }
    Ok(keks)
}

fn write_aside(path: &Path, text: &[u8]) -> io::Result<()> {
    // What a process with our number left behind when it was killed is nobody's.
    let _left = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Whether `id` may name a KEK: 1 to 32 of `a-z`, `0-9` and `-`.
pub(super) fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
        && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn read(path: PathBuf) -> Result<(String, Kek), KeyringError> {
    let Some(id) = path.file_stem().and_then(|stem| stem.to_str()).filter(|id| is_id(id)).map(str::to_owned)
    else {
        return Err(KeyringError::Name { path });
    };
    // Asked of the path first: opening a pipe would wait for its writer.
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(KeyringError::NotAFile { path }),
        Err(source) => return Err(KeyringError::Read { path, source }),
    }
    let (mode, text) = match contents(&path) {
        Ok(contents) => contents,
        Err(source) => return Err(KeyringError::Read { path, source }),
    };
    if mode & OTHERS != 0 {
        return Err(KeyringError::Permissions { path, mode: mode & 0o7777 });
    }
    let Some(key) = decode(&text) else {
        return Err(KeyringError::Malformed { path });
    };
    Ok((id, Kek::derive(&key)?))
}

/// Mode and content of the file that was opened, which is the one that is judged.
fn contents(path: &Path) -> io::Result<(u32, Zeroizing<Vec<u8>>)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    // Room for all that is read, so that no copy of the key is left behind by growing.
    let limit = HEX_BYTES + 2;
    let mut text = Zeroizing::new(Vec::with_capacity(2 * limit));
    file.take(limit as u64).read_to_end(&mut text)?;
    Ok((mode, text))
}

fn decode(text: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let hex = text.strip_suffix(b"\n").unwrap_or(text);
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if hex.len() != HEX_BYTES {
        return None;
    }
    HEXLOWER_PERMISSIVE.decode_mut(hex, key.as_mut()).ok()?;
    Some(key)
}

fn make_directory(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => sync_directory(parent(dir)),
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
