//! Records that somebody edited in Redis, or that have no reading here: 503 for their own callers, never honoured,
//! counted, named once, and nobody else's business.

use super::outage::reports;
use super::sidecar::{Key, RECOVERY, Sidecar, TOO_LONG};
use crate::support::redis::{Server, soon};

/// A server, a sidecar that knows two keys, and how the first is stored.
struct Stored {
    server: Server,
    running: Sidecar,
    keys: [Key; 2],
    text: String,
}

impl Stored {
    async fn new() -> Self {
        let server = Server::start(&[]);
        let running = Sidecar::start(server.port, "ns").ready().await;
        let keys = [running.create().await, running.create().await];
        let text = server.ask(&["HGET", "{ns}:records", &keys[0].record.to_string()]);
        Self { server, running, keys, text }
    }

    fn write(&self, text: &str) {
        assert_ne!(text, self.text, "nothing was edited");
        self.server.do_it(&["HSET", "{ns}:records", &self.keys[0].record.to_string(), text]);
    }

    /// Makes the sidecar that runs read everything again.
    async fn reread(&self) {
        let generation = || self.running.metric("countersign_keys_generation ").unwrap();
        let before = generation();
        self.server.do_it(&["DEL", "{ns}:log"]);
        self.server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
        soon("a rebuild", RECOVERY, || generation() > before).await;
    }

    /// The first record is refused as `kind`, whoever reads it, and named once; the second works.
    async fn is_refused_as(&self, kind: &str) {
        let alarms = format!("countersign_store_alarms_total{{kind=\"{kind}\"}} ");
        let fresh = Sidecar::start(self.server.port, "ns").ready().await;
        self.reread().await;
        self.reread().await;
        for sidecar in [&fresh, &self.running] {
            assert_eq!(self.keys.each_ref().map(|key| sidecar.judged(key)), [503, 200]);
            assert_eq!(sidecar.metric("countersign_keys_records{kind=\"damaged\"} "), Some(1.0));
            assert_eq!(sidecar.metric(&alarms), Some(1.0), "counted once");
            reports(sidecar, &format!("{} cannot be used", self.keys[0].record)).await;
        }
    }
}

#[tokio::test]
async fn a_key_that_was_switched_on_by_hand_is_forged() {
    let stored = Stored::new().await;
    stored.running.deactivate(&stored.keys[0]).await;
    let off: String = stored.server.ask(&["HGET", "{ns}:records", &stored.keys[0].record.to_string()]);
    stored.write(&off.replace("\"isActive\":false", "\"isActive\":true"));
    stored.is_refused_as("forged").await;
}

#[tokio::test]
async fn a_key_with_another_digest_is_forged() {
    let stored = Stored::new().await;
    let digest = |key: &Key| {
        let digest = countersign::credential::api_key::digest(&key.api_key).0;
        data_encoding::HEXLOWER.encode(&digest)
    };
    // The holder of a key of her own gives herself the first one's record.
    let stranger = countersign::credential::api_key::generate(&[7; 32]);
    let stranger = Key { record: stored.keys[0].record, api_key: stranger.expose_text().unwrap().to_owned() };
    stored.write(&stored.text.replace(&digest(&stored.keys[0]), &digest(&stranger)));
    let fresh = Sidecar::start(stored.server.port, "ns").ready().await;
    assert_eq!(fresh.judged(&stranger), 503);
    assert_eq!(stored.keys.each_ref().map(|key| fresh.judged(key)), [503, 200]);
    assert_eq!(fresh.metric("countersign_store_alarms_total{kind=\"forged\"} "), Some(1.0));
    // Who knew the record refuses both for what they are: not known here and now.
    stored.reread().await;
    assert_eq!(stored.running.judged(&stranger), 503);
    assert_eq!(stored.keys.each_ref().map(|key| stored.running.judged(key)), [503, 200]);
}

#[tokio::test]
async fn a_key_in_another_workspace_is_forged() {
    let stored = Stored::new().await;
    let other = uuid::Uuid::now_v7().to_string();
    let mine = stored.running.running.keys.mirror().get(stored.keys[0].record).unwrap().workspace().unwrap();
    stored.write(&stored.text.replace(&mine.to_string(), &other));
    stored.is_refused_as("forged").await;
}

#[tokio::test]
async fn a_record_under_a_key_that_is_not_at_hand_is_unopenable() {
    let stored = Stored::new().await;
    stored.write(&stored.text.replacen("v1.k1.", "v1.k9.", 1));
    stored.is_refused_as("unopenable").await;
    reports(&stored.running, "the key-encryption key \"k9\" is not in keys.kek_dir").await;
}

#[tokio::test]
async fn a_record_that_says_nothing_of_itself_leaves_its_callers_unknown_only_to_who_never_knew_them() {
    let stored = Stored::new().await;
    stored.write("somebody else's");
    let fresh = Sidecar::start(stored.server.port, "ns").ready().await;
    stored.reread().await;
    stored.reread().await;
    // Whose it was cannot be read in it; the store knows who holds the API key.
    assert_eq!(stored.keys.each_ref().map(|key| fresh.judged(key)), [503, 200]);
    assert_eq!(stored.keys.each_ref().map(|key| stored.running.judged(key)), [503, 200]);
    for sidecar in [&fresh, &stored.running] {
        assert_eq!(sidecar.metric("countersign_store_alarms_total{kind=\"corrupt\"} "), Some(1.0));
    }
}

#[tokio::test]
async fn a_key_of_redis_of_another_type_is_a_fault_of_the_whole_store() {
    let stored = Stored::new().await;
    stored.server.do_it(&["RENAME", "{ns}:records", "aside"]);
    stored.server.do_it(&["SET", "{ns}:records", "somebody else's"]);
    stored.server.do_it(&["DEL", "{ns}:log"]);
    stored.server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
    reports(&stored.running, "the key {ns}:records is not of the type that it should be").await;
    assert_eq!(stored.keys.each_ref().map(|key| stored.running.judged(key)), [200, 200]);
    stored.running.clock.advance(TOO_LONG);
    assert_eq!(stored.keys.each_ref().map(|key| stored.running.judged(key)), [503, 503]);
    stored.server.do_it(&["RENAME", "aside", "{ns}:records"]);
    stored.running.gives(&stored.keys[0], 200, RECOVERY).await;
}

#[tokio::test]
async fn d24_a_record_of_64_mib_is_damaged_and_nobody_elses_business() {
    let stored = Stored::new().await;
    stored.write(&"a".repeat(64 * 1024 * 1024));
    // A debug build on a busy machine takes its time.
    let fresh = Sidecar::over(&stored.server.url(), "ns", &[("store.response_timeout", "10s")]).ready().await;
    assert_eq!(stored.keys.each_ref().map(|key| fresh.judged(key)), [503, 200]);
    assert_eq!(fresh.metric("countersign_store_alarms_total{kind=\"corrupt\"} "), Some(1.0));
    reports(&fresh, &format!("{} cannot be used", stored.keys[0].record)).await;
}
