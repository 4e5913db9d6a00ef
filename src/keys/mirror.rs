//! The key set in memory: what requests are judged by.
//!
//! Not the store and not its reader (`sync.rs`). Invariants:
//! - reads take no lock; each index is a sharded map of immutable shards;
//! - changes are applied under one lock and are idempotent by revision: an older or equal revision of a
//!   record, or of its removal, changes nothing, whichever way it arrives;
//! - a rebuild is made aside and swapped in whole, and keeps every higher revision that was seen, so that a
//!   store that went back in time never un-revokes, not at any later rebuild either (`loss.rs`);
//! - what the store has lost is known until the store is seen to hold it again;
//! - a damaged record never displaces an intact one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::catalogue::Catalogue;
pub use super::catalogue::Rollback;
use super::decode::Decoded;
use super::entry::{IntegrationEntry, KeyEntry, Use};
use super::history::{History, Mark};
use super::indexes::{Held, Indexes};
use super::loss::Restoration;
use super::record::{Admin, Kind, RecordKey, Workspace};
use super::removed::Why;
use crate::store::{AuditMac, Epoch, Head, Position};

/// The mirror.
#[derive(Debug)]
pub struct Mirror {
    indexes: ArcSwap<Indexes>,
    catalogue: Mutex<Catalogue>,
    applied: watch::Sender<Option<(Epoch, Position)>>,
    losses: watch::Sender<usize>,
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
    /// Admins.
    pub admins: usize,
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
            losses: watch::Sender::new(0),
        }
    }

    /// The indexes as they stand. Held for one lookup, never across an await.
    pub(super) fn indexes(&self) -> arc_swap::Guard<Arc<Indexes>> {
        self.indexes.load()
    }

    /// Swaps in a whole key set read from the store at `head`. Returns the records for which a higher
    /// revision had been seen and was kept: the store has lost changes.
    pub fn rebuild(&self, records: Vec<(RecordKey, Decoded)>, head: Head) -> Vec<RecordKey> {
        self.rebuild_after(records, head, None)
    }

    /// The same for a store that has lost the latest of what was seen.
    pub fn rebuild_after(
        &self,
        records: Vec<(RecordKey, Decoded)>,
        head: Head,
        rollback: Option<Rollback>,
    ) -> Vec<RecordKey> {
        let mut catalogue = self.catalogue.lock();
        let kept = catalogue.rebuild(records, head, rollback);
        self.indexes.store(Arc::new(Indexes::of(&catalogue.records)));
        self.applied.send_replace(Some((head.epoch, head.position)));
        self.losses.send_replace(catalogue.lost.len());
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
        if !catalogue.takes(key, &decoded) {
            return;
        }
        if catalogue.lost.remove(&key).is_some() {
            self.losses.send_replace(catalogue.lost.len());
        }
        let decoded = decoded.with_usage_of(catalogue.records.get(&key));
        let before = catalogue.records.insert(key, decoded);
        self.replace(before.as_ref(), catalogue.records.get(&key), key);
    }

    fn replace(&self, before: Option<&Decoded>, after: Option<&Decoded>, key: RecordKey) {
        let indexes = self.indexes.load();
        indexes.replace(before, after, key);
        if let Some(resized) = indexes.resized() {
            self.indexes.store(Arc::new(resized));
        }
    }

    /// Applies a removal.
    pub fn remove(&self, key: RecordKey, revision: u64) {
        self.take_out(key, revision, Why::Deleted);
    }

    fn take_out(&self, key: RecordKey, revision: u64, why: Why) {
        let mut catalogue = self.catalogue.lock();
        let was_lost = catalogue.lost.remove(&key).is_some();
        let seen = catalogue.records.get(&key).filter(|_| was_lost).map_or(0, Decoded::revision);
        catalogue.removed.note(key, revision.max(seen), why);
        if was_lost {
            self.losses.send_replace(catalogue.lost.len());
        }
        if catalogue.records.get(&key).is_some_and(|known| was_lost || known.revision() <= revision) {
            let before = catalogue.records.remove(&key);
            self.replace(before.as_ref(), None, key);
        }
    }

    /// Applies a record that, at this revision, is none of this sidecar's: it goes, if it is held. Nothing is
    /// kept of one that is not.
    pub fn leave(&self, key: RecordKey, revision: u64) {
        if self.is_held(key) {
            self.take_out(key, revision, Why::Left);
        }
    }

    /// Notes that what was just applied to this record stands in the log at `place`, which a key set that is being read
    /// may not have come to.
    pub fn mark_ahead(&self, key: RecordKey, place: Position) {
        self.catalogue.lock().since.insert(key, place);
    }

    /// Whether there is such a record, usable or not.
    #[must_use]
    pub fn is_held(&self, key: RecordKey) -> bool {
        self.catalogue.lock().records.contains_key(&key)
    }

    /// Notes that everything up to this entry has been applied.
    pub fn mark_applied(&self, mark: Mark) {
        let mut catalogue = self.catalogue.lock();
        if let Some(head) = catalogue.applied.as_mut() {
            (head.position, head.mac) = (mark.position, mark.mac);
            let applied = (head.epoch, head.position);
            if let Some(history) = catalogue.history.as_mut() {
                history.apply(mark);
            }
            self.applied.send_replace(Some(applied));
        }
    }

    /// Notes that this process has committed this entry in this epoch, which the log is to bring.
    pub fn mark_committed(&self, epoch: Epoch, mark: Mark) {
        let mut catalogue = self.catalogue.lock();
        if catalogue.applied.is_some_and(|applied| applied.epoch == epoch)
            && let Some(history) = catalogue.history.as_mut()
        {
            history.commit(mark);
        }
    }

    /// Notes what the store says of its past, up to the last rebuild: entries, oldest first, and the removals in
    /// them.
    pub fn recall(&self, past: Vec<Mark>, removals: &[(RecordKey, u64)]) {
        let mut catalogue = self.catalogue.lock();
        for (key, revision) in removals {
            catalogue.removed.note(*key, *revision, Why::Deleted);
        }
        if let Some(history) = catalogue.history.as_mut() {
            history.recall(past);
        }
    }

    /// Commits of this process that the log has not brought yet.
    #[must_use]
    pub fn ahead(&self) -> Vec<(Position, AuditMac)> {
        self.catalogue.lock().history.as_ref().map(History::ahead).unwrap_or_default()
    }

    /// Every place that the log has brought and that is remembered, oldest first.
    #[must_use]
    pub fn places(&self) -> Vec<(Position, AuditMac)> {
        self.catalogue.lock().history.as_ref().map(History::places).unwrap_or_default()
    }

    /// How many records the store has lost, as far as is known here; changes as it does.
    #[must_use]
    pub fn losses(&self) -> watch::Receiver<usize> {
        self.losses.subscribe()
    }

    /// Records that the store has lost, owners before what they own.
    #[must_use]
    pub fn lost(&self) -> Vec<RecordKey> {
        self.catalogue.lock().lost.keys().copied().collect()
    }

    /// What the store must be told of a record that it has lost; `None` where it has it again.
    #[must_use]
    pub fn restoration(&self, key: RecordKey) -> Option<Restoration> {
        self.catalogue.lock().restoration(key)
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

    /// What each record was used that the store was not told of yet; counts as told from now on. Takes no lock.
    #[must_use]
    pub fn take_uses(&self) -> Vec<(RecordKey, Use)> {
        self.indexes.load_full().take_uses()
    }

    /// What this record was used that the store was not told of yet.
    #[must_use]
    pub fn use_so_far(&self, key: RecordKey) -> Use {
        match self.catalogue.lock().records.get(&key) {
            Some(Decoded::Key(entry)) => entry.use_so_far(),
            Some(Decoded::Integration(entry)) => entry.use_so_far(),
            _ => Use::default(),
        }
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

    /// The admin with this id, if it is intact.
    #[must_use]
    pub fn admin(&self, id: Uuid) -> Option<Arc<Admin>> {
        match self.get(RecordKey { kind: Kind::Admin, id }) {
            Some(Decoded::Admin(admin)) => Some(admin),
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
                Decoded::Admin(_) => counts.admins += 1,
                Decoded::Damaged(_) => counts.damaged += 1,
            }
        }
        counts
    }
}
