//! What requests cost the store: nothing, whoever sends them, and be it the first time.
//!
//! How many are sent is COUNTERSIGN_TEST_STRANGERS, 5,000 unless set; `tests/run --scale` sets more.

use countersign::credential::api_key;
use uuid::Uuid;

use super::processes::command;
use crate::support::http::{Call, Connection};
use crate::support::process::Serve;
use crate::support::redis::{Server, kek_dir, now};
use crate::support::sidecar::until;
use crate::support::upstream::Upstream;

/// Requests on their way at once.
const AT_ONCE: usize = 50;
/// By how many commands two periods of equal length may differ: what three heartbeats ask.
const HEARTBEATS: u64 = 12;

fn strangers() -> usize {
    let set = std::env::var_os("COUNTERSIGN_TEST_STRANGERS");
    set.map_or(5000, |count| count.to_str().unwrap().parse().expect("COUNTERSIGN_TEST_STRANGERS is a number"))
}

/// A request that is well-formed, from nobody we know. Without a body: one that is refused unread would end the
/// connection.
fn stranger(number: usize) -> Call {
    let signed = |call: Call| call.header("X-Webhook-Signature", format!("sha256={}", "0f".repeat(32)));
    match number % 4 {
        0 => signed(Call::get("/orders")).header("X-Workspace-ID", Uuid::now_v7().to_string()),
        1 => signed(Call::get(&format!("/webhooks/{}", Uuid::new_v4()))),
        _ => {
            let key = api_key::generate(&countersign::store::seal::random().unwrap());
            Call::get("/orders").header("X-API-Key", key.expose_text().unwrap())
        }
    }
}

/// Commands that the server has run, but for the asking.
fn commands(server: &Server) -> u64 {
    let stats: String = server.ask(&["INFO", "commandstats"]);
    let calls = |line: &str| line.split_once(":calls=")?.1.split(',').next()?.parse::<u64>().ok();
    let counted = stats.lines().filter(|line| !line.starts_with("cmdstat_info:")).filter_map(calls);
    counted.sum()
}

#[tokio::test]
async fn requests_of_strangers_ask_the_store_for_nothing() {
    let (server, keks, dir) = (Server::start(&[]), kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap());
    let upstream = Upstream::start();
    let serve = Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    let held = serve.key(&serve.workspace("known"), "held");

    let (before, began) = (commands(&server), now());
    let mut connection = Connection::open(serve.traffic);
    let rounds = strangers().div_ceil(AT_ONCE);
    for round in 0..rounds {
        let calls: Vec<u8> = (0..AT_ONCE).flat_map(|number| stranger(number + round).bytes()).collect();
        connection.write(&calls);
        for _ in 0..AT_ONCE {
            assert_eq!(connection.answer().status, 401);
        }
    }
    let (busy, took) = (commands(&server) - before, began.elapsed());
    upstream.saw_nothing();

    let before = commands(&server);
    // Not to wait for anything: this is the idle period.
    tokio::time::sleep(took).await;
    let idle = commands(&server) - before;
    println!("{} requests in {took:?}: {busy} commands; as long without any: {idle}", rounds * AT_ONCE);
    assert!(busy.abs_diff(idle) <= HEARTBEATS, "{busy} commands, {idle} when idle for as long");
    let known = Call::get("/orders").header("X-API-Key", &held.api_key);
    assert_eq!(known.send(serve.traffic).status, 200);
    upstream.only();
}

#[tokio::test]
async fn d19_the_first_uses_of_a_key_all_at_once_ask_the_store_for_nothing() {
    let (server, keks, dir) = (Server::start(&[]), kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap());
    let upstream = Upstream::start();
    let start = || Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    let (one, other) = (start(), start());
    let key = one.key(&one.workspace("known"), "cold");
    let call = Call::get("/orders").header("X-API-Key", &key.api_key).bytes();
    // What it has to do to know the key it does now, whether anybody uses it or not.
    let keys = || other.ops("/metrics").text();
    until("the other knows it", || keys().contains("countersign_keys_records{kind=\"webhook-key\"} 1"));

    let (before, began) = (commands(&server), now());
    let mut all: Vec<Connection> = (0..AT_ONCE).map(|_| Connection::open(other.traffic)).collect();
    let each = strangers().div_ceil(AT_ONCE);
    for connection in &mut all {
        connection.write(&call.repeat(each.min(100)));
    }
    let mut used = 0;
    for connection in &mut all {
        for _ in 0..each.min(100) {
            assert_eq!(connection.answer().status, 200);
            used += 1;
        }
    }
    let (busy, took) = (commands(&server) - before, began.elapsed());
    assert_eq!(upstream.take().len(), used);
    // That it was used is written behind, a few times a minute: what three heartbeats ask allows for that.
    println!("{used} first uses in {took:?}: {busy} commands");
    let seconds = took.as_secs() + 1;
    assert!(busy <= HEARTBEATS * (seconds + 1), "{busy} commands in {took:?}");
}
