//! Streams whose key is looked at again: answers that go on, and tunnels.
//!
//! Not the judgement, which is `guard/`'s. Invariants: each stream has one timer of its own, made when it proves to be a
//! stream, and nothing is looked at for each of its frames; what no longer stands is cut, never ended in order.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::clock::Clock;
use crate::guard::tenure::Tenure;
use crate::keys::ring::KeyRing;
use crate::telemetry::decision::Decisions;

/// What looking again takes. One for each runtime, so that streams share no counter across cores.
pub(super) struct Overseer {
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) decisions: Arc<Decisions>,
}

/// One stream's credentials, looked at again every so often.
pub(super) struct Oversight {
    tenure: Tenure,
    overseer: Arc<Overseer>,
    every: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl std::fmt::Debug for Oversight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oversight").field("tenure", &self.tenure).finish_non_exhaustive()
    }
}

/// The key of a stream is no longer good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream's key is no longer good")]
pub(super) struct Over;

impl Oversight {
    /// Looks again after `every`, and every time that passes.
    pub(super) fn new(tenure: Tenure, overseer: Arc<Overseer>, every: Duration) -> Self {
        Self { tenure, overseer, every, timer: None }
    }

    /// Ready once it is over. Its first call starts the timer.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        let every = self.every;
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(every)));
            ready!(timer.as_mut().poll(cx));
            timer.as_mut().reset(Instant::now() + every);
            if self.is_over() {
                return Poll::Ready(Over);
            }
        }
    }

    fn is_over(&self) -> bool {
        let keys = self.overseer.keys.at(self.overseer.clock.moment());
        let Err(cause) = self.tenure.confirm(keys) else { return false };
        self.overseer.decisions.record_cut();
        tracing::info!(records = ?self.tenure.names(), %cause, "a stream is cut");
        true
    }
}
