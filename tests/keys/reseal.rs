//! Re-sealing in steps: stopped, begun again, and while others write.

use std::sync::Arc;

use countersign::clock::ManualClock;
use countersign::drain::{Trigger, channel};
use countersign::keys::decode::Decoder;
use countersign::keys::mirror::Mirror;
use countersign::keys::record::{Kind, Meta, Record, RecordKey, Workspace};
use countersign::keys::ring::KeyRing;
use countersign::keys::sync::Sync;
use countersign::readiness::Readiness;
use countersign::store::embedded::EmbeddedStore;
use countersign::store::writer::{Actor, Edit, Event, Plan, Severity, Writer};
use countersign::store::{Position, Store};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::NOW;
use crate::support::redis::keyring_of;

const KEKS: &[(&str, char)] = &[("k1", 'a'), ("k2", 'b')];

/// One writer of a store, with the mirror that it plans from.
struct Side {
    writer: Writer,
    _trigger: Trigger,
}

impl Side {
    fn of(store: &Arc<dyn Store>, seal_with: &str) -> Self {
        let mirror = Arc::new(Mirror::new());
        let clock = Arc::new(ManualClock::at(NOW));
        let decoder = Decoder::new(keyring_of(KEKS, seal_with), "ns");
        let max_stale = std::time::Duration::from_secs(30);
        let ring = Arc::new(KeyRing::new(Arc::clone(&mirror), clock.clone(), max_stale, 4));
        let (trigger, watcher) = channel();
        let sync = Sync::new(Arc::clone(store), decoder.clone(), ring, Arc::new(Readiness::default()));
        tokio::spawn(sync.run(watcher));
        Self { writer: Writer::new(Arc::clone(store), decoder, mirror, clock), _trigger: trigger }
    }

    async fn edits(&self, make: impl Fn(&Mirror) -> Vec<Edit>) {
        let plan = |mirror: &Mirror| {
            let edits = make(mirror);
            let resource = RecordKey { kind: Kind::Workspace, id: Uuid::nil() }.into();
            let event = Event { action: "test", severity: Severity::Normal, resource, metadata: Value::Null };
            Ok::<_, ()>(Plan { edits, requires: Vec::new(), event, output: () })
        };
        self.writer.write(&actor(), plan).await.unwrap();
    }

    async fn step(&self, at_most: usize) -> (u64, u64, bool) {
        let resealed = self.writer.reseal(&actor(), at_most).await.unwrap();
        assert_eq!(resealed.left, []);
        (resealed.records, resealed.remaining, resealed.done.is_some())
    }

    async fn under(&self, kek: &str) -> u64 {
        self.writer.census().await.unwrap().under.get(kek).copied().unwrap_or_default().records
    }
}

fn actor() -> Actor {
    Actor { name: "test".to_owned(), request_id: Uuid::now_v7() }
}

fn workspace(n: u128) -> Record {
    let meta = Meta {
        id: Uuid::from_u128(n),
        revision: 0,
        created_at: NOW,
        updated_at: NOW,
        created_by: None,
        managed_by: "api".to_owned(),
    };
    Record::Workspace(Workspace { meta, name: n.to_string() })
}

/// A store with 25 records under `k1`, and the side that made them.
async fn with_records() -> (TempDir, Arc<dyn Store>, Side) {
    let dir = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&dir.path().join("s.redb"), "ns").unwrap());
    store.init().await.unwrap();
    let old = Side::of(&store, "k1");
    old.edits(|_| (1..=25).map(|n| Edit::Create(workspace(n))).collect()).await;
    (dir, store, old)
}

async fn counts_of_audit(store: &Arc<dyn Store>, action: &str) -> Vec<Value> {
    let events = store.audit(Position::default(), usize::MAX).await.unwrap();
    let events = events.iter().map(|(_, _, event)| serde_json::from_slice::<Value>(event).unwrap());
    let events = events.filter(|event| event["action"] == action);
    events.map(|event| event["metadata"]["records"].clone()).collect()
}

#[tokio::test]
async fn a_rotation_that_was_stopped_goes_on_from_what_the_store_holds() {
    let (_dir, store, _old) = with_records().await;
    let first = Side::of(&store, "k2");
    assert_eq!(first.step(10).await, (10, 15, false));
    assert_eq!((first.under("k1").await, first.under("k2").await), (15, 10));
    drop(first);
    let second = Side::of(&store, "k2");
    assert_eq!(second.step(1000).await, (15, 0, false));
    assert_eq!(second.step(1000).await, (0, 0, true));
    assert_eq!((second.under("k1").await, second.under("k2").await), (0, 25));
    assert_eq!(counts_of_audit(&store, "kek.rotated").await, [10, 15]);
    assert_eq!(counts_of_audit(&store, "kek.rotation_completed").await.len(), 1);
}

#[tokio::test]
async fn what_another_writer_changes_meanwhile_is_kept_and_comes_under_the_kek_as_well() {
    let (_dir, store, old) = with_records().await;
    let new = Side::of(&store, "k2");
    assert_eq!(new.step(10).await, (10, 15, false));
    // Under the former KEK again: one that was to come, one that was done, and one that goes.
    old.edits(|mirror| {
        let read = |n: u128| {
            let key = RecordKey { kind: Kind::Workspace, id: Uuid::from_u128(n) };
            mirror.get(key).unwrap().record().unwrap()
        };
        let renamed = |n: u128| {
            let Record::Workspace(mut record) = read(n) else { unreachable!() };
            record.name = format!("renamed {n}");
            Edit::Update(Record::Workspace(record))
        };
        vec![renamed(1), renamed(25), Edit::Delete(read(2))]
    })
    .await;
    let mut steps = 0;
    while !new.step(4).await.2 {
        steps += 1;
        assert!(steps < 20, "it does not come to an end");
    }
    assert_eq!((new.under("k1").await, new.under("k2").await), (0, 24));
    for n in [1, 25] {
        let workspace = new.writer.mirror().workspace(Uuid::from_u128(n)).unwrap();
        assert_eq!(workspace.name, format!("renamed {n}"));
    }
}
