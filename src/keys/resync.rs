//! Reads a whole key set and swaps it in: at the start, and wherever the log cannot be resumed.
//!
//! Not the following (`sync.rs`), and not the choice between two forms of a record (`loss.rs`). Invariants: a store that
//! has lost what was applied last is told from one that only forgot its log, by what it holds of its own past; one that
//! went back further than is remembered here is a fault, because nobody could tell what was deleted in it from what
//! it never had; a record that cannot be used is named once, not at each rebuild.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::adoption::{Adoption, Lineage, Refusal};
use super::alarms::{Alarm, Resync};
use super::decode::{Decoded, Judged};
use super::history::Mark;
use super::mirror::Rollback;
use super::record::RecordKey;
use super::ring::KeyRing;
use super::sync::Sync;
use crate::store::{Followed, Head, Life, LogEntry, Logged, StoreError};

/// Records that a message names; of the rest it says how many.
const NAMED: usize = 20;

/// Changes in the log from before a key set was read that are remembered with it: a failover just after that loses
/// some of them. Counted in records, since one entry of a bulk change may hold hundreds.
pub(super) const RECALLED: usize = 1000;

/// Why the keys cannot be brought up to date now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(
        "the store went back to before anything that this process remembers: restore a newer backup, bring the keys back \
         with `countersign import FILE`, or restart to take the store as it is"
    )]
    RolledBack,
}

impl Fault {
    /// What it counts as, where it is more than an outage. A store without an epoch is one that waits to be
    /// initialised, unless a key set is known.
    pub(super) fn alarm(&self, is_loaded: bool) -> Option<Alarm> {
        match self {
            Self::Refused(_) => Some(Alarm::Epoch),
            Self::RolledBack => Some(Alarm::RolledBack),
            Self::Store(StoreError::Uninitialised | StoreError::Foreign) if is_loaded => Some(Alarm::Epoch),
            Self::Store(_) => None,
        }
    }
}

impl Sync {
    /// The life that stands, and what it is to us.
    pub(super) async fn adopt(&self, lineage: &Lineage) -> Result<(Life, Adoption), Fault> {
        let life = match self.store.life().await {
            Err(StoreError::Uninitialised) if self.initialise && lineage.is_empty() => {
                let epoch = self.store.init().await?;
                tracing::info!(store = self.store.name(), epoch = %epoch.0, "the store was empty and is initialised");
                self.store.life().await?
            }
            life => life?,
        };
        Ok((life, lineage.judge(life)?))
    }

    /// Reads the key set and swaps it in.
    pub(super) async fn load(&self, lineage: &mut Lineage) -> Result<Head, Fault> {
        let (life, adoption) = self.adopt(lineage).await?;
        let found = life.epoch;
        let mut records: Vec<(RecordKey, Decoded)> = Vec::new();
        // What is held and was moved out of scope: only of these must the revision be remembered.
        let mut left: Vec<(RecordKey, u64)> = Vec::new();
        let decoder = self.decoder.clone();
        let mirror = Arc::clone(self.ring.mirror());
        let decode = |key, envelope: &[u8]| decoder.decode_over(mirror.get(key).as_ref(), key, envelope);
        let mut sink = |key: RecordKey, envelope: Arc<[u8]>| match decode(key, &envelope) {
            Judged::Inside(decoded) => records.push((key, decoded)),
            Judged::Outside { revision } if mirror.is_held(key) => left.push((key, revision)),
            Judged::Outside { .. } => {}
        };
        let log_end = self.revoke_past(found).await;
        let head = tokio::select! {
            biased;
            head = self.store.snapshot(&mut sink) => head?,
            never = self.revoke_meanwhile(log_end) => match never {},
        };
        self.identify(&mut records).await?;
        // Asked again at the end: a namespace may be replaced while it is read, and its records be of two.
        for epoch in [head.epoch, self.store.life().await?.epoch] {
            if epoch != found {
                return Err(StoreError::OtherEpoch { found: epoch.0, expected: found.0 }.into());
            }
        }
        let rollback = match adoption {
            Adoption::Same => self.rollback(head).await?,
            Adoption::First | Adoption::Anew | Adoption::Continued => None,
        };
        let cause = match (adoption, &rollback) {
            (Adoption::First, _) => Resync::Boot,
            (Adoption::Anew | Adoption::Continued, _) => Resync::Epoch,
            (Adoption::Same, Some(_)) => Resync::Rollback,
            (Adoption::Same, None) => Resync::Gap,
        };
        let past = match rollback {
            Some(_) => Vec::new(),
            None => self.store.latest(RECALLED).await?,
        };
        let removals: Vec<_> = past.iter().flat_map(removals).collect();
        let past = past.iter().map(|entry| self.mark(entry)).collect();
        self.report_all(&records);
        let count = records.len();
        for (key, revision) in left {
            mirror.leave(key, revision);
        }
        if adoption == Adoption::Anew {
            tracing::warn!(epoch = %found.0, records = count, "the store was begun anew; its key set replaces the known one");
            mirror.begin_anew(records, head);
        } else {
            let former = mirror.lost();
            let mut kept = mirror.rebuild_after(records, head, rollback);
            kept.retain(|key| !former.contains(key));
            self.report_losses(&kept);
        }
        mirror.recall(past, &removals);
        lineage.take(life, adoption);
        self.ring.alarms().resynced(cause);
        self.ring.record_contact();
        self.readiness.set_loaded();
        self.readiness.set_store_well();
        tracing::info!(store = %self.store.describe(), records = count, cause = cause.name(), "keys loaded");
        Ok(head)
    }

    /// Asks the store whose the records are that cannot be read, so that their callers get 503 and no 401.
    async fn identify(&self, records: &mut [(RecordKey, Decoded)]) -> Result<(), StoreError> {
        let damaged = records.iter().filter(|(_, decoded)| matches!(decoded, Decoded::Damaged(_)));
        let damaged: BTreeSet<RecordKey> = damaged.map(|(key, _)| *key).collect();
        if damaged.is_empty() {
            return Ok(());
        }
        let claims = self.store.claims_of(damaged).await?;
        for (key, decoded) in records {
            if let Some(claims) = claims.get(key) {
                decoded.learn(claims);
            }
        }
        Ok(())
    }

    /// What the store has lost of what was seen of this epoch; `None` where it has it all.
    async fn rollback(&self, head: Head) -> Result<Option<Rollback>, Fault> {
        let (places, ahead) = (self.ring.mirror().places(), self.ring.mirror().ahead());
        let mut own = Vec::new();
        for (position, mac) in ahead {
            if !self.store.holds(position, mac).await? {
                own.push(mac);
            }
        }
        // The oldest places are part of its past or none is: it went on from one of them.
        let (mut kept, mut end) = (0, places.len());
        if let Some((position, mac)) = places.last()
            && self.store.holds(*position, *mac).await?
        {
            if own.is_empty() {
                return Ok(None);
            }
            kept = end;
        }
        while kept < end {
            let middle = kept + (end - kept) / 2;
            let Some((position, mac)) = places.get(middle) else { break };
            if self.store.holds(*position, *mac).await? {
                kept = middle + 1;
            } else {
                end = middle;
            }
        }
        let Some((fork, mac)) = kept.checked_sub(1).and_then(|last| places.get(last)) else {
            return Err(Fault::RolledBack);
        };
        let mut rollback = Rollback { kept, own, ..Rollback::default() };
        let (mut position, mut mac) = (*fork, *mac);
        while position < head.position {
            // Without its log since, what was deleted in it cannot be told from what it never had.
            let Followed::Entries(entries) = self.store.follow(head.epoch, position, mac).await? else {
                return Err(Fault::RolledBack);
            };
            let Some(last) = entries.last() else { return Err(Fault::RolledBack) };
            (position, mac) = (last.position, last.mac);
            for entry in entries.into_iter().filter(|entry| entry.position <= head.position) {
                rollback.deleted.extend(removals(&entry));
                rollback.since.push(self.mark(&entry));
            }
        }
        Ok(Some(rollback))
    }

    fn mark(&self, entry: &LogEntry) -> Mark {
        let touched = entry.changes.iter().map(|change| match change {
            Logged::Put { key, envelope } => match self.decoder.decode(*key, envelope) {
                Judged::Inside(decoded) => (*key, decoded.revision()),
                Judged::Outside { revision } => (*key, revision),
            },
            Logged::Deleted { key, revision } => (*key, *revision),
        });
        Mark { position: entry.position, mac: entry.mac, touched: touched.collect() }
    }

    fn report_losses(&self, kept: &[RecordKey]) {
        if kept.is_empty() {
            return;
        }
        let mut names: Vec<String> = kept.iter().take(NAMED).map(ToString::to_string).collect();
        if kept.len() > NAMED {
            names.push(format!("and {} more", kept.len() - NAMED));
        }
        let names = names.join(" ");
        tracing::error!(records = %names, "the store has lost changes that were seen; they are kept in memory");
        let words = format!("the store has lost changes that were seen, of {names}; they are kept");
        self.ring.alarms().raise(Alarm::LostChanges, self.ring.now(), words);
    }

    fn report_all(&self, records: &[(RecordKey, Decoded)]) {
        let mut reports = self.reports.lock();
        let mut former = std::mem::take(&mut *reports);
        for (key, decoded) in records {
            if let Decoded::Damaged(_) = decoded {
                if let Some(why) = former.said.remove(key) {
                    reports.said.insert(*key, why);
                }
                reports.look(&self.ring, *key, decoded);
            }
        }
    }
}

fn removals(entry: &LogEntry) -> impl Iterator<Item = (RecordKey, u64)> {
    entry.changes.iter().filter_map(|change| match change {
        Logged::Deleted { key, revision } => Some((*key, *revision)),
        Logged::Put { .. } => None,
    })
}

/// The records that cannot be used, and what was said of each.
#[derive(Debug, Default)]
pub(super) struct Reports {
    said: HashMap<RecordKey, String>,
}

impl Reports {
    /// Looks at a record that the log brings.
    pub(super) fn on(&mut self, ring: &KeyRing, key: RecordKey, decoded: Decoded) -> Decoded {
        self.look(ring, key, &decoded);
        decoded
    }

    /// Tells the operator of a record that cannot be used, by name and never by content; once.
    fn look(&mut self, ring: &KeyRing, key: RecordKey, decoded: &Decoded) {
        let Decoded::Damaged(damaged) = decoded else {
            self.said.remove(&key);
            return;
        };
        if self.said.get(&key) == Some(&damaged.why) {
            return;
        }
        self.said.insert(key, damaged.why.clone());
        tracing::error!(record = %key, why = %damaged.why, "a record cannot be used; its callers get 503");
        let words = format!("{key} cannot be used: {}; its callers get 503", damaged.why);
        ring.alarms().raise(Alarm::from(damaged.cause), ring.now(), words);
    }
}
