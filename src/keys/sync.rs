//! Keeps the mirror in step with the store: snapshot, then the change log, for ever.
//!
//! Not a cache filler: nothing here waits for a request, and no request waits for anything here. Reading a whole key
//! set is in `resync.rs`. Invariants:
//! the mirror is swapped in only when a whole snapshot was read, and the log is applied from the place that
//! stood before the snapshot; every answer of the store, empty ones included, counts as contact; an error
//! never empties the mirror, it only lets it age; the place in the log outlives every error, so that missed
//! revocations replay; a namespace with another epoch than the one known is loaded only where a person began it
//! (`adoption.rs`).

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::adoption::{Adoption, Lineage};
use super::decode::{Decoder, Judged};
use super::history::Mark;
use super::resync::{Fault, Reports};
use super::ring::KeyRing;
use crate::drain::Watcher;
use crate::readiness::Readiness;
use crate::store::{AuditMac, Followed, Head, LogEntry, Logged, Position, Store, StoreError};

/// First pause after an error; doubled up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between two tries: recovery is noticed within it. The shortest is half of it, so a server is
/// asked by each sidecar at most four times a second.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The task that owns the mirror's way in.
pub struct Sync {
    pub(super) store: Arc<dyn Store>,
    pub(super) decoder: Decoder,
    pub(super) ring: Arc<KeyRing>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) initialise: bool,
    pub(super) reports: Mutex<Reports>,
}

impl Sync {
    /// A task that is not running yet.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        decoder: Decoder,
        ring: Arc<KeyRing>,
        readiness: Arc<Readiness>,
    ) -> Self {
        Self { store, decoder, ring, readiness, initialise: false, reports: Mutex::default() }
    }

    /// Gives an empty namespace its epoch, if that is how it is first met. One that is empty later has lost
    /// its records.
    #[must_use]
    pub fn initialising_an_empty_store(self) -> Self {
        Self { initialise: true, ..self }
    }

    /// Runs until the drain begins.
    pub async fn run(self, mut drain: Watcher) {
        tokio::select! {
            () = drain.draining() => {}
            () = self.run_forever() => {}
        }
    }

    async fn run_forever(&self) {
        let mut trouble = Trouble::default();
        let mut lineage = Lineage::default();
        loop {
            match self.load(&mut lineage).await {
                Ok(head) => self.follow(head, &lineage, &mut trouble).await,
                Err(fault) => self.suffer(&mut trouble, &fault).await,
            }
        }
    }

    /// Applies the log from `head` on, until it cannot be resumed.
    async fn follow(&self, mut head: Head, lineage: &Lineage, trouble: &mut Trouble) {
        let mut resumed = false;
        loop {
            let ahead = self.ring.mirror().ahead();
            match self.store.follow(head.epoch, head.position, head.mac).await {
                Ok(Followed::Entries(entries)) => {
                    for entry in &entries {
                        self.apply(entry);
                        head.position = entry.position;
                        head.mac = entry.mac;
                    }
                    if self.has_lost(&ahead, head.position, entries.is_empty()) {
                        tracing::warn!(
                            "the store has lost what was committed here; rebuilding the key set aside"
                        );
                        return;
                    }
                    self.ring.record_contact();
                    self.recover(trouble);
                    resumed = true;
                }
                Ok(Followed::Gap) => {
                    tracing::warn!("the change log cannot be resumed; rebuilding the key set aside");
                    if !resumed {
                        // A log that never fits its head would be rebuilt from without a pause.
                        tokio::time::sleep(trouble.pause()).await;
                    }
                    return;
                }
                // The place in the log is kept: after a reconnect, missed revocations replay. That goes for
                // another epoch as well, unless it is to be taken: the one that we know may return.
                Err(error @ StoreError::OtherEpoch { .. }) => match self.adopt(lineage).await {
                    Ok((_, Adoption::Anew | Adoption::Continued)) => return,
                    Ok((_, Adoption::First | Adoption::Same)) => self.suffer(trouble, &error.into()).await,
                    Err(fault) => self.suffer(trouble, &fault).await,
                },
                Err(error) => self.suffer(trouble, &error.into()).await,
            }
        }
    }

    /// Whether the store has lost commits of this process, which it had acknowledged before it was asked for what is
    /// new: it said that nothing is, or went on without them.
    fn has_lost(&self, ahead: &[(Position, AuditMac)], applied: Position, is_at_end: bool) -> bool {
        if ahead.is_empty() {
            return false;
        }
        let missing = self.ring.mirror().ahead();
        ahead.iter().any(|own| missing.contains(own) && (is_at_end || own.0 < applied))
    }

    fn apply(&self, entry: &LogEntry) {
        let mirror = self.ring.mirror();
        let mut touched = Vec::with_capacity(entry.changes.len());
        for change in &entry.changes {
            touched.push(match change {
                Logged::Put { key, envelope } => match self.decoder.decode(*key, envelope) {
                    Judged::Inside(decoded) => {
                        let revision = decoded.revision();
                        mirror.put(*key, self.reports.lock().on(&self.ring, *key, decoded));
                        (*key, revision)
                    }
                    Judged::Outside { revision } => {
                        mirror.leave(*key, revision);
                        (*key, revision)
                    }
                },
                Logged::Deleted { key, revision } => {
                    mirror.remove(*key, *revision);
                    (*key, *revision)
                }
            });
        }
        mirror.mark_applied(Mark { position: entry.position, mac: entry.mac, touched: touched.into() });
    }

    /// Says what is wrong, once for each different error, and waits.
    async fn suffer(&self, trouble: &mut Trouble, fault: &Fault) {
        let text = fault.to_string();
        if trouble.said.as_ref() != Some(&text) {
            if let Some(alarm) = fault.alarm(self.readiness.is_loaded()) {
                self.ring.alarms().raise(alarm, self.ring.now(), text.clone());
            }
            tracing::error!(store = self.store.name(), error = %text, "keys are not being kept up to date; trying again");
            trouble.said = Some(text.clone());
        }
        self.readiness.set_store_error(text);
        tokio::time::sleep(trouble.pause()).await;
    }

    fn recover(&self, trouble: &mut Trouble) {
        if trouble.said.is_some() {
            tracing::info!(store = self.store.name(), "keys are being kept up to date again");
            self.readiness.set_store_well();
        }
        *trouble = Trouble::default();
    }
}

/// What went wrong since the last good answer.
#[derive(Default)]
struct Trouble {
    tries: u32,
    said: Option<String>,
}

impl Trouble {
    /// How long to wait before the next try: longer each time, and never the same for all sidecars, so that a
    /// server that comes back is not asked by all of them at once.
    fn pause(&mut self) -> Duration {
        let longest = SHORTEST_PAUSE.saturating_mul(1 << self.tries.min(8)).min(LONGEST_PAUSE);
        self.tries = self.tries.saturating_add(1);
        let random = uuid::Uuid::new_v4().as_u128() % 512;
        longest / 2 + longest * u32::try_from(random).unwrap_or(0) / 1024
    }
}
