//! The stores, as the rest of the sidecar meets them: the conformance suite for each backend, and what the
//! file of the embedded one promises beyond it.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use countersign::store::embedded::EmbeddedStore;
use countersign::store::{AuditMac, Position, Store, StoreError};
use tempfile::TempDir;

use crate::support::store_conformance::steps::{
    change, commit, commit_ops, link, log_after, put, put_with, snapshot, workspace,
};
use crate::support::store_conformance::{Fresh, store_conformance};

/// The environment variable that tells a child process of a test which file to use.
const CHILD_STORE: &str = "COUNTERSIGN_TEST_STORE";

mod embedded {
    use super::{Arc, EmbeddedStore, Fresh, TempDir, store_conformance};

    #[expect(clippy::unused_async, reason = "other backends have to wait")]
    async fn fresh() -> Fresh {
        let dir = TempDir::new().unwrap();
        let store = EmbeddedStore::open(&dir.path().join("store.redb"), "conformance").unwrap();
        Fresh { store: Arc::new(store), keep: Box::new(dir) }
    }

    store_conformance!(fresh);
}

fn open(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    EmbeddedStore::open(path, "ns").map(|store| Arc::new(store) as Arc<dyn Store>)
}

fn unavailable(answer: Result<Arc<dyn Store>, StoreError>) -> String {
    match answer.map(|_| ()) {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

fn place() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.redb");
    (dir, path)
}

#[tokio::test]
async fn what_was_committed_is_there_after_the_file_is_opened_again() {
    let (_dir, path) = place();
    let store = open(&path).unwrap();
    let epoch = store.init().await.unwrap();
    commit_ops(&store, [put_with(workspace(1), 1, &["name/one"], &[])]).await;
    commit_ops(&store, [put(workspace(2), 1)]).await;
    let before = snapshot(&store).await;
    let log = log_after(&store, epoch, Position::default(), AuditMac::default()).await;
    let audit = store.audit(Position::default(), 10).await.unwrap();
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(snapshot(&store).await, before);
    assert_eq!(log_after(&store, epoch, Position::default(), AuditMac::default()).await, log);
    assert_eq!(store.audit(Position::default(), 10).await.unwrap(), audit);
    assert_eq!(store.init().await.unwrap(), epoch);
    let taken = change([put_with(workspace(3), 1, &["name/one"], &[])]);
    assert!(matches!(commit(&store, taken).await, Err(StoreError::Conflict(_))));
}

#[test]
fn the_file_is_made_for_its_owner_alone() {
    let (_dir, path) = place();
    let store = open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    drop(store);
}

#[test]
fn a_file_that_others_may_touch_is_refused() {
    let (_dir, path) = place();
    drop(open(&path).unwrap());
    for mode in [0o640, 0o660, 0o604, 0o601] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let why = unavailable(open(&path));
        assert!(why.contains("store.redb") && why.contains("chmod 600"), "{why}");
    }
}

#[test]
fn a_missing_directory_is_named_and_not_made() {
    let dir = TempDir::new().unwrap();
    let parent = dir.path().join("missing");
    let why = unavailable(open(&parent.join("store.redb")));
    assert!(why.contains("missing must exist"), "{why}");
    assert!(!parent.exists());
}

#[test]
fn a_directory_in_place_of_the_file_is_refused() {
    let dir = TempDir::new().unwrap();
    assert!(unavailable(open(dir.path())).contains("regular file"));
}

#[test]
fn a_file_that_is_no_database_is_damaged_and_left_as_it_is() {
    let (_dir, path) = place();
    fs::write(&path, "not a database, but somebody's text").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let answer = open(&path).map(|_| ());
    assert!(matches!(answer, Err(StoreError::Damaged(_))), "{answer:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "not a database, but somebody's text");
}

#[tokio::test]
async fn a_file_of_another_namespace_is_refused_by_name() {
    let (_dir, path) = place();
    let store = open(&path).unwrap();
    store.init().await.unwrap();
    drop(store);
    let why = unavailable(EmbeddedStore::open(&path, "other").map(|store| Arc::new(store) as Arc<dyn Store>));
    assert!(why.contains("\"ns\"") && why.contains("\"other\""), "{why}");
}

#[test]
fn a_second_open_in_one_process_is_refused_by_name() {
    let (_dir, path) = place();
    let store = open(&path).unwrap();
    let Err(StoreError::InUse { path: named }) = open(&path).map(|_| ()) else { panic!("opened twice") };
    assert_eq!(named, path.display().to_string());
    drop(store);
    assert!(open(&path).is_ok());
}

#[test]
fn a_second_process_is_refused_by_name() {
    let (_dir, path) = place();
    let (mut child, mut lines) = writer(&path);
    lines.next().unwrap().unwrap();
    let second = open(&path).map(|_| ());
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(open(&path).is_ok());
}

#[tokio::test]
async fn a_killed_process_loses_no_commit_that_it_acknowledged() {
    for acknowledged in [1, 7, 20] {
        let (_dir, path) = place();
        let (mut child, mut lines) = writer(&path);
        for _ in 0..acknowledged {
            lines.next().unwrap().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it printed before the kill and nobody had read yet counts as well.
        let acknowledged = acknowledged + lines.map_while(Result::ok).count();
        let store = open(&path).unwrap();
        let (head, records) = snapshot(&store).await;
        assert!(records.len() >= acknowledged, "{} of {acknowledged}", records.len());
        let audit = store.audit(Position::default(), usize::MAX).await.unwrap();
        assert_eq!(audit.len(), records.len());
        assert_eq!(audit.last().map(|(position, mac, _)| (*position, *mac)), Some((head.position, head.mac)));
        commit_ops(&store, [put(workspace(u128::MAX), 1)]).await;
    }
}

/// A process that commits one record after the other and prints a line for each; ends when it is killed.
fn writer(path: &Path) -> (Child, impl Iterator<Item = std::io::Result<String>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::child_writes_until_it_is_killed", "--exact", "--nocapture"])
        .env(CHILD_STORE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.filter(|line| line.as_ref().is_ok_and(|line| line.starts_with("committed"))))
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the parent test passes the path")]
async fn child_writes_until_it_is_killed() {
    // Does something only as a child process of another test.
    let Ok(path) = std::env::var(CHILD_STORE) else { return };
    let store = open(Path::new(&path)).unwrap();
    store.init().await.unwrap();
    for n in 1.. {
        commit_ops(&store, [put(workspace(n), 1)]).await;
        println!("\ncommitted {n}");
    }
}

#[tokio::test]
async fn a_file_that_vanishes_is_a_fault_until_it_is_back() {
    let (dir, path) = place();
    let store = open(&path).unwrap();
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    let before = snapshot(&store).await;
    let aside = dir.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    assert!(matches!(store.head().await, Err(StoreError::Unavailable(_))));
    let lost = store.commit(Default::default(), link(before.0.mac)).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    assert!(!path.exists());
    fs::rename(&aside, &path).unwrap();
    assert_eq!(snapshot(&store).await, before);
}

#[tokio::test]
async fn a_file_that_is_replaced_is_read_anew() {
    let (dir, path) = place();
    let other = dir.path().join("other.redb");
    let replacement = open(&other).unwrap();
    let replaced_by = replacement.init().await.unwrap();
    drop(replacement);
    let store = open(&path).unwrap();
    let epoch = store.init().await.unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(store.head().await.unwrap().epoch, replaced_by);
    let answer = store.follow(epoch, Position::default(), AuditMac::default()).await;
    assert!(matches!(answer, Err(StoreError::OtherEpoch { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_file_that_is_replaced_by_an_empty_one_is_damaged() {
    let (dir, path) = place();
    let store = open(&path).unwrap();
    store.init().await.unwrap();
    let empty = dir.path().join("empty");
    fs::write(&empty, "").unwrap();
    fs::set_permissions(&empty, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&empty, &path).unwrap();
    assert!(matches!(store.head().await, Err(StoreError::Damaged(_))));
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[tokio::test]
async fn a_file_that_is_replaced_by_an_older_copy_does_not_hold_what_came_later() {
    let (dir, path) = place();
    let store = open(&path).unwrap();
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    let earlier = store.head().await.unwrap();
    let copy = dir.path().join("copy.redb");
    fs::copy(&path, &copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
    commit_ops(&store, [put(workspace(1), 2)]).await;
    let later = store.head().await.unwrap();
    fs::rename(&copy, &path).unwrap();
    assert!(store.holds(earlier.position, earlier.mac).await.unwrap());
    assert!(!store.holds(later.position, later.mac).await.unwrap());
    assert_eq!(store.head().await.unwrap(), earlier);
    let answer = store.follow(later.epoch, later.position, later.mac).await.unwrap();
    assert_eq!(answer, countersign::store::Followed::Gap);
}

/// A newer version may have added one: it is neither served around nor dropped, because the whole file is one process's.
#[tokio::test]
async fn a_record_of_an_unknown_kind_is_a_fault_and_stays() {
    const RECORDS: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("records");
    let (_dir, path) = place();
    let store = open(&path).unwrap();
    store.init().await.unwrap();
    commit_ops(&store, [put(workspace(1), 1)]).await;
    drop(store);
    let gadget = [9; 17];
    let database = redb::Database::open(&path).unwrap();
    let writing = database.begin_write().unwrap();
    writing.open_table(RECORDS).unwrap().insert(gadget.as_slice(), [0; 40].as_slice()).unwrap();
    writing.commit().unwrap();
    drop(database);
    let store = open(&path).unwrap();
    let answer = store.snapshot(&mut |_, _| {}).await;
    assert!(matches!(answer, Err(StoreError::Damaged(_))), "{answer:?}");
    assert_eq!(store.count().await.unwrap(), 2);
}
