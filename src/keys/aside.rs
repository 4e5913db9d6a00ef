//! Revocations while a key set is read anew beside the one in force: they do not wait for the end of the reading.
//!
//! Not the following (`sync.rs`): nothing here is contact with the store, or a place in its log. Invariant: only what
//! lets less in is applied, for whether the store has gone back in time is not judged yet, and in one that has, a newer
//! form may stand for a revocation that it lost.

use std::convert::Infallible;

use super::decode::Judged;
use super::resync::RECALLED;
use super::sync::Sync;
use crate::store::{Epoch, Followed, Head, LogEntry, Logged, StoreError};

/// Entries that are followed at most: what is revoked behind them waits.
const ENTRIES: usize = 20_000;

impl Sync {
    /// Applies the revocations that the log still holds, as far back as a key set recalls. Gives where it ends; `None` where
    /// no key set of this epoch is in force, or the log cannot be read: then the reading goes on alone.
    pub(super) async fn revoke_past(&self, epoch: Epoch) -> Option<Head> {
        self.ring.mirror().applied().filter(|known| known.epoch == epoch)?;
        let (head, entries) = self.past().await.inspect_err(unread).ok()?;
        entries.iter().for_each(|entry| self.revoke(entry));
        let last = entries.last().map_or((head.position, head.mac), |last| (last.position, last.mac));
        (head.epoch == epoch).then_some(Head { epoch, position: last.0, mac: last.1 })
    }

    /// Applies the revocations that the log brings from there on. Never completes.
    pub(super) async fn revoke_meanwhile(&self, from: Option<Head>) -> Infallible {
        if let Some(head) = from
            && let Err(fault) = self.follow_aside(head).await
        {
            unread(&fault);
        }
        std::future::pending().await
    }

    /// The end of the log, and what is before it. The head is read first: it is where an empty log goes on.
    async fn past(&self) -> Result<(Head, Vec<LogEntry>), StoreError> {
        Ok((self.store.head().await?, self.store.latest(RECALLED).await?))
    }

    async fn follow_aside(&self, mut head: Head) -> Result<(), StoreError> {
        let mut followed = 0;
        while followed < ENTRIES {
            let found = self.store.follow(head.epoch, head.position, head.mac).await?;
            let Followed::Entries(entries) = found else { return Ok(()) };
            for entry in &entries {
                self.revoke(entry);
                (head.position, head.mac) = (entry.position, entry.mac);
            }
            followed += entries.len();
        }
        Ok(())
    }

    fn revoke(&self, entry: &LogEntry) {
        let mirror = self.ring.mirror();
        for change in &entry.changes {
            let key = match change {
                Logged::Put { key, envelope } => match self.decoder.decode(*key, envelope) {
                    Judged::Inside(decoded) if decoded.is_switched_off() => {
                        mirror.put(*key, decoded);
                        *key
                    }
                    Judged::Inside(_) | Judged::Outside { .. } => continue,
                },
                Logged::Deleted { key, revision } => {
                    mirror.remove(*key, *revision);
                    *key
                }
            };
            mirror.mark_ahead(key, entry.position);
        }
    }
}

fn unread(fault: &StoreError) {
    tracing::debug!(error = %fault, "the change log is not followed while the key set is read");
}
