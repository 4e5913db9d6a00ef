//! What needs a look inside: storage that fails, a log that is trimmed, files that are not as they should be.

mod crashes;
mod disk;
mod faults;
mod model;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, Database, ReadableDatabase, StorageBackend, TableDefinition};
use tempfile::TempDir;
use uuid::Uuid;

use self::disk::Disk;
use super::tables::{CLAIMS, LOG, META, META_EPOCH, META_SCHEMA, RECORDS, key_bytes, record_bytes};
use super::{EmbeddedStore, commit, file};
use crate::keys::record::{Kind, RecordKey};
use crate::store::fleet::{Fleet, Raised};
use crate::store::seal::Keyring;
use crate::store::{AuditLink, AuditMac, Change, Followed, Op, Position, Store, StoreError};

const WELL: u8 = 0;
const NO_SPACE: u8 = 1;
const SYNC_FAILS: u8 = 2;
const PANICS: u8 = 3;
const READ_FAILS: u8 = 4;
const NO_GROWTH: u8 = 5;

/// Storage that fails as it is told to, as long as it is told to. Without space it takes only writes to where
/// something was written before; without growth it may not even be made longer, as under a limit of its size.
#[derive(Debug)]
struct Faulty {
    file: FileBackend,
    mode: Arc<AtomicU8>,
    filled: AtomicU64,
}

impl Faulty {
    fn mode(&self) -> u8 {
        self.mode.load(Ordering::SeqCst)
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.mode() {
            READ_FAILS => Err(ErrorKind::Other.into()),
            _ => self.file.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.mode() {
            NO_GROWTH if len > self.file.len()? => Err(ErrorKind::FileTooLarge.into()),
            _ => self.file.set_len(len),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.mode() {
            SYNC_FAILS => Err(ErrorKind::Other.into()),
            _ => self.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        match self.mode() {
            NO_SPACE if end > self.filled.load(Ordering::SeqCst) => Err(ErrorKind::StorageFull.into()),
            PANICS => panic!("a panic inside the database"),
            _ => {
                self.filled.fetch_max(end, Ordering::SeqCst);
                self.file.write(offset, data)
            }
        }
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

fn place() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.redb");
    (dir, path)
}

fn faulty(path: &Path) -> (EmbeddedStore, Arc<AtomicU8>) {
    let mode = Arc::new(AtomicU8::new(WELL));
    let told = Arc::clone(&mode);
    let opener = move |opened: File| {
        let filled = AtomicU64::new(opened.metadata()?.len());
        file::over_storage(Faulty { file: FileBackend::new(opened)?, mode: Arc::clone(&told), filled })
    };
    (EmbeddedStore::assemble(path, "ns", Box::new(opener), 100).unwrap(), mode)
}

/// A store whose file is on this disk; what stands under the path is only its name.
fn on_disk(path: &Path, disk: &Disk) -> Result<EmbeddedStore, StoreError> {
    if !path.exists() {
        std::fs::write(path, "on a disk in memory").unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let disk = disk.clone();
    let opener = move |_name: File| file::over_storage(disk.clone());
    EmbeddedStore::assemble(path, "ns", Box::new(opener), 1_000_000)
}

fn keyring() -> Arc<Keyring> {
    let dir = TempDir::new().unwrap();
    Keyring::create(dir.path(), "k").unwrap();
    Arc::new(Keyring::load(dir.path(), None).unwrap())
}

fn key(n: u128) -> RecordKey {
    RecordKey { kind: Kind::Workspace, id: Uuid::from_u128(n) }
}

fn link(previous: AuditMac, n: u8) -> AuditLink {
    AuditLink { previous, mac: AuditMac([n; 32]), event: Arc::from(&b"{}"[..]) }
}

async fn put(store: &EmbeddedStore, n: u8) -> Result<Position, StoreError> {
    let op = Op::Put {
        key: key(n.into()),
        revision: 1,
        expected: None,
        envelope: Arc::from([n; 20_000]),
        claims: vec![],
        releases: vec![],
    };
    let head = store.head().await?;
    store
        .commit(Change { ops: vec![op], requires: vec![], answered: None, trim: None }, link(head.mac, n))
        .await
}

async fn count(store: &EmbeddedStore) -> usize {
    let mut count = 0;
    store.snapshot(&mut |_, _| count += 1).await.unwrap();
    count
}

#[tokio::test]
async fn a_full_disk_refuses_the_commit_and_keeps_the_store_readable() {
    for full in [NO_SPACE, NO_GROWTH] {
        let (_dir, path) = place();
        let (store, mode) = faulty(&path);
        store.init().await.unwrap();
        put(&store, 1).await.unwrap();
        mode.store(full, Ordering::SeqCst);
        let mut stored = 1;
        let refused = loop {
            match put(&store, stored + 1).await {
                Ok(_) => stored += 1,
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, StoreError::Full(_)), "{refused:?}");
        assert_eq!(count(&store).await, usize::from(stored));
        mode.store(WELL, Ordering::SeqCst);
        put(&store, stored + 1).await.unwrap();
        assert_eq!(count(&store).await, usize::from(stored) + 1);
    }
}

#[tokio::test]
async fn a_failed_sync_is_never_a_success() {
    let (_dir, path) = place();
    let (store, mode) = faulty(&path);
    store.init().await.unwrap();
    put(&store, 1).await.unwrap();
    mode.store(SYNC_FAILS, Ordering::SeqCst);
    let answer = put(&store, 2).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    mode.store(WELL, Ordering::SeqCst);
    let written = count(&store).await == 2;
    // A fault that doesn't say so means that nothing was written.
    let unknown = matches!(&answer, Err(StoreError::Unavailable(why)) if why.contains("outcome is unknown"));
    assert!(unknown || !written, "{answer:?}");
    put(&store, 3).await.unwrap();
}

#[tokio::test]
async fn what_another_operation_broke_is_opened_again_for_whoever_was_beside_it() {
    let (_dir, path) = place();
    let (store, mode) = faulty(&path);
    store.init().await.unwrap();
    put(&store, 1).await.unwrap();
    let (file, runs) = (&store.inner.file, AtomicU8::new(0));
    let broken_beside = |database: &redb::Database| {
        if runs.fetch_add(1, Ordering::SeqCst) == 0 {
            mode.store(SYNC_FAILS, Ordering::SeqCst);
            let other = commit::durable(database)?.commit();
            assert!(matches!(other, Err(redb::CommitError::Storage(redb::StorageError::Io(_)))), "{other:?}");
            mode.store(WELL, Ordering::SeqCst);
        }
        commit::durable(database)?.commit()?;
        Ok(())
    };
    file.run(broken_beside).unwrap();
    assert_eq!(runs.swap(0, Ordering::SeqCst), 2);
    // Once is once, and the fault is one of ours.
    let once = file.run_once(broken_beside);
    assert!(matches!(once, Err(StoreError::Unavailable(_))), "{once:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    put(&store, 2).await.unwrap();
}

#[tokio::test]
async fn a_change_that_stands_already_is_not_said_to_have_failed() {
    let (_dir, path) = place();
    let (store, _mode) = faulty(&path);
    store.init().await.unwrap();
    let change = || Change { ops: vec![], requires: vec![], answered: None, trim: None };
    let first = link(store.head().await.unwrap().mac, 7);
    store.commit(change(), first.clone()).await.unwrap();
    let again = store.commit(change(), first.clone()).await;
    assert!(
        matches!(&again, Err(StoreError::Unavailable(why)) if why.contains("outcome is unknown")),
        "{again:?}"
    );
    let other = store.commit(change(), link(first.previous, 8)).await;
    assert!(matches!(other, Err(StoreError::HeadMoved)), "{other:?}");
}

#[tokio::test]
async fn a_panic_inside_the_database_is_a_fault_and_the_file_opens_again() {
    let (_dir, path) = place();
    let (store, mode) = faulty(&path);
    store.init().await.unwrap();
    put(&store, 1).await.unwrap();
    mode.store(PANICS, Ordering::SeqCst);
    let answer = put(&store, 2).await;
    assert!(matches!(answer, Err(StoreError::Damaged(_) | StoreError::Unavailable(_))), "{answer:?}");
    mode.store(WELL, Ordering::SeqCst);
    assert_eq!(count(&store).await, 1);
    put(&store, 2).await.unwrap();
}

#[tokio::test]
async fn a_failed_read_is_a_fault_and_the_file_opens_again() {
    let (dir, path) = place();
    let (store, mode) = faulty(&path);
    store.init().await.unwrap();
    // Moved away and back, so that the next read opens the file with a cold cache.
    let aside = dir.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    assert!(store.head().await.is_err());
    std::fs::rename(&aside, &path).unwrap();
    mode.store(READ_FAILS, Ordering::SeqCst);
    assert!(matches!(store.head().await, Err(StoreError::Unavailable(_))));
    mode.store(WELL, Ordering::SeqCst);
    assert!(store.head().await.is_ok());
}

#[tokio::test]
async fn a_trimmed_log_is_a_gap_for_whoever_is_behind_it() {
    let (_dir, path) = place();
    let store = EmbeddedStore::assemble(&path, "ns", Box::new(file::over_file), 3).unwrap();
    let epoch = store.init().await.unwrap();
    for n in 1..=3 {
        put(&store, n).await.unwrap();
    }
    let from = |major| Position { major, minor: 0 };
    let start = store.follow(epoch, from(0), AuditMac::default()).await.unwrap();
    assert!(matches!(start, Followed::Entries(entries) if entries.len() == 3));
    put(&store, 4).await.unwrap();
    put(&store, 5).await.unwrap();
    assert_eq!(store.follow(epoch, from(0), AuditMac::default()).await.unwrap(), Followed::Gap);
    assert_eq!(store.follow(epoch, from(2), AuditMac([2; 32])).await.unwrap(), Followed::Gap);
    let rest = store.follow(epoch, from(3), AuditMac([3; 32])).await.unwrap();
    assert!(matches!(rest, Followed::Entries(entries) if entries.len() == 2));
    assert_eq!(store.audit(from(0), 10).await.unwrap().len(), 5);
}

fn tamper(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let writing = database.begin_write().unwrap();
    change(&writing);
    writing.commit().unwrap();
}

#[tokio::test]
async fn records_without_an_epoch_are_foreign_and_stay() {
    let (_dir, path) = place();
    let store = EmbeddedStore::open(&path, "ns").unwrap();
    store.init().await.unwrap();
    put(&store, 1).await.unwrap();
    drop(store);
    tamper(&path, |writing| {
        writing.open_table(META).unwrap().remove(META_EPOCH).unwrap();
    });
    let store = EmbeddedStore::open(&path, "ns").unwrap();
    assert!(matches!(store.init().await, Err(StoreError::Foreign)));
    assert!(matches!(store.head().await, Err(StoreError::Uninitialised)));
    drop(store);
    let database = Database::open(&path).unwrap();
    let reading = database.begin_read().unwrap();
    assert!(reading.open_table(RECORDS).unwrap().get(key_bytes(&key(1)).as_slice()).unwrap().is_some());
}

#[test]
fn a_database_of_somebody_else_is_foreign() {
    let (_dir, path) = place();
    drop(EmbeddedStore::open(&path, "ns").unwrap());
    std::fs::write(&path, "").unwrap();
    let database = Database::create(&path).unwrap();
    let writing = database.begin_write().unwrap();
    writing.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap();
    writing.commit().unwrap();
    drop(database);
    assert!(matches!(EmbeddedStore::open(&path, "ns").map(drop), Err(StoreError::Foreign)));
}

#[tokio::test]
async fn a_file_of_the_next_schema_is_read_and_not_written_and_a_later_one_is_refused() {
    let (_dir, path) = place();
    let store = EmbeddedStore::open(&path, "ns").unwrap();
    let epoch = store.init().await.unwrap();
    drop(store);
    let becomes = |schema: u32| {
        tamper(&path, |writing| {
            let newer = schema.to_be_bytes();
            writing.open_table(META).unwrap().insert(META_SCHEMA, newer.as_slice()).unwrap();
        });
    };
    becomes(2);
    let store = EmbeddedStore::open(&path, "ns").unwrap();
    assert_eq!(store.schema().await.unwrap(), 2);
    assert_eq!(store.head().await.unwrap().epoch, epoch);
    let refused = put(&store, 1).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { found: 2, known: 1 })), "{refused:?}");
    assert_eq!(store.head().await.unwrap().position, Position::default());
    assert_eq!(store.raise_schema().await.unwrap(), Raised { from: 2, to: 2 });
    drop(store);
    becomes(3);
    let answer = EmbeddedStore::open(&path, "ns").map(drop);
    assert!(matches!(&answer, Err(StoreError::Unavailable(why)) if why.contains("schema 3")), "{answer:?}");
    becomes(0);
    let store = EmbeddedStore::open(&path, "ns").unwrap();
    assert_eq!(store.raise_schema().await.unwrap(), Raised { from: 0, to: 1 });
    put(&store, 1).await.unwrap();
}

#[tokio::test]
async fn bytes_that_have_no_reading_are_damage() {
    let (_dir, path) = place();
    let store = EmbeddedStore::open(&path, "ns").unwrap();
    let epoch = store.init().await.unwrap();
    put(&store, 1).await.unwrap();
    drop(store);
    tamper(&path, |writing| {
        writing.open_table(LOG).unwrap().insert(1, [9; 40].as_slice()).unwrap();
        writing
            .open_table(RECORDS)
            .unwrap()
            .insert([9; 17].as_slice(), record_bytes(1, b"x").as_slice())
            .unwrap();
        writing.open_table(CLAIMS).unwrap().insert("name/x", [1; 3].as_slice()).unwrap();
    });
    let store = EmbeddedStore::open(&path, "ns").unwrap();
    let log = store.follow(epoch, Position::default(), AuditMac::default()).await;
    assert!(matches!(log, Err(StoreError::Damaged(_))), "{log:?}");
    assert!(matches!(store.snapshot(&mut |_, _| {}).await, Err(StoreError::Damaged(_))));
}
