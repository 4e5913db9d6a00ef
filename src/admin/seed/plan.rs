//! What a seed file changes: its entries against what is stored, as one commit.
//!
//! Not the commit. Pure but for sealing and random numbers. Invariants: the same file against what it made changes
//! nothing; every fault is found, and then nothing is planned; only records that the seed file made are changed or
//! deleted; a workspace with anything else in it stays; a signing key that would take a place among those that are
//! tried unnamed from another, made elsewhere, is a fault.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};
use uuid::Uuid;

use super::SeedSettings;
use super::entries::{Place, Seed};
use super::fault::SeedFault;
use super::records::{self, Made, NotMade};
use super::stored::Stored;
use crate::admin::webhook_keys::is_tried_unnamed;
use crate::keys::mirror::Mirror;
use crate::keys::record::{ApiKeyDigest, Kind, Meta, Record, RecordKey, WebhookKey};
use crate::store::writer::{Edit, Writer};

/// Everything that a file changes.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) edits: Vec<Edit>,
    /// Records that must exist still.
    pub(super) requires: BTreeSet<RecordKey>,
    /// What the audit says of each edit, in their order.
    pub(super) changes: Vec<Value>,
    /// What an operator should know and need not act on.
    pub(super) notices: Vec<String>,
}

/// Why nothing is planned.
pub(super) enum Refused {
    /// Whoever writes the file is told.
    Faults(Vec<SeedFault>),
    /// A fault of ours.
    NotMade(String),
}

impl From<NotMade> for Refused {
    fn from(NotMade(why): NotMade) -> Self {
        Self::NotMade(why)
    }
}

const TAKEN: &str = "is held by a record that was made over the admin port, and is not taken over";

/// Plans.
pub(super) fn plan(
    seed: &Seed,
    settings: &SeedSettings,
    writer: &Writer,
    mirror: &Mirror,
) -> Result<Planned, Refused> {
    let mut planner = Planner {
        seed,
        settings,
        writer,
        stored: Stored::of(mirror),
        ids: HashMap::new(),
        declared: BTreeSet::new(),
        keys: Vec::new(),
        planned: Planned::default(),
        faults: Vec::new(),
    };
    planner.workspaces();
    planner.keys()?;
    planner.integrations()?;
    let gone = planner.removals();
    planner.api_keys(&gone);
    planner.tried_keys(&gone);
    if planner.faults.is_empty() { Ok(planner.planned) } else { Err(Refused::Faults(planner.faults)) }
}

struct Planner<'p> {
    seed: &'p Seed,
    settings: &'p SeedSettings,
    writer: &'p Writer,
    stored: Stored,
    /// Ids of the declared workspaces, and whether each is stored already.
    ids: HashMap<&'p str, (Uuid, bool)>,
    /// Records that stand for an entry.
    declared: BTreeSet<RecordKey>,
    /// Every declared key as it will be, and whether its secret is tried unnamed already.
    keys: Vec<(Place, WebhookKey, bool)>,
    planned: Planned,
    faults: Vec<SeedFault>,
}

impl Planner<'_> {
    fn workspaces(&mut self) {
        for entry in &self.seed.workspaces {
            let (id, stored) = match self.stored.workspaces.get(&entry.name) {
                Some(stored) if stored.meta.is_seeded() => (stored.meta.id, true),
                Some(_) => {
                    self.faults.push(self.seed.fault(entry.at, "name", TAKEN));
                    continue;
                }
                None => {
                    let record = Record::Workspace(records::workspace(&entry.name));
                    let id = record.meta().id;
                    self.change("workspace.created", Edit::Create(record), &entry.name, &[]);
                    (id, false)
                }
            };
            self.ids.insert(&entry.name, (id, stored));
            self.declared.insert(RecordKey { kind: Kind::Workspace, id });
        }
    }

    fn keys(&mut self) -> Result<(), NotMade> {
        for entry in &self.seed.keys {
            // A workspace without an id is a fault already.
            let Some((workspace, _)) = self.ids.get(entry.workspace.as_str()).copied() else { continue };
            let before = self.stored.key(workspace, &entry.name).cloned();
            if before.as_ref().is_some_and(|before| !before.record.meta.is_seeded()) {
                self.faults.push(self.seed.fault(entry.at, "name", TAKEN));
                continue;
            }
            let before = before.as_ref().map(|before| &before.record);
            let made = records::key(entry, workspace, before, self.writer)?;
            let now = self.writer.now();
            let tried = before.is_some_and(|before| is_tried_unnamed(before, now));
            self.keys.push((entry.at, made.record.clone(), tried));
            self.notice(made.notice, "webhook key", &entry.name);
            let rotated = made.fields.iter().any(|field| matches!(*field, "apiKey" | "secret"));
            let action = if rotated { "webhook_key.rotated" } else { "webhook_key.updated" };
            let same = before.is_some_and(|before| *before == made.record);
            let Made { record, fields, .. } = made;
            let record = Record::WebhookKey(record);
            self.place("webhook_key.created", action, record, &fields, same, Some(&entry.workspace));
        }
        Ok(())
    }

    fn integrations(&mut self) -> Result<(), NotMade> {
        for entry in &self.seed.integrations {
            let name = &entry.wanted.name;
            let workspace = match entry.workspace.as_deref().map(|workspace| self.ids.get(workspace)) {
                Some(Some((id, _))) => Some(*id),
                Some(None) => continue,
                None => None,
            };
            let claimed = |damaged: &&crate::keys::decode::Damaged| damaged.name.as_ref() == Some(name);
            if self.stored.damaged.iter().find(claimed).is_some() {
                let detail = "is held by a stored record that cannot be read; delete it over the admin port, or \
                              restore what opens it";
                self.faults.push(self.seed.fault(entry.at, "name", detail));
                continue;
            }
            let before = self.stored.integrations.get(name).cloned();
            if before.as_ref().is_some_and(|before| !before.record.meta.is_seeded()) {
                self.faults.push(self.seed.fault(entry.at, "name", TAKEN));
                continue;
            }
            let before = before.as_ref().map(|before| &before.record);
            let made = records::integration(entry, workspace, before, self.writer)?;
            self.notice(made.notice, "integration", name);
            let rotated = made.fields.contains(&"webhookSecret");
            let action = if rotated { "integration.secret_rotated" } else { "integration.updated" };
            let same = before.is_some_and(|before| *before == made.record);
            let Made { record, fields, .. } = made;
            let record = Record::Integration(record);
            self.place("integration.created", action, record, &fields, same, entry.workspace.as_deref());
        }
        Ok(())
    }

    /// Plans a declared record, unless it is as it should be.
    fn place(
        &mut self,
        created: &'static str,
        updated: &'static str,
        record: Record,
        fields: &[&str],
        same: bool,
        workspace: Option<&str>,
    ) {
        self.declared.insert(record.key());
        if same {
            return;
        }
        if let Some((id, true)) = workspace.and_then(|workspace| self.ids.get(workspace)) {
            self.planned.requires.insert(RecordKey { kind: Kind::Workspace, id: *id });
        }
        let name = match &record {
            Record::Workspace(record) => record.name.clone(),
            Record::WebhookKey(record) => record.name.clone(),
            Record::Integration(record) => record.name.clone(),
        };
        // The writer counts revisions from 1: a record that was never stored has none.
        if record.meta().revision == 0 {
            self.change(created, Edit::Create(record), &name, fields);
        } else {
            self.change(updated, Edit::Update(record), &name, fields);
        }
    }

    /// Deletes what the file no longer declares, or says that it stays. Gives the keys that go.
    fn removals(&mut self) -> BTreeSet<Uuid> {
        let stays = |meta: &Meta, kind: Kind, declared: &BTreeSet<RecordKey>| {
            !meta.is_seeded() || declared.contains(&RecordKey { kind, id: meta.id })
        };
        let mut removals: Vec<(&'static str, Record, String)> = Vec::new();
        // What stays in each workspace that is not declared.
        let mut inside: BTreeMap<Uuid, usize> = BTreeMap::new();
        let mut hold = |workspace: Option<Uuid>| {
            if let Some(id) = workspace {
                *inside.entry(id).or_default() += 1;
            }
        };
        for entry in &self.stored.keys {
            let record = &entry.record;
            if stays(&record.meta, Kind::WebhookKey, &self.declared) {
                hold(Some(record.workspace_id));
            } else {
                removals.push((
                    "webhook_key.deleted",
                    Record::WebhookKey(record.clone()),
                    record.name.clone(),
                ));
            }
        }
        for entry in self.stored.integrations.values() {
            let record = &entry.record;
            if !stays(&record.meta, Kind::Integration, &self.declared) {
                removals.push((
                    "integration.deleted",
                    Record::Integration(record.clone()),
                    record.name.clone(),
                ));
            } else if !record.meta.is_seeded() {
                hold(record.workspace_id);
            }
        }
        self.stored.damaged.iter().for_each(|damaged| hold(damaged.workspace));
        for record in self.stored.workspaces.values() {
            if stays(&record.meta, Kind::Workspace, &self.declared) {
                continue;
            }
            match inside.get(&record.meta.id) {
                Some(count) if self.settings.prune => self.planned.notices.push(format!(
                    "workspace {:?} is not in the file and stays: {count} of its records were not made by the file",
                    record.name
                )),
                _ => removals.push((
                    "workspace.deleted",
                    Record::Workspace(record.as_ref().clone()),
                    record.name.clone(),
                )),
            }
        }
        let mut gone = BTreeSet::new();
        for (action, record, name) in removals {
            if self.settings.prune {
                if let Record::WebhookKey(key) = &record {
                    gone.insert(key.meta.id);
                }
                self.change(action, Edit::Delete(record), &name, &[]);
            } else {
                let kind = record.key().kind.name();
                let notice = format!(
                    "{kind} {name:?} is not in the file and stays as it was; seed.prune = true deletes it"
                );
                self.planned.notices.push(notice);
            }
        }
        gone
    }

    /// No two records may hold one API key, former ones included.
    fn api_keys(&mut self, gone: &BTreeSet<Uuid>) {
        let mut held: HashMap<ApiKeyDigest, String> = HashMap::new();
        let stays = |id: Uuid| {
            !gone.contains(&id) && !self.declared.contains(&RecordKey { kind: Kind::WebhookKey, id })
        };
        for entry in self.stored.keys.iter().filter(|entry| stays(entry.record.meta.id)) {
            let how = if entry.record.meta.is_seeded() {
                format!(
                    "the key {:?}, which is not in the file and stays; seed.prune = true deletes it",
                    entry.record.name
                )
            } else {
                "a key that was made over the admin port".to_owned()
            };
            digests(&entry.record).for_each(|digest| drop(held.insert(digest, how.clone())));
        }
        for damaged in &self.stored.damaged {
            for digest in &damaged.api_keys {
                held.insert(*digest, "a stored record that cannot be read".to_owned());
            }
        }
        for (_, key, _) in &self.keys {
            if let Some(former) = key.previous.as_ref().and_then(|previous| previous.api_key) {
                held.insert(former, format!("the key {:?} until its overlap ends", key.name));
            }
        }
        for (at, key, _) in &self.keys {
            let own = key.previous.as_ref().and_then(|previous| previous.api_key) == Some(key.api_key);
            if let Some(holder) = held.get(&key.api_key).filter(|_| !own) {
                let fault = self.seed.fault(*at, "apiKeyDigest", format!("is held by {holder}"));
                self.faults.push(fault);
            }
        }
    }

    /// A workspace's secrets that are tried for requests without a key id are no more than can be tried.
    fn tried_keys(&mut self, gone: &BTreeSet<Uuid>) {
        let now = self.writer.now();
        let mut tried: HashMap<Uuid, usize> = HashMap::new();
        let declared = |id: Uuid| self.declared.contains(&RecordKey { kind: Kind::WebhookKey, id });
        let others = self.stored.keys.iter().map(|entry| &entry.record);
        let others = others.filter(|key| !gone.contains(&key.meta.id) && !declared(key.meta.id));
        for key in others.chain(self.keys.iter().map(|(_, key, _)| key)) {
            if is_tried_unnamed(key, now) {
                *tried.entry(key.workspace_id).or_default() += 1;
            }
        }
        let limit = self.settings.candidate_secrets;
        for (at, key, before) in &self.keys {
            let full = tried.get(&key.workspace_id).is_some_and(|count| *count > limit);
            if full && !before && is_tried_unnamed(key, now) {
                let detail = format!(
                    "must be true: the workspace has more signing keys than the {limit} that are tried without a \
                     key id (limits.candidate_secrets)"
                );
                self.faults.push(self.seed.fault(*at, "requireKeyId", detail));
            }
        }
    }

    fn notice(&mut self, notice: Option<&str>, kind: &str, name: &str) {
        self.planned.notices.extend(notice.map(|notice| format!("{kind} {name:?} {notice}")));
    }

    fn change(&mut self, action: &str, edit: Edit, name: &str, fields: &[&str]) {
        let key = match &edit {
            Edit::Create(record) | Edit::Update(record) | Edit::Delete(record) => record.key(),
            Edit::Remove { key, .. } => *key,
        };
        self.planned.changes.push(json!({
            "action": action, "resourceType": key.kind.name(), "resourceId": key.id, "name": name,
            "fields": fields,
        }));
        self.planned.edits.push(edit);
    }
}

fn digests(key: &WebhookKey) -> impl Iterator<Item = ApiKeyDigest> + use<> {
    let former = key.previous.as_ref().and_then(|previous| previous.api_key);
    std::iter::once(key.api_key).chain(former)
}
