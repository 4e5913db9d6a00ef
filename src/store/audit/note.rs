//! The note in the log of where the audit log stands, so that a cut-off end can be noticed from outside: whoever keeps
//! the log of the process has heads to check the store against.
//!
//! Not the check itself (`chain.rs`). Invariants: a note is of one moment: head and count belong together; the count is of
//! all events that there ever were, so that only a checkpoint whose MAC holds explains that there are fewer.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;

use super::checkpoint::Judged;
use crate::store::writer::Writer;
use crate::store::{Epoch, Head, StoreError};

/// Between two notes.
const PERIOD: Duration = Duration::from_secs(60);
/// Between two looks at a store that does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How often head and count are read until they belong together, in one note.
const ATTEMPTS: usize = 20;

/// Where the log stands at one moment.
#[derive(Clone, Copy)]
struct Standing {
    head: Head,
    /// Events in the log.
    events: u64,
    /// Events that retention has removed; `None` where the checkpoint cannot be verified here, or is wrong.
    removed: Option<u64>,
}

/// Notes the head at the start and once a minute. Runs for ever.
pub async fn note_heads(writer: Arc<Writer>) {
    let (mut last, mut failed) = (None, false);
    loop {
        let pause = match standing(&writer).await {
            Ok(now) => {
                say(last, now);
                (last, failed) = (Some(now), false);
                PERIOD
            }
            Err(error) => {
                // A sidecar that waits for its store to be initialised says so elsewhere.
                let is_news = !std::mem::replace(&mut failed, true);
                if is_news && !matches!(error, StoreError::Uninitialised) {
                    tracing::warn!(target: "audit", %error, "where the audit log stands cannot be read");
                }
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn say(last: Option<Standing>, now: Standing) {
    let mac = HEXLOWER.encode(&now.head.mac.0);
    let Some(removed) = now.removed else {
        tracing::error!(
            target: "audit", head = mac, in_log = now.events,
            "the checkpoint of the audit log is not one that retention left, or its key is not at hand"
        );
        return;
    };
    // What retention removes counts on, so that the number never becomes smaller.
    let events = now.events.saturating_add(removed);
    if let Some(before) = last.and_then(|last| last.count_in(now.head.epoch))
        && events < before
    {
        tracing::error!(target: "audit", head = mac, events, before, "the audit log is shorter than a minute ago");
        return;
    }
    let epoch = now.head.epoch.0;
    tracing::info!(target: "audit", head = mac, events, removed, %epoch, "the audit log stands here");
}

impl Standing {
    /// Events that there ever were, if it is of this life and can be told.
    fn count_in(self, epoch: Epoch) -> Option<u64> {
        let removed = self.removed.filter(|_| self.head.epoch == epoch)?;
        Some(self.events.saturating_add(removed))
    }
}

/// Head and counts of one moment; of a log that never rests, the counts of a moment later.
async fn standing(writer: &Writer) -> Result<Standing, StoreError> {
    let store = writer.store();
    let mut head = store.head().await?;
    let mut now = counted(writer, head).await?;
    for _ in 0..ATTEMPTS {
        let found = store.head().await?;
        if found == head {
            break;
        }
        head = found;
        now = counted(writer, head).await?;
    }
    Ok(now)
}

async fn counted(writer: &Writer, head: Head) -> Result<Standing, StoreError> {
    let events = writer.store().audit_count().await?;
    let removed = match writer.checkpoint().await?.0 {
        Judged::Absent => Some(0),
        Judged::Holds(checkpoint) => Some(checkpoint.removed),
        Judged::Unverified(_) | Judged::Wrong(_) => None,
    };
    Ok(Standing { head, events, removed })
}
