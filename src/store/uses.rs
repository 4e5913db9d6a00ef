//! How often and when records were used, over all sidecars and restarts.
//!
//! Not records: no request is judged by it, and it never enters the change log. Each sidecar counts in memory
//! (`keys/entry.rs`) and tells the store of what changed, every 5 s. Invariants: nothing changed, nothing is asked of the
//! store; a batch whose outcome is not known is sent again as it was, under its number, and counts once; a process that
//! is killed loses what it counted in its last 5 s.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Store, StoreFuture};
use crate::drain::Watcher;
use crate::keys::entry::Use;
use crate::keys::mirror::Mirror;
use crate::keys::record::RecordKey;

/// Between two batches.
const PERIOD: Duration = Duration::from_secs(5);
/// Records in one batch: a server that serves others meanwhile is held up for less than a millisecond.
const BATCH: usize = 250;
/// How long an admin waits for the sums.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the last batch may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What one process counted, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which process.
    pub writer: Uuid,
    /// One more with each batch of this process.
    pub number: u64,
    /// What was counted of each record.
    pub uses: Vec<(RecordKey, Use)>,
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It is added, now or before.
    Added,
    /// The store's user may not write it.
    Denied,
}

/// The part of a store that sums up use.
pub trait Uses: Send + Sync {
    /// Adds a batch to the sums, unless the last batch of this process was this one.
    ///
    /// # Errors
    /// Where the store cannot be written; it may have been added nevertheless.
    fn add_uses<'a>(&'a self, batch: &'a Batch) -> StoreFuture<'a, Counted>;

    /// The sums of these records, in this order.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn uses(&self, keys: Vec<RecordKey>) -> StoreFuture<'_, Vec<Use>>;
}

/// Use as admins see it, and the task that tells the store of it.
pub struct UseBook {
    store: Arc<dyn Store>,
    mirror: Arc<Mirror>,
    writer: Uuid,
    untold: Mutex<Untold>,
}

/// What was taken from the counters and is not known to be added.
#[derive(Default)]
struct Untold {
    number: u64,
    uses: Vec<(RecordKey, Use)>,
    denied: bool,
}

impl UseBook {
    /// Counts of the records in `mirror`, summed up in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, mirror: Arc<Mirror>) -> Self {
        Self { store, mirror, writer: Uuid::now_v7(), untold: Mutex::default() }
    }

    /// The sums of these records, with what this process has not told yet; `None` where the store does not say.
    pub async fn read(&self, keys: &[RecordKey]) -> Option<HashMap<RecordKey, Use>> {
        if keys.is_empty() {
            return Some(HashMap::new());
        }
        let sums = tokio::time::timeout(PATIENCE, async {
            // Held, so that nothing is on its way from one place to the other.
            let untold = self.untold.lock().await;
            let sums = self.store.uses(keys.to_vec()).await?;
            let mut sums: HashMap<RecordKey, Use> = keys.iter().copied().zip(sums).collect();
            for (key, sum) in &mut sums {
                let waiting = untold.uses.iter().filter(|(waiting, _)| waiting == key);
                waiting.for_each(|(_, used)| sum.add(used));
                sum.add(&self.mirror.use_so_far(*key));
            }
            Ok::<_, super::StoreError>(sums)
        });
        match sums.await {
            Ok(Ok(sums)) => Some(sums),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the use of records cannot be read");
                None
            }
            Err(_) => {
                tracing::warn!("the use of records cannot be read in time");
                None
            }
        }
    }

    /// The same of one record.
    pub async fn of(&self, key: RecordKey) -> Option<Use> {
        self.read(&[key]).await?.remove(&key)
    }

    /// Tells the store every 5 s, and once more when the process ends.
    pub async fn run(&self, mut end: Watcher) {
        let telling = async {
            loop {
                tokio::time::sleep(PERIOD).await;
                self.tell().await;
            }
        };
        tokio::select! {
            () = telling => {}
            () = end.draining() => {}
        }
        if tokio::time::timeout(FAREWELL, self.tell()).await.is_err() {
            tracing::warn!("the use of records since the last 5 s is not stored");
        }
    }

    /// Tells the store of all that was counted. What it does not take is kept for the next time.
    pub async fn tell(&self) {
        let mut untold = self.untold.lock().await;
        if untold.uses.is_empty() {
            untold.uses = self.mirror.take_uses();
        }
        while !untold.uses.is_empty() {
            let size = untold.uses.len().min(BATCH);
            let uses = untold.uses.iter().take(size).copied().collect();
            let batch = Batch { writer: self.writer, number: untold.number, uses };
            match self.store.add_uses(&batch).await {
                Ok(Counted::Added) => {
                    untold.uses.drain(..size);
                    untold.number += 1;
                }
                Ok(Counted::Denied) => {
                    if !untold.denied {
                        tracing::warn!(
                            "the store's user may not write the use of records: lastUsedAt and counters lack what \
                             this sidecar sees; docs/redis.md has the user's rights"
                        );
                    }
                    untold.denied = true;
                    untold.uses.clear();
                }
                Err(error) => {
                    // Whoever follows the log says what is wrong with the store.
                    tracing::debug!(%error, "the use of records is not stored yet");
                    return;
                }
            }
        }
    }
}
