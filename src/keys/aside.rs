//! Revocations while a key set is read anew beside the one in force: they do not wait for the end of the reading.
//!
//! Not the following (`sync.rs`): nothing here is contact with the store, or a place in its log. Invariant: only what
//! lets less in is applied, for whether the store has gone back in time is not judged yet, and in one that has, a newer
//! form may stand for a revocation that it lost. So what is switched off here and on again stays off until the reading
//! ends; what was both before it is looked at is not touched.

use std::collections::HashSet;
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
        if head.epoch != epoch {
            return None;
        }
        self.revoke(&entries);
        let last = entries.last().map_or((head.position, head.mac), |last| (last.position, last.mac));
        Some(Head { epoch, position: last.0, mac: last.1 })
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
            self.revoke(&entries);
            if let Some(last) = entries.last() {
                (head.position, head.mac) = (last.position, last.mac);
            }
            followed += entries.len();
        }
        Ok(())
    }

    /// Of each record, what is said of it last.
    fn revoke(&self, entries: &[LogEntry]) {
        let mirror = self.ring.mirror();
        let mut seen = HashSet::new();
        let changes = entries
            .iter()
            .rev()
            .flat_map(|entry| entry.changes.iter().rev().map(|change| (change, entry.position)));
        for (change, position) in changes {
            let (Logged::Put { key, .. } | Logged::Deleted { key, .. }) = change;
            if !seen.insert(*key) {
                continue;
            }
            match change {
                Logged::Put { envelope, .. } => match self.decoder.decode(*key, envelope) {
                    Judged::Inside(decoded) if decoded.is_switched_off() => mirror.put(*key, decoded),
                    Judged::Inside(_) | Judged::Outside { .. } => continue,
                },
                Logged::Deleted { revision, .. } => mirror.remove(*key, *revision),
            }
            mirror.mark_ahead(*key, position);
        }
    }
}

fn unread(fault: &StoreError) {
    tracing::debug!(error = %fault, "the change log is not followed while the key set is read");
}
