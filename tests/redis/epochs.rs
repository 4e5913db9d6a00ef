//! A namespace that is not the one a sidecar knows: an accident is a fault, a person's decision is taken without a
//! restart, and the message says what to do.

use countersign::store::{Epoch, Origin, Store as _};

use super::outage::{reports, with_a_key};
use super::sidecar::{Key, RECOVERY, Sidecar, TOO_LONG};
use crate::support::redis::{Server, soon};

/// Moves what there is of the namespace from one suffix to another, in one step.
fn rename(server: &Server, from: &str, to: &str) {
    let script = "for _, part in ipairs({ 'meta', 'records', 'claims', 'log', 'audit' }) do \
        local key = '{ns}:' .. part \
        if redis.call('EXISTS', key .. ARGV[1]) == 1 then redis.call('RENAME', key .. ARGV[1], key .. ARGV[2]) end end";
    server.do_it(&["EVAL", script, "0", from, to]);
}

/// Takes one namespace away and puts another in its place, in one step.
fn swap(server: &Server, out: &str, into: &str) {
    let script = "for _, part in ipairs({ 'meta', 'records', 'claims', 'log', 'audit' }) do \
        local key = '{ns}:' .. part \
        if redis.call('EXISTS', key) == 1 then redis.call('RENAME', key, key .. ARGV[1]) end \
        if redis.call('EXISTS', key .. ARGV[2]) == 1 then redis.call('RENAME', key .. ARGV[2], key) end end";
    server.do_it(&["EVAL", script, "0", out, into]);
}

#[tokio::test]
async fn an_epoch_that_a_starting_sidecar_made_is_a_fault_until_the_known_one_returns() {
    let (server, sidecar, key) = with_a_key().await;
    rename(&server, "", ":aside");
    server.store("ns").init().await.unwrap();
    reports(&sidecar, "a sidecar found the store empty at its start").await;
    reports(&sidecar, "countersign import FILE").await;
    reports(&sidecar, "countersign store init").await;
    reports(&sidecar, "last alarm (").await;
    assert_eq!(sidecar.judged(&key), 200);
    sidecar.clock.advance(TOO_LONG);
    assert_eq!(sidecar.judged(&key), 503);
    swap(&server, ":other", ":aside");
    sidecar.gives(&key, 200, RECOVERY).await;
    assert!(sidecar.metric("countersign_store_alarms_total{kind=\"epoch\"} ") >= Some(1.0));
    assert_eq!(sidecar.metric("countersign_keys_resyncs_total{cause=\"epoch\"} "), Some(0.0));
}

#[tokio::test]
async fn a_namespace_that_does_not_say_how_it_began_is_nobodys_decision() {
    let server = Server::start(&[]);
    server.store("ns").initialise(Origin::Command).await.unwrap();
    server.do_it(&["HDEL", "{ns}:meta", "origin"]);
    rename(&server, "", ":earlier");
    let sidecar = Sidecar::start(server.port, "ns").ready().await;
    let key = sidecar.create().await;
    swap(&server, ":aside", ":earlier");
    reports(&sidecar, "a sidecar found the store empty at its start").await;
    assert_eq!(sidecar.judged(&key), 200);
    // Nothing keeps a starting sidecar from it, and nothing a person who takes it as it is.
    let other = Sidecar::try_start(server.port, "ns", "never", 'a').unwrap().ready().await;
    assert_eq!(other.judged(&key), 401);
    server.store("ns").initialise(Origin::Command).await.unwrap();
    sidecar.gives(&key, 401, RECOVERY).await;
    assert_eq!(sidecar.readyz().0, 200);
}

#[tokio::test]
async fn after_a_flush_a_person_begins_anew_without_a_restart() {
    let (server, sidecar, key) = with_a_key().await;
    let other = Sidecar::start(server.port, "ns").ready().await;
    server.do_it(&["FLUSHALL"]);
    for sidecar in [&sidecar, &other] {
        reports(sidecar, "countersign store init").await;
        assert_eq!(sidecar.judged(&key), 200);
    }
    server.store("ns").initialise(Origin::Command).await.unwrap();
    for sidecar in [&sidecar, &other] {
        sidecar.gives(&key, 401, RECOVERY).await;
        assert_eq!(sidecar.readyz().0, 200);
    }
    let new = other.create().await;
    sidecar.gives(&new, 200, RECOVERY).await;
}

#[tokio::test]
async fn a_former_epoch_that_comes_back_is_a_fault() {
    let (server, sidecar, key) = with_a_key().await;
    rename(&server, "", ":aside");
    server.store("ns").initialise(Origin::Command).await.unwrap();
    sidecar.gives(&key, 401, RECOVERY).await;
    let new = sidecar.create().await;
    swap(&server, ":new", ":aside");
    server.store("ns").initialise(Origin::Command).await.unwrap();
    reports(&sidecar, "the store went back to the epoch").await;
    assert_eq!((sidecar.judged(&key), sidecar.judged(&new)), (401, 200));
    sidecar.clock.advance(TOO_LONG);
    assert_eq!((sidecar.judged(&key), sidecar.judged(&new)), (503, 503));
    swap(&server, ":aside", ":new");
    sidecar.gives(&new, 200, RECOVERY).await;
    assert_eq!(sidecar.judged(&key), 401);
}

/// A sidecar, three keys, and a copy of them under the suffix `:import`, in another epoch that `continues` theirs or
/// none. The first key is deleted and the second disabled since.
async fn with_an_older_copy(continues: bool) -> (Server, Sidecar, [Key; 3]) {
    let server = Server::start(&[]);
    let known = server.store("ns").init().await.unwrap();
    rename(&server, "", ":known");
    let continues: Option<Epoch> = continues.then_some(known);
    server.store("ns").initialise(Origin::Import { continues }).await.unwrap();
    swap(&server, ":import", ":known");
    let sidecar = Sidecar::start(server.port, "ns").ready().await;
    let keys = [sidecar.create().await, sidecar.create().await, sidecar.create().await];
    for part in ["records", "claims"] {
        server.do_it(&["COPY", &format!("{{ns}}:{part}"), &format!("{{ns}}:{part}:import")]);
    }
    sidecar.delete(&keys[0]).await;
    sidecar.deactivate(&keys[1]).await;
    (server, sidecar, keys)
}

#[tokio::test]
async fn an_import_that_continues_the_known_epoch_un_revokes_nothing() {
    let (server, sidecar, keys) = with_an_older_copy(true).await;
    swap(&server, ":former", ":import");
    let taken = || sidecar.running.keys.mirror().applied().unwrap().position == Default::default();
    soon("the imported key set", RECOVERY, taken).await;
    assert_eq!([0, 1, 2].map(|n| sidecar.judged(&keys[n])), [401, 401, 200]);
    assert_eq!(sidecar.readyz().0, 200);
}

#[tokio::test]
async fn an_import_of_another_key_set_is_taken_as_it_is() {
    let (server, sidecar, keys) = with_an_older_copy(false).await;
    assert_eq!([0, 1, 2].map(|n| sidecar.judged(&keys[n])), [401, 401, 200]);
    swap(&server, ":former", ":import");
    sidecar.gives(&keys[0], 200, RECOVERY).await;
    assert_eq!([0, 1, 2].map(|n| sidecar.judged(&keys[n])), [200, 200, 200]);
}
