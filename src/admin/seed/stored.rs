//! The records that are stored, by the names that a seed file knows them by.
//!
//! Not a view of any use to requests: it is made for one plan and dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use crate::keys::decode::{Damaged, Decoded};
use crate::keys::entry::IntegrationEntry;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, WebhookKey, Workspace};

/// Everything, as one plan sees it.
#[derive(Default)]
pub(super) struct Stored {
    /// By name.
    pub(super) workspaces: BTreeMap<String, Arc<Workspace>>,
    /// Ascending by id.
    pub(super) keys: Vec<WebhookKey>,
    /// By name.
    pub(super) integrations: BTreeMap<String, Arc<IntegrationEntry>>,
    /// What cannot be read.
    pub(super) damaged: Vec<Damaged>,
    /// Places in `keys` by workspace and name; names of keys are not unique.
    by_name: HashMap<(Uuid, String), Vec<usize>>,
}

impl Stored {
    pub(super) fn of(mirror: &Mirror) -> Self {
        let mut stored = Self::default();
        for kind in [Kind::Workspace, Kind::WebhookKey, Kind::Integration] {
            for (_, decoded) in mirror.list(kind, None, usize::MAX, |_| true) {
                stored.take(decoded);
            }
        }
        stored
    }

    fn take(&mut self, decoded: Decoded) {
        match decoded {
            Decoded::Workspace(record) => {
                self.workspaces.insert(record.name.clone(), record);
            }
            Decoded::Key(entry) => {
                let record = entry.record.record();
                let name = (record.workspace_id, record.name.clone());
                self.by_name.entry(name).or_default().push(self.keys.len());
                self.keys.push(record);
            }
            Decoded::Integration(entry) => {
                self.integrations.insert(entry.record.name.clone(), entry);
            }
            Decoded::Admin(_) => {}
            Decoded::Damaged(damaged) => self.damaged.push(*damaged),
        }
    }

    /// The key of this name: the seed file's own, or else another that has the name.
    pub(super) fn key(&self, workspace: Uuid, name: &str) -> Option<&WebhookKey> {
        let places = self.by_name.get(&(workspace, name.to_owned()))?;
        let mut keys = places.iter().filter_map(|place| self.keys.get(*place));
        let first = keys.clone().next();
        keys.find(|key| key.meta.is_seeded()).or(first)
    }
}
