//! Which KEK everything in the store is under: read from the store itself, not from the mirror.
//!
//! Not a change of anything. Invariants: secrets are found by their stored form wherever they stand in a record, so
//! that one in a field that this version does not know is counted too; nothing is opened; a record whose MAC does not
//! hold is damaged, and still counted under the KEK that it names; while there are records of kinds that this version
//! does not know, no KEK is called unused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::Writer;
use crate::keys::record::RecordKey;
use crate::store::seal::Keyring;
use crate::store::{RecordSink, StoreError};

/// What is under one KEK.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Under {
    /// Records with a MAC of it.
    pub records: u64,
    /// Secrets sealed under it.
    pub secrets: u64,
}

/// What is under which KEK.
#[derive(Debug, Default)]
pub struct Census {
    /// By id of the KEK, whether it is at hand or not.
    pub under: BTreeMap<String, Under>,
    /// The KEK of the checkpoint that the audit log begins with.
    pub(super) checkpoint: Option<String>,
    /// Records of kinds that this version does not know: nobody here can tell what they are under.
    pub(super) unknown: u64,
    /// Records that cannot be authenticated.
    pub damaged: Vec<RecordKey>,
    /// Intact records of which a part is not under the KEK that seals, and their revisions.
    pub(super) former: Vec<(RecordKey, u64)>,
}

impl Census {
    /// Ids of these KEKs under which nothing is, but for audit events, which keep theirs.
    pub fn unused<'k>(&self, keks: impl Iterator<Item = &'k str>) -> Vec<String> {
        let is_used = |id: &str| {
            self.unknown > 0 || self.under.contains_key(id) || self.checkpoint.as_deref() == Some(id)
        };
        keks.filter(|id| !is_used(id)).map(str::to_owned).collect()
    }

    fn add(&mut self, keyring: &Keyring, namespace: &str, key: RecordKey, envelope: &[u8]) {
        let Some(kek) = Keyring::kek_unverified(envelope) else {
            self.damaged.push(key);
            return;
        };
        self.under.entry(kek.to_owned()).or_default().records += 1;
        let payload = keyring.unwrap(namespace, &key, envelope);
        let value: Option<Value> = match payload {
            Ok(payload) => serde_json::from_slice(payload).ok(),
            Err(_) => {
                self.damaged.push(key);
                let payload = Keyring::payload_unverified(envelope);
                payload.and_then(|payload| serde_json::from_slice(payload).ok())
            }
        };
        let mut secrets = Vec::new();
        if let Some(value) = &value {
            sealed_under(value, &mut secrets);
        }
        let former = kek != keyring.seal_with() || secrets.iter().any(|id| *id != keyring.seal_with());
        for id in secrets {
            self.under.entry(id.to_owned()).or_default().secrets += 1;
        }
        if payload.is_ok() && former {
            let revision = value.as_ref().and_then(|value| value.get("revision")).and_then(Value::as_u64);
            self.former.push((key, revision.unwrap_or(0)));
        }
    }
}

impl Writer {
    /// Reads the whole store once.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn census(&self) -> Result<Census, StoreError> {
        let (mut census, mut seen) = (Census::default(), BTreeSet::new());
        let (keyring, namespace) = (self.decoder.keyring(), self.decoder.namespace());
        let sink: RecordSink<'_> = &mut |key: RecordKey, envelope: Arc<[u8]>| {
            if seen.insert(key) {
                census.add(keyring, namespace, key, &envelope);
            }
        };
        self.store.snapshot(sink).await?;
        // One that was made meanwhile counts as unknown as well: until the next reading, no KEK is unused then.
        census.unknown = self.store.count().await?.saturating_sub(seen.len() as u64);
        if census.unknown > 0 {
            let records = census.unknown;
            tracing::warn!(
                records,
                "records of kinds that this version does not know are not re-sealed; use the newer one"
            );
        }
        census.damaged.sort_unstable();
        let (checkpoint, _) = self.checkpoint().await?;
        census.checkpoint = checkpoint.checkpoint().map(|checkpoint| checkpoint.kek.clone());
        Ok(census)
    }
}

/// The KEKs of all sealed secrets in a record.
pub(super) fn sealed_under<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            let text = |name| members.get(name).and_then(Value::as_str);
            match (text("kek"), text("data"), members.get("version")) {
                (Some(kek), Some(_), Some(Value::Number(_))) => found.push(kek),
                _ => members.values().for_each(|member| sealed_under(member, found)),
            }
        }
        Value::Array(items) => items.iter().for_each(|item| sealed_under(item, found)),
        _ => {}
    }
}
