//! What of the key set one sidecar holds: all of it, or the workspaces and integrations that it is told.
//!
//! Not an authorisation: a sidecar with the key-encryption keys could read the rest. Invariants: only what a
//! record's MAC vouches for decides, so whoever can write to the store cannot move a record out of scope; a
//! record outside is never unsealed and never held, so its holder gets the 401 of an unknown key.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::record::Record;

/// The listed workspaces with everything that they own, and the listed integrations, whoever owns them. Empty:
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// By id, because a workspace may be renamed.
    pub workspaces: BTreeSet<Uuid>,
    /// By name, which is what a sender's path says.
    pub integrations: BTreeSet<String>,
}

impl Scope {
    /// Whether the record belongs here. Admins belong wherever there is an admin port, which is not said here.
    #[must_use]
    pub fn holds(&self, record: &Record) -> bool {
        match record {
            Record::Admin(_) => true,
            Record::Workspace(workspace) => self.workspaces.contains(&workspace.meta.id),
            Record::WebhookKey(key) => self.workspaces.contains(&key.workspace_id),
            Record::Integration(integration) => {
                self.integrations.contains(&integration.name)
                    || integration.workspace_id.is_some_and(|id| self.workspaces.contains(&id))
            }
        }
    }
}
