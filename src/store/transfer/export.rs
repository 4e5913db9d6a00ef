//! From a store to a file.
//!
//! The whole set is held in memory once, as a sidecar holds it: some 100 MB for 100,000 records. Invariants: what is
//! written is the state at one audit head, however much is written to the store meanwhile; every record was opened
//! with the keys that the file names; the file has its name only when it is whole and on disk, and never takes the
//! place of another.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use super::file::{FileHead, Writer};
use super::reseal::{self, Side};
use super::{Progress, TransferError};
use crate::clock::UnixMillis;
use crate::keys::record::RecordKey;
use crate::store::seal::Keyring;
use crate::store::{Followed, Head, Logged, Store, StoreError};

/// How often a set is read anew, or followed further, because it was changed meanwhile.
const ATTEMPTS: usize = 20;

type Records = BTreeMap<RecordKey, Arc<[u8]>>;

/// A key set as a store held it at one moment.
pub struct Exported {
    head: Head,
    records: Records,
}

/// Reads the whole set.
///
/// # Errors
/// Where the store fails, or holds what this version does not know.
pub async fn collect(store: &dyn Store) -> Result<Exported, TransferError> {
    'anew: for _ in 0..ATTEMPTS {
        let mut records = Records::new();
        let mut head = store.snapshot(&mut |key, envelope| drop(records.insert(key, envelope))).await?;
        for _ in 0..ATTEMPTS {
            // What the snapshot saw is no newer than this.
            let end = store.head().await?;
            while head.position < end.position {
                match store.follow(head.epoch, head.position, head.mac).await? {
                    Followed::Entries(entries) => {
                        for entry in entries {
                            (head.position, head.mac) = (entry.position, entry.mac);
                            entry.changes.into_iter().for_each(|change| apply(&mut records, change));
                        }
                    }
                    Followed::Gap => continue 'anew,
                }
            }
            let count = store.count().await?;
            if store.head().await? == head {
                let held = records.len() as u64;
                return match count.checked_sub(held) {
                    Some(0) => Ok(Exported { head, records }),
                    Some(unknown) => Err(TransferError::UnknownKinds(unknown)),
                    None => Err(StoreError::Damaged("it holds fewer records than its log".to_owned()).into()),
                };
            }
        }
    }
    Err(TransferError::TooBusy)
}

fn apply(records: &mut Records, change: Logged) {
    match change {
        Logged::Put { key, envelope } => drop(records.insert(key, envelope)),
        Logged::Deleted { key, .. } => drop(records.remove(&key)),
    }
}

/// Opens every record with the keys of the store, and writes the file (mode 0600). Blocks on the file system.
///
/// # Errors
/// Where a record cannot be opened, the file exists or cannot be written. There is no file then.
pub fn write(
    exported: &Exported,
    path: &Path,
    (namespace, keyring): (&str, &Keyring),
    now: UnixMillis,
    progress: Progress<'_>,
) -> Result<FileHead, TransferError> {
    let from = Side { namespace, keyring };
    let mut keks = BTreeSet::from([keyring.seal_with().to_owned()]);
    let total = exported.records.len() as u64;
    for (number, (key, envelope)) in (1..).zip(&exported.records) {
        let opened =
            reseal::open(*key, envelope, from).map_err(|why| TransferError::Record { key: *key, why })?;
        keks.extend(opened.keks);
        progress(number, total);
    }
    let head = FileHead {
        namespace: namespace.to_owned(),
        epoch: exported.head.epoch.0,
        audit_head: data_encoding::HEXLOWER.encode(&exported.head.mac.0),
        records: total,
        exported_at: now,
        exported_by: concat!("countersign ", env!("CARGO_PKG_VERSION")).to_owned(),
        kek: keyring.seal_with().to_owned(),
        keks: keks.into_iter().collect(),
    };
    publish(path, |file| put(file, exported, &head, keyring))?;
    Ok(head)
}

fn put(file: &File, exported: &Exported, head: &FileHead, keyring: &Keyring) -> Result<(), TransferError> {
    let missing = || TransferError::Store(StoreError::Unavailable("the sealing key is gone".to_owned()));
    let mac = keyring.file_mac(&head.kek).ok_or_else(missing)?;
    let mut writer = Writer::begin(BufWriter::new(file), head, mac)?;
    for (key, envelope) in &exported.records {
        writer.record(*key, envelope)?;
    }
    Ok(writer.finish()?.flush()?)
}

/// Fills a file under a name of its own, and gives it `path` when it is on disk.
fn publish(path: &Path, fill: impl FnOnce(&File) -> Result<(), TransferError>) -> Result<(), TransferError> {
    let exists = || io::Error::new(io::ErrorKind::AlreadyExists, "it exists already and is left as it is");
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists().into());
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    let aside = Path::new(&aside);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(aside)?;
    let filled = fill(&file).and_then(|()| Ok(file.sync_all()?)).and_then(|()| {
        // A link, unlike a rename, leaves a file that is there alone.
        fs::hard_link(aside, path).map_err(|fault| match fault.kind() {
            io::ErrorKind::AlreadyExists => exists().into(),
            _ => fault.into(),
        })
    });
    let _gone = fs::remove_file(aside);
    filled?;
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    Ok(File::open(parent)?.sync_all()?)
}
