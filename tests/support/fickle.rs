//! A store that reads, and writes only while it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign::store::{
    AuditEntry, AuditLink, AuditMac, Change, Epoch, Followed, Head, Life, LogEntry, Origin, Position,
    RecordSink, Store, StoreError, StoreFuture,
};

/// What it says of itself, which nobody but the log may repeat.
const WORDS: &str = "/var/lib/store.redb at 10.0.0.7:6379";

/// The store, and whether it refuses commits.
pub(crate) struct Fickle(Arc<dyn Store>, Arc<AtomicBool>);

impl Fickle {
    pub(crate) fn of(store: Arc<dyn Store>, broken: Arc<AtomicBool>) -> Self {
        Self(store, broken)
    }
}

impl Store for Fickle {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn initialise(&self, origin: Origin) -> StoreFuture<'_, Epoch> {
        self.0.initialise(origin)
    }

    fn life(&self) -> StoreFuture<'_, Life> {
        self.0.life()
    }

    fn head(&self) -> StoreFuture<'_, Head> {
        self.0.head()
    }

    fn snapshot<'a>(&'a self, sink: RecordSink<'a>) -> StoreFuture<'a, Head> {
        self.0.snapshot(sink)
    }

    fn follow(&self, epoch: Epoch, after: Position, mac: AuditMac) -> StoreFuture<'_, Followed> {
        self.0.follow(epoch, after, mac)
    }

    fn latest(&self, limit: usize) -> StoreFuture<'_, Vec<LogEntry>> {
        self.0.latest(limit)
    }

    fn holds(&self, position: Position, mac: AuditMac) -> StoreFuture<'_, bool> {
        self.0.holds(position, mac)
    }

    fn commit(&self, change: Change, audit: AuditLink) -> StoreFuture<'_, Position> {
        if self.1.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Unavailable(WORDS.to_owned())) });
        }
        self.0.commit(change, audit)
    }

    fn audit(&self, after: Position, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>> {
        self.0.audit(after, limit)
    }
}
