//! What goes wrong inside a transaction, and what the store says of it.
//!
//! Not a retry policy. Invariant: a fault of the file (as against a refusal of the change) always closes
//! the database, so that the next operation starts from what is on disk.

use std::io::{self, ErrorKind};

use crate::store::StoreError;

/// Why an operation did not succeed.
pub(super) enum Fault {
    /// It was refused, or what it read is not as it should be; the database itself is sound.
    Store(StoreError),
    /// The database failed.
    Database(Box<redb::Error>),
}

impl From<StoreError> for Fault {
    fn from(fault: StoreError) -> Self {
        Self::Store(fault)
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Fault {
            fn from(fault: redb::$error) -> Self {
                Self::Database(Box::new(fault.into()))
            }
        })*
    };
}

from_redb!(CommitError, DatabaseError, SetDurabilityError, StorageError, TableError, TransactionError);

/// What the store says of a failure of the database in the file `path`.
pub(super) fn of_database(path: &str, fault: &redb::Error) -> StoreError {
    match fault {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            StoreError::InUse { path: path.to_owned() }
        }
        redb::Error::Io(fault) => of_io(path, fault),
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => StoreError::Damaged(format!("{path}: {fault}")),
        _ => StoreError::Unavailable(format!("{path}: {fault}")),
    }
}

/// What the store says of a failure of the file system.
pub(super) fn of_io(path: &str, fault: &io::Error) -> StoreError {
    let text = format!("{path}: {fault}");
    match fault.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::Full(text),
        // The file ends before a page that it should have, or does not begin like one of ours.
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => StoreError::Damaged(text),
        _ => StoreError::Unavailable(text),
    }
}
