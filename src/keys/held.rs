//! A webhook key's record as it is held in memory: all of it, in a third of the room.
//!
//! Not its stored form (`record.rs`), which it is made of and gives back. A sidecar may hold a hundred thousand
//! keys, and what an admin sees of one is read far less often than it is held. So what requests look at stands in
//! fields, what few keys have is in a box, and the rest lies in one piece of memory. Invariants: nothing is lost:
//! [`HeldKey::record`] gives what [`HeldKey::of`] was given; the secret is held as sealed as it is stored.

use std::fmt;

use data_encoding::BASE64;
use ipnet::IpNet;
use uuid::Uuid;

use super::record::{ApiKeyDigest, Meta, PreviousKey, Sealed, WebhookKey, WorkspaceScheme};
use crate::clock::UnixMillis;

/// Of [`Meta`] what has a fixed size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldMeta {
    /// UUIDv7.
    pub id: Uuid,
    /// 1 at creation, one more with each change.
    pub revision: u64,
    /// When it was created, wall time.
    pub created_at: UnixMillis,
    /// When it was last changed, wall time.
    pub updated_at: UnixMillis,
    is_seeded: bool,
}

impl HeldMeta {
    /// As [`Meta::is_seeded`].
    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.is_seeded
    }
}

/// The record.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldKey {
    /// Id, revision, times.
    pub meta: HeldMeta,
    /// The workspace that owns it.
    pub workspace_id: Uuid,
    /// Digest of the API key.
    pub api_key: ApiKeyDigest,
    /// From when on it verifies nothing; `None` = never.
    pub expires_at: Option<UnixMillis>,
    /// Version of the secret.
    pub secret_version: u32,
    /// How its holder signs.
    pub scheme: WorkspaceScheme,
    /// Whether it is tried only when it is named.
    pub require_key_id: bool,
    /// Whether it verifies anything at all.
    pub is_active: bool,
    has_creator: bool,
    rest: Parts,
    rare: Option<Box<Rare>>,
}

/// What few keys have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rare {
    allowed_cidrs: Option<Vec<IpNet>>,
    routes: Option<Vec<String>>,
    previous: Option<PreviousKey>,
}

/// The order of the parts.
const CREATOR: usize = 0;
const MANAGER: usize = 1;
const NAME: usize = 2;
const API_KEY_PREFIX: usize = 3;
const SECRET_PREFIX: usize = 4;
const KEK: usize = 5;
const SEALED: usize = 6;

impl HeldKey {
    /// The record to hold; `None` where its sealed secret is not in the form that opens.
    #[must_use]
    pub fn of(record: WebhookKey) -> Option<Self> {
        let is_seeded = record.meta.is_seeded();
        let Meta { id, revision, created_at, updated_at, created_by, managed_by } = record.meta;
        let Sealed { kek, version, data } = record.secret;
        let sealed = BASE64.decode(data.as_bytes()).ok()?;
        let creator = created_by.as_deref().unwrap_or_default();
        let texts = [creator, &managed_by, &record.name, &record.api_key_prefix, &record.secret_prefix, &kek];
        let [creator, manager, name, api_key_prefix, secret_prefix, kek] = texts.map(str::as_bytes);
        let rest = Parts::of(&[creator, manager, name, api_key_prefix, secret_prefix, kek, &sealed])?;
        let rare =
            Rare { allowed_cidrs: record.allowed_cidrs, routes: record.routes, previous: record.previous };
        Some(Self {
            meta: HeldMeta { id, revision, created_at, updated_at, is_seeded },
            workspace_id: record.workspace_id,
            api_key: record.api_key,
            expires_at: record.expires_at,
            secret_version: version,
            scheme: record.scheme,
            require_key_id: record.require_key_id,
            is_active: record.is_active,
            has_creator: created_by.is_some(),
            rest,
            rare: (rare != Rare::default()).then(|| Box::new(rare)),
        })
    }

    /// The record as it is stored.
    #[must_use]
    pub fn record(&self) -> WebhookKey {
        let HeldMeta { id, revision, created_at, updated_at, is_seeded: _ } = self.meta;
        let text = |part| self.text(part).to_owned();
        let rare = self.rare.as_deref().cloned().unwrap_or_default();
        WebhookKey {
            meta: Meta {
                id,
                revision,
                created_at,
                updated_at,
                created_by: self.has_creator.then(|| text(CREATOR)),
                managed_by: text(MANAGER),
            },
            workspace_id: self.workspace_id,
            name: text(NAME),
            api_key: self.api_key,
            api_key_prefix: text(API_KEY_PREFIX),
            secret: Sealed {
                kek: text(KEK),
                version: self.secret_version,
                data: BASE64.encode(self.rest.get(SEALED)),
            },
            secret_prefix: text(SECRET_PREFIX),
            scheme: self.scheme,
            require_key_id: self.require_key_id,
            is_active: self.is_active,
            expires_at: self.expires_at,
            allowed_cidrs: rare.allowed_cidrs,
            routes: rare.routes,
            previous: rare.previous,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text(NAME)
    }

    /// Addresses that may use it; `None` = any.
    #[must_use]
    pub fn allowed_cidrs(&self) -> Option<&[IpNet]> {
        self.rare.as_ref()?.allowed_cidrs.as_deref()
    }

    /// Names of the routes it is good for; `None` = every route that takes its kind.
    #[must_use]
    pub fn routes(&self) -> Option<&[String]> {
        self.rare.as_ref()?.routes.as_deref()
    }

    /// What still verifies beside the current values.
    #[must_use]
    pub fn previous(&self) -> Option<&PreviousKey> {
        self.rare.as_ref()?.previous.as_ref()
    }

    fn text(&self, part: usize) -> &str {
        // Each was a text when it was put in.
        std::str::from_utf8(self.rest.get(part)).unwrap_or_default()
    }
}

impl fmt::Debug for HeldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldKey")
            .field("meta", &self.meta)
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// Byte strings in one piece of memory, each preceded by its length: one byte, or [`LONG`] and four more.
#[derive(Clone, PartialEq, Eq)]
struct Parts(Box<[u8]>);

const LONG: u8 = u8::MAX;

impl Parts {
    fn of(parts: &[&[u8]]) -> Option<Self> {
        // Exactly as much as it takes: what is over would be held with it.
        let prefix = |len: usize| if len < usize::from(LONG) { 1 } else { 5 };
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| prefix(part.len()) + part.len()).sum());
        for part in parts {
            match u8::try_from(part.len()) {
                Ok(len) if len != LONG => bytes.push(len),
                _ => {
                    bytes.push(LONG);
                    bytes.extend_from_slice(&u32::try_from(part.len()).ok()?.to_le_bytes());
                }
            }
            bytes.extend_from_slice(part);
        }
        Some(Self(bytes.into_boxed_slice()))
    }

    /// The part with this number, from 0; none is empty.
    fn get(&self, number: usize) -> &[u8] {
        let mut rest: &[u8] = &self.0;
        for _ in 0..number {
            rest = first(rest).map_or(&[], |(_, rest)| rest);
        }
        first(rest).map_or(&[], |(part, _)| part)
    }
}

/// The first part, and what follows it.
fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match bytes.split_first()? {
        (&LONG, rest) => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_le_bytes(*len)).ok()?, rest)
        }
        (&len, rest) => (usize::from(len), rest),
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{HeldKey, Parts};
    use crate::keys::record::WebhookKey;

    fn record(more: serde_json::Value) -> WebhookKey {
        let mut record = json!({
            "id": "01900000-0000-7000-8000-000000000001", "revision": 7, "createdAt": 1, "updatedAt": 2,
            "managedBy": "api", "workspaceId": "01900000-0000-7000-8000-000000000002", "name": "Schlüssel",
            "apiKey": "0f".repeat(32), "apiKeyPrefix": "wk_12345...", "secretPrefix": "...",
            "secret": { "kek": "2026-01", "version": 3, "data": "AAECAwQFBgc=" },
            "scheme": "signed-request", "requireKeyId": true, "isActive": false,
        });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn what_is_held_gives_the_record_back_as_it_was() {
        let sealed = json!({ "kek": "2025-12", "version": 2, "data": "CAkK" });
        for more in [
            json!({}),
            json!({ "createdBy": "ann", "expiresAt": 5, "requireKeyId": false, "isActive": true }),
            json!({ "createdBy": "", "managedBy": "seed", "name": "n".repeat(254) }),
            json!({ "name": "n".repeat(255) }),
            json!({ "name": "n".repeat(70_000), "routes": [], "allowedCidrs": ["192.0.2.0/24"] }),
            json!({ "routes": ["api"], "allowedCidrs": [] }),
            json!({ "previous": { "apiKey": "01".repeat(32), "secret": sealed, "secretPrefix": "abc...", "until": 9 } }),
        ] {
            let record = record(more);
            assert_eq!(HeldKey::of(record.clone()).unwrap().record(), record);
        }
    }

    #[test]
    fn records_that_differ_are_held_differently() {
        let held = |more| HeldKey::of(record(more)).unwrap();
        assert_eq!(held(json!({})), held(json!({})));
        for more in [
            json!({ "revision": 8 }),
            json!({ "createdBy": "" }),
            json!({ "name": "other" }),
            json!({ "routes": [] }),
            json!({ "secret": { "kek": "2026-01", "version": 3, "data": "AAECAwQFBgg=" } }),
        ] {
            assert_ne!(held(more), held(json!({})));
        }
    }

    #[test]
    fn a_sealed_secret_that_cannot_open_is_not_held() {
        let sealed = json!({ "secret": { "kek": "2026-01", "version": 3, "data": "not base64" } });
        assert!(HeldKey::of(record(sealed)).is_none());
    }

    #[test]
    fn parts_that_are_cut_short_read_as_empty() {
        let parts = Parts(Box::from([3, b'a', b'b', b'c', 255, 1, 0]));
        assert_eq!((parts.get(0), parts.get(1), parts.get(2)), (&b"abc"[..], &b""[..], &b""[..]));
    }
}
