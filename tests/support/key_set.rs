//! A large key set, put into a store at once. Not tests.

use std::sync::Arc;

use countersign::clock::UnixMillis;
use countersign::credential::api_key;
use countersign::keys::decode::SECRET_FIELD;
use countersign::keys::record::{Kind, Meta, Record, RecordKey, WebhookKey, Workspace, WorkspaceScheme};
use countersign::secret::Secret;
use countersign::store::seal::{Keyring, SealPlace};
use countersign::store::staging::{Installed, Mark, Staged, Staging};
use countersign::store::{AuditLink, AuditMac, Epoch, Store};
use uuid::Uuid;

/// Records of one step.
const BATCH: usize = 5000;

fn meta(id: Uuid) -> Meta {
    let at = UnixMillis(1_767_225_600_000);
    Meta { id, revision: 1, created_at: at, updated_at: at, created_by: None, managed_by: "api".to_owned() }
}

/// Fills an empty namespace with one workspace, whose id it gives, and this many signing keys in it.
pub(crate) async fn fill(store: &dyn Store, keyring: &Keyring, namespace: &str, keys: usize) -> Uuid {
    let staged = |record: Record| {
        let payload = record.encode().unwrap();
        let envelope = Arc::from(keyring.wrap(namespace, &record.key(), &payload));
        Staged { key: record.key(), revision: 1, envelope, claims: record.claims() }
    };
    let workspace = Uuid::now_v7();
    let key = |number: usize| {
        let id = Uuid::now_v7();
        let key = RecordKey { kind: Kind::WebhookKey, id };
        let place = SealPlace { namespace, key, field: SECRET_FIELD, version: 1 };
        let secret = Secret::from_text(&format!("{number:064}"));
        let api_key = api_key::digest(&format!("wk_{number}"));
        staged(Record::WebhookKey(WebhookKey {
            meta: meta(id),
            workspace_id: workspace,
            name: format!("key {number}"),
            api_key,
            api_key_prefix: "wk_00000...".to_owned(),
            secret: keyring.seal(&place, &secret).unwrap(),
            secret_prefix: "00000000...".to_owned(),
            scheme: WorkspaceScheme::Workspace,
            require_key_id: true,
            is_active: true,
            expires_at: None,
            allowed_cidrs: None,
            routes: None,
            previous: None,
        }))
    };
    let mark = Mark::new_v4();
    store.stage(mark, Staging::Begin).await.unwrap();
    let tenant = staged(Record::Workspace(Workspace { meta: meta(workspace), name: "one".to_owned() }));
    store.stage(mark, Staging::Add(vec![tenant])).await.unwrap();
    for start in (0..keys).step_by(BATCH) {
        let batch = (start..keys.min(start + BATCH)).map(key).collect();
        store.stage(mark, Staging::Add(batch)).await.unwrap();
    }
    let event = format!("{{\"kek\":\"{}\"}}", keyring.seal_with());
    let event: Arc<[u8]> = Arc::from(event.as_bytes());
    let previous = AuditMac::default();
    let audit = AuditLink { previous, mac: keyring.audit_mac(&previous, &event), event };
    let (records, epoch) = (keys as u64 + 1, Epoch(Uuid::new_v4()));
    let installed = Installed { records, epoch, continues: epoch, audit };
    store.stage(mark, Staging::Install(installed)).await.unwrap();
    workspace
}
