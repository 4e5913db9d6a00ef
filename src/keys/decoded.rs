//! What the mirror asks of a decoded record: its revision, where it belongs, what finds it.
//!
//! Not the decoding (`decode.rs`). Invariant: what a damaged record claims is given only as a claim.

use std::sync::Arc;

use uuid::Uuid;

use super::decode::Decoded;
use super::digest::{self, TokenDigest};
use super::entry::{IntegrationEntry, KeyEntry};
use super::indexes::Held;
use super::record::{Admin, ApiKeyDigest, Kind, Record, Workspace};

impl Decoded {
    /// The revision, as far as it can be read.
    #[must_use]
    pub fn revision(&self) -> u64 {
        match self {
            Self::Workspace(record) => record.meta.revision,
            Self::Key(entry) => entry.record.meta.revision,
            Self::Integration(entry) => entry.record.meta.revision,
            Self::Admin(record) => record.meta.revision,
            Self::Damaged(damaged) => damaged.revision,
        }
    }

    /// The workspace that it belongs to.
    #[must_use]
    pub fn workspace(&self) -> Option<Uuid> {
        match self {
            Self::Workspace(_) | Self::Admin(_) => None,
            Self::Key(entry) => Some(entry.record.workspace_id),
            Self::Integration(entry) => entry.record.workspace_id,
            Self::Damaged(damaged) => damaged.workspace,
        }
    }

    /// The record as stored; `None` where it is damaged.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        match self {
            Self::Workspace(record) => Some(Record::Workspace(Workspace::clone(record))),
            Self::Key(entry) => Some(Record::WebhookKey(entry.record.record())),
            Self::Integration(entry) => Some(Record::Integration(entry.record.clone())),
            Self::Admin(record) => Some(Record::Admin(Admin::clone(record))),
            Self::Damaged(_) => None,
        }
    }

    /// Whether somebody has switched it off.
    pub(super) fn is_switched_off(&self) -> bool {
        match self {
            Self::Key(entry) => !entry.record.is_active,
            Self::Integration(entry) => !entry.record.is_active,
            Self::Workspace(_) | Self::Admin(_) | Self::Damaged(_) => false,
        }
    }

    pub(super) fn as_key(&self) -> Option<Held<KeyEntry>> {
        match self {
            Self::Key(entry) => Some(Held::Intact(Arc::clone(entry))),
            Self::Damaged(damaged) if damaged.key.kind == Kind::WebhookKey => Some(Held::Damaged),
            _ => None,
        }
    }

    /// The id of a key that is damaged.
    pub(super) fn damaged_key(&self) -> Option<Uuid> {
        match self {
            Self::Damaged(damaged) if damaged.key.kind == Kind::WebhookKey => Some(damaged.key.id),
            _ => None,
        }
    }

    pub(super) fn api_key_entries(&self) -> Vec<(ApiKeyDigest, Held<KeyEntry>)> {
        match self {
            Self::Key(entry) => {
                let previous = entry.record.previous().and_then(|previous| previous.api_key);
                std::iter::once(entry.record.api_key)
                    .chain(previous)
                    .map(|digest| (digest, Held::Intact(Arc::clone(entry))))
                    .collect()
            }
            Self::Damaged(damaged) => {
                damaged.api_keys.iter().map(|digest| (*digest, Held::Damaged)).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn integration_entry(&self) -> Option<(String, Held<IntegrationEntry>)> {
        match self {
            Self::Integration(entry) => Some((entry.record.name.clone(), Held::Intact(Arc::clone(entry)))),
            Self::Damaged(damaged) => damaged.name.clone().map(|name| (name, Held::Damaged)),
            _ => None,
        }
    }

    /// The digest of the token of an admin, or what a damaged one claims to be that.
    #[must_use]
    pub fn token(&self) -> Option<TokenDigest> {
        match self {
            Self::Admin(record) => Some(record.token),
            Self::Damaged(damaged) => damaged.token,
            _ => None,
        }
    }

    /// Takes in what the store says that this damaged record holds, which another form of it may have said otherwise.
    pub(super) fn learn(&mut self, claims: &[String]) {
        let Self::Damaged(damaged) = self else { return };
        for (what, value) in claims.iter().filter_map(|claim| claim.split_once('/')) {
            match what {
                "api-key" => {
                    let digest = digest::of_text(value).map(ApiKeyDigest);
                    let new = digest.filter(|digest| !damaged.api_keys.contains(digest));
                    damaged.api_keys.extend(new);
                }
                "admin-token" => {
                    damaged.token = digest::of_text(value).map(TokenDigest).or(damaged.token);
                }
                "integration-name" => damaged.name = Some(value.to_owned()),
                _ => {}
            }
        }
    }

    /// The same, counting on where the earlier entry of this record stopped.
    pub(super) fn with_usage_of(self, known: Option<&Self>) -> Self {
        match (self, known) {
            (Self::Key(mut entry), Some(Self::Key(known))) => {
                // An entry that is held already is the known one: it did not change.
                if let Some(fresh) = Arc::get_mut(&mut entry) {
                    fresh.carry(known);
                }
                Self::Key(entry)
            }
            (Self::Integration(mut entry), Some(Self::Integration(known))) => {
                if let Some(fresh) = Arc::get_mut(&mut entry) {
                    let previous = fresh.record.previous.as_ref().zip(known.record.previous.as_ref());
                    if !previous.is_some_and(|(now, before)| now.is_same(before)) {
                        known.usage.forget_previous();
                    }
                    fresh.usage = Arc::clone(&known.usage);
                }
                Self::Integration(entry)
            }
            (fresh, _) => fresh,
        }
    }
}
