//! What the connections of one listener thread share: where their limits are found, and the drain.
//!
//! Not process-wide: each thread has its own, but for `connections`. Each connection learns of the drain
//! here and not from its own `drain::Watcher`, which costs a lock that all threads share. Invariant: a
//! connection that enables `drained` before it reads `drain_end` cannot miss the drain.

use std::sync::Arc;
use std::sync::OnceLock;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::connections::Connections;
use super::tuning::LiveTuning;

/// One per listener thread.
pub(super) struct Shared {
    pub(super) tuning: LiveTuning,
    pub(super) connections: Arc<Connections>,
    drain: Notify,
    drain_end: OnceLock<Instant>,
}

impl Shared {
    pub(super) fn new(tuning: LiveTuning, connections: Arc<Connections>) -> Arc<Self> {
        Arc::new(Self { tuning, connections, drain: Notify::new(), drain_end: OnceLock::new() })
    }

    /// Tells every connection to finish. Returns when those that have not are dropped.
    pub(super) fn start_drain(&self) -> Instant {
        let end = *self.drain_end.get_or_init(|| Instant::now() + self.tuning.now().settings.drain_timeout);
        self.drain.notify_waiters();
        end
    }

    /// When the drain ends; `None` before it begins.
    pub(super) fn drain_end(&self) -> Option<Instant> {
        self.drain_end.get().copied()
    }

    /// Completes when the drain begins, if it was enabled before that.
    pub(super) fn drained(&self) -> Notified<'_> {
        self.drain.notified()
    }
}
