//! What a seed file changes: its entries against what is stored, as one commit.
//!
//! Not the commit. Pure but for sealing and random numbers. Invariants: the same file against what it made changes
//! nothing; every fault is found, and then nothing is planned; only records that the seed file made are changed or
//! deleted; a workspace with anything else in it stays; a signing key that would take a place among those that are
//! tried unnamed from another, made elsewhere, is a fault.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use uuid::Uuid;

use super::SeedSettings;
use super::entries::{Place, Seed};
use super::fault::SeedFault;
use super::records::{self, Made, NotMade};
use super::stored::Stored;
use crate::admin::webhook_keys::is_tried_unnamed;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, Record, RecordKey, WebhookKey};
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

pub(super) struct Planner<'p> {
    pub(super) seed: &'p Seed,
    pub(super) settings: &'p SeedSettings,
    pub(super) writer: &'p Writer,
    pub(super) stored: Stored,
    /// Ids of the declared workspaces, and whether each is stored already.
    ids: HashMap<&'p str, (Uuid, bool)>,
    /// Records that stand for an entry.
    pub(super) declared: BTreeSet<RecordKey>,
    /// Every declared key as it will be, and whether its secret is tried unnamed already.
    pub(super) keys: Vec<(Place, WebhookKey, bool)>,
    pub(super) planned: Planned,
    pub(super) faults: Vec<SeedFault>,
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
            if before.as_ref().is_some_and(|before| !before.meta.is_seeded()) {
                self.faults.push(self.seed.fault(entry.at, "name", TAKEN));
                continue;
            }
            let before = before.as_ref();
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
            Record::Admin(record) => record.name.clone(),
        };
        // The writer counts revisions from 1: a record that was never stored has none.
        if record.meta().revision == 0 {
            self.change(created, Edit::Create(record), &name, fields);
        } else {
            self.change(updated, Edit::Update(record), &name, fields);
        }
    }

    fn notice(&mut self, notice: Option<&str>, kind: &str, name: &str) {
        self.planned.notices.extend(notice.map(|notice| format!("{kind} {name:?} {notice}")));
    }

    pub(super) fn change(&mut self, action: &str, edit: Edit, name: &str, fields: &[&str]) {
        let key = edit.key();
        self.planned.changes.push(json!({
            "action": action, "resourceType": key.kind.name(), "resourceId": key.id, "name": name,
            "fields": fields,
        }));
        self.planned.edits.push(edit);
    }
}
