//! The note in the log of where the audit log stands, so that a cut-off end can be noticed from outside: whoever keeps
//! the log of the process has heads to check the store against.
//!
//! Not the check itself (`chain.rs`). Invariant: a note is of one moment: head and count belong together.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::store::{Head, Store, StoreError};

/// Between two notes.
const PERIOD: Duration = Duration::from_secs(60);
/// Between two looks at a store that does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How often head and count are read until they belong together, in one note.
const ATTEMPTS: usize = 20;

/// Notes the head at the start and once a minute. Runs for ever.
pub async fn note_heads(store: Arc<dyn Store>) {
    let (mut last, mut failed) = (None, false);
    loop {
        let pause = match stand(&*store).await {
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

fn say(last: Option<(Head, u64)>, (head, events): (Head, u64)) {
    let mac = HEXLOWER.encode(&head.mac.0);
    if let Some((before, count)) = last
        && before.epoch == head.epoch
        && events < count
    {
        tracing::error!(
            target: "audit", head = mac, events, before = count, "the audit log is shorter than a minute ago"
        );
        return;
    }
    tracing::info!(target: "audit", head = mac, events, epoch = %head.epoch.0, "the audit log stands here");
}

/// Head and count of one moment; of a log that never rests, the count of a moment later.
async fn stand(store: &dyn Store) -> Result<(Head, u64), StoreError> {
    let mut head = store.head().await?;
    let mut events = store.audit_count().await?;
    for _ in 0..ATTEMPTS {
        let now = store.head().await?;
        if now == head {
            break;
        }
        head = now;
        events = store.audit_count().await?;
    }
    Ok((head, events))
}
