//! What this process is for: its role, and which part of the key set it serves.
//!
//! Not what a role needs of Redis (`docs/redis.md`). What a role makes useless is a warning, not a fault, so
//! that one file can serve both kinds of process.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::fault::Expected;
use super::reader::{Raw, Reader, Section};
use super::seed::SeedConfig;
use super::store::{InitPolicy, StoreBackend, StoreConfig};
use super::units;
use crate::keys::scope::Scope;

/// Which ports there are, and whether anything is ever written. The ops port is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Traffic and admin port.
    All,
    /// Traffic only: no admin port, no token, no write to a shared store.
    Data,
    /// Admin only: no traffic port.
    Admin,
}

impl Role {
    /// The word of the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Data => "data",
            Self::Admin => "admin",
        }
    }

    /// Whether there is a traffic port.
    #[must_use]
    pub fn serves_traffic(self) -> bool {
        self != Self::Admin
    }

    /// Whether there is an admin port, and records may be written.
    #[must_use]
    pub fn serves_admin(self) -> bool {
        self != Self::Data
    }
}

pub(super) fn role(root: &mut Section<'_>) -> Option<Role> {
    root.required("role", units::word(&[("all", Role::All), ("data", Role::Data), ("admin", Role::Admin)]))
}

/// `Some(None)`: everything. `None`: faulty.
pub(super) fn scope(reader: &Reader, root: &mut Section<'_>) -> Option<Option<Scope>> {
    let mut section = root.section("scope");
    let lists = ["workspaces", "integrations"].map(|key| (section.place(key), section.take(key)));
    section.finish();
    let [(workspaces_at, workspaces), (integrations_at, integrations)] = lists;
    if workspaces.is_none() && integrations.is_none() {
        return Some(None);
    }
    let ids = workspaces.map_or(Some(Vec::new()), |value| {
        reader.judge_list(&workspaces_at, &value, "a list of workspace ids", workspace)
    });
    let names = integrations.map_or(Some(Vec::new()), |value| {
        reader.judge_list(&integrations_at, &value, "a list of integration names", units::name)
    });
    let scope = Scope { workspaces: BTreeSet::from_iter(ids?), integrations: BTreeSet::from_iter(names?) };
    if scope == Scope::default() {
        // An empty list is more likely a template's slip than a wish; taken for "everything" it would open doors.
        let hint = "leave [scope] out to serve everything".to_owned();
        reader.fault("scope", "at least one workspace or integration", Some(hint));
        return None;
    }
    Some(Some(scope))
}

fn workspace(raw: &Raw<'_>) -> Result<Uuid, Expected> {
    Uuid::try_parse(raw.text().unwrap_or_default())
        .map_err(|_| Expected::new("a workspace's id, as the admin port shows it; names may change"))
}

/// Warns of what the role makes useless, and takes from it what it must not do.
pub(super) fn apply(
    reader: &Reader,
    role: Role,
    token: bool,
    store: Option<&mut StoreConfig>,
    seed: Option<&mut SeedConfig>,
) {
    let useless: &[&str] = match role {
        Role::All => return,
        Role::Data => &["admin.", "audit.", "seed."],
        Role::Admin => {
            &["listener.address", "listener.socket_mode", "listener.threads", "upstream.", "limits."]
        }
    };
    // Whoever makes keys warns of more than can be tried, which this says.
    let useful = ["limits.candidate_secrets"];
    let why = format!("has no effect with role = \"{}\"", role.name());
    for path in reader.given() {
        if useless.iter().any(|useless| path.starts_with(useless)) && !useful.contains(&path.as_str()) {
            reader.warn(&path, &why);
        }
    }
    if role == Role::Data && token {
        reader.warn("COUNTERSIGN_ADMIN_TOKEN", &format!("{why}, and need not be there"));
    }
    if let Some(seed) = seed.filter(|_| role == Role::Data) {
        seed.file = None;
    }
    let Some(store) = store else { return };
    match (&store.backend, role) {
        (StoreBackend::Embedded { .. }, Role::Admin) => {
            reader.warn("store.kind", "is one process's alone: nobody serves what this one writes");
        }
        (StoreBackend::Embedded { .. }, _) => {
            reader.warn("store.kind", "is one process's alone: nobody changes keys while this one runs");
        }
        (StoreBackend::Redis(_), Role::Data) if store.init == InitPolicy::IfEmpty => {
            reader.warn("store.init", &format!("{why}, which initialises nothing"));
            store.init = InitPolicy::Never;
        }
        (StoreBackend::Redis(_), _) => {}
    }
}
