//! A server that has lost what it acknowledged: nothing that was revoked is honoured again, and the server gets back
//! what it has lost.

use countersign::keys::record::RecordKey;
use countersign::store::Store as _;
use serde_json::Value;

use super::outage::reports;
use super::sidecar::{Key, PROPAGATION, RECOVERY, Sidecar, TOO_LONG};
use crate::support::redis::{Server, soon};

/// A server that keeps only what it is told to.
fn forgetful() -> Server {
    Server::start(&["--appendonly", "no"])
}

/// Kills the server and starts it with what it had when it was last told to save.
fn go_back(server: &Server) {
    server.kill();
    server.run();
}

/// What was restored, as the audit says: action and record, sorted.
pub(super) async fn restored(server: &Server) -> Vec<(String, String)> {
    let events = server.store("ns").audit(Default::default(), usize::MAX).await.unwrap();
    let events = events.iter().map(|(_, _, event)| serde_json::from_slice::<Value>(event).unwrap());
    let ours = events.filter(|event| event["actor"] == "countersign");
    let mut named: Vec<_> = ours
        .map(|event| {
            (event["action"].as_str().unwrap().to_owned(), event["resourceId"].as_str().unwrap().to_owned())
        })
        .collect();
    named.sort();
    named
}

fn revision(server: &Server, key: RecordKey) -> Option<u64> {
    let stored: Option<String> = server.ask(&["HGET", "{ns}:records", &key.to_string()]);
    stored.map(|stored| stored.split('\n').next().unwrap().parse().unwrap())
}

fn statuses<const N: usize>(sidecar: &Sidecar, keys: [&Key; N]) -> [u16; N] {
    keys.map(|key| sidecar.judged(key))
}

#[tokio::test]
async fn what_a_server_has_lost_stays_in_force_and_is_written_back_once() {
    // Started again, it takes no change until it is told to: nobody can make it whole before all have seen the loss.
    let server = Server::start(&["--appendonly", "no", "--min-replicas-to-write", "1"]);
    let takes_changes = || server.do_it(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    takes_changes();
    let a = Sidecar::start(server.port, "ns").ready().await;
    let b = Sidecar::start(server.port, "ns").ready().await;
    let data = Sidecar::start_data(server.port, "ns").ready().await;
    let (deleted, disabled, kept) = (a.create().await, a.create().await, a.create().await);
    server.do_it(&["SAVE"]);
    a.delete(&deleted).await;
    a.deactivate(&disabled).await;
    let made = a.create().await;
    for sidecar in [&a, &b, &data] {
        sidecar.gives(&made, 200, PROPAGATION).await;
    }
    go_back(&server);
    assert_eq!(revision(&server, deleted.record), Some(1));
    let all = [&deleted, &disabled, &kept, &made];
    let alarms = |sidecar: &Sidecar| sidecar.metric("countersign_store_alarms_total{kind=\"lost_changes\"} ");
    let still = || {
        for sidecar in [&a, &b, &data] {
            assert_eq!(statuses(sidecar, all), [401, 401, 200, 200]);
        }
    };
    let seen = || {
        still();
        [&a, &b, &data].into_iter().all(|sidecar| alarms(sidecar) == Some(1.0))
    };
    soon("everybody has seen the loss", RECOVERY, seen).await;
    assert_eq!(revision(&server, deleted.record), Some(1));
    takes_changes();
    let whole = || {
        still();
        let now = [&deleted, &disabled, &made].map(|key| revision(&server, key.record));
        now == [None, Some(2), Some(1)]
    };
    soon("the store is whole again", RECOVERY, whole).await;
    let again =
        || [&a, &b, &data].iter().all(|sidecar| *sidecar.running.keys.mirror().losses().borrow() == 0);
    soon("everybody knows", RECOVERY, again).await;
    // The key that was made came with its workspace.
    let workspace = a.record(&made).meta().id;
    assert_eq!(workspace, made.record.id);
    let named = restored(&server).await;
    let actions: Vec<&str> = named.iter().map(|(action, _)| action.as_str()).collect();
    let (record, revocation) = ("store.record_restored", "store.revocation_restored");
    assert_eq!(actions, [record, record, revocation, revocation], "{named:?}");
    for sidecar in [&a, &b, &data] {
        assert_eq!(alarms(sidecar), Some(1.0));
        assert_eq!(sidecar.metric("countersign_keys_resyncs_total{cause=\"rollback\"} "), Some(1.0));
        assert_eq!(sidecar.metric("countersign_keys_generation "), Some(2.0));
    }
    // Whoever may write may have said since that it could not give back.
    reports(&data, "s ago): the store has lost changes that were seen").await;
    // Whoever knows only the store says the same, and the log goes on from there.
    let fresh = Sidecar::start(server.port, "ns").ready().await;
    assert_eq!(statuses(&fresh, all), [401, 401, 200, 200]);
    b.delete(&kept).await;
    for sidecar in [&a, &data, &fresh] {
        sidecar.gives(&kept, 401, PROPAGATION).await;
    }
}

#[tokio::test]
async fn a_sidecar_that_may_not_write_refuses_what_was_revoked_for_as_long_as_it_runs() {
    let server = forgetful();
    let a = Sidecar::start(server.port, "ns").ready().await;
    let data = Sidecar::start_data(server.port, "ns").ready().await;
    let (deleted, disabled, kept) = (a.create().await, a.create().await, a.create().await);
    server.do_it(&["SAVE"]);
    a.delete(&deleted).await;
    a.deactivate(&disabled).await;
    data.gives(&disabled, 401, PROPAGATION).await;
    drop(a);
    let all = [&deleted, &disabled, &kept];
    let rebuilt = |times: f64| data.metric("countersign_keys_generation ") >= Some(times);
    go_back(&server);
    soon("a rebuild", RECOVERY, || rebuilt(2.0)).await;
    assert_eq!(statuses(&data, all), [401, 401, 200]);
    // Once more, by the log that was lost and by nothing.
    server.do_it(&["DEL", "{ns}:log"]);
    server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
    soon("a rebuild", RECOVERY, || rebuilt(3.0)).await;
    assert_eq!(statuses(&data, all), [401, 401, 200]);
    go_back(&server);
    // An admin who knows nothing of it works on what the server has left.
    let admin = Sidecar::start(server.port, "ns").ready().await;
    assert_eq!(statuses(&admin, all), [200, 200, 200], "nobody has told the store");
    admin.delete(&kept).await;
    data.gives(&kept, 401, RECOVERY).await;
    assert_eq!(data.metric("countersign_store_alarms_total{kind=\"lost_changes\"} "), Some(1.0), "said once");
    assert_eq!(statuses(&data, all), [401, 401, 401]);
    assert_eq!(revision(&server, deleted.record), Some(1));
    assert_eq!(restored(&server).await, []);
}

#[tokio::test]
async fn a_server_that_went_back_further_than_is_remembered_is_a_fault() {
    let server = forgetful();
    let first = Sidecar::start(server.port, "ns").ready().await;
    let (early, revoked) = (first.create().await, first.create().await);
    server.do_it(&["SAVE"]);
    first.delete(&revoked).await;
    let late = first.create().await;
    drop(first);
    server.do_it(&["DEL", "{ns}:log"]);
    let sidecar = Sidecar::start(server.port, "ns").ready().await;
    let all = [&early, &revoked, &late];
    assert_eq!(statuses(&sidecar, all), [200, 401, 200]);
    go_back(&server);
    reports(&sidecar, "the store went back to before anything that this process remembers").await;
    assert_eq!(statuses(&sidecar, all), [200, 401, 200]);
    assert_eq!(sidecar.metric("countersign_store_alarms_total{kind=\"rolled_back\"} "), Some(1.0));
    sidecar.clock.advance(TOO_LONG);
    assert_eq!(statuses(&sidecar, all), [503, 503, 503]);
}

#[tokio::test]
async fn a_sidecar_that_started_after_the_loss_was_written_knows_it_too() {
    let server = forgetful();
    let first = Sidecar::start(server.port, "ns").ready().await;
    let (early, revoked) = (first.create().await, first.create().await);
    server.do_it(&["SAVE"]);
    first.delete(&revoked).await;
    let late = first.create().await;
    drop(first);
    let sidecar = Sidecar::start(server.port, "ns").ready().await;
    go_back(&server);
    let all = [&early, &revoked, &late];
    let whole = || {
        assert_eq!(statuses(&sidecar, [&early, &late]), [200, 200]);
        revision(&server, late.record) == Some(1)
    };
    soon("the store is whole again", RECOVERY, whole).await;
    soon("the revocation too", RECOVERY, || revision(&server, revoked.record).is_none()).await;
    assert_eq!(statuses(&sidecar, all), [200, 401, 200]);
}
