//! A big key set in a Redis, made and changed by the library's own types: `programs keyset`.
//!
//! Not through the admin port: that would take an hour. What is stored is real all the same: sealed, signed,
//! claimed, logged and audited, by commits of the store.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use countersign::clock::{Clock as _, SystemClock, UnixMillis};
use countersign::config::{self, Sources};
use countersign::credential::api_key;
use countersign::keys::record::{Kind, Meta, Record, RecordKey, WebhookKey, Workspace, WorkspaceScheme};
use countersign::secret::Secret;
use countersign::store::open::open_store;
use countersign::store::seal::{Keyring, SealPlace, random};
use countersign::store::{AuditLink, AuditMac, Change, Op, Store};
use uuid::Uuid;

use crate::BoxError;

/// The namespace of every benchmark.
const NAMESPACE: &str = "bench";
/// Records of one commit while the set is made.
const BATCH: usize = 250;
/// Keys of a workspace: as many as are tried where none is named.
const PER_WORKSPACE: usize = 4;
/// Keys of which the holder's side is printed.
const SHOWN: usize = 1000;

/// Makes `keys` keys and their workspaces. Prints the first thousand: id, workspace, API key, secret.
pub(crate) fn make(url: &str, keks: &Path, keys: usize) -> Result<(), BoxError> {
    run(url, keks, async |set: &mut Set| {
        let mut records = Vec::new();
        let mut workspace = None;
        let mut out = std::io::stdout().lock();
        for number in 0..keys {
            if number % PER_WORKSPACE == 0 {
                let id = Uuid::now_v7();
                let name = format!("workspace {}", number / PER_WORKSPACE);
                records.push(Record::Workspace(Workspace { meta: meta(id), name }));
                workspace = Some(id);
            }
            let (record, api_key, secret) = set.key(number, workspace.ok_or("no workspace")?)?;
            if number < SHOWN {
                writeln!(out, "{} {} {api_key} {secret}", record.meta.id, record.workspace_id)?;
            }
            records.push(Record::WebhookKey(record));
            if records.len() >= BATCH {
                set.commit(std::mem::take(&mut records)).await?;
            }
        }
        set.commit(records).await
    })
}

/// Makes one change to a key at a time, `changes` times, from the last key of the set to the first and over
/// again: the keys that [`make`] printed are changed last.
pub(crate) fn change(url: &str, keks: &Path, changes: usize) -> Result<(), BoxError> {
    run(url, keks, async |set: &mut Set| {
        let mut keys = set.keys().await?;
        let began = SystemClock.monotonic();
        let mut left = changes;
        while left > 0 && !keys.is_empty() {
            for key in keys.iter_mut().rev().take(left) {
                key.meta.revision += 1;
                key.meta.updated_at = SystemClock.now();
                key.name = format!("changed {}", key.meta.revision);
                set.commit(vec![Record::WebhookKey(key.clone())]).await?;
            }
            left = left.saturating_sub(keys.len());
        }
        let took = SystemClock.monotonic().saturating_duration_since(began);
        println!("{}", took.as_secs_f64());
        Ok(())
    })
}

/// A store and what writes to it as a sidecar would.
struct Set {
    store: Arc<dyn Store>,
    keyring: Arc<Keyring>,
    head: AuditMac,
}

fn run(
    url: &str,
    keks: &Path,
    work: impl AsyncFnOnce(&mut Set) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let keks = keks.to_str().ok_or("the path is not UTF-8")?;
    let overrides = [
        ("store.kind", "redis"),
        ("store.url", url),
        ("store.namespace", NAMESPACE),
        ("keys.kek_dir", keks),
        ("keys.seal_with", "bench"),
        ("upstream.url", "http://127.0.0.1:1"),
    ];
    let overrides = overrides.map(|(option, value)| (option.to_owned(), value.to_owned())).to_vec();
    let loaded =
        config::load(&Sources { overrides, ..Sources::default() }).map_err(|faults| faults.to_string())?;
    let (store, keyring) = open_store(&loaded.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        store.init().await?;
        let head = store.head().await?.mac;
        work(&mut Set { store, keyring, head }).await
    })
}

impl Set {
    fn key(&self, number: usize, workspace_id: Uuid) -> Result<(WebhookKey, String, String), BoxError> {
        let id = Uuid::now_v7();
        let key = RecordKey { kind: Kind::WebhookKey, id };
        let api_key = api_key::generate(&random()?);
        let secret = data_encoding::HEXLOWER.encode(&random::<32>()?);
        let secret = Secret::from_text(&secret);
        let place = SealPlace { namespace: NAMESPACE, key, field: "secret", version: 1 };
        let text = |secret: &Secret| secret.expose_text().unwrap_or_default().to_owned();
        let record = WebhookKey {
            meta: meta(id),
            workspace_id,
            name: format!("signing key {number}"),
            api_key: api_key::digest(&text(&api_key)),
            api_key_prefix: api_key.prefix(),
            secret: self.keyring.seal(&place, &secret)?,
            secret_prefix: secret.prefix(),
            scheme: WorkspaceScheme::SignedRequest,
            require_key_id: false,
            is_active: true,
            expires_at: None,
            allowed_cidrs: None,
            routes: None,
            previous: None,
        };
        Ok((record, text(&api_key), text(&secret)))
    }

    /// Every webhook key as it is stored, in order of their making.
    async fn keys(&self) -> Result<Vec<WebhookKey>, BoxError> {
        let mut keys = Vec::new();
        let mut sink = |key: RecordKey, envelope: Arc<[u8]>| {
            let payload = self.keyring.unwrap(NAMESPACE, &key, &envelope);
            if let Ok(Ok(Record::WebhookKey(record))) =
                payload.map(|payload| Record::decode(key.kind, payload))
            {
                keys.push(record);
            }
        };
        self.store.snapshot(&mut sink).await?;
        keys.sort_by_key(|key| key.meta.id);
        Ok(keys)
    }

    /// Commits records as they are: new ones at revision 1, others one above what is stored.
    async fn commit(&mut self, records: Vec<Record>) -> Result<(), BoxError> {
        let Some(first) = records.first() else { return Ok(()) };
        let (resource, is_new) = (first.key(), first.meta().revision == 1);
        let mut change = Change::default();
        for record in records {
            let (key, revision) = (record.key(), record.meta().revision);
            let envelope = Arc::from(self.keyring.wrap(NAMESPACE, &key, &record.encode()?));
            let claims = if is_new { record.claims() } else { Vec::new() };
            let expected = (!is_new).then(|| revision - 1);
            change.ops.push(Op::Put { key, revision, expected, envelope, claims, releases: Vec::new() });
        }
        let event = serde_json::to_vec(&serde_json::json!({
            "id": Uuid::now_v7(),
            "at": SystemClock.now(),
            "actor": "bench",
            "action": if is_new { "webhook_key.created" } else { "webhook_key.updated" },
            "severity": "high",
            "resourceType": resource.kind.name(),
            "resourceId": resource.id,
            "requestId": Uuid::now_v7(),
            "metadata": null,
            "kek": self.keyring.seal_with(),
        }))?;
        let mac = self.keyring.audit_mac(&self.head, &event);
        let link = AuditLink { previous: self.head, mac, event: Arc::from(event) };
        self.store.commit(change, link).await?;
        self.head = mac;
        Ok(())
    }
}

fn meta(id: Uuid) -> Meta {
    let at: UnixMillis = SystemClock.now();
    Meta {
        id,
        revision: 1,
        created_at: at,
        updated_at: at,
        created_by: Some("bench".to_owned()),
        managed_by: "api".to_owned(),
    }
}
