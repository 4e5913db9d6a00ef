//! What becomes of the keys where the log is not what was left: each case with a key that stays, one that is revoked
//! and one that is made meanwhile.

use super::sidecar::{Key, PROPAGATION, RECOVERY, Sidecar};
use crate::support::cut::Wire;
use crate::support::redis::{Server, soon};

/// A sidecar that writes, one behind a wire that is cut, and what happened meanwhile.
struct Apart {
    server: Server,
    a: Sidecar,
    wire: Wire,
    b: Sidecar,
    /// One that stays, one that is revoked, one that is made.
    keys: [Key; 3],
}

impl Apart {
    async fn new() -> Self {
        let server = Server::start(&[]);
        let a = Sidecar::start(server.port, "ns").ready().await;
        let wire = Wire::to(server.port);
        let b = Sidecar::start(wire.port, "ns").ready().await;
        let (kept, revoked) = (a.create().await, a.create().await);
        b.gives(&revoked, 200, PROPAGATION).await;
        wire.cut();
        a.delete(&revoked).await;
        let made = a.create().await;
        assert_eq!([&kept, &revoked, &made].map(|key| b.judged(key)), [200, 200, 401], "it cannot know");
        Self { server, a, wire, b, keys: [kept, revoked, made] }
    }

    /// The wire is mended: everything is as it should be, and stays in step.
    async fn mends(&self, cause: &str) {
        self.wire.mend();
        let judged = || {
            let now = self.keys.each_ref().map(|key| self.b.judged(key));
            assert_eq!(now[0], 200, "a valid key was refused");
            now == [200, 401, 200]
        };
        soon("in step again", RECOVERY, judged).await;
        let resyncs =
            |cause: &str| self.b.metric(&format!("countersign_keys_resyncs_total{{cause=\"{cause}\"}} "));
        // Counted just after the key set is in force.
        let counted = || {
            let expected = |each: &str| Some(f64::from(u8::from(each == cause)));
            ["gap", "rollback", "epoch"].iter().all(|each| resyncs(each) == expected(each))
        };
        soon("counted as what it is", RECOVERY, counted).await;
        let next = self.a.create().await;
        self.b.gives(&next, 200, RECOVERY).await;
        self.a.delete(&next).await;
        self.b.gives(&next, 401, RECOVERY).await;
        assert_eq!(self.b.metric("countersign_store_alarms_total{kind=\"lost_changes\"} "), Some(0.0));
    }
}

#[tokio::test]
async fn a_log_that_reaches_back_is_resumed_without_a_rebuild() {
    Apart::new().await.mends("").await;
}

#[tokio::test]
async fn a_trimmed_log_is_a_gap() {
    let apart = Apart::new().await;
    apart.server.do_it(&["XTRIM", "{ns}:log", "MAXLEN", "1"]);
    apart.mends("gap").await;
}

#[tokio::test]
async fn a_log_that_was_truncated_to_nothing_is_a_gap() {
    let apart = Apart::new().await;
    apart.server.do_it(&["XTRIM", "{ns}:log", "MAXLEN", "0"]);
    apart.wire.mend();
    soon("revoked", RECOVERY, || apart.b.judged(&apart.keys[1]) == 401).await;
    assert_eq!(apart.keys.each_ref().map(|key| apart.b.judged(key)), [200, 401, 200]);
    // Until the next change, nothing stands where the log is resumed from.
    let next = apart.a.create().await;
    apart.b.gives(&next, 200, RECOVERY).await;
}

#[tokio::test]
async fn a_log_that_was_deleted_is_a_gap() {
    let apart = Apart::new().await;
    apart.server.do_it(&["DEL", "{ns}:log"]);
    apart.wire.mend();
    soon("revoked", RECOVERY, || apart.b.judged(&apart.keys[1]) == 401).await;
    assert_eq!(apart.keys.each_ref().map(|key| apart.b.judged(key)), [200, 401, 200]);
    let next = apart.a.create().await;
    apart.b.gives(&next, 200, RECOVERY).await;
}

#[tokio::test]
async fn another_entry_at_our_place_is_a_gap() {
    let apart = Apart::new().await;
    let applied = apart.b.running.keys.mirror().applied().unwrap().position;
    let place = format!("{}-{}", applied.major, applied.minor);
    apart.server.do_it(&["DEL", "{ns}:log"]);
    let other = "0".repeat(64);
    apart.server.do_it(&["XADD", "{ns}:log", &place, "p", &other, "m", &other, "c", ""]);
    apart.wire.mend();
    soon("revoked", RECOVERY, || apart.b.judged(&apart.keys[1]) == 401).await;
    assert_eq!(apart.keys.each_ref().map(|key| apart.b.judged(key)), [200, 401, 200]);
    let next = apart.a.create().await;
    apart.b.gives(&next, 200, RECOVERY).await;
}

#[tokio::test]
async fn an_epoch_that_goes_and_comes_back_is_an_outage() {
    let apart = Apart::new().await;
    let epoch: String = apart.server.ask(&["HGET", "{ns}:meta", "epoch"]);
    apart.server.do_it(&["HDEL", "{ns}:meta", "epoch"]);
    apart.wire.mend();
    let told = || apart.b.readyz().1.contains("holds records but no epoch");
    soon("the fault is reported", RECOVERY, told).await;
    assert_eq!(apart.keys.each_ref().map(|key| apart.b.judged(key)), [200, 200, 401], "it cannot know");
    apart.server.do_it(&["HSET", "{ns}:meta", "epoch", &epoch]);
    apart.mends("").await;
}
