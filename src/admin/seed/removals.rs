//! What of the seed file's records the file no longer declares: it is deleted, or stays and is named.
//!
//! Invariants: only what the seed file made is deleted, and only with `seed.prune`; a workspace that holds anything
//! that stays is one that stays.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::plan::Planner;
use crate::keys::record::{Kind, Meta, Record, RecordKey};
use crate::store::writer::Edit;

impl Planner<'_> {
    /// Deletes what the file no longer declares, or says that it stays. Gives the keys that go.
    pub(super) fn removals(&mut self) -> BTreeSet<Uuid> {
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
        for record in &self.stored.keys {
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
}
