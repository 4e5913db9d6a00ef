//! What the keys of a file would take from others: their API keys, and their places among those that are tried.
//!
//! Invariant: after a plan without a fault, no two records hold one API key, and no key that was tried without a key
//! id before is left out now.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::plan::Planner;
use crate::admin::webhook_keys::is_tried_unnamed;
use crate::keys::record::{ApiKeyDigest, Kind, RecordKey, WebhookKey};

impl Planner<'_> {
    /// No two records may hold one API key, former ones included.
    pub(super) fn api_keys(&mut self, gone: &BTreeSet<Uuid>) {
        let mut held: HashMap<ApiKeyDigest, String> = HashMap::new();
        let stays = |id: Uuid| {
            !gone.contains(&id) && !self.declared.contains(&RecordKey { kind: Kind::WebhookKey, id })
        };
        for key in self.stored.keys.iter().filter(|key| stays(key.meta.id)) {
            let how = if key.meta.is_seeded() {
                format!(
                    "the key {:?}, which is not in the file and stays; seed.prune = true deletes it",
                    key.name
                )
            } else {
                "a key that was made over the admin port".to_owned()
            };
            digests(key).for_each(|digest| drop(held.insert(digest, how.clone())));
        }
        for damaged in &self.stored.damaged {
            for digest in &damaged.api_keys {
                held.insert(*digest, "a stored record that cannot be read".to_owned());
            }
        }
        for (_, key, _) in &self.keys {
            if let Some(former) = key.previous.as_ref().and_then(|previous| previous.api_key) {
                held.insert(former, format!("the key {:?} until its overlap ends", key.name));
            }
        }
        for (at, key, _) in &self.keys {
            let own = key.previous.as_ref().and_then(|previous| previous.api_key) == Some(key.api_key);
            if let Some(holder) = held.get(&key.api_key).filter(|_| !own) {
                let fault = self.seed.fault(*at, "apiKeyDigest", format!("is held by {holder}"));
                self.faults.push(fault);
            }
        }
    }

    /// A workspace's secrets that are tried for requests without a key id are no more than can be tried.
    pub(super) fn tried_keys(&mut self, gone: &BTreeSet<Uuid>) {
        let now = self.writer.now();
        let mut tried: HashMap<Uuid, usize> = HashMap::new();
        let declared = |id: Uuid| self.declared.contains(&RecordKey { kind: Kind::WebhookKey, id });
        let others =
            self.stored.keys.iter().filter(|key| !gone.contains(&key.meta.id) && !declared(key.meta.id));
        for key in others.chain(self.keys.iter().map(|(_, key, _)| key)) {
            if is_tried_unnamed(key, now) {
                *tried.entry(key.workspace_id).or_default() += 1;
            }
        }
        let limit = self.settings.candidate_secrets;
        for (at, key, before) in &self.keys {
            let full = tried.get(&key.workspace_id).is_some_and(|count| *count > limit);
            if full && !before && is_tried_unnamed(key, now) {
                let detail = format!(
                    "must be true: the workspace has more signing keys than the {limit} that are tried without a \
                     key id (limits.candidate_secrets)"
                );
                self.faults.push(self.seed.fault(*at, "requireKeyId", detail));
            }
        }
    }
}

fn digests(key: &WebhookKey) -> impl Iterator<Item = ApiKeyDigest> + use<> {
    let former = key.previous.as_ref().and_then(|previous| previous.api_key);
    std::iter::once(key.api_key).chain(former)
}
