//! What the mirror holds behind its lock: every record by id, and what was seen of the store's past.
//!
//! Not what requests read (`indexes.rs`). Invariants: those of the mirror; a rebuild decides for each record by
//! `loss.rs` alone which form stands.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::decode::{Damaged, Decoded};
use super::history::{History, Mark};
use super::loss::{Loss, Restoration, Stands, judge};
use super::record::RecordKey;
use super::removed::{Removed, Why};
use crate::store::{AuditMac, Head, Position};

/// Everything by id: what the admin port lists and what the writer plans with.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) records: BTreeMap<RecordKey, Decoded>,
    /// Revisions of removals, so that a late or replayed write cannot bring a record back.
    pub(super) removed: Removed,
    /// What the store holds in an older form than is known, or not at all.
    pub(super) lost: BTreeMap<RecordKey, Loss>,
    pub(super) applied: Option<Head>,
    /// Records that were revoked while a key set is read, each with its place in the log.
    pub(super) since: HashMap<RecordKey, Position>,
    pub(super) history: Option<History>,
}

/// What a store has lost, as a rebuild is to take it.
#[derive(Debug, Default)]
pub struct Rollback {
    /// How many of the places that the log had brought the store still has: the oldest.
    pub kept: usize,
    /// Commits of this process that it has lost.
    pub own: Vec<AuditMac>,
    /// What the store has had since, in order.
    pub since: Vec<Mark>,
    /// Records that were deleted in it, with the revision of the removal.
    pub deleted: HashMap<RecordKey, u64>,
}

impl Catalogue {
    /// Whether a record that the log or this process brings is to be taken.
    pub(super) fn takes(&mut self, key: RecordKey, decoded: &Decoded) -> bool {
        let known = self.records.get(&key);
        let Some(loss) = self.lost.get_mut(&key) else {
            let revision = decoded.revision();
            return known.is_none_or(|known| known.revision() < revision)
                && !self.removed.covers(&key, revision);
        };
        let before = loss.stored.unwrap_or(0);
        let stands = known.map_or(Stands::Known, |known| judge(known, decoded, before));
        if stands == Stands::Known {
            *loss = Loss::of(decoded);
        }
        stands == Stands::Stored
    }

    /// Takes a whole key set; gives the records of which something newer was seen and is kept.
    pub(super) fn rebuild(
        &mut self,
        records: Vec<(RecordKey, Decoded)>,
        head: Head,
        rollback: Option<Rollback>,
    ) -> Vec<RecordKey> {
        let former = std::mem::take(&mut self.lost);
        let (changed, deleted) = self.follow(head, rollback);
        // The revision up to which memory and store have the same past, where they have not had it since.
        let before = |key: &RecordKey| match (changed.get(key), former.get(key)) {
            (Some(changed), Some(loss)) => Some(loss.stored.unwrap_or(0).min(*changed)),
            (Some(changed), None) => Some(*changed),
            (None, Some(loss)) => Some(loss.stored.unwrap_or(0)),
            (None, None) => None,
        };
        // What is known of these stands, and nothing is lost.
        let since = self.changed_behind(head.position);
        let is_newer = |key: &RecordKey| since.contains(key) && before(key).is_none();
        let mut known = std::mem::take(&mut self.records);
        let mut kept = Vec::new();
        // Sorted and made whole at the end: its nodes are full then.
        let mut fresh = Vec::with_capacity(records.len());
        for (key, stored) in records {
            let ours = known.remove(&key);
            if let Some((removed, why)) = self.removed.get(&key)
                && (removed >= stored.revision() || (why == Why::Deleted && before(&key).is_some()))
                // A damaged form opens nothing, and may not say its revision: its callers are not to get 401.
                && !(why == Why::Left && matches!(stored, Decoded::Damaged(_)))
            {
                if is_newer(&key) {
                    continue;
                }
                kept.push(key);
                if why == Why::Deleted {
                    self.lost.insert(key, Loss::of(&stored));
                }
                continue;
            }
            let stands = ours
                .as_ref()
                .map_or(Stands::Stored, |ours| judge(ours, &stored, before(&key).unwrap_or(u64::MAX)));
            match ours {
                Some(ours) if stands == Stands::Known => {
                    if is_newer(&key) {
                        fresh.push((key, ours));
                        continue;
                    }
                    kept.push(key);
                    if !matches!(ours, Decoded::Damaged(_)) {
                        self.lost.insert(key, Loss::of(&stored));
                    }
                    fresh.push((key, ours));
                }
                ours => {
                    let stored = match (stored, &ours) {
                        (Decoded::Damaged(damaged), Some(ours)) => self.hide(ours, *damaged),
                        (stored, ours) => stored.with_usage_of(ours.as_ref()),
                    };
                    fresh.push((key, stored));
                }
            }
        }
        for (key, ours) in known {
            if is_newer(&key) {
                fresh.push((key, ours));
                continue;
            }
            // Made in what the store has lost, and not deleted in what it has had since.
            let lost = changed.get(&key) == Some(&0) && !deleted.contains_key(&key);
            if lost && !matches!(ours, Decoded::Damaged(_)) {
                kept.push(key);
                self.lost.insert(key, Loss { stored: None, claims: Vec::new() });
                fresh.push((key, ours));
            }
        }
        self.records = fresh.into_iter().collect();
        self.applied = Some(head);
        kept
    }

    /// Records that were changed while a key set was read that is of this place, as the log will say.
    fn changed_behind(&mut self, place: Position) -> HashSet<RecordKey> {
        let own = self.history.as_ref().map(|history| history.changed_behind(place));
        let revoked = std::mem::take(&mut self.since).into_iter().filter(|(_, at)| *at > place);
        own.into_iter().flatten().chain(revoked.map(|(key, _)| key)).collect()
    }

    /// Brings the history to `head`. Gives the records whose latest changes the store has lost, each with the
    /// revision before them, and those that it has deleted since.
    fn follow(
        &mut self,
        head: Head,
        rollback: Option<Rollback>,
    ) -> (HashMap<RecordKey, u64>, HashMap<RecordKey, u64>) {
        // Places of another epoch mean nothing in this one.
        if self.applied.is_some_and(|applied| applied.epoch != head.epoch) {
            self.history = None;
        }
        match (self.history.as_mut(), rollback) {
            (Some(history), Some(Rollback { kept, own, since, deleted })) => {
                let changed = history.fork(kept, &own);
                since.into_iter().for_each(|mark| history.apply(mark));
                for (key, revision) in &deleted {
                    self.removed.note(*key, *revision, Why::Deleted);
                }
                (changed, deleted)
            }
            (Some(history), None) => {
                history.skip_to(head);
                Default::default()
            }
            (None, _) => {
                self.history = Some(History::from(head));
                Default::default()
            }
        }
    }

    /// A damaged form hides the one known: from the same callers, though it may not say any more whose it is. An older
    /// intact one must not come after it.
    fn hide(&mut self, known: &Decoded, mut damaged: Damaged) -> Decoded {
        if !matches!(known, Decoded::Damaged(_)) {
            self.removed.note(damaged.key, known.revision().saturating_sub(1), Why::Left);
        }
        for (digest, _) in known.api_key_entries() {
            if !damaged.api_keys.contains(&digest) {
                damaged.api_keys.push(digest);
            }
        }
        damaged.token = damaged.token.or_else(|| known.token());
        damaged.name = damaged.name.or_else(|| known.integration_entry().map(|(name, _)| name));
        damaged.workspace = damaged.workspace.or_else(|| known.workspace());
        Decoded::Damaged(Box::new(damaged))
    }

    /// What the store must be told of a record that it has lost.
    pub(super) fn restoration(&self, key: RecordKey) -> Option<Restoration> {
        let Loss { stored, claims } = self.lost.get(&key)?.clone();
        let record = self.records.get(&key).and_then(Decoded::record);
        let seen = match &record {
            Some(record) => record.meta().revision,
            None => self.removed.get(&key)?.0,
        };
        let revision = seen.max(stored.map_or(0, |stored| stored.saturating_add(1)));
        Some(Restoration { key, record, revision, stored, claims })
    }
}
