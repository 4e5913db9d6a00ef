//! A mirror of many keys, made without a store.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{SystemClock, UnixMillis};
use countersign::keys::decode::Decoded;
use countersign::keys::entry::KeyEntry;
use countersign::keys::held::HeldKey;
use countersign::keys::mirror::Mirror;
use countersign::keys::record::{ApiKeyDigest, Kind, Meta, RecordKey, Sealed, WebhookKey, WorkspaceScheme};
use countersign::keys::ring::KeyRing;
use countersign::secret::Secret;
use countersign::store::{AuditMac, Epoch, Head, Position};
use countersign::verify::scheme::{VerifyKey, preset};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::BoxError;

/// The digest of the API key of the key with this number.
pub(crate) fn digest(number: u128) -> ApiKeyDigest {
    ApiKeyDigest(Sha256::digest(number.to_be_bytes()).into())
}

/// A ring over the keys 0 to `keys`, ten to a workspace.
pub(crate) fn ring(keys: u128) -> Result<KeyRing, BoxError> {
    let scheme = preset("signed-request").ok_or("the preset is missing")?;
    let secret = scheme.prepare(&Secret::from_text("bench-secret-0123456789abcdef"))?;
    let mirror = Arc::new(Mirror::new());
    let records = (0..keys)
        .map(|number| {
            let key = RecordKey { kind: Kind::WebhookKey, id: Uuid::from_u128(number) };
            Ok((key, Decoded::Key(Arc::new(entry(number, secret.clone())?))))
        })
        .collect::<Result<_, BoxError>>()?;
    let head = Head { epoch: Epoch(Uuid::nil()), position: Position::default(), mac: AuditMac([0; 32]) };
    mirror.rebuild(records, head);
    let ring = KeyRing::new(mirror, Arc::new(SystemClock), Duration::from_secs(3600), 4);
    ring.record_contact();
    Ok(ring)
}

fn entry(number: u128, secret: VerifyKey) -> Result<KeyEntry, BoxError> {
    let (id, workspace_id) = (Uuid::from_u128(number), Uuid::from_u128(number / 10 + (1 << 100)));
    let record = WebhookKey {
        meta: Meta {
            id,
            revision: 1,
            created_at: UnixMillis(0),
            updated_at: UnixMillis(0),
            created_by: None,
            managed_by: "api".to_owned(),
        },
        workspace_id,
        name: "bench".to_owned(),
        api_key: digest(number),
        api_key_prefix: "wk_00000...".to_owned(),
        secret: Sealed { kek: "default".to_owned(), version: 1, data: String::new() },
        secret_prefix: "00000000...".to_owned(),
        scheme: WorkspaceScheme::SignedRequest,
        require_key_id: false,
        is_active: true,
        expires_at: None,
        allowed_cidrs: None,
        routes: None,
        previous: None,
    };
    let scheme = preset("signed-request").ok_or("the preset is missing")?;
    let record = HeldKey::of(record).ok_or("the record cannot be held")?;
    Ok(KeyEntry::new(record, Arc::clone(scheme), secret, None))
}
