//! Re-sealing in steps: stopped, begun again, and while others write.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use countersign::admin::{AdminState, Denied, Logins, router};
use countersign::clock::ManualClock;
use countersign::config::Role;
use countersign::drain::{Trigger, channel};
use countersign::keys::decode::Decoder;
use countersign::keys::mirror::Mirror;
use countersign::keys::record::{Kind, Meta, Record, RecordKey, Workspace};
use countersign::keys::ring::KeyRing;
use countersign::keys::sync::Sync;
use countersign::proxy::settings::LiveSettings;
use countersign::readiness::Readiness;
use countersign::secret::Secret;
use countersign::store::embedded::EmbeddedStore;
use countersign::store::fleet::{Presence, Sidecar};
use countersign::store::uses::UseBook;
use countersign::store::writer::{Actor, Edit, Event, Plan, Severity, Writer};
use countersign::store::{Position, Store};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower_service::Service;
use uuid::Uuid;

use super::NOW;
use crate::redis::sidecar::RECOVERY;
use crate::support::admin_port::{Port, TOKEN, settings};
use crate::support::fickle::Fickle;
use crate::support::redis::{keyring_of, shared, soon};

const KEKS: &[(&str, char)] = &[("k1", 'a'), ("k2", 'b')];

/// One writer of a store, with the mirror that it plans from.
struct Side {
    writer: Arc<Writer>,
    ring: Arc<KeyRing>,
    _trigger: Trigger,
}

impl Side {
    fn of(store: &Arc<dyn Store>, seal_with: &str) -> Self {
        let mirror = Arc::new(Mirror::new());
        let clock = Arc::new(ManualClock::at(NOW));
        let decoder = Decoder::new(keyring_of(KEKS, seal_with), "ns");
        let max_stale = Duration::from_secs(30);
        let ring = Arc::new(KeyRing::new(Arc::clone(&mirror), clock.clone(), max_stale, 4));
        let (trigger, watcher) = channel();
        let readiness = Arc::new(Readiness::default());
        let sync = Sync::new(Arc::clone(store), decoder.clone(), Arc::clone(&ring), readiness);
        tokio::spawn(sync.run(watcher));
        let writer = Arc::new(Writer::new(Arc::clone(store), decoder, mirror, clock));
        Self { writer, ring, _trigger: trigger }
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
        let resealed = self.writer.reseal(&actor(), at_most, |_| Ok::<_, ()>(())).await.unwrap();
        assert_eq!(resealed.left, []);
        (resealed.records, resealed.remaining, resealed.done.is_some())
    }

    /// What its admin port says to a rotation.
    async fn rotate(&self, to: &str) -> (StatusCode, String) {
        let state = AdminState {
            rehearsal: None,
            writer: Arc::clone(&self.writer),
            uses: Arc::new(UseBook::new(Arc::clone(self.writer.store()), Arc::clone(self.writer.mirror()))),
            ring: Arc::clone(&self.ring),
            token: Secret::from_text(TOKEN).into(),
            settings: Arc::new(LiveSettings::from_pointee(settings())),
            refused: Arc::default(),
            logins: Logins::default(),
            denied: Denied::default(),
            hosts: Vec::new(),
        };
        soon("the keys are loaded", RECOVERY, || self.ring.is_available()).await;
        let request = Request::post("/api/keks/rotate")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Body::from(format!("{{\"to\":\"{to}\"}}")));
        let answer = router(Arc::new(state)).call(request.unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn under(&self, kek: &str) -> u64 {
        self.writer.census().await.unwrap().under.get(kek).copied().unwrap_or_default().records
    }
}

fn actor() -> Actor {
    Actor::fixed("test", Uuid::now_v7())
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

#[tokio::test]
async fn a_sidecar_that_starts_during_a_rotation_holds_up_the_next_batch() {
    let (_dir, store, old) = with_records().await;
    old.edits(|_| (26..=150).map(|n| Edit::Create(workspace(n))).collect()).await;
    let presence = Presence::of(Role::Data, &keyring_of(&KEKS[..1], "k1"));
    let id = presence.id.to_string();
    let joining = Sidecar { presence, age: Duration::ZERO };
    let joined: Arc<dyn Store> = Arc::new(Fickle::joined_by(Arc::clone(&store), joining));
    let new = Side::of(&joined, "k2");
    let (status, answer) = new.rotate("k2").await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert!(answer.contains(&id) && answer.contains("does not hold the key; it holds k1"), "{answer}");
    assert_eq!((new.under("k1").await, new.under("k2").await), (50, 100), "what was done stays");
    assert_eq!(counts_of_audit(&store, "kek.rotated").await, [100]);
    // Once it is gone, the rest follows.
    let new = Side::of(&store, "k2");
    assert_eq!(new.rotate("k2").await.0, StatusCode::OK);
    assert_eq!((new.under("k1").await, new.under("k2").await), (0, 150));
}

/// A port that seals with another key than this one, whose holder of the token is deleted, demoted or given another token
/// once the port has asked `times` times who lives.
async fn losing(port: &Arc<Port>, admin: &str, times: usize, how: &'static str) -> Port {
    let (other, path) = (Arc::clone(port), format!("/api/admins/{admin}"));
    let store = Fickle::while_asked(Arc::clone(&port.store), move |time| {
        let (other, path) = (Arc::clone(&other), path.clone());
        Box::pin(async move {
            if time == times {
                let answer = match how {
                    "deleted" => other.call("DELETE", &path, None).await,
                    "demoted" => other.patch(&path, json!({ "role": "auditor" })).await,
                    _ => other.post(&format!("{path}/rotate-token"), json!({})).await,
                };
                assert!(answer.status.is_success(), "{}", answer.text);
            }
            Ok(())
        })
    });
    port.beside_over(Arc::new(store), keyring_of(KEKS, "k2")).await
}

#[tokio::test]
async fn an_admin_who_loses_the_right_during_a_rotation_rotates_nothing_more() {
    for how in ["deleted", "demoted", "given another token"] {
        // Whoever changes the admin meanwhile reads what was re-sealed already.
        let port = Arc::new(Port::over_redis().await.beside_with(keyring_of(KEKS, "k1")).await);
        for n in 0..120 {
            port.workspace(&n.to_string()).await;
        }
        let (admin, token) = port.admin(json!({ "name": "Wim", "role": "platform-admin" })).await;
        let rotating = losing(&port, &admin, 2, how).await;
        let call = rotating.call_as(&token, "POST", "/api/keks/rotate", Some(json!({ "to": "k2" })), &[]);
        let answer = call.await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{how}: {}", answer.text);
        // The first batch was committed while the right stood.
        assert_eq!(counts_of_audit(&port.store, "kek.rotated").await, [100], "{how}");
        assert_eq!(counts_of_audit(&port.store, "kek.rotation_completed").await, [] as [Value; 0], "{how}");
    }
}

#[tokio::test]
async fn an_admin_who_loses_the_right_before_the_schema_is_raised_does_not_raise_it() {
    let port = Arc::new(Port::over_redis().await);
    let (admin, token) = port.admin(json!({ "name": "Wim", "role": "platform-admin" })).await;
    shared().do_it(&["HSET", &format!("{{{}}}:meta", port.namespace()), "schema", "0"]);
    let migrating = losing(&port, &admin, 1, "deleted").await;
    let answer = migrating.call_as(&token, "POST", "/api/store/migrate", None, &[]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text);
    assert_eq!(port.writer.fleet().schema().await.unwrap(), 0);
    assert_eq!(counts_of_audit(&port.store, "store.migrated").await, [] as [Value; 0]);
}
