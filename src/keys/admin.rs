//! An admin as stored: who may use the admin port, and for what.
//!
//! Not the judging (`admin/caller.rs`), and not the bootstrap admin, who is a token of the configuration and no record.
//! Invariants: of the token there is a digest and its first characters; workspaces are named for the role that is
//! confined to them, and for no other.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::digest::TokenDigest;
use super::record::Meta;

/// What an admin may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminRole {
    /// Everything.
    PlatformAdmin,
    /// The keys of the workspaces that are named; sees nothing else.
    WorkspaceAdmin,
    /// Reads everything but secrets, changes nothing.
    Auditor,
}

impl AdminRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::PlatformAdmin, Self::WorkspaceAdmin, Self::Auditor];

    /// Its name, as stored and on the admin API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform-admin",
            Self::WorkspaceAdmin => "workspace-admin",
            Self::Auditor => "auditor",
        }
    }
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admin {
    /// Id, revision, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Unique, 1–120 characters, NFC.
    pub name: String,
    /// What it may do.
    pub role: AdminRole,
    /// Those whose keys it may manage; empty unless it is a workspace admin.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub workspaces: BTreeSet<Uuid>,
    /// Digest of its token.
    pub token: TokenDigest,
    /// First characters of the token and `...`.
    pub token_prefix: String,
}
