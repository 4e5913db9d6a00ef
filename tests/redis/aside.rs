//! A key set that is read anew while changes go on: what is revoked meanwhile does not wait for the end of the reading.

use super::sidecar::{PROPAGATION, RECOVERY, Sidecar};
use crate::support::cut::Wire;
use crate::support::redis::{Server, soon};

#[tokio::test]
async fn a_revocation_does_not_wait_for_a_key_set_that_is_read_anew() {
    let server = Server::start(&[]);
    let wire = Wire::to(server.port);
    let b = Sidecar::start(server.port, "ns").ready().await;
    let a = Sidecar::over(&format!("redis://127.0.0.1:{}", wire.port), "ns", &[]).ready().await;
    let (while_away, deleted, disabled, kept) =
        (b.create().await, b.create().await, b.create().await, b.create().await);
    let paused = b.create().await;
    for key in [&while_away, &deleted, &disabled, &kept, &paused] {
        a.gives(key, 200, PROPAGATION).await;
    }
    let generation = a.metric("countersign_keys_generation ").unwrap();

    // A comes back to a log that does not reach as far back as it has read, and to an answer that does not come: the
    // one record that the log does not name is only in the key set itself.
    wire.cut();
    server.do_it(&["DEL", "{ns}:log"]);
    for on in [false, true] {
        b.switch(&paused, on).await;
    }
    b.delete(&while_away).await;
    wire.swallow(kept.record.to_string().as_bytes());
    wire.mend();
    a.gives(&while_away, 401, RECOVERY).await;
    b.delete(&deleted).await;
    b.deactivate(&disabled).await;
    a.gives(&deleted, 401, PROPAGATION).await;
    a.gives(&disabled, 401, PROPAGATION).await;
    assert_eq!([&kept, &paused].map(|key| a.judged(key)), [200; 2]);
    assert_eq!(a.metric("countersign_keys_generation "), Some(generation), "the key set was read before");

    soon("a rebuild", RECOVERY, || a.metric("countersign_keys_generation ") > Some(generation)).await;
    let judged = [&while_away, &deleted, &disabled, &kept, &paused].map(|key| a.judged(key));
    assert_eq!(judged, [401, 401, 401, 200, 200]);
    // What was known before the reading had come to it is no loss of the store's.
    assert_eq!(a.metric("countersign_store_alarms_total{kind=\"lost_changes\"} "), Some(0.0));
    let made = b.create().await;
    a.gives(&made, 200, PROPAGATION).await;
}
