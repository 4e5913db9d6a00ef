//! The embedded store: one redb file, for one machine. The default.
//!
//! Not shared between processes: a second one is refused with [`StoreError::InUse`]. Its files are `file.rs`
//! (making, checking and reopening the file), `schema.rs` (the state of the whole file), `tables.rs` (byte
//! forms), `commit.rs`, `trim.rs`, `answers.rs`, `read.rs` and `stage.rs` (transactions) and `fault.rs` (what the store says of a failure).
//! Invariants beyond those of [`Store`]:
//! - no redb call runs on a thread of an async runtime: an fsync must not hold up admin or sync;
//! - a commit that has begun is finished even where its future is dropped;
//! - a commit error other than "the outcome is unknown" means that nothing was written.

mod answers;
mod commit;
mod deliveries;
mod fault;
mod file;
mod fleet;
mod read;
mod schema;
mod stage;
mod tables;
#[cfg(test)]
mod tests;
mod trim;
mod uses;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use self::file::StoreFile;
use super::answered::AnswerId;
use super::fleet::Presence;
use super::staging::{Mark, Staging};
use super::{
    AuditEntry, AuditLink, AuditMac, Change, Claims, Epoch, Followed, Head, Life, LogEntry, Origin, Position,
    RecordSink, Store, StoreError, StoreFuture,
};
use crate::clock::UnixMillis;
use crate::keys::record::RecordKey;

/// How long `follow` waits for news: the heartbeat of whoever follows.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Log entries that are kept. A follower in this process is never behind by more than a moment; the rest is
/// room for one that rebuilds meanwhile. At about a kilobyte each, 10 MB of file.
const LOG_ENTRIES: u64 = 10_000;
/// Batches of a snapshot between the reading thread and the sink.
const SNAPSHOT_QUEUE: usize = 4;

/// A store in one file. Needs a tokio runtime with time enabled; dropping it closes the file.
pub struct EmbeddedStore {
    inner: Arc<Inner>,
}

struct Inner {
    file: StoreFile,
    namespace: String,
    log_entries: u64,
    /// The last sequence number committed here, for followers that wait.
    committed: watch::Sender<u64>,
    /// What this process says of itself; see `fleet.rs`.
    presence: Mutex<Option<Presence>>,
}

impl EmbeddedStore {
    /// Opens the file, or makes it (mode 0600) in a directory that must exist. Blocks on the file system.
    ///
    /// The namespace is written into the file by [`Store::init`]; another one is refused from then on.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where it is open already, in this process or another;
    /// [`StoreError::Unavailable`] where its directory is missing, it is not a regular file, others than its
    /// owner may touch it, it holds another namespace or comes from a newer version;
    /// [`StoreError::Foreign`] where it is a redb file of somebody else's; [`StoreError::Damaged`] where it is
    /// no redb file or a broken one.
    pub fn open(path: &Path, namespace: &str) -> Result<Self, StoreError> {
        Self::assemble(path, namespace, Box::new(file::over_file), LOG_ENTRIES)
    }

    fn assemble(
        path: &Path,
        namespace: &str,
        opener: file::Opener,
        log_entries: u64,
    ) -> Result<Self, StoreError> {
        let file = StoreFile::open(path, namespace, opener)?;
        let (committed, _) = watch::channel(0);
        let inner = Inner {
            file,
            namespace: namespace.to_owned(),
            log_entries,
            committed,
            presence: Mutex::new(None),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `work` where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .unwrap_or_else(|fault| Err(StoreError::Unavailable(fault.to_string())))
    }

    async fn entries(&self, epoch: Epoch, after: Position, mac: AuditMac) -> Result<Followed, StoreError> {
        self.blocking(move |inner| inner.file.run(|database| read::follow(database, epoch, after, mac))).await
    }
}

impl Inner {
    fn commit(&self, change: &Change, link: &AuditLink) -> Result<Position, StoreError> {
        let committed = self.file.run(|database| commit::commit(database, change, link, self.log_entries));
        match committed {
            Ok(position) => {
                self.committed.send_replace(position.major);
                Ok(position)
            }
            // A head that was moved may have been moved by this very change, where the file ran it twice.
            Err(
                fault @ (StoreError::Full(_)
                | StoreError::Unavailable(_)
                | StoreError::Damaged(_)
                | StoreError::HeadMoved),
            ) => Err(self.settled(link, fault)),
            Err(refused) => Err(refused),
        }
    }

    /// What to say of a commit that failed: the database does not tell whether it is on disk or not, so the
    /// file is asked again.
    fn settled(&self, link: &AuditLink, fault: StoreError) -> StoreError {
        match self.file.run(|database| read::holds(database, link)) {
            Ok(false) => fault,
            Ok(true) => StoreError::Unavailable(format!(
                "the outcome is unknown: the change is written, but may not survive a power cut: {fault}"
            )),
            Err(_) => StoreError::Unavailable(format!("the outcome is unknown: {fault}")),
        }
    }
}

impl Store for EmbeddedStore {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn initialise(&self, origin: Origin) -> StoreFuture<'_, Epoch> {
        Box::pin(self.blocking(move |inner| {
            inner.file.run(|database| schema::init(database, &inner.namespace, origin))
        }))
    }

    fn life(&self) -> StoreFuture<'_, Life> {
        Box::pin(self.blocking(|inner| inner.file.run(schema::life)))
    }

    fn head(&self) -> StoreFuture<'_, Head> {
        Box::pin(self.blocking(|inner| inner.file.run(read::head)))
    }

    fn snapshot<'a>(&'a self, sink: RecordSink<'a>) -> StoreFuture<'a, Head> {
        Box::pin(async move {
            let (pass, mut batches) = mpsc::channel::<read::Batch>(SNAPSHOT_QUEUE);
            let reading = self.blocking(move |inner| {
                inner
                    .file
                    .run_once(|database| read::snapshot(database, |batch| pass.blocking_send(batch).is_ok()))
            });
            let passing = async {
                while let Some(batch) = batches.recv().await {
                    for (key, envelope) in batch {
                        sink(key, envelope);
                    }
                }
            };
            tokio::join!(reading, passing).0
        })
    }

    fn follow(&self, epoch: Epoch, after: Position, mac: AuditMac) -> StoreFuture<'_, Followed> {
        Box::pin(async move {
            // Before the first look, so that no commit falls between the look and the wait.
            let mut news = self.inner.committed.subscribe();
            let found = self.entries(epoch, after, mac).await?;
            if found != Followed::Entries(Vec::new()) {
                return Ok(found);
            }
            // Either way the file is read again: an empty answer is a contact of now, not of a second ago.
            let _news_or_heartbeat = tokio::time::timeout(HEARTBEAT, news.changed()).await;
            self.entries(epoch, after, mac).await
        })
    }

    fn latest(&self, limit: usize) -> StoreFuture<'_, Vec<LogEntry>> {
        Box::pin(self.blocking(move |inner| inner.file.run(|database| read::latest(database, limit))))
    }

    fn holds(&self, position: Position, mac: AuditMac) -> StoreFuture<'_, bool> {
        Box::pin(
            self.blocking(move |inner| inner.file.run(|database| read::is_past(database, position, mac))),
        )
    }

    fn commit(&self, change: Change, audit: AuditLink) -> StoreFuture<'_, Position> {
        Box::pin(self.blocking(move |inner| inner.commit(&change, &audit)))
    }

    fn answered(&self, id: AnswerId, now: UnixMillis) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        Box::pin(self.blocking(move |inner| inner.file.run(|database| answers::kept(database, &id, now))))
    }

    fn audit(&self, after: Position, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>> {
        Box::pin(self.blocking(move |inner| inner.file.run(|database| read::audit(database, after, limit))))
    }

    fn claims_of(&self, holders: BTreeSet<RecordKey>) -> StoreFuture<'_, Claims> {
        Box::pin(self.blocking(move |inner| inner.file.run(|database| read::claims_of(database, &holders))))
    }

    fn audit_before(&self, before: Option<Position>, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>> {
        Box::pin(
            self.blocking(move |inner| {
                inner.file.run(|database| read::audit_before(database, before, limit))
            }),
        )
    }

    fn audit_count(&self) -> StoreFuture<'_, u64> {
        Box::pin(self.blocking(|inner| inner.file.run(read::audit_count)))
    }

    fn checkpoint(&self) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        Box::pin(self.blocking(|inner| inner.file.run(read::checkpoint)))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(self.blocking(|inner| inner.file.run(read::count)))
    }

    fn stage(&self, mark: Mark, step: Staging) -> StoreFuture<'_, ()> {
        Box::pin(self.blocking(move |inner| {
            inner.file.run(|database| stage::run(database, &inner.namespace, mark, &step))
        }))
    }
}
