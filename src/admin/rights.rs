//! What the caller of a request may do.
//!
//! Not who it is (`auth.rs`), nor which operation takes what (`operations.rs`). Invariants: a workspace admin sees the
//! workspaces that it is named for and what belongs to them, and what it does not see is answered like what is not
//! there; rights that were taken away while a request was on its way change nothing any more ([`Rights::still_stand`]).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use uuid::Uuid;

use super::operations::Permission;
use super::problem::Problem;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Admin, AdminRole};

/// Those of one admin.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    /// The record; `None` = the holder of the configured token, who is no record.
    admin: Option<Arc<Admin>>,
}

impl<S: Send + Sync> FromRequestParts<S> for Rights {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

impl Rights {
    /// Those of the configured token: everything.
    pub(super) fn of_bootstrap() -> Self {
        Self { admin: None }
    }

    /// Those of an admin.
    pub(super) fn of(admin: Arc<Admin>) -> Self {
        Self { admin: Some(admin) }
    }

    /// Whether they are those of the configured token.
    pub(super) fn are_bootstrap(&self) -> bool {
        self.admin.is_none()
    }

    /// The role.
    pub(super) fn role(&self) -> AdminRole {
        self.admin.as_ref().map_or(AdminRole::PlatformAdmin, |admin| admin.role)
    }

    /// Whether an operation may be asked for.
    pub(super) fn allow(&self, permission: Permission) -> bool {
        permission.roles().contains(&self.role())
    }

    /// Whether what belongs to this workspace, or to none, is seen.
    pub(super) fn see(&self, workspace: Option<Uuid>) -> bool {
        match &self.admin {
            Some(admin) if admin.role == AdminRole::WorkspaceAdmin => {
                workspace.is_some_and(|id| admin.workspaces.contains(&id))
            }
            _ => true,
        }
    }

    /// Refuses where the admin has another token, another role or other workspaces by now, or is gone.
    pub(super) fn still_stand(&self, mirror: &Mirror) -> Result<(), Problem> {
        let Some(then) = &self.admin else { return Ok(()) };
        let now = mirror.admin(then.meta.id);
        let same = now.is_some_and(|now| {
            now.token == then.token && now.role == then.role && now.workspaces == then.workspaces
        });
        if same { Ok(()) } else { Err(Problem::unauthenticated()) }
    }
}
