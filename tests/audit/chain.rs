//! The check of the chain, on both stores, against whoever can write them but has no key.

use std::path::PathBuf;
use std::sync::Arc;

use countersign::store::audit::chain::{Fault, Finding, Piece, Stand, walk};
use countersign::store::embedded::EmbeddedStore;
use countersign::store::seal::Keyring;
use countersign::store::{AuditLink, AuditMac, Change, Position, Store, StoreError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::redis::{keyring, keyring_of, namespace, shared};

const AUDIT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// An event as it is kept: place, MAC, JSON.
pub(super) type Kept = (Position, [u8; 32], Vec<u8>);

/// A store whose log can be written past it.
pub(super) enum Place {
    Redis(String),
    Embedded(PathBuf, #[expect(dead_code, reason = "holds the directory")] TempDir),
}

impl Place {
    pub(super) fn both() -> [Self; 2] {
        let dir = TempDir::new().unwrap();
        [Self::Redis(namespace()), Self::Embedded(dir.path().join("keys.redb"), dir)]
    }

    pub(super) fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Redis(namespace) => shared().store(namespace),
            Self::Embedded(path, _) => Arc::new(EmbeddedStore::open(path, "ns").unwrap()),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Redis(namespace) => namespace,
            Self::Embedded(..) => "ns",
        }
    }

    /// A log of `count` events, whose MACs are made with these keys.
    pub(super) async fn filled(self, count: usize, keyring: &Keyring) -> Self {
        let store = self.open();
        store.init().await.unwrap();
        for n in 0..count {
            add(&*store, keyring, n).await;
        }
        drop(store);
        self
    }

    pub(super) fn read(&self) -> Vec<Kept> {
        match self {
            Self::Redis(namespace) => {
                let key = format!("{{{namespace}}}:audit");
                let entries: Vec<(String, Vec<Vec<u8>>)> = shared().ask(&["XRANGE", &key, "-", "+"]);
                let kept = entries.into_iter().map(|(id, fields)| {
                    let (major, minor) = id.split_once('-').unwrap();
                    let place = Position { major: major.parse().unwrap(), minor: minor.parse().unwrap() };
                    let mac = data_encoding::HEXLOWER.decode(&fields[1]).unwrap().try_into().unwrap();
                    (place, mac, fields[3].clone())
                });
                kept.collect()
            }
            Self::Embedded(path, _) => {
                let database = Database::open(path).unwrap();
                let reading = database.begin_read().unwrap();
                let table = reading.open_table(AUDIT).unwrap();
                let kept = table.iter().unwrap().map(|entry| {
                    let (sequence, value) = entry.unwrap();
                    let (mac, event) = value.value().split_at(32);
                    let place = Position { major: sequence.value(), minor: 0 };
                    (place, mac.try_into().unwrap(), event.to_vec())
                });
                kept.collect()
            }
        }
    }

    pub(super) fn write(&self, events: &[Kept]) {
        match self {
            Self::Redis(namespace) => {
                let key = format!("{{{namespace}}}:audit");
                shared().do_it(&["DEL", &key]);
                for (place, mac, event) in events {
                    let id = format!("{}-{}", place.major, place.minor);
                    let (mac, event) =
                        (data_encoding::HEXLOWER.encode(mac), std::str::from_utf8(event).unwrap());
                    shared().do_it(&["XADD", &key, &id, "m", &mac, "e", event]);
                }
            }
            Self::Embedded(path, _) => {
                let database = Database::open(path).unwrap();
                let writing = database.begin_write().unwrap();
                {
                    let mut table = writing.open_table(AUDIT).unwrap();
                    table.retain(|_, _| false).unwrap();
                    for (place, mac, event) in events {
                        table.insert(place.major, [&mac[..], event].concat().as_slice()).unwrap();
                    }
                }
                writing.commit().unwrap();
            }
        }
    }

    /// Puts another checkpoint in the place of the one that stands, or takes it away.
    pub(super) fn set_checkpoint(&self, checkpoint: Option<&[u8]>) {
        match self {
            Self::Redis(namespace) => {
                let meta = format!("{{{namespace}}}:meta");
                match checkpoint {
                    Some(checkpoint) => {
                        let text = std::str::from_utf8(checkpoint).unwrap();
                        shared().do_it(&["HSET", &meta, "checkpoint", text]);
                    }
                    None => shared().do_it(&["HDEL", &meta, "checkpoint"]),
                }
            }
            Self::Embedded(path, _) => {
                let database = Database::open(path).unwrap();
                let writing = database.begin_write().unwrap();
                {
                    let mut meta = writing.open_table(META).unwrap();
                    match checkpoint {
                        Some(checkpoint) => drop(meta.insert("checkpoint", checkpoint).unwrap()),
                        None => drop(meta.remove("checkpoint").unwrap()),
                    }
                }
                writing.commit().unwrap();
            }
        }
    }

    /// Makes the store say that its log ends here.
    pub(super) fn set_head(&self, (place, mac, _): &Kept) {
        match self {
            Self::Redis(namespace) => {
                let (meta, mac) = (format!("{{{namespace}}}:meta"), data_encoding::HEXLOWER.encode(mac));
                let place = format!("{}-{}", place.major, place.minor);
                shared().do_it(&["HSET", &meta, "mac", &mac, "position", &place]);
            }
            Self::Embedded(path, _) => {
                let database = Database::open(path).unwrap();
                let writing = database.begin_write().unwrap();
                let head = [&place.major.to_be_bytes()[..], mac].concat();
                writing.open_table(META).unwrap().insert("head", head.as_slice()).unwrap();
                writing.commit().unwrap();
            }
        }
    }
}

pub(super) async fn add(store: &dyn Store, keyring: &Keyring, n: usize) {
    commit(store, keyring, event(keyring, n)).await;
}

pub(super) fn event(keyring: &Keyring, n: usize) -> Value {
    json!({
        "id": Uuid::from_u128(n as u128), "at": 1_767_225_600_000_i64, "actor": "bootstrap",
        "action": format!("workspace.made_{n}"), "severity": "HIGH", "resourceType": "workspace",
        "resourceId": Uuid::from_u128(n as u128), "requestId": Uuid::nil(), "metadata": {"name": n},
        "kek": keyring.seal_with(),
    })
}

pub(super) async fn commit(store: &dyn Store, keyring: &Keyring, event: Value) {
    let previous = store.head().await.unwrap().mac;
    let event = event.to_string().into_bytes();
    let mac = keyring.audit_mac(&previous, &event);
    let link = AuditLink { previous, mac, event: Arc::from(event) };
    store.commit(Change::default(), link).await.unwrap();
}

pub(super) async fn whole(place: &Place, keyring: &Keyring, head: Option<AuditMac>) -> Piece {
    walk(&*place.open(), (place.namespace(), keyring), None, head, 1000).await.unwrap()
}

/// The faults and the index of the event that each is found at.
pub(super) fn at(findings: &[Finding], kept: &[Kept]) -> Vec<(Fault, Option<usize>)> {
    let index = |finding: &Finding| {
        kept.iter().position(|(place, ..)| format!("{}-{}", place.major, place.minor) == finding.position)
    };
    findings.iter().map(|finding| (finding.code, index(finding))).collect()
}

/// What the check says once `tamper` has rewritten a log of six events.
async fn tampered(tamper: impl Fn(&mut Vec<Kept>)) -> Vec<Vec<(Fault, Option<usize>)>> {
    let mut found = Vec::new();
    for place in Place::both() {
        let place = place.filled(6, &keyring()).await;
        let before = place.read();
        let mut kept = before.clone();
        tamper(&mut kept);
        place.write(&kept);
        let piece = whole(&place, &keyring(), None).await;
        assert_eq!(piece.broken, piece.findings.len() as u64);
        found.push(at(&piece.findings, &before));
    }
    found
}

#[tokio::test]
async fn a_log_that_nobody_touched_holds_whole_and_in_pieces() {
    for place in Place::both() {
        let place = place.filled(7, &keyring()).await;
        let kept = place.read();
        let piece = whole(&place, &keyring(), Some(AuditMac(kept[3].1))).await;
        assert_eq!((piece.checked, piece.broken, piece.events), (7, 0, 7));
        assert_eq!(piece.head, data_encoding::HEXLOWER.encode(&kept[6].1));
        assert!(piece.head_found && piece.next.is_none());
        assert_eq!(piece.beginning.unwrap().origin, "start");

        let store = place.open();
        let (mut from, mut checked, mut pieces) = (None::<Stand>, 0, 0);
        loop {
            let piece = walk(&*store, (place.namespace(), &keyring()), from, None, 3).await.unwrap();
            assert_eq!((piece.broken, piece.beginning.is_some()), (0, from.is_none()));
            (checked, pieces) = (checked + piece.checked, pieces + 1);
            match piece.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        assert_eq!((checked, pieces), (7, 3));
    }
}

#[tokio::test]
async fn an_empty_log_holds() {
    for place in Place::both() {
        let place = place.filled(0, &keyring()).await;
        let piece = whole(&place, &keyring(), Some(AuditMac::default())).await;
        assert_eq!((piece.checked, piece.broken, piece.head_found), (0, 0, true));
    }
}

#[tokio::test]
async fn an_altered_event_is_named() {
    let altered = tampered(|kept| {
        let text = String::from_utf8(kept[2].2.clone()).unwrap().replace("bootstrap", "somebody!");
        kept[2].2 = text.into_bytes();
    });
    assert_eq!(altered.await, [[(Fault::Broken, Some(2))], [(Fault::Broken, Some(2))]]);
    let unreadable = tampered(|kept| kept[2].2 = b"{}".to_vec()).await;
    assert_eq!(unreadable, [[(Fault::Unreadable, Some(2))], [(Fault::Unreadable, Some(2))]]);
    let mac = tampered(|kept| kept[5].1[0] ^= 1).await;
    let both = [(Fault::Broken, Some(5)), (Fault::Head, Some(5))];
    assert_eq!(mac, [both, both]);
}

#[tokio::test]
async fn a_removed_event_shows_at_the_next() {
    for (removed, shows) in [(0, 1), (2, 3), (4, 5)] {
        let found = tampered(|kept| drop(kept.remove(removed))).await;
        assert_eq!(found, [[(Fault::Broken, Some(shows))], [(Fault::Broken, Some(shows))]]);
    }
}

#[tokio::test]
async fn swapped_events_are_found_out_of_place() {
    let found = tampered(|kept| {
        let (one, other) = (kept[2].clone(), kept[3].clone());
        (kept[2].1, kept[2].2) = (other.1, other.2);
        (kept[3].1, kept[3].2) = (one.1, one.2);
    });
    let three = [(Fault::Moved, Some(2)), (Fault::Moved, Some(3)), (Fault::Moved, Some(4))];
    assert_eq!(found.await, [three, three]);
}

#[tokio::test]
async fn a_cut_off_end_shows_against_the_stored_head() {
    let found = tampered(|kept| kept.truncate(4)).await;
    assert_eq!(found, [[(Fault::Truncated, Some(3))], [(Fault::Truncated, Some(3))]]);
    // None is left, so there is no event to name.
    let found = tampered(Vec::clear).await;
    assert_eq!(found, [[(Fault::Truncated, None)], [(Fault::Truncated, None)]]);
}

#[tokio::test]
async fn an_event_that_was_copied_to_the_end_is_found() {
    let found = tampered(|kept| {
        let (mut place, mac, event) = kept[5].clone();
        place.major += 1;
        kept.push((place, mac, event));
    });
    for found in found.await {
        assert_eq!(found, [(Fault::Moved, None), (Fault::BeyondHead, None)]);
    }
}

#[tokio::test]
async fn an_end_cut_off_with_the_head_shows_against_a_noted_one() {
    for place in Place::both() {
        let place = place.filled(6, &keyring()).await;
        let mut kept = place.read();
        let noted = AuditMac(kept[5].1);
        kept.truncate(4);
        place.write(&kept);
        place.set_head(&kept[3]);
        let piece = whole(&place, &keyring(), Some(noted)).await;
        assert_eq!((piece.checked, piece.broken, piece.head_found), (4, 0, false));
        let piece = whole(&place, &keyring(), Some(AuditMac(kept[3].1))).await;
        assert!(piece.head_found);
    }
}

#[tokio::test]
async fn what_was_made_under_a_key_that_is_not_at_hand_is_never_called_valid() {
    let both = [("k1", 'a'), ("k2", 'b')];
    let (first, second) = (keyring_of(&both, "k1"), keyring_of(&both, "k2"));
    let dir = TempDir::new().unwrap();
    let place = Place::Embedded(dir.path().join("keys.redb"), dir).filled(3, &first).await;
    let store = place.open();
    for n in 3..5 {
        add(&*store, &second, n).await;
    }
    add(&*store, &first, 5).await;
    drop(store);
    let piece = whole(&place, &keyring(), None).await;
    assert_eq!((piece.checked, piece.broken, piece.unverified["k2"]), (4, 0, 2));
    let piece = whole(&place, &second, None).await;
    assert_eq!((piece.checked, piece.broken, piece.unverified.len()), (6, 0, 0));
    // The key of that id is another one: nothing under it holds.
    let piece = whole(&place, &keyring_of(&[("k1", 'a'), ("k2", 'c')], "k1"), None).await;
    assert_eq!((piece.checked, piece.broken), (4, 2));
}

#[tokio::test]
async fn a_walk_does_not_go_on_in_another_life_of_the_namespace() {
    let place = Place::Redis(namespace()).filled(3, &keyring()).await;
    let store = place.open();
    let next = walk(&*store, (place.namespace(), &keyring()), None, None, 2).await.unwrap().next;
    let Place::Redis(namespace) = &place else { unreachable!() };
    for part in ["meta", "log", "audit"] {
        shared().do_it(&["DEL", &format!("{{{namespace}}}:{part}")]);
    }
    store.init().await.unwrap();
    let answer = walk(&*store, (namespace, &keyring()), next, None, 2).await;
    assert!(matches!(answer, Err(StoreError::OtherEpoch { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_log_that_begins_with_an_import_says_where_from() {
    for place in Place::both() {
        let store = place.open();
        let epoch = store.init().await.unwrap();
        let mut first = event(&keyring(), 0);
        first["action"] = json!("store.imported");
        first["resourceId"] = json!(epoch.0);
        first["metadata"] = json!({ "sourceEpoch": Uuid::from_u128(7), "sourceAuditHead": "ab" });
        commit(&*store, &keyring(), first.clone()).await;
        drop(store);
        let piece = whole(&place, &keyring(), None).await;
        assert_eq!((piece.checked, piece.broken), (1, 0));
        assert_eq!(piece.beginning.unwrap().source.as_ref(), Some(&first["metadata"]));
    }
    // The log of another life of the namespace, put in its place.
    let place = Place::Redis(namespace());
    let store = place.open();
    store.init().await.unwrap();
    let mut first = event(&keyring(), 0);
    first["action"] = json!("store.imported");
    commit(&*store, &keyring(), first).await;
    let piece = whole(&place, &keyring(), None).await;
    assert_eq!(at(&piece.findings, &place.read()), [(Fault::OtherEpoch, Some(0))]);
}
