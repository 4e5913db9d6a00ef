//! Two sidecars with one file on one Redis.

use std::sync::Arc;

use countersign::admin::seed::SeedTask;
use countersign::keys::alarms::Resync;
use countersign::keys::record::Kind;
use countersign::readiness::Readiness;
use countersign::store::{Origin, Position, Store as _};

use super::{Files, NEW, OLD, WORKSPACE, api_key, integration, key};
use crate::redis::sidecar::{Key, PROPAGATION, RECOVERY, Sidecar};
use crate::support::redis::{Server, namespace, shared, soon};

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

#[tokio::test]
async fn what_a_store_has_lost_of_it_comes_back_without_a_change_of_the_file() {
    let (server, files) = (Server::start(&[]), Files::new());
    let sidecar = Sidecar::start(server.port, "ns").ready().await;
    let lines: Vec<_> = (0..3).map(|_| api_key()).collect();
    let keys: String =
        lines.iter().enumerate().map(|(n, lines)| key(&format!("key-{n}"), &lines.lines)).collect();
    files.write("seed.toml", &[WORKSPACE, &keys].concat());
    let mut task = task(&sidecar, &files);
    task.round().await;
    let held = || sidecar.running.keys.mirror().list(Kind::WebhookKey, None, 10, |_| true);
    let call = |lines: &super::ApiKey| Key { record: held()[0].0, api_key: lines.key.clone() };
    let calls: Vec<Key> = lines.iter().map(call).collect();
    let resyncs = |cause: Resync| sidecar.running.keys.alarms().resyncs(cause);
    let events = || async { server.store("ns").audit(Position::default(), 100).await.unwrap().len() };

    // A record goes behind everybody's back, and nothing says so until the key set is read again.
    let lost = held()[0].0;
    server.do_it(&["DEL", "{ns}:log"]);
    server.do_it(&["HDEL", "{ns}:records", &lost.to_string()]);
    server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
    soon("the key set is read again", RECOVERY, || resyncs(Resync::Gap) == 1).await;
    assert_eq!(held().len(), 2);
    task.round().await;
    assert_eq!((held().len(), events().await), (3, 2));
    for call in &calls {
        assert_eq!(sidecar.judged(call), 200);
    }

    // What has everything is left alone.
    server.do_it(&["DEL", "{ns}:log"]);
    server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
    soon("the key set is read again", RECOVERY, || resyncs(Resync::Gap) == 2).await;
    task.round().await;
    assert_eq!(events().await, 2);

    // A new life has nothing of it.
    server.do_it(&["FLUSHALL"]);
    server.store("ns").initialise(Origin::Command).await.unwrap();
    soon("the new life is taken", RECOVERY, || resyncs(Resync::Epoch) == 1).await;
    task.round().await;
    assert_eq!((held().len(), events().await), (3, 1));
    for call in &calls {
        assert_eq!(sidecar.judged(call), 200);
    }
}
