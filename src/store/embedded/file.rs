//! The file and the open database: made, checked, locked, and opened again after a fault.
//!
//! Not what is read or written in it. Invariants: the file is a regular one that only its owner may touch;
//! only [`Create::IfMissing`] ever makes one, so that a file which vanishes while we run is a fault and never
//! an empty key set; the database is used only while the path still leads to the file that was opened; a
//! failure or panic inside the database closes it, and the next operation opens it again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError};

use super::fault::{self, Fault};
use super::schema;
use crate::store::StoreError;

/// Memory for pages of the file. The mirror answers requests, so the cache serves commits and boot only;
/// redb's own default of 1 GiB would be most of a sidecar.
const CACHE_BYTES: usize = 16 << 20;
/// Permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Opens a database over a file. Tests put failing storage in between.
pub(super) type Opener = Box<dyn Fn(File) -> Result<Database, DatabaseError> + Send + Sync>;

/// Whether opening may make the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Create {
    /// At the start, where a missing file is a new store.
    IfMissing,
    /// Later, where a missing file is a fault.
    Never,
}

/// One file with its database, open or to be opened by the next operation.
pub(super) struct StoreFile {
    path: PathBuf,
    namespace: String,
    opener: Opener,
    slot: RwLock<Slot>,
}

#[derive(Default)]
struct Slot {
    opened: Option<Opened>,
    /// How many databases this slot has held: an operation closes only the one that failed it.
    generation: u64,
}

struct Opened {
    database: Database,
    identity: Identity,
}

/// Whose fault it was that an operation failed.
enum Failure {
    Own(StoreError),
    /// Another operation met a fault of the file first; redb refuses everything from then on.
    OfAnother(StoreError),
}

impl Failure {
    fn into_error(self) -> StoreError {
        match self {
            Self::Own(fault) | Self::OfAnother(fault) => fault,
        }
    }
}

/// A file that may hold the store.
struct Candidate {
    file: File,
    /// Where it is, while it does not have its name yet.
    draft: Option<Draft>,
}

/// A name that ends with its owner; the file stays where it has another one.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _gone_or_left = fs::remove_file(&self.0).is_ok();
    }
}

/// Device and inode.
type Identity = (u64, u64);

impl StoreFile {
    /// Opens the file, makes it where it is missing, and checks what it holds.
    pub(super) fn open(path: &Path, namespace: &str, opener: Opener) -> Result<Self, StoreError> {
        let file = Self {
            path: path.to_owned(),
            namespace: namespace.to_owned(),
            opener,
            slot: RwLock::new(Slot::default()),
        };
        file.ensure(&mut file.slot.write(), Create::IfMissing)?;
        Ok(file)
    }

    /// Runs one operation on the database. Blocks on the file system.
    ///
    /// One that failed only because another operation had broken the database under it runs a second time, on the
    /// database that is opened anew: what it meets there is its own. So what it did the first time must be allowed
    /// to have happened; where it is not, that is [`StoreFile::run_once`].
    pub(super) fn run<T>(&self, operation: impl Fn(&Database) -> Result<T, Fault>) -> Result<T, StoreError> {
        match self.attempt(&operation) {
            Err(Failure::OfAnother(_)) => self.run_once(operation),
            outcome => outcome.map_err(Failure::into_error),
        }
    }

    /// Runs one operation on the database, whatever becomes of it. Blocks on the file system.
    pub(super) fn run_once<T>(
        &self,
        operation: impl FnOnce(&Database) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.attempt(operation).map_err(Failure::into_error)
    }

    fn attempt<T>(&self, operation: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, Failure> {
        let slot = self.ready().map_err(Failure::Own)?;
        let Some(opened) = &slot.opened else { return Err(Failure::Own(self.unavailable("it is closed"))) };
        let generation = slot.generation;
        let outcome = catch_unwind(AssertUnwindSafe(|| operation(&opened.database)));
        drop(slot);
        let failure = match outcome {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Fault::Store(fault))) => return Err(Failure::Own(fault)),
            Ok(Err(Fault::Database(fault))) => {
                let said = fault::of_database(&self.shown(), &fault);
                match *fault {
                    redb::Error::PreviousIo => Failure::OfAnother(said),
                    _ => Failure::Own(said),
                }
            }
            Err(_panic) => Failure::Own(StoreError::Damaged(format!(
                "{}: the database panicked; it is reopened",
                self.shown()
            ))),
        };
        let mut slot = self.slot.write();
        if slot.generation == generation {
            close(&mut slot);
        }
        Err(failure)
    }

    /// The slot with an open database over the file that the path leads to now.
    fn ready(&self) -> Result<RwLockReadGuard<'_, Slot>, StoreError> {
        let slot = self.slot.read();
        if self.stands(&slot) {
            return Ok(slot);
        }
        drop(slot);
        let mut slot = self.slot.write();
        if !self.stands(&slot) {
            close(&mut slot);
            self.ensure(&mut slot, Create::Never)?;
        }
        Ok(RwLockWriteGuard::downgrade(slot))
    }

    fn stands(&self, slot: &Slot) -> bool {
        let there = fs::metadata(&self.path).map(|metadata| identity(&metadata)).ok();
        slot.opened.as_ref().is_some_and(|opened| Some(opened.identity) == there)
    }

    fn ensure(&self, slot: &mut Slot, create: Create) -> Result<(), StoreError> {
        let Candidate { file, draft } = self.file(create)?;
        let metadata = file.metadata().map_err(|fault| self.io(&fault))?;
        if metadata.mode() & OTHERS != 0 {
            let mode = metadata.mode() & 0o7777;
            return Err(self.unavailable(&format!(
                "its mode is {mode:04o}; nobody but its owner may have access: chmod 600"
            )));
        }
        if metadata.len() == 0 && create == Create::Never {
            return Err(StoreError::Damaged(format!("{}: the file was emptied", self.shown())));
        }
        let opening = catch_unwind(AssertUnwindSafe(|| {
            let database = (self.opener)(file)?;
            schema::check(&database, &self.namespace)?;
            Ok::<_, Fault>(database)
        }));
        let database = match opening {
            Ok(Ok(database)) => database,
            Ok(Err(Fault::Store(fault))) => return Err(fault),
            Ok(Err(Fault::Database(fault))) => return Err(fault::of_database(&self.shown(), &fault)),
            Err(_panic) => {
                return Err(StoreError::Damaged(format!(
                    "{}: the database panicked while it was opened",
                    self.shown()
                )));
            }
        };
        if let Some(draft) = draft {
            self.publish(&draft)?;
        }
        if create == Create::IfMissing {
            self.sweep();
        }
        slot.opened = Some(Opened { database, identity: identity(&metadata) });
        slot.generation += 1;
        Ok(())
    }

    fn file(&self, create: Create) -> Result<Candidate, StoreError> {
        // Asked of the path first: opening a pipe would wait for its other end.
        match fs::metadata(&self.path) {
            Ok(metadata) if !metadata.is_file() => return Err(self.unavailable("it is not a regular file")),
            Ok(_) => {}
            Err(fault) if fault.kind() == ErrorKind::NotFound && create == Create::IfMissing => {
                return self.make();
            }
            Err(fault) => return Err(self.io(&fault)),
        }
        let file = OpenOptions::new().read(true).write(true).open(&self.path);
        Ok(Candidate { file: file.map_err(|fault| self.io(&fault))?, draft: None })
    }

    /// A new file under a name of its own: one that is killed half made is never taken for a store.
    fn make(&self) -> Result<Candidate, StoreError> {
        let parent = self.parent();
        if !parent.is_dir() {
            return Err(self.unavailable(&format!("its directory {} must exist", parent.display())));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
        let draft = Draft(parent.join(name));
        let file = options.open(&draft.0).map_err(|fault| self.io(&fault))?;
        Ok(Candidate { file, draft: Some(draft) })
    }

    /// Gives a file that is whole its name, unless somebody else has made one meanwhile.
    fn publish(&self, draft: &Draft) -> Result<(), StoreError> {
        match fs::hard_link(&draft.0, &self.path) {
            Ok(()) => {}
            Err(fault) if fault.kind() == ErrorKind::AlreadyExists || self.path.exists() => {
                return Err(self.unavailable("it was made by another process just now; start again"));
            }
            // A file system without links.
            Err(_) => fs::rename(&draft.0, &self.path).map_err(|fault| self.io(&fault))?,
        }
        // Without this a power cut could take a new file with every commit in it.
        self.sync_parent()
    }

    /// Removes what was left half made, by one that was killed just after it had published too; whoever is at one now
    /// comes too late.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.parent()) else { return };
        let ours = self.path.file_name().unwrap_or_default().as_encoded_bytes();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            let rest = name.strip_prefix(ours).and_then(|rest| rest.strip_suffix(b".new"));
            // A dot and a UUID of 32 digits.
            if rest.is_some_and(|rest| rest.len() == 33 && rest.first() == Some(&b'.')) {
                let _gone_or_left = fs::remove_file(entry.path()).is_ok();
            }
        }
    }

    fn sync_parent(&self) -> Result<(), StoreError> {
        File::open(self.parent()).and_then(|parent| parent.sync_all()).map_err(|fault| self.io(&fault))
    }

    fn parent(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// The path, as errors show it.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn io(&self, fault: &io::Error) -> StoreError {
        fault::of_io(&self.shown(), fault)
    }

    fn unavailable(&self, why: &str) -> StoreError {
        StoreError::Unavailable(format!("{}: {why}", self.shown()))
    }
}

/// Opens a database over the file itself.
pub(super) fn over_file(file: File) -> Result<Database, DatabaseError> {
    over_storage(FileBackend::new(file)?)
}

/// Opens a database over any storage.
pub(super) fn over_storage(storage: impl redb::StorageBackend) -> Result<Database, DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(storage)
}

fn identity(metadata: &fs::Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Closes the database, whatever state it is in. Commits are durable already, so nothing hangs on it.
fn close(slot: &mut Slot) {
    let opened = slot.opened.take();
    let _panicked = catch_unwind(AssertUnwindSafe(|| drop(opened)));
}
