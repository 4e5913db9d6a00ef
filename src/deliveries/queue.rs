//! Where requests leave their drafts, and where the task takes them.
//!
//! Invariants: nobody waits for room in a queue; a draft is not even made while the queue that it would go into is
//! full; with `deliveries.per_integration = 0` none is made at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::StatusCode;
use tokio::sync::mpsc;

use super::draft::Draft;
use super::record::Outcome;
use super::sample::Sampler;
use crate::credential::Head;
use crate::keys::entry::Which;
use crate::proxy::body::Buffered;
use crate::proxy::budget::Budget;
use crate::store::deliveries::Side;

/// Drafts that may wait, verified ones.
const VERIFIED: usize = 512;
/// The same, others: fewer, because strangers cause them.
const REFUSED: usize = 128;
/// Bytes of bodies that may wait for their digests.
const BODIES: u64 = 8 << 20;

/// Where requests leave their drafts. Cheap to clone.
#[derive(Clone)]
pub struct Deliveries(Arc<Shared>);

struct Shared {
    enabled: bool,
    verified: mpsc::Sender<Finished>,
    refused: mpsc::Sender<Finished>,
    bodies: Arc<Budget>,
    sampler: Sampler,
    counts: [Counts; Side::ALL.len()],
}

#[derive(Default)]
struct Counts {
    stored: AtomicU64,
    dropped: AtomicU64,
}

/// The other ends.
pub struct Queues {
    pub(super) verified: mpsc::Receiver<Finished>,
    pub(super) refused: mpsc::Receiver<Finished>,
}

/// How a request ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// In a word.
    pub outcome: Outcome,
    /// Whether it was verified, whatever came then.
    pub verified: bool,
    /// The reason of a refusal, from the closed set.
    pub reason: Option<&'static str>,
    /// The same in words.
    pub cause: Option<String>,
    /// Which secret verified it.
    pub secret: Option<Which>,
    /// Name of its route.
    pub route: String,
    /// What the client was answered.
    pub status: StatusCode,
    /// When the head of the answer was there.
    pub at: Instant,
}

/// A draft with its end.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) draft: Box<Draft>,
    pub(super) ended: Ended,
}

impl Deliveries {
    /// The two ends.
    #[must_use]
    pub fn channel(enabled: bool) -> (Self, Queues) {
        let (verified, verified_queue) = mpsc::channel(VERIFIED);
        let (refused, refused_queue) = mpsc::channel(REFUSED);
        let (bodies, counts) = (Budget::new(BODIES), Default::default());
        let sampler = Sampler::default();
        let shared = Shared { enabled, verified, refused, bodies, sampler, counts };
        (Self(Arc::new(shared)), Queues { verified: verified_queue, refused: refused_queue })
    }

    /// Whether a draft of this side is worth making: there is room for it.
    #[must_use]
    pub fn has_room(&self, side: Side) -> bool {
        self.0.enabled && self.queue(side).capacity() > 0
    }

    /// Notes the body of a request.
    pub fn hold(&self, draft: &mut Draft, body: &Buffered) {
        draft.hold(body, &self.0.bodies);
    }

    /// Notes that the request is refused, and takes a sample for a diagnosis where there is room for one.
    pub fn sample(&self, draft: &mut Draft, head: &Head<'_>) {
        let integration = draft.entry.record.meta.id;
        draft.sample = Some(self.0.sampler.sample(integration, draft.begun.wall, head));
    }

    /// Leaves the draft of a request that ended; `None`: there was no room for one.
    pub fn leave(&self, draft: Option<Box<Draft>>, ended: Ended) {
        if !self.0.enabled {
            return;
        }
        let side = if ended.verified { Side::Verified } else { Side::Refused };
        let left = draft.map(|draft| self.queue(side).try_send(Finished { draft, ended }));
        if !matches!(left, Some(Ok(()))) {
            self.count(side).dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Deliveries of this side that are stored.
    #[must_use]
    pub fn stored(&self, side: Side) -> u64 {
        self.count(side).stored.load(Ordering::Relaxed)
    }

    /// Those that are not: there was no room, or the store did not take them.
    #[must_use]
    pub fn dropped(&self, side: Side) -> u64 {
        self.count(side).dropped.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, side: Side, drafts: usize, stored: bool) {
        let count = self.count(side);
        let count = if stored { &count.stored } else { &count.dropped };
        count.fetch_add(u64::try_from(drafts).unwrap_or(0), Ordering::Relaxed);
    }

    fn queue(&self, side: Side) -> &mpsc::Sender<Finished> {
        match side {
            Side::Verified => &self.0.verified,
            Side::Refused => &self.0.refused,
        }
    }

    fn count(&self, side: Side) -> &Counts {
        let [verified, refused] = &self.0.counts;
        match side {
            Side::Verified => verified,
            Side::Refused => refused,
        }
    }
}
