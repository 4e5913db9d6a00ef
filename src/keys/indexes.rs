//! The indexes that requests read: API keys by digest, keys by workspace and id, integrations by name.
//!
//! Not their writer's order of things, which is the mirror's. Invariants: an index holds what the catalogue
//! holds, never more; a damaged record never displaces an intact one; a value that a record keeps is found all
//! through a change of it: what goes is taken out, and what stays is replaced in one step.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::decode::Decoded;
use super::digests::Digests;
use super::entry::{IntegrationEntry, KeyEntry, Use};
use super::record::{ApiKeyDigest, Kind, RecordKey};
use super::shards::Shards;

/// A value that is intact, or known to be there and unusable.
#[derive(Debug)]
pub(super) enum Held<T> {
    /// Usable.
    Intact(Arc<T>),
    /// There, and 503 for its own callers.
    Damaged,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Intact(value) => Self::Intact(Arc::clone(value)),
            Self::Damaged => Self::Damaged,
        }
    }
}

/// The keys of one workspace by id, ascending: oldest first.
pub(super) type Members = Arc<[(Uuid, Held<KeyEntry>)]>;

/// The indexes that requests read.
#[derive(Debug)]
pub(super) struct Indexes {
    pub(super) api_keys: Digests,
    pub(super) workspaces: Arc<Shards<Uuid, Members>>,
    /// Keys that are damaged: nobody can tell for certain whose they are.
    damaged_keys: Arc<Shards<Uuid, ()>>,
    pub(super) integrations: Arc<Shards<String, Held<IntegrationEntry>>>,
}

impl Indexes {
    pub(super) fn empty() -> Self {
        Self {
            api_keys: Digests::new(),
            workspaces: Arc::new(Shards::new()),
            damaged_keys: Arc::new(Shards::new()),
            integrations: Arc::new(Shards::new()),
        }
    }

    pub(super) fn of(records: &BTreeMap<RecordKey, Decoded>) -> Self {
        // Damaged records first: where two claim one value, the intact one is inserted last and stands.
        let (damaged, intact): (Vec<_>, Vec<_>) =
            records.values().partition(|decoded| matches!(decoded, Decoded::Damaged(_)));
        let ordered = || damaged.iter().chain(intact.iter()).copied();
        let mut members: HashMap<Uuid, Vec<(Uuid, Held<KeyEntry>)>> = HashMap::new();
        for (key, decoded) in records {
            if let (Kind::WebhookKey, Some(workspace), Some(held)) =
                (key.kind, decoded.workspace(), decoded.as_key())
            {
                members.entry(workspace).or_default().push((key.id, held));
            }
        }
        Self {
            api_keys: Digests::from_entries(ordered().flat_map(Decoded::api_key_entries).collect()),
            workspaces: Arc::new(Shards::from_entries(
                members.into_iter().map(|(id, keys)| (id, Arc::from(keys))),
            )),
            damaged_keys: Arc::new(Shards::from_entries(
                damaged.iter().filter_map(|decoded| Some((decoded.damaged_key()?, ()))),
            )),
            integrations: Arc::new(Shards::from_entries(ordered().filter_map(Decoded::integration_entry))),
        }
    }

    /// The same, with an index of API keys that is of the size they need by now; `None` where it is.
    pub(super) fn resized(&self) -> Option<Self> {
        Some(Self {
            api_keys: self.api_keys.resized()?,
            workspaces: Arc::clone(&self.workspaces),
            damaged_keys: Arc::clone(&self.damaged_keys),
            integrations: Arc::clone(&self.integrations),
        })
    }

    /// The key of a workspace with this id. A damaged one is found in any workspace.
    pub(super) fn key(&self, workspace: &Uuid, id: &Uuid) -> Option<Held<KeyEntry>> {
        let member = |members: &Members| {
            let place = members.binary_search_by(|(other, _)| other.cmp(id)).ok()?;
            members.get(place).map(|(_, held)| held.clone())
        };
        let held = self.workspaces.look(workspace, member).flatten();
        held.or_else(|| self.damaged_keys.get(id).map(|()| Held::Damaged))
    }

    /// What each record was used that the store was not told of yet; counts as told from now on.
    pub(super) fn take_uses(&self) -> Vec<(RecordKey, Use)> {
        let mut uses = Vec::new();
        self.workspaces.each(|members| {
            for (id, held) in members.iter() {
                if let Held::Intact(entry) = held
                    && let Some(used) = entry.take_use()
                {
                    uses.push((RecordKey { kind: Kind::WebhookKey, id: *id }, used));
                }
            }
        });
        self.integrations.each(|held| {
            if let Held::Intact(entry) = held
                && let Some(used) = entry.take_use()
            {
                uses.push((RecordKey { kind: Kind::Integration, id: entry.record.meta.id }, used));
            }
        });
        uses
    }

    /// Takes one record's former values out of the indexes and puts its present ones in.
    pub(super) fn replace(&self, before: Option<&Decoded>, after: Option<&Decoded>, key: RecordKey) {
        match key.kind {
            // Looked for on the admin port alone, among few.
            Kind::Workspace | Kind::Admin => {}
            Kind::Integration => {
                let stays = after.and_then(Decoded::integration_entry);
                if let Some((name, _)) = before.and_then(Decoded::integration_entry)
                    && stays.as_ref().is_none_or(|(kept, _)| *kept != name)
                    && !is_anothers(self.integrations.get(name.as_str()), |entry| entry.record.meta.id, key)
                {
                    self.integrations.remove(name.as_str());
                }
                if let Some((name, held)) = stays {
                    let there = self.integrations.get(name.as_str());
                    let anothers = is_anothers(there, |entry| entry.record.meta.id, key);
                    if !(anothers && matches!(held, Held::Damaged)) {
                        self.integrations.insert(name, held);
                    }
                }
            }
            Kind::WebhookKey => self.replace_key(before, after, key),
        }
    }

    fn replace_key(&self, before: Option<&Decoded>, after: Option<&Decoded>, key: RecordKey) {
        let stay = after.map(Decoded::api_key_entries).unwrap_or_default();
        let is_anothers =
            |digest: &ApiKeyDigest| is_anothers(self.api_keys.get(digest), |entry| entry.record.meta.id, key);
        for (digest, _) in before.into_iter().flat_map(Decoded::api_key_entries) {
            if !stay.iter().any(|(kept, _)| *kept == digest) && !is_anothers(&digest) {
                self.api_keys.remove(&digest);
            }
        }
        for (digest, held) in stay {
            if !(is_anothers(&digest) && matches!(held, Held::Damaged)) {
                self.api_keys.insert(digest, held);
            }
        }
        // Known as damaged before it is anywhere taken out, and until it is put in whole.
        if after.and_then(Decoded::damaged_key).is_some() {
            self.damaged_keys.insert(key.id, ());
        }
        let (left, joined) = (before.and_then(Decoded::workspace), after.and_then(Decoded::workspace));
        if let Some(workspace) = left.filter(|left| Some(*left) != joined) {
            self.change_members(workspace, key.id, None);
        }
        if let (Some(workspace), Some(held)) = (joined, after.and_then(Decoded::as_key)) {
            self.change_members(workspace, key.id, Some(held));
        }
        if before.and_then(Decoded::damaged_key).is_some() && after.and_then(Decoded::damaged_key).is_none() {
            self.damaged_keys.remove(&key.id);
        }
    }

    fn change_members(&self, workspace: Uuid, id: Uuid, held: Option<Held<KeyEntry>>) {
        let current = self.workspaces.get(&workspace);
        let mut members: Vec<_> = current
            .iter()
            .flat_map(|members| members.iter())
            .filter(|(other, _)| *other != id)
            .cloned()
            .collect();
        if let Some(held) = held {
            let place = members.partition_point(|(other, _)| *other < id);
            members.insert(place, (id, held));
        }
        if members.is_empty() {
            self.workspaces.remove(&workspace);
        } else {
            self.workspaces.insert(workspace, Arc::from(members));
        }
    }
}

/// Whether what an index holds is an intact record, and not this one. A damaged record may claim what is
/// another's, and a value may have passed on to another record already: neither takes it away.
fn is_anothers<T>(held: Option<Held<T>>, id: impl Fn(&T) -> Uuid, key: RecordKey) -> bool {
    matches!(held, Some(Held::Intact(entry)) if id(&entry) != key.id)
}
