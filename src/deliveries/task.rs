//! Takes drafts out of the queues and gives deliveries to the store.
//!
//! Not on the data path: it has the thread `behind`, and what takes longer runs where blocking is allowed. Invariants: each
//! side is written by itself, so neither waits for the other; what the store does not take is dropped and counted, for
//! one that is lost is only lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::queue::{Deliveries, Finished, Queues};
use super::record::Delivery;
use crate::drain::Watcher;
use crate::store::deliveries::{Kept, Side};
use crate::store::uses::Counted;
use crate::store::writer::Writer;

/// How long drafts are gathered after the first.
const GATHER: Duration = Duration::from_millis(250);
/// The same after a full batch: a list that is full of the last second tells nobody more than one of the last two, and
/// each delivery costs more than the request that it is of.
const GATHER_BUSY: Duration = Duration::from_secs(1);
/// Deliveries in one write.
const BATCH: usize = 256;
/// How long the last write may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// The task.
pub struct DeliveryTask {
    queues: Queues,
    writing: Writing,
}

/// What writing needs.
#[derive(Clone)]
struct Writing {
    deliveries: Deliveries,
    /// Knows the store, and opens secrets for diagnoses.
    writer: Arc<Writer>,
    most: u32,
}

impl DeliveryTask {
    /// Keeps at most `most` of each list.
    #[must_use]
    pub fn new(queues: Queues, deliveries: Deliveries, writer: Arc<Writer>, most: u32) -> Self {
        Self { queues, writing: Writing { deliveries, writer, most } }
    }

    /// Runs until the process ends, and then writes what is left.
    pub async fn run(self, end: Watcher) {
        let Self { queues, writing } = self;
        tokio::join!(
            side(writing.clone(), Side::Verified, queues.verified, end.clone()),
            side(writing, Side::Refused, queues.refused, end),
        );
    }
}

async fn side(writing: Writing, side: Side, mut queue: mpsc::Receiver<Finished>, mut end: Watcher) {
    let (mut denied, mut busy) = (false, false);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            taken = queue.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            () = end.draining() => break,
        }
        // Few at a time would be a write for each.
        let _ended = timeout(if busy { GATHER_BUSY } else { GATHER }, end.draining()).await.is_ok();
        take(&mut queue, &mut batch);
        busy = batch.len() >= BATCH;
        writing.write(side, std::mem::take(&mut batch), &mut denied).await;
    }
    take(&mut queue, &mut batch);
    if !batch.is_empty() && timeout(FAREWELL, writing.write(side, batch, &mut denied)).await.is_err() {
        tracing::warn!("the latest deliveries are not stored");
    }
}

/// What waits and fits.
fn take(queue: &mut mpsc::Receiver<Finished>, batch: &mut Vec<Finished>) {
    while batch.len() < BATCH
        && let Ok(finished) = queue.try_recv()
    {
        batch.push(finished);
    }
}

impl Writing {
    async fn write(&self, side: Side, batch: Vec<Finished>, denied: &mut bool) {
        let count = batch.len();
        let writer = Arc::clone(&self.writer);
        let made = tokio::task::spawn_blocking(move || {
            batch.iter().filter_map(|finished| kept(side, finished, &writer)).collect::<Vec<Kept>>()
        });
        let Ok(kept) = made.await else { return self.deliveries.note(side, count, false) };
        let answer = self.writer.store().keep_deliveries(&kept, self.most, self.writer.now()).await;
        if matches!(answer, Ok(Counted::Denied)) && !*denied {
            *denied = true;
            tracing::warn!(
                "the store's user may not write deliveries: there are none of this sidecar; docs/redis.md has the \
                 user's rights"
            );
        }
        if let Err(error) = &answer {
            // Whoever follows the log says what is wrong with the store.
            tracing::debug!(%error, count, "deliveries are not stored");
        }
        self.deliveries.note(side, count, matches!(answer, Ok(Counted::Added)));
    }
}

fn kept(side: Side, finished: &Finished, writer: &Writer) -> Option<Kept> {
    let delivery = Delivery::of(&finished.draft, &finished.ended, Some(writer));
    let json = serde_json::to_vec(&delivery).ok()?;
    Some(Kept { integration: delivery.integration_id, side, id: delivery.id, json: Arc::from(json) })
}
