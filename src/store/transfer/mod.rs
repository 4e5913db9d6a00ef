//! A key set as one file: written from any store, put into any empty one.
//!
//! Not a backup of the audit log: the file says where the chain stood, and a new one begins with the import. Its
//! files are `file.rs` (the form), `export.rs`, `import.rs` and `reseal.rs` (from one namespace and its keys to
//! another). Invariants:
//! - no secret is in the file in the clear, and nothing in it counts before its MAC was checked;
//! - what cannot be carried whole (a damaged record, a kind of a newer version) is refused, never left out;
//! - a set that is imported in part is never taken for a key set.

mod export;
mod file;
mod import;
mod reseal;
#[cfg(test)]
mod tests;

use crate::keys::record::RecordKey;
use crate::store::StoreError;
use crate::store::seal::SealError;

pub use export::{Exported, collect, write};
pub use file::FileHead;
pub use import::{Imported, Source, import};

/// Told how many records of how many are done.
pub type Progress<'p> = &'p mut (dyn FnMut(u64, u64) + Send);

/// Why a key set was not carried over. Nothing of it counts then.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// It is something else.
    #[error("it is no file of `countersign export`")]
    NotAnExport,
    /// A newer version wrote it.
    #[error(
        "its form is version {found:?}, and this version of countersign knows {known}: use the newer one"
    )]
    Version {
        /// As it says.
        found: String,
        /// What is known here.
        known: &'static str,
    },
    /// A KEK is not at hand.
    #[error("it needs the key-encryption key {id:?}, which is not in {place}; it needs: {needed}")]
    MissingKek {
        /// Its id.
        id: String,
        /// Where it was looked for.
        place: String,
        /// All ids that are needed.
        needed: String,
    },
    /// The MAC does not hold.
    #[error(
        "it was altered, or the key-encryption key {id:?} in {place} is another one than where it was exported: name \
         the directory of those keys with --keks"
    )]
    Altered {
        /// Id of the KEK that the MAC is made with.
        id: String,
        /// Where that was found.
        place: String,
    },
    /// It ends too early, or holds what has no reading.
    #[error("it is cut off or damaged: {0}")]
    Damaged(&'static str),
    /// A record cannot be carried over.
    #[error("{key}: {why}")]
    Record {
        /// Which one.
        key: RecordKey,
        /// Why not.
        why: String,
    },
    /// The store holds kinds of records that this version does not know.
    #[error(
        "the store holds {0} records of kinds that this version of countersign does not know: use the newer one"
    )]
    UnknownKinds(u64),
    /// The file holds a kind of record that this version does not know.
    #[error(
        "it holds a record of the kind {0:?}, which this version of countersign does not know: use the newer one"
    )]
    UnknownKind(String),
    /// The store is written to all the time.
    #[error("the store changes faster than it can be read; try again")]
    TooBusy,
    /// The cipher or the system's random numbers failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}
