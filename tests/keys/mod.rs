//! What the mirror and the ring promise, on records made here.

mod again;
mod aside;
mod damaged;
mod mass;
mod reseal;
mod rollback;
mod scope;

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock as _, ManualClock, UnixMillis};
use countersign::credential::api_key;
use countersign::credential::signature::SignatureLocator;
use countersign::keys::decode::{Decoded, Decoder, SECRET_FIELD};
use countersign::keys::mirror::Mirror;
use countersign::keys::record::{
    ApiKeyDigest, Integration, Kind, Meta, Record, RecordKey, WebhookKey, WorkspaceScheme,
};
use countersign::keys::ring::KeyRing;
use countersign::keys::{Candidates, Locator, LookupError};
use countersign::secret::Secret;
use countersign::store::seal::{Keyring, SealPlace};
use countersign::store::{AuditMac, Epoch, Head, Position};
use countersign::verify::scheme::SchemeChoice;
use tempfile::TempDir;
use uuid::Uuid;

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const WORKSPACE: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
const HEAD: Head = Head {
    epoch: Epoch(Uuid::from_u128(7)),
    position: Position { major: 1, minor: 0 },
    mac: AuditMac([1; 32]),
};

/// Makes records, and looks them up as the request path does.
struct World {
    decoder: Decoder,
    clock: Arc<ManualClock>,
    mirror: Arc<Mirror>,
    ring: KeyRing,
    _dir: TempDir,
}

impl World {
    /// Loaded, with these records.
    fn of(records: Vec<(RecordKey, Decoded)>) -> Self {
        let world = Self::empty();
        world.mirror.rebuild(records, HEAD);
        world.ring.record_contact();
        world
    }

    /// Never loaded.
    fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let keks = dir.path().join("keks");
        Keyring::create(&keks, "default").unwrap();
        let decoder = Decoder::new(Arc::new(Keyring::load(&keks, None).unwrap()), "ns");
        let clock = Arc::new(ManualClock::at(NOW));
        let mirror = Arc::new(Mirror::new());
        let ring = KeyRing::new(Arc::clone(&mirror), clock.clone(), Duration::from_secs(30), 4);
        Self { decoder, clock, mirror, ring, _dir: dir }
    }

    fn key(&self, n: u128, revision: u64, active: bool) -> (RecordKey, Decoded) {
        let key = RecordKey { kind: Kind::WebhookKey, id: id(n) };
        let record = WebhookKey {
            meta: meta(n, revision),
            workspace_id: WORKSPACE,
            name: format!("key {n}"),
            api_key: digest(n),
            api_key_prefix: "wk_abcde...".to_owned(),
            secret: self.sealed(key),
            secret_prefix: "01234567...".to_owned(),
            scheme: WorkspaceScheme::Workspace,
            require_key_id: false,
            is_active: active,
            expires_at: None,
            allowed_cidrs: None,
            routes: None,
            previous: None,
        };
        (key, self.decoder.prepare(Record::WebhookKey(record)).unwrap())
    }

    fn integration(&self, n: u128, revision: u64, name: &str) -> (RecordKey, Decoded) {
        let key = RecordKey { kind: Kind::Integration, id: id(n) };
        let record = Integration {
            meta: meta(n, revision),
            name: name.to_owned(),
            workspace_id: None,
            kind: "generic".to_owned(),
            scheme: SchemeChoice::Preset("generic".to_owned()),
            secret: self.sealed(key),
            secret_prefix: "01234567...".to_owned(),
            tolerance_seconds: None,
            deduplication_window_minutes: 15,
            is_active: true,
            allowed_cidrs: None,
            reject_status: None,
            previous: None,
            handshake: None,
            captured: None,
        };
        (key, self.decoder.prepare(Record::Integration(record)).unwrap())
    }

    fn sealed(&self, key: RecordKey) -> countersign::keys::record::Sealed {
        let place = SealPlace { namespace: "ns", key, field: SECRET_FIELD, version: 1 };
        self.decoder.keyring().seal(&place, &Secret::from_text("a secret of sufficient length")).unwrap()
    }

    fn put(&self, record: (RecordKey, Decoded)) {
        self.mirror.put(record.0, record.1);
    }

    /// Whether the API key of record `n` finds an active key.
    fn finds(&self, n: u128) -> Result<bool, LookupError> {
        match self.ring.at(self.clock.moment()).find(&Locator::ApiKey(digest(n)))? {
            Candidates::ApiKey { entry, .. } => {
                assert_eq!(entry.record.meta.id, id(n), "another's record was found");
                Ok(entry.record.is_active)
            }
            other => panic!("{other:?}"),
        }
    }

    fn finds_hook(&self, name: &str) -> Result<u64, LookupError> {
        match self.ring.at(self.clock.moment()).find(&Locator::Integration(name))? {
            Candidates::Integration(entry) => Ok(entry.record.meta.revision),
            other => panic!("{other:?}"),
        }
    }

    /// Keys tried for a signature that names none.
    fn tried(&self) -> Result<Vec<Uuid>, LookupError> {
        let locator = SignatureLocator { workspace: WORKSPACE, key: None };
        match self.ring.at(self.clock.moment()).find(&Locator::Signature(locator))? {
            Candidates::Signature { entries, .. } => {
                Ok(entries.iter().map(|entry| entry.record.meta.id).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Ids and revisions of everything, as the admin port lists it.
    fn listed(&self) -> Vec<(RecordKey, u64)> {
        [Kind::Workspace, Kind::WebhookKey, Kind::Integration]
            .into_iter()
            .flat_map(|kind| self.mirror.list(kind, None, usize::MAX, |_| true))
            .map(|(key, decoded)| (key, decoded.revision()))
            .collect()
    }
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0001_0000_0000 + n)
}

fn meta(n: u128, revision: u64) -> Meta {
    Meta {
        id: id(n),
        revision,
        created_at: NOW,
        updated_at: NOW,
        created_by: None,
        managed_by: "api".to_owned(),
    }
}

/// Of an API key that has the form of one.
fn digest(n: u128) -> ApiKeyDigest {
    let mut random = [0; 32];
    random[16..].copy_from_slice(&n.to_be_bytes());
    api_key::digest(api_key::generate(&random).expose_text().unwrap())
}

#[test]
fn a_mirror_that_was_never_loaded_knows_nothing_and_says_so() {
    let world = World::empty();
    assert_eq!(world.finds(1), Err(LookupError::Unavailable));
    assert_eq!(world.finds_hook("hook"), Err(LookupError::Unavailable));
    assert_eq!(world.tried(), Err(LookupError::Unavailable));
    assert!(!world.ring.is_available());
    assert_eq!(world.ring.staleness(), None);
}

#[test]
fn a_ring_is_available_for_as_long_as_it_may_be_stale() {
    let world = World::of(Vec::new());
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.finds(1), Err(LookupError::Unavailable));
    // A step of the wall clock neither helps nor harms.
    world.clock.set_wall(UnixMillis(0));
    assert_eq!(world.finds(1), Err(LookupError::Unavailable));
    world.ring.record_contact();
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
}

#[test]
fn the_higher_revision_stands_whichever_comes_first() {
    for [first, second] in [[2, 3], [3, 2]] {
        let world = World::of(Vec::new());
        let record = |revision| world.key(1, revision, revision == 2);
        world.put(record(first));
        world.put(record(second));
        assert_eq!(world.finds(1), Ok(false), "{first} then {second}");
        world.put(record(3));
        world.put(world.key(1, 3, true));
        assert_eq!(world.finds(1), Ok(false), "an equal revision changed something");
    }
}

#[test]
fn a_removal_is_final_whatever_comes_late() {
    let world = World::of(Vec::new());
    let (key, _) = world.key(1, 1, true);
    world.put(world.key(1, 1, true));
    world.mirror.remove(key, 3);
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
    for late in [1, 2, 3] {
        world.put(world.key(1, late, true));
        assert_eq!(world.finds(1), Err(LookupError::Unknown), "revision {late} came back");
        assert_eq!(world.tried(), Err(LookupError::Unknown));
    }
    // Nor does a removal of earlier undo a later change.
    world.put(world.key(2, 5, true));
    world.mirror.remove(RecordKey { kind: Kind::WebhookKey, id: id(2) }, 4);
    assert_eq!(world.finds(2), Ok(true));
    // A removal that comes before the record it removes.
    world.mirror.remove(RecordKey { kind: Kind::WebhookKey, id: id(3) }, 2);
    world.put(world.key(3, 1, true));
    assert_eq!(world.finds(3), Err(LookupError::Unknown));
}

#[test]
fn a_rebuild_never_un_revokes() {
    let world = World::of(Vec::new());
    for n in 1..=3 {
        world.put(world.key(n, 1, true));
    }
    world.put(world.key(1, 2, false));
    world.mirror.remove(RecordKey { kind: Kind::WebhookKey, id: id(2) }, 2);
    // A store that went back in time: all three active again.
    let kept = world.mirror.rebuild((1..=3).map(|n| world.key(n, 1, true)).collect(), HEAD);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(world.finds(1), Ok(false));
    assert_eq!(world.finds(2), Err(LookupError::Unknown));
    assert_eq!(world.finds(3), Ok(true));
    assert_eq!(world.tried().unwrap(), [id(3)]);
    // And once more, and by the log.
    world.mirror.rebuild((1..=3).map(|n| world.key(n, 1, true)).collect(), HEAD);
    world.put(world.key(2, 2, true));
    assert_eq!((world.finds(1), world.finds(2)), (Ok(false), Err(LookupError::Unknown)));
}
