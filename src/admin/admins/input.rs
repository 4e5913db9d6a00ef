//! The fields of an admin in a body.
//!
//! Not the change. Invariants: workspaces are named with the role that is confined to them and with no other, at least
//! one and only such as there are; a name that the audit log gives to those without a record is refused.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use crate::admin::fields::{Change, Fields};
use crate::admin::formats::{self, Checked, wrong};
use crate::admin::problem::{Fault, Problem};
use crate::admin::view::SERVER_SET;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Admin, AdminRole, Kind, RecordKey};
use crate::store::writer::FIXED_ACTORS;

/// Where it is refused.
const WORKSPACES: &str = "/workspaces";

/// What a body says.
pub(super) struct Input {
    pub(super) name: Option<String>,
    pub(super) role: Option<AdminRole>,
    workspaces: Change<BTreeSet<Uuid>>,
}

impl Input {
    /// Takes the fields; `fresh` = the record does not exist yet, so that name and role must be there.
    pub(super) fn of(fields: &mut Fields, fresh: bool) -> Self {
        fields.read_only(SERVER_SET, "is set by the server");
        fields.read_only(&["token", "tokenPrefix"], "is made by the server; use rotate-token for another");
        let (name, role) = if fresh {
            (fields.required("name", name), fields.required("role", role))
        } else {
            (fields.plain("name", name), fields.plain("role", role))
        };
        let workspaces = fields.nullable("workspaces", formats::ids("null unless role is workspace-admin"));
        Self { name, role, workspaces }
    }

    /// Sets what the body names. Another role than that of workspaces takes them away.
    pub(super) fn apply(&self, mirror: &Mirror, record: &mut Admin) -> Result<(), Problem> {
        record.name = self.name.clone().unwrap_or_else(|| record.name.clone());
        record.role = self.role.unwrap_or(record.role);
        let named = match (record.role, &self.workspaces) {
            (AdminRole::WorkspaceAdmin, Change::Set(named)) => named.clone(),
            (AdminRole::WorkspaceAdmin, Change::Keep) if !record.workspaces.is_empty() => return Ok(()),
            (AdminRole::WorkspaceAdmin, _) => {
                let detail = "a workspace-admin needs the ids of its workspaces";
                return Err(Problem::invalid(vec![Fault::at(WORKSPACES, "required", detail)]));
            }
            (_, Change::Set(_)) => {
                let detail = "only a workspace-admin is confined to workspaces";
                return Err(Problem::invalid(vec![Fault::at(WORKSPACES, "range", detail)]));
            }
            (_, Change::Keep | Change::Clear) => BTreeSet::new(),
        };
        let missing = named
            .iter()
            .enumerate()
            .filter(|(_, id)| !record.workspaces.contains(id) && mirror.workspace(**id).is_none());
        let faults: Vec<Fault> = missing
            .map(|(place, _)| {
                Fault::at(format!("{WORKSPACES}/{place}"), "unknown", "there is no such workspace")
            })
            .collect();
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        record.workspaces = named;
        Ok(())
    }

    /// The workspaces that must be there still when it is committed: those that are newly named.
    pub(super) fn requires(before: &BTreeSet<Uuid>, record: &Admin) -> Vec<RecordKey> {
        let fresh = record.workspaces.difference(before);
        fresh.map(|id| RecordKey { kind: Kind::Workspace, id: *id }).collect()
    }
}

fn name(value: Value) -> Checked<String> {
    let name = formats::display_name(value)?;
    if FIXED_ACTORS.iter().any(|fixed| fixed.eq_ignore_ascii_case(&name)) {
        return wrong("reserved", "is what the audit log calls somebody else");
    }
    Ok(name)
}

fn role(value: Value) -> Checked<AdminRole> {
    const ROLES: &[(&str, AdminRole)] = &[
        (AdminRole::PlatformAdmin.name(), AdminRole::PlatformAdmin),
        (AdminRole::WorkspaceAdmin.name(), AdminRole::WorkspaceAdmin),
        (AdminRole::Auditor.name(), AdminRole::Auditor),
    ];
    formats::one_of(ROLES)(value)
}
