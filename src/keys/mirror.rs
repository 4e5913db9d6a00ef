//! The key set in memory: what requests are judged by.
//!
//! Not the store and not its reader (`sync.rs`). Invariants:
//! - reads take no lock; each index is a sharded map of immutable shards;
//! - changes are applied under one lock and are idempotent by revision: an older or equal revision of a
//!   record, or of its removal, changes nothing, whichever way it arrives;
//! - a rebuild is made aside and swapped in whole, and keeps every higher revision that was seen, so that a
//!   store that went back in time never un-revokes;
//! - a damaged record never displaces an intact one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::decode::Decoded;
use super::entry::{IntegrationEntry, KeyEntry, Usage};
use super::indexes::{Held, Indexes};
use super::record::{ApiKeyDigest, Kind, Record, RecordKey, Workspace};
use crate::store::{AuditMac, Epoch, Head, Position};

/// Everything by id: what the admin port lists and what the writer plans with.
#[derive(Debug, Default)]
struct Catalogue {
    records: BTreeMap<RecordKey, Decoded>,
    /// Revisions of removals, so that a late or replayed write cannot bring a record back.
    removed: HashMap<RecordKey, u64>,
    applied: Option<Head>,
}

/// The mirror.
#[derive(Debug)]
pub struct Mirror {
    indexes: ArcSwap<Indexes>,
    catalogue: Mutex<Catalogue>,
    applied: watch::Sender<Option<(Epoch, Position)>>,
}

/// How many records are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tenants.
    pub workspaces: usize,
    /// Webhook keys.
    pub webhook_keys: usize,
    /// Integrations.
    pub integrations: usize,
    /// Records of any kind that cannot be used.
    pub damaged: usize,
}

impl Default for Mirror {
    fn default() -> Self {
        Self::new()
    }
}

impl Mirror {
    /// An empty mirror. Nothing is known until [`Mirror::rebuild`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            indexes: ArcSwap::from_pointee(Indexes::empty()),
            catalogue: Mutex::new(Catalogue::default()),
            applied: watch::Sender::new(None),
        }
    }

    /// The indexes as they stand. Held for one lookup, never across an await.
    pub(super) fn indexes(&self) -> arc_swap::Guard<Arc<Indexes>> {
        self.indexes.load()
    }

    /// Swaps in a whole key set read from the store at `head`. Returns the records for which a higher
    /// revision had been seen and was kept: the store has lost changes.
    pub fn rebuild(&self, records: Vec<(RecordKey, Decoded)>, head: Head) -> Vec<RecordKey> {
        let mut catalogue = self.catalogue.lock();
        let mut kept = Vec::new();
        // Sorted and made whole at the end: its nodes are full then.
        let mut fresh = Vec::with_capacity(records.len());
        for (key, decoded) in records {
            let known = catalogue.records.get(&key);
            if catalogue.removed.get(&key).is_some_and(|removed| *removed >= decoded.revision()) {
                kept.push(key);
            } else if let Some(newer) = known.filter(|known| known.revision() > decoded.revision()) {
                kept.push(key);
                fresh.push((key, newer.clone()));
            } else {
                fresh.push((key, decoded.with_usage_of(known)));
            }
        }
        catalogue.records = fresh.into_iter().collect();
        catalogue.applied = Some(head);
        self.indexes.store(Arc::new(Indexes::of(&catalogue.records)));
        self.applied.send_replace(Some((head.epoch, head.position)));
        kept
    }

    /// The same for a key set that has nothing to do with the one known: that goes, and with it every revision
    /// seen.
    pub fn begin_anew(&self, records: Vec<(RecordKey, Decoded)>, head: Head) {
        *self.catalogue.lock() = Catalogue::default();
        self.rebuild(records, head);
    }

    /// Applies a record as it stands after a change.
    pub fn put(&self, key: RecordKey, decoded: Decoded) {
        let mut catalogue = self.catalogue.lock();
        let revision = decoded.revision();
        let known = catalogue.records.get(&key);
        if known.is_some_and(|known| known.revision() >= revision)
            || catalogue.removed.get(&key).is_some_and(|removed| *removed >= revision)
        {
            return;
        }
        let decoded = decoded.with_usage_of(known);
        let indexes = self.indexes.load();
        let before = catalogue.records.insert(key, decoded);
        indexes.replace(before.as_ref(), catalogue.records.get(&key), key);
    }

    /// Applies a removal.
    pub fn remove(&self, key: RecordKey, revision: u64) {
        let mut catalogue = self.catalogue.lock();
        let removed = catalogue.removed.entry(key).or_default();
        *removed = revision.max(*removed);
        if catalogue.records.get(&key).is_some_and(|known| known.revision() <= revision) {
            let before = catalogue.records.remove(&key);
            self.indexes.load().replace(before.as_ref(), None, key);
        }
    }

    /// Applies a record that, at this revision, is none of this sidecar's: it goes, if it is held. Nothing is
    /// kept of one that is not.
    pub fn leave(&self, key: RecordKey, revision: u64) {
        if self.is_held(key) {
            self.remove(key, revision);
        }
    }

    /// Whether there is such a record, usable or not.
    #[must_use]
    pub fn is_held(&self, key: RecordKey) -> bool {
        self.catalogue.lock().records.contains_key(&key)
    }

    /// Notes that everything up to `position` has been applied.
    pub fn mark_applied(&self, position: Position, mac: AuditMac) {
        let mut catalogue = self.catalogue.lock();
        if let Some(head) = catalogue.applied.as_mut() {
            head.position = position;
            head.mac = mac;
            let epoch = head.epoch;
            self.applied.send_replace(Some((epoch, position)));
        }
    }

    /// Where the log has been applied to; `None` before the first rebuild.
    #[must_use]
    pub fn applied(&self) -> Option<Head> {
        self.catalogue.lock().applied
    }

    /// Returns when everything up to `position` of this epoch has been applied.
    pub async fn wait_for(&self, epoch: Epoch, position: Position) {
        let mut applied = self.applied.subscribe();
        // The sender lives as long as the mirror, so the wait cannot fail.
        let _closed = applied
            .wait_for(|applied| applied.is_some_and(|(e, p)| e == epoch && p >= position))
            .await
            .is_err();
    }

    /// One record, whether usable or not.
    #[must_use]
    pub fn get(&self, key: RecordKey) -> Option<Decoded> {
        self.catalogue.lock().records.get(&key).cloned()
    }

    /// Records of a kind with ids after `after` that `filter` accepts, ascending, at most `limit`.
    pub fn list(
        &self,
        kind: Kind,
        after: Option<Uuid>,
        limit: usize,
        filter: impl Fn(&Decoded) -> bool,
    ) -> Vec<(RecordKey, Decoded)> {
        use std::ops::Bound::{Excluded, Included};
        let first = match after {
            Some(id) => Excluded(RecordKey { kind, id }),
            None => Included(RecordKey { kind, id: Uuid::nil() }),
        };
        let last = Included(RecordKey { kind, id: Uuid::max() });
        self.catalogue
            .lock()
            .records
            .range((first, last))
            .filter(|(_, decoded)| filter(decoded))
            .take(limit)
            .map(|(key, decoded)| (*key, decoded.clone()))
            .collect()
    }

    /// The intact keys of a workspace, oldest first, whatever else is held.
    #[must_use]
    pub fn keys_of(&self, workspace: Uuid) -> Vec<Arc<KeyEntry>> {
        let members = self.indexes.load().workspaces.get(&workspace);
        let intact = |(_, held): &(Uuid, Held<KeyEntry>)| match held {
            Held::Intact(entry) => Some(Arc::clone(entry)),
            Held::Damaged => None,
        };
        members.iter().flat_map(|members| members.iter()).filter_map(intact).collect()
    }

    /// The integration with this name.
    #[must_use]
    pub fn integration_named(&self, name: &str) -> Option<Arc<IntegrationEntry>> {
        match self.indexes.load().integrations.get(name) {
            Some(Held::Intact(entry)) => Some(entry),
            _ => None,
        }
    }

    /// The workspace with this id, if it is intact.
    #[must_use]
    pub fn workspace(&self, id: Uuid) -> Option<Arc<Workspace>> {
        match self.get(RecordKey { kind: Kind::Workspace, id }) {
            Some(Decoded::Workspace(workspace)) => Some(workspace),
            _ => None,
        }
    }

    /// How many records are held.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let catalogue = self.catalogue.lock();
        let mut counts = Counts::default();
        for decoded in catalogue.records.values() {
            match decoded {
                Decoded::Workspace(_) => counts.workspaces += 1,
                Decoded::Key(_) => counts.webhook_keys += 1,
                Decoded::Integration(_) => counts.integrations += 1,
                Decoded::Damaged(_) => counts.damaged += 1,
            }
        }
        counts
    }
}

impl Decoded {
    /// The revision, as far as it can be read.
    #[must_use]
    pub fn revision(&self) -> u64 {
        match self {
            Self::Workspace(record) => record.meta.revision,
            Self::Key(entry) => entry.record.meta.revision,
            Self::Integration(entry) => entry.record.meta.revision,
            Self::Damaged(damaged) => damaged.revision,
        }
    }

    /// The workspace that it belongs to.
    #[must_use]
    pub fn workspace(&self) -> Option<Uuid> {
        match self {
            Self::Workspace(_) => None,
            Self::Key(entry) => Some(entry.record.workspace_id),
            Self::Integration(entry) => entry.record.workspace_id,
            Self::Damaged(damaged) => damaged.workspace,
        }
    }

    /// The record as stored; `None` where it is damaged.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        match self {
            Self::Workspace(record) => Some(Record::Workspace(Workspace::clone(record))),
            Self::Key(entry) => Some(Record::WebhookKey(entry.record.record())),
            Self::Integration(entry) => Some(Record::Integration(entry.record.clone())),
            Self::Damaged(_) => None,
        }
    }

    pub(super) fn as_key(&self) -> Option<Held<KeyEntry>> {
        match self {
            Self::Key(entry) => Some(Held::Intact(Arc::clone(entry))),
            Self::Damaged(damaged) if damaged.key.kind == Kind::WebhookKey => Some(Held::Damaged),
            _ => None,
        }
    }

    pub(super) fn api_key_entries(&self) -> Vec<(ApiKeyDigest, Held<KeyEntry>)> {
        match self {
            Self::Key(entry) => {
                let previous = entry.record.previous().and_then(|previous| previous.api_key);
                std::iter::once(entry.record.api_key)
                    .chain(previous)
                    .map(|digest| (digest, Held::Intact(Arc::clone(entry))))
                    .collect()
            }
            Self::Damaged(damaged) => {
                damaged.api_keys.iter().map(|digest| (*digest, Held::Damaged)).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn integration_entry(&self) -> Option<(String, Held<IntegrationEntry>)> {
        match self {
            Self::Integration(entry) => Some((entry.record.name.clone(), Held::Intact(Arc::clone(entry)))),
            Self::Damaged(damaged) => damaged.name.clone().map(|name| (name, Held::Damaged)),
            _ => None,
        }
    }

    /// The same, counting on where the earlier entry of this record stopped.
    fn with_usage_of(self, known: Option<&Self>) -> Self {
        match (self, known) {
            (Self::Key(mut entry), Some(Self::Key(known))) => {
                // An entry that is held already is the known one: it did not change.
                if let Some(fresh) = Arc::get_mut(&mut entry) {
                    let previous = fresh.record.previous().zip(known.record.previous());
                    let same = previous.is_some_and(|(now, before)| now.is_same(before));
                    fresh.carry(carried(known.usage(), same));
                }
                Self::Key(entry)
            }
            (Self::Integration(mut entry), Some(Self::Integration(known))) => {
                if let Some(fresh) = Arc::get_mut(&mut entry) {
                    let previous = fresh.record.previous.as_ref().zip(known.record.previous.as_ref());
                    let same = previous.is_some_and(|(now, before)| now.is_same(before));
                    fresh.usage = carried(&known.usage, same);
                }
                Self::Integration(entry)
            }
            (fresh, _) => fresh,
        }
    }
}

/// The use of a record so far; that of replaced values goes on only where they are the same ones still.
fn carried(usage: &Arc<Usage>, same_previous: bool) -> Arc<Usage> {
    if !same_previous {
        usage.forget_previous();
    }
    Arc::clone(usage)
}
