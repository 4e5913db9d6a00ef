//! Several sidecars, one Redis: what one changes, the others judge by.

use std::time::Duration;

use super::sidecar::{Key, PROPAGATION, RECOVERY, Sidecar, TOO_LONG};
use crate::support::cut::Wire;
use crate::support::redis::{Server, namespace, shared, soon};

async fn two() -> (Sidecar, Sidecar) {
    let namespace = namespace();
    let a = Sidecar::start(shared().port, &namespace).ready().await;
    let b = Sidecar::start(shared().port, &namespace).ready().await;
    (a, b)
}

#[tokio::test]
async fn a_key_created_on_a_works_on_b() {
    let (a, b) = two().await;
    let mut took = Vec::new();
    for _ in 0..20 {
        let key = a.create().await;
        assert_eq!(a.status(&key), 200);
        took.push(b.gives(&key, 200, PROPAGATION).await);
    }
    took.sort();
    println!(
        "propagation, from the commit's answer to a 200 elsewhere: median {:?}, worst {:?}",
        took[10], took[19]
    );
}

#[tokio::test]
async fn a_key_deleted_on_a_is_refused_on_b() {
    let (a, b) = two().await;
    let (key, other) = (a.create().await, a.create().await);
    b.gives(&key, 200, PROPAGATION).await;
    a.delete(&key).await;
    assert_eq!(a.status(&key), 401);
    b.gives(&key, 401, PROPAGATION).await;
    b.gives(&other, 200, PROPAGATION).await;
}

#[tokio::test]
async fn a_key_deactivated_on_b_is_refused_on_a() {
    let (a, b) = two().await;
    let key = a.create().await;
    b.gives(&key, 200, PROPAGATION).await;
    b.deactivate(&key).await;
    assert_eq!(b.status(&key), 401);
    a.gives(&key, 401, PROPAGATION).await;
}

#[tokio::test]
async fn a_sidecar_that_starts_later_knows_every_key() {
    let namespace = namespace();
    let a = Sidecar::start(shared().port, &namespace).ready().await;
    let (kept, gone) = (a.create().await, a.create().await);
    a.delete(&gone).await;
    drop(a);
    let b = Sidecar::start(shared().port, &namespace).ready().await;
    assert_eq!((b.status(&kept), b.status(&gone)), (200, 401));
}

/// A sidecar with a key that everybody knows, and one behind a wire.
async fn one_behind_a_wire() -> (String, Sidecar, Wire, Sidecar, Key) {
    let namespace = namespace();
    let a = Sidecar::start(shared().port, &namespace).ready().await;
    let wire = Wire::to(shared().port);
    let b = Sidecar::start(wire.port, &namespace).ready().await;
    let key = a.create().await;
    b.gives(&key, 200, PROPAGATION).await;
    (namespace, a, wire, b, key)
}

#[tokio::test]
async fn a_missed_revocation_replays_after_a_reconnect() {
    let (_, a, wire, b, key) = one_behind_a_wire().await;
    wire.cut();
    a.delete(&key).await;
    let made = a.create().await;
    // Within max_stale it cannot know.
    assert_eq!((b.status(&key), b.status(&made)), (200, 401));
    wire.mend();
    let took = b.gives(&key, 401, RECOVERY).await;
    println!("a missed revocation is in force {took:?} after the wire is mended");
    b.gives(&made, 200, PROPAGATION).await;
}

#[tokio::test]
async fn a_trimmed_log_is_rebuilt() {
    let (namespace, a, wire, b, key) = one_behind_a_wire().await;
    wire.cut();
    a.delete(&key).await;
    let made = a.create().await;
    shared().do_it(&["XTRIM", &format!("{{{namespace}}}:log"), "MAXLEN", "1"]);
    wire.mend();
    b.gives(&key, 401, RECOVERY).await;
    b.gives(&made, 200, PROPAGATION).await;
}

#[tokio::test]
async fn a_sidecar_that_is_cut_off_goes_stale_alone() {
    let (_, a, wire, b, key) = one_behind_a_wire().await;
    wire.cut();
    for sidecar in [&a, &b] {
        sidecar.clock.advance(TOO_LONG);
    }
    a.gives(&key, 200, RECOVERY).await;
    let (status, answer) = b.answer(&key);
    assert_eq!(status, 503);
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
    wire.mend();
    b.gives(&key, 200, RECOVERY).await;
}

#[tokio::test]
async fn concurrent_writers_in_four_sidecars_keep_one_chain() {
    const EACH: usize = 25;
    let server = Server::start(&[]);
    let namespace = namespace();
    let mut sidecars = Vec::new();
    for _ in 0..4 {
        sidecars.push(Sidecar::start(server.port, &namespace).ready().await);
    }
    let started = crate::support::redis::now();
    let writers = sidecars.iter().map(|sidecar| async {
        for _ in 0..EACH {
            sidecar.create().await;
        }
    });
    let [a, b, c, d] = <[_; 4]>::try_from(writers.collect::<Vec<_>>()).ok().unwrap();
    tokio::join!(a, b, c, d);
    println!("{} commits by four sidecars in {:?}", 4 * EACH, started.elapsed());
    let store = server.store(&namespace);
    let keyring = crate::support::redis::keyring();
    let events =
        countersign::store::Store::audit(store.as_ref(), Default::default(), usize::MAX).await.unwrap();
    assert_eq!(events.len(), 4 * EACH);
    let mut previous = Default::default();
    for (_, mac, event) in &events {
        assert_eq!(keyring.audit_mac_with("k1", &previous, event), Some(*mac));
        previous = *mac;
    }
    for sidecar in &sidecars {
        let all = || sidecar.running.keys.mirror().counts().webhook_keys == 4 * EACH;
        soon("every key everywhere", Duration::from_secs(10), all).await;
    }
}
