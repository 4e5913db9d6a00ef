//! A store that reads, and writes only while it is told to; and that another sidecar may join.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign::clock::UnixMillis;
use countersign::keys::entry::Use;
use countersign::keys::record::RecordKey;
use countersign::store::answered::AnswerId;
use countersign::store::deliveries::{Deliveries, Found, Kept, Wanted};
use countersign::store::fleet::{Announced, Fleet, Presence, Raised, Sidecar};
use countersign::store::staging::{Mark, Staging};
use countersign::store::uses::{Batch, Counted, Uses};
use countersign::store::{
    AuditEntry, AuditLink, AuditMac, Change, Claims, Epoch, Followed, Head, Life, LogEntry, Origin, Position,
    RecordSink, Store, StoreError, StoreFuture,
};

/// What it says of itself, which nobody but the log may repeat.
const WORDS: &str = "/var/lib/store.redb at 10.0.0.7:6379";

/// The store, whether it refuses commits, who is there from the next commit on, and what happens when it is asked who
/// lives.
pub(crate) struct Fickle(Arc<dyn Store>, Arc<AtomicBool>, Option<Joining>, Option<Asked>);

/// Runs each time that it is asked who lives, with the number of the time.
type Asked = (AtomicUsize, Box<dyn Fn(usize) -> StoreFuture<'static, ()> + Send + Sync>);

struct Joining {
    sidecar: Sidecar,
    is_there: AtomicBool,
}

impl Fickle {
    pub(crate) fn of(store: Arc<dyn Store>, broken: Arc<AtomicBool>) -> Self {
        Self(store, broken, None, None)
    }

    /// One that works, and that this sidecar joins with the next commit.
    pub(crate) fn joined_by(store: Arc<dyn Store>, sidecar: Sidecar) -> Self {
        Self(store, Arc::default(), Some(Joining { sidecar, is_there: AtomicBool::new(false) }), None)
    }

    /// One that works, and that something happens beside whenever it is asked who lives: once before each batch of a long
    /// operation.
    pub(crate) fn while_asked(
        store: Arc<dyn Store>,
        happens: impl Fn(usize) -> StoreFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self(store, Arc::default(), None, Some((AtomicUsize::new(0), Box::new(happens))))
    }
}

impl Fleet for Fickle {
    fn announce<'a>(&'a self, presence: &'a Presence) -> StoreFuture<'a, Announced> {
        self.0.announce(presence)
    }

    fn sidecars(&self) -> StoreFuture<'_, Vec<Sidecar>> {
        let joined = self.2.as_ref().filter(|joining| joining.is_there.load(Ordering::SeqCst));
        let joined = joined.map(|joining| joining.sidecar.clone());
        Box::pin(async move {
            if let Some((times, happens)) = &self.3 {
                happens(times.fetch_add(1, Ordering::SeqCst) + 1).await?;
            }
            let mut sidecars = self.0.sidecars().await?;
            sidecars.extend(joined);
            Ok(sidecars)
        })
    }

    fn depart(&self, id: uuid::Uuid) -> StoreFuture<'_, ()> {
        self.0.depart(id)
    }

    fn ask_for_sealing_kek(&self) -> StoreFuture<'_, ()> {
        self.0.ask_for_sealing_kek()
    }

    fn schema(&self) -> StoreFuture<'_, u32> {
        self.0.schema()
    }

    fn raise_schema(&self) -> StoreFuture<'_, Raised> {
        self.0.raise_schema()
    }
}

impl Uses for Fickle {
    fn add_uses<'a>(&'a self, batch: &'a Batch) -> StoreFuture<'a, Counted> {
        if self.1.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Unavailable(WORDS.to_owned())) });
        }
        self.0.add_uses(batch)
    }

    fn uses(&self, keys: Vec<RecordKey>) -> StoreFuture<'_, Vec<Use>> {
        if self.1.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Unavailable(WORDS.to_owned())) });
        }
        self.0.uses(keys)
    }
}

impl Deliveries for Fickle {
    fn keep_deliveries<'a>(
        &'a self,
        batch: &'a [Kept],
        most: u32,
        now: UnixMillis,
    ) -> StoreFuture<'a, Counted> {
        self.0.keep_deliveries(batch, most, now)
    }

    fn deliveries(&self, wanted: Wanted) -> StoreFuture<'_, Found> {
        self.0.deliveries(wanted)
    }

    fn delivery(&self, id: uuid::Uuid) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        self.0.delivery(id)
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
        if let Some(joining) = &self.2 {
            joining.is_there.store(true, Ordering::SeqCst);
        }
        self.0.commit(change, audit)
    }

    fn answered(&self, id: AnswerId, now: UnixMillis) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        self.0.answered(id, now)
    }

    fn audit(&self, after: Position, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>> {
        self.0.audit(after, limit)
    }

    fn claims_of(&self, holders: BTreeSet<RecordKey>) -> StoreFuture<'_, Claims> {
        self.0.claims_of(holders)
    }

    fn audit_before(&self, before: Option<Position>, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>> {
        self.0.audit_before(before, limit)
    }

    fn audit_count(&self) -> StoreFuture<'_, u64> {
        self.0.audit_count()
    }

    fn checkpoint(&self) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        self.0.checkpoint()
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.0.count()
    }

    fn stage(&self, mark: Mark, step: Staging) -> StoreFuture<'_, ()> {
        self.0.stage(mark, step)
    }
}
