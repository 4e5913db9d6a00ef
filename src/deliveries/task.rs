//! Takes drafts out of the queues and gives deliveries to the store.
//!
//! Not on the data path: it has the thread `behind`, and what takes longer runs where blocking is allowed. Invariants: each
//! side is written by itself, so neither waits for the other; what the store does not take is dropped and counted, for
//! one that is lost is only lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::queue::{Deliveries, Finished, Queues};
use super::record::Delivery;
use crate::drain::Watcher;
use crate::store::deliveries::{Kept, Side};
use crate::store::uses::Counted;
use crate::store::writer::Writer;

/// How long drafts are gathered after the first.
const GATHER: Duration = Duration::from_millis(250);
/// The same while more come than four batches a second: a list of the last half second tells nobody more than one of the
/// last two, and each delivery costs more than the request that it is of.
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
    let (mut since, mut dropped) = (Instant::now(), 0);
    loop {
        tokio::select! {
            taken = queue.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            () = end.draining() => break,
        }
        // Few at a time would be a write for each.
        let _ended = timeout(if busy { GATHER_BUSY } else { GATHER }, end.draining()).await.is_ok();
        let _taken = take(&mut queue, &mut batch);
        let missed = writing.deliveries.dropped(side);
        let came = missed.saturating_sub(dropped).saturating_add(u64::try_from(batch.len()).unwrap_or(0));
        busy = is_flood(came, since.elapsed());
        (since, dropped) = (Instant::now(), missed);
        writing.write(side, std::mem::take(&mut batch), &mut denied).await;
    }
    let rest = async {
        while !take(&mut queue, &mut batch).is_empty() {
            writing.write(side, std::mem::take(&mut batch), &mut denied).await;
        }
    };
    if timeout(FAREWELL, rest).await.is_err() {
        tracing::warn!("the latest deliveries are not stored");
    }
}

/// Whether so many are more than four batches a second.
fn is_flood(came: u64, within: Duration) -> bool {
    let gathers = u64::try_from(within.as_millis() / GATHER.as_millis()).unwrap_or(u64::MAX);
    came > gathers.max(1).saturating_mul(u64::try_from(BATCH).unwrap_or(u64::MAX))
}

/// What waits and fits.
fn take<'b>(queue: &mut mpsc::Receiver<Finished>, batch: &'b mut Vec<Finished>) -> &'b [Finished] {
    while batch.len() < BATCH
        && let Ok(finished) = queue.try_recv()
    {
        batch.push(finished);
    }
    batch
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_four_full_batches_a_second_are_a_flood() {
        for (came, millis, flood) in [
            (256, 250, false),
            (257, 250, true),
            (300, 600, false),
            (1024, 1000, false),
            (1025, 1000, true),
            (700, 1000, false),
            (1, 0, false),
            (100_000, 60_000, true),
            (0, 60_000, false),
        ] {
            assert_eq!(is_flood(came, Duration::from_millis(millis)), flood, "{came} in {millis} ms");
        }
    }
}
