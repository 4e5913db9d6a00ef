//! Keeps the mirror in step with the store: snapshot, then the change log, for ever.
//!
//! Not a cache filler: nothing here waits for a request, and no request waits for anything here. Invariants:
//! the mirror is swapped in only when a whole snapshot was read, and the log is applied from the place that
//! stood before the snapshot; every answer of the store, empty ones included, counts as contact; an error
//! never empties the mirror, it only lets it age; the place in the log outlives every error, so that missed
//! revocations replay; a namespace with another epoch than the one known is loaded only where a person began it
//! (`adoption.rs`).

use std::sync::Arc;
use std::time::Duration;

use super::adoption::{Adoption, Lineage, Refusal};
use super::decode::{Decoded, Decoder, Judged};
use super::record::RecordKey;
use super::ring::KeyRing;
use crate::drain::Watcher;
use crate::readiness::Readiness;
use crate::store::{Epoch, Followed, Head, LogEntry, Logged, Store, StoreError};

/// First pause after an error; doubled up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between two tries: recovery is noticed within it. The shortest is half of it, so a server is
/// asked by each sidecar at most four times a second.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The task that owns the mirror's way in.
pub struct Sync {
    store: Arc<dyn Store>,
    decoder: Decoder,
    ring: Arc<KeyRing>,
    readiness: Arc<Readiness>,
    initialise: bool,
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
        Self { store, decoder, ring, readiness, initialise: false }
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
            match self.store.follow(head.epoch, head.position, head.mac).await {
                Ok(Followed::Entries(entries)) => {
                    for entry in &entries {
                        self.apply(entry);
                        head.position = entry.position;
                        head.mac = entry.mac;
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

    /// The epoch that stands, and what it is to us.
    async fn adopt(&self, lineage: &Lineage) -> Result<(Epoch, Adoption), Fault> {
        let life = match self.store.life().await {
            Err(StoreError::Uninitialised) if self.initialise && lineage.is_empty() => {
                let epoch = self.store.init().await?;
                tracing::info!(store = self.store.name(), epoch = %epoch.0, "the store was empty and is initialised");
                self.store.life().await?
            }
            life => life?,
        };
        Ok((life.epoch, lineage.judge(life)?))
    }

    async fn load(&self, lineage: &mut Lineage) -> Result<Head, Fault> {
        let (found, adoption) = self.adopt(lineage).await?;
        let mut records: Vec<(RecordKey, Decoded)> = Vec::new();
        // What is held and was moved out of scope: only of these must the revision be remembered.
        let mut left: Vec<(RecordKey, u64)> = Vec::new();
        let decoder = self.decoder.clone();
        let mirror = Arc::clone(self.ring.mirror());
        let decode = |key, envelope: &[u8]| decoder.decode_over(mirror.get(key).as_ref(), key, envelope);
        let mut sink = |key: RecordKey, envelope: Arc<[u8]>| match decode(key, &envelope) {
            Judged::Inside(decoded) => records.push((key, report(decoded))),
            Judged::Outside { revision } if mirror.is_held(key) => left.push((key, revision)),
            Judged::Outside { .. } => {}
        };
        let head = self.store.snapshot(&mut sink).await?;
        if head.epoch != found {
            return Err(StoreError::OtherEpoch { found: head.epoch.0, expected: found.0 }.into());
        }
        let count = records.len();
        for (key, revision) in left {
            self.ring.mirror().leave(key, revision);
        }
        let kept = if adoption == Adoption::Anew {
            tracing::warn!(epoch = %found.0, records = count, "the store was begun anew by a person; its key set replaces the known one");
            self.ring.mirror().begin_anew(records, head);
            Vec::new()
        } else {
            self.ring.mirror().rebuild(records, head)
        };
        lineage.take(head.epoch);
        if !kept.is_empty() {
            let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
            tracing::error!(records = %kept.join(" "), "the store has lost changes that were seen; they are kept in memory");
        }
        self.ring.record_contact();
        self.readiness.set_loaded();
        self.readiness.set_store_well();
        tracing::info!(store = %self.store.describe(), records = count, "keys loaded");
        Ok(head)
    }

    fn apply(&self, entry: &LogEntry) {
        let mirror = self.ring.mirror();
        for change in &entry.changes {
            match change {
                Logged::Put { key, envelope } => match self.decoder.decode(*key, envelope) {
                    Judged::Inside(decoded) => mirror.put(*key, report(decoded)),
                    Judged::Outside { revision } => mirror.leave(*key, revision),
                },
                Logged::Deleted { key, revision } => mirror.remove(*key, *revision),
            }
        }
        mirror.mark_applied(entry.position, entry.mac);
    }

    /// Says what is wrong, once for each different error, and waits.
    async fn suffer(&self, trouble: &mut Trouble, fault: &Fault) {
        let text = fault.to_string();
        if trouble.said.as_ref() != Some(&text) {
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

/// Why the keys cannot be brought up to date now.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] Refusal),
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

/// Tells the operator of a record that cannot be used, by name and never by content.
fn report(decoded: Decoded) -> Decoded {
    if let Decoded::Damaged(damaged) = &decoded {
        tracing::error!(record = %damaged.key, why = %damaged.why, "a record cannot be used; its callers get 503");
    }
    decoded
}
