//! Two sidecars with one file on one Redis.

use std::sync::Arc;

use countersign::admin::seed::SeedTask;
use countersign::keys::record::Kind;
use countersign::readiness::Readiness;
use countersign::store::{Position, Store as _};

use super::{Files, NEW, OLD, WORKSPACE, api_key, integration, key};
use crate::redis::sidecar::{PROPAGATION, Sidecar};
use crate::support::redis::{namespace, shared, soon};

fn task(sidecar: &Sidecar, files: &Files) -> SeedTask {
    let (writer, keys) = (Arc::clone(&sidecar.running.writer), Arc::clone(&sidecar.running.keys));
    SeedTask::new(files.settings("seed.toml", true), writer, keys, Arc::new(Readiness::default()))
}

#[tokio::test]
async fn two_sidecars_with_one_file_make_each_record_once() {
    let (namespace, files) = (namespace(), Files::new());
    let a = Sidecar::start(shared().port, &namespace).ready().await;
    let b = Sidecar::start(shared().port, &namespace).ready().await;
    files.write("hook", OLD);
    let keys: String = (0..20).map(|n| key(&format!("key-{n}"), &api_key().lines)).collect();
    files.write("seed.toml", &[WORKSPACE, &keys, &integration("hook", "")].concat());
    let (mut on_a, mut on_b) = (task(&a, &files), task(&b, &files));
    tokio::join!(on_a.round(), on_b.round());
    let store = shared().store(&namespace);
    let events = |after: usize| {
        let store = store.clone();
        async move {
            let events = store.audit(Position::default(), 100).await.unwrap();
            assert_eq!(events.len(), after, "one commit for each content, whoever was first");
        }
    };
    events(1).await;
    let count = |sidecar: &Sidecar| sidecar.running.keys.mirror().counts();
    for sidecar in [&a, &b] {
        soon("both hold every record once", PROPAGATION, || {
            let counts = count(sidecar);
            (counts.workspaces, counts.webhook_keys, counts.integrations) == (1, 20, 1)
        })
        .await;
    }

    // A rotation, seen by both at once, happens once.
    files.write("hook", NEW);
    for _ in 0..2 {
        tokio::join!(on_a.round(), on_b.round());
    }
    events(2).await;
    let version = |sidecar: &Sidecar| {
        let listed = sidecar.running.keys.mirror().list(Kind::Integration, None, 1, |_| true);
        let Some(countersign::keys::record::Record::Integration(record)) = listed[0].1.record() else {
            panic!("no integration")
        };
        (record.secret.version, record.previous.is_some())
    };
    for sidecar in [&a, &b] {
        soon("both have the second secret", PROPAGATION, || version(sidecar) == (2, true)).await;
    }
    // And a sidecar that starts later finds everything as it should be.
    let c = Sidecar::start(shared().port, &namespace).ready().await;
    task(&c, &files).round().await;
    events(2).await;
}
