//! Every operation of the admin port, and who may ask for it: the one table that routes, permissions and the
//! description of the API are made of.
//!
//! Not the handlers, nor who asks (`auth.rs`). Invariants: what is not in the table is not there; a handler runs
//! after its operation's permission was checked and, unless the table says that it needs none, with a key set that is
//! loaded and fresh; only a [`Permission::Public`] operation runs without a token.

use std::sync::Arc;

use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;

use crate::keys::record::AdminRole;

use super::{
    AdminState, admins, audit, deliveries, fleet, integrations, openapi, schemes, webhook_keys, workspaces,
};

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Everybody, without a token.
    Public,
    /// Every admin.
    Admin,
    /// Every admin; one of workspaces sees those alone.
    ReadKeys,
    /// Platform admins, and admins of the workspace.
    ChangeKeys,
    /// Platform admins and auditors.
    Oversee,
    /// Platform admins.
    Manage,
}

impl Permission {
    /// The roles that have it; of a public operation, all.
    #[must_use]
    pub const fn roles(self) -> &'static [AdminRole] {
        use AdminRole::{Auditor, PlatformAdmin, WorkspaceAdmin};
        match self {
            Self::Public | Self::Admin | Self::ReadKeys => &[PlatformAdmin, WorkspaceAdmin, Auditor],
            Self::ChangeKeys => &[PlatformAdmin, WorkspaceAdmin],
            Self::Oversee => &[PlatformAdmin, Auditor],
            Self::Manage => &[PlatformAdmin],
        }
    }
}

/// One method of one path.
#[derive(Debug)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, with names in braces: `/api/workspaces/{workspace}`.
    pub path: &'static str,
    /// Who may ask for it.
    pub permission: Permission,
    /// Whether it answers from the key set in memory, and so not before that is loaded.
    pub needs_keys: bool,
    route: fn() -> MethodRouter<Arc<AdminState>>,
}

impl Operation {
    /// Its handler, of this method only.
    pub(super) fn route(&self) -> MethodRouter<Arc<AdminState>> {
        (self.route)()
    }
}

macro_rules! operation {
    ($permission:ident $method:ident $path:literal $($handler:ident)::+) => {
        operation!(@ $permission $method $path true $($handler)::+)
    };
    ($permission:ident $method:ident $path:literal without keys $($handler:ident)::+) => {
        operation!(@ $permission $method $path false $($handler)::+)
    };
    (@ $permission:ident $method:ident $path:literal $keys:literal $($handler:ident)::+) => {
        Operation {
            method: Method::$method,
            path: $path,
            permission: Permission::$permission,
            needs_keys: $keys,
            route: || on(MethodFilter::$method, $($handler)::+),
        }
    };
}

/// All of them.
#[rustfmt::skip]
pub const OPERATIONS: &[Operation] = &[
    operation!(ReadKeys GET "/api/workspaces" workspaces::list),
    operation!(Manage POST "/api/workspaces" workspaces::create),
    operation!(ReadKeys GET "/api/workspaces/{workspace}" workspaces::get),
    operation!(Manage PATCH "/api/workspaces/{workspace}" workspaces::patch),
    operation!(Manage DELETE "/api/workspaces/{workspace}" workspaces::delete),

    operation!(ReadKeys GET "/api/workspaces/{workspace}/webhook-keys" webhook_keys::list),
    operation!(ChangeKeys POST "/api/workspaces/{workspace}/webhook-keys" webhook_keys::create::create),
    operation!(ReadKeys GET "/api/workspaces/{workspace}/webhook-keys/{key}" webhook_keys::get),
    operation!(ChangeKeys PATCH "/api/workspaces/{workspace}/webhook-keys/{key}" webhook_keys::update::patch),
    operation!(ChangeKeys DELETE "/api/workspaces/{workspace}/webhook-keys/{key}" webhook_keys::delete),
    operation!(ChangeKeys POST "/api/workspaces/{workspace}/webhook-keys/{key}/rotate" webhook_keys::rotate::rotate),
    operation!(ChangeKeys POST "/api/workspaces/{workspace}/webhook-keys/{key}/retire-previous" webhook_keys::retire::retire),
    operation!(ReadKeys GET "/api/webhook-keys/{key}" webhook_keys::get),
    operation!(ChangeKeys PATCH "/api/webhook-keys/{key}" webhook_keys::update::patch),
    operation!(ChangeKeys DELETE "/api/webhook-keys/{key}" webhook_keys::delete),
    operation!(ChangeKeys POST "/api/webhook-keys/{key}/rotate" webhook_keys::rotate::rotate),
    operation!(ChangeKeys POST "/api/webhook-keys/{key}/retire-previous" webhook_keys::retire::retire),

    operation!(Oversee GET "/api/integrations" integrations::list),
    operation!(Manage POST "/api/integrations" integrations::create::create),
    operation!(Oversee GET "/api/integrations/{integration}" integrations::get),
    operation!(Manage PATCH "/api/integrations/{integration}" integrations::update::patch),
    operation!(Manage DELETE "/api/integrations/{integration}" integrations::delete),
    operation!(Manage POST "/api/integrations/{integration}/rotate-secret" integrations::rotate::rotate),
    operation!(Manage POST "/api/integrations/{integration}/retire-previous" integrations::retire::retire),
    operation!(Manage POST "/api/integrations/{integration}/handshake/reveal" integrations::reveal::reveal),

    operation!(Oversee GET "/api/admins" admins::list),
    operation!(Manage POST "/api/admins" admins::create::create),
    operation!(Oversee GET "/api/admins/{admin}" admins::get),
    operation!(Manage PATCH "/api/admins/{admin}" admins::update::patch),
    operation!(Manage DELETE "/api/admins/{admin}" admins::delete),
    operation!(Manage POST "/api/admins/{admin}/rotate-token" admins::rotate::rotate),

    operation!(Manage POST "/api/integrations/{integration}/test" integrations::test::test),
    operation!(Oversee GET "/api/integrations/{integration}/deliveries" deliveries::list_of),
    operation!(Oversee GET "/api/deliveries" without keys deliveries::list),
    operation!(Oversee GET "/api/deliveries/{delivery}" without keys deliveries::get),

    operation!(Oversee GET "/api/sidecars" fleet::sidecars),
    operation!(Oversee GET "/api/keks" fleet::keks),
    operation!(Manage POST "/api/keks/rotate" fleet::rotate),
    operation!(Manage POST "/api/store/migrate" fleet::migrate),

    // Read from the store itself, and wanted most when it is in doubt.
    operation!(Oversee GET "/api/audit-events" without keys audit::list),
    operation!(Oversee GET "/api/audit-events/verify" without keys audit::verify),
    operation!(Admin GET "/api/schemes" without keys schemes::list),
    operation!(Admin GET "/api/schemes/{scheme}" without keys schemes::get),

    operation!(Public GET "/openapi.json" without keys openapi::document),
    operation!(Public GET "/docs" without keys openapi::docs),
];

#[cfg(test)]
mod tests {
    use super::{OPERATIONS, Permission};
    use http::Method;

    #[test]
    fn no_operation_is_stated_twice() {
        for (index, one) in OPERATIONS.iter().enumerate() {
            let same = |other: &&super::Operation| other.method == one.method && other.path == one.path;
            assert!(!OPERATIONS[..index].iter().any(|other| same(&other)), "{} {}", one.method, one.path);
        }
    }

    #[test]
    fn whoever_only_reads_changes_nothing() {
        use Permission::{Admin, Oversee, Public, ReadKeys};
        for operation in OPERATIONS {
            let reads = matches!(operation.permission, Public | Admin | ReadKeys | Oversee);
            assert_eq!(reads, operation.method == Method::GET, "{} {}", operation.method, operation.path);
        }
    }
}
