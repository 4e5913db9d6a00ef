//! Reads the seed file and the secret files that it names, as they are now.
//!
//! Not their meaning. Invariants: paths are opened anew each time, so that a mounted directory whose symbolic link
//! was swapped is read as it stands; nothing longer than its bound is kept; only regular files are read, so that a
//! pipe holds nobody up. The digest covers every byte that was read, and so tells a change of any of the files.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::parse;
use crate::secret::Secret;

/// Bytes of a seed file: what a ConfigMap can hold.
const FILE_LIMIT: u64 = 1 << 20;
/// Bytes of a secret file: a certificate with its chain, and the line end.
const SECRET_LIMIT: u64 = 16 * 1024 + 2;
/// The members that name secret files.
pub(super) const NAMING: [&str; 2] = ["secretFile", "verifyTokenFile"];

/// What was read.
pub(super) struct Read {
    /// The seed file's path.
    pub(super) file: PathBuf,
    /// Its text, or why there is none.
    pub(super) text: Result<String, String>,
    /// The secret files by the path that the file says.
    secrets: BTreeMap<String, Result<Secret, Missing>>,
    /// Over everything.
    pub(super) digest: [u8; 32],
}

/// Why a secret file gives no secret.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    /// For people, with the path.
    pub(super) why: String,
    /// Whether there is no such file at all.
    pub(super) absent: bool,
}

impl Read {
    /// The secret in the file of this path.
    pub(super) fn secret(&self, path: &str) -> Result<Secret, Missing> {
        let unread = || Err(Missing { why: format!("{path} was not read"), absent: false });
        self.secrets.get(path).cloned().unwrap_or_else(unread)
    }

    /// Secret files that are not there.
    pub(super) fn absent(&self) -> Vec<PathBuf> {
        let absent = |secret: &Result<Secret, Missing>| matches!(secret, Err(Missing { absent: true, .. }));
        self.secrets.iter().filter(|(_, secret)| absent(secret)).map(|(path, _)| path.into()).collect()
    }
}

/// Reads everything.
pub(super) fn read(file: &Path) -> Read {
    let text = bounded(file, FILE_LIMIT).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| (ErrorKind::InvalidData, "is not UTF-8".to_owned()))
    });
    let text = text.map_err(|(_, why)| format!("the seed file {why}"));
    let mut paths = Vec::new();
    if let Ok(value) = text.as_deref().map_err(drop).and_then(|text| parse::value(file, text).map_err(drop)) {
        named(&value, &mut paths);
    }
    let secrets: BTreeMap<_, _> = paths
        .into_iter()
        .map(|path| {
            let secret = secret(&path);
            (path, secret)
        })
        .collect();
    let digest = digest(&text, &secrets);
    Read { file: file.to_owned(), text, secrets, digest }
}

fn secret(path: &str) -> Result<Secret, Missing> {
    match bounded(Path::new(path), SECRET_LIMIT) {
        Ok(bytes) => Ok(Secret::of_file(Zeroizing::new(bytes))),
        Err((kind, why)) => {
            Err(Missing { why: format!("{path} {why}"), absent: kind == ErrorKind::NotFound })
        }
    }
}

fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, (ErrorKind, String)> {
    let fault = |error: std::io::Error| (error.kind(), format!("cannot be read: {error}"));
    if !std::fs::metadata(path).map_err(fault)?.is_file() {
        return Err((ErrorKind::InvalidInput, "is not a regular file".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(fault)?;
    // Of its full size from the start: a buffer that grows leaves copies of a secret behind.
    let length = file.metadata().map_err(fault)?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default().saturating_add(64));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err((ErrorKind::InvalidData, format!("has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// The paths of secret files that occur anywhere in a value.
fn named(value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| named(item, paths)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(path) if NAMING.contains(&name.as_str()) => paths.push(path.clone()),
                    member => named(member, paths),
                }
            }
        }
        _ => {}
    }
}

fn digest(text: &Result<String, String>, secrets: &BTreeMap<String, Result<Secret, Missing>>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    match text {
        Ok(text) => part(text.as_bytes()),
        Err(why) => part(why.as_bytes()),
    }
    for (path, secret) in secrets {
        part(path.as_bytes());
        match secret {
            Ok(secret) => part(secret.expose()),
            Err(missing) => part(missing.why.as_bytes()),
        }
    }
    hash.finalize().into()
}
