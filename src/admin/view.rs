//! What every record's answer begins with, and the small forms that several resources share.
//!
//! Not the fields of any one resource. Invariant: nothing here can show a secret: prefixes are the redacted
//! form that the record itself holds.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::formats::{self, shown_time};
use crate::clock::UnixMillis;
use crate::keys::mirror::Mirror;
use crate::keys::record::Meta;

/// A time on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown(pub(super) UnixMillis);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&shown_time(self.0))
    }
}

/// Id, revision, times, origin.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetaView<'r> {
    id: Uuid,
    revision: u64,
    created_at: Shown,
    updated_at: Shown,
    created_by: Option<String>,
    managed_by: &'r str,
}

impl<'r> MetaView<'r> {
    /// As the record has them; who created it is looked up among the admins there are.
    pub(super) fn of(meta: &'r Meta, mirror: &Mirror) -> Self {
        Self {
            id: meta.id,
            revision: meta.revision,
            created_at: Shown(meta.created_at),
            updated_at: Shown(meta.updated_at),
            created_by: meta.created_by.as_deref().and_then(|creator| name_of(creator, mirror)),
            managed_by: &meta.managed_by,
        }
    }
}

/// The name of who created a record; `None` where that admin is gone.
fn name_of(creator: &str, mirror: &Mirror) -> Option<String> {
    match formats::id(creator) {
        Some(id) => mirror.admin(id).map(|admin| admin.name.clone()),
        None => Some(creator.to_owned()),
    }
}

/// Fields that the server alone sets, for bodies that send back what they read.
pub(super) const SERVER_SET: &[&str] =
    &["id", "revision", "createdAt", "updatedAt", "createdBy", "managedBy", "previous"];
