//! What a client may cause: bytes, time, memory, and a fault of ours in the middle of its request.

mod budget;
mod connections;
mod exhaustion;
mod floods;
mod heads;
mod load;
mod upstream;

use serde_json::json;

use crate::support::http::{Call, Connection};
use crate::support::mac::hmac_hex;
use crate::support::refusal::assert_problem;
use crate::support::sidecar::{Key, Sidecar, until};

const MIB: usize = 1024 * 1024;

fn with(sidecar: Sidecar) -> (Sidecar, Key, String) {
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let secret = sidecar.integration(json!({ "name": "hook" }));
    (sidecar, key, secret)
}

fn hook(secret: &str, body: &[u8]) -> Call {
    Call::post("/webhooks/hook", body).header("X-Webhook-Signature", hmac_hex(secret, &[body]))
}

/// The head of a call, and the length of a body that does not come with it.
fn head_of(call: &Call, length: usize) -> Vec<u8> {
    Call { body: Vec::new(), ..call.clone() }.header("Content-Length", length.to_string()).bytes()
}

#[test]
fn a_buffered_body_that_stalls_is_a_408() {
    let config = "[limits]\nbody_idle_timeout = '100ms'";
    let (sidecar, _, secret) = with(Sidecar::builder().config(config).start());
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&[head_of(&hook(&secret, b"body"), 100), b"half".to_vec()].concat());
    assert_problem(&connection.answer(), 408, "a stalled body");
    assert!(connection.is_closed());
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_buffered_body_that_drips_is_a_408() {
    let config = "[limits]\nbody_idle_timeout = '10s'\nbody_timeout = '200ms'";
    let (sidecar, _, secret) = with(Sidecar::builder().config(config).start());
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&head_of(&hook(&secret, b"body"), MIB));
    let mut dripping = connection.twin();
    let drip = std::thread::spawn(move || {
        while dripping.try_write(b"x") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    assert_problem(&connection.answer(), 408, "a dripping body");
    drop(connection);
    drip.join().unwrap();
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_streamed_body_that_stalls_is_a_408_and_no_request() {
    let config = "[limits]\nbody_idle_timeout = '100ms'";
    let (sidecar, key, _) = with(Sidecar::builder().config(config).start());
    let call = Call::post("/in", "").header("X-API-Key", &key.api_key);
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&[head_of(&call, 100), b"half".to_vec()].concat());
    assert_problem(&connection.answer(), 408, "a stalled stream");
    assert!(connection.is_closed());
    assert_eq!(sidecar.upstream.take().len(), 0);
    assert_eq!(sidecar.passes(&Call::get("/in").header("X-API-Key", &key.api_key)).body, b"");
}

#[test]
fn a_refused_or_aborted_body_gives_its_budget_back() {
    let config = "[limits]\nbody_budget = '64KiB'\nmax_body = '48KiB'";
    let (sidecar, _, secret) = with(Sidecar::builder().config(config).start());
    let in_flight = || sidecar.metrics("countersign_body_bytes_in_flight").pop().unwrap();
    let body = vec![b'a'; 40 * 1024];
    for _ in 0..4 {
        let wrong = Call { body: body.clone(), ..hook(&secret, b"another") };
        assert_eq!(sidecar.send(&wrong).status, 401);
    }
    for _ in 0..4 {
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&[head_of(&hook(&secret, &body), body.len()), body[1..].to_vec()].concat());
        until("the body is held", || in_flight() != "countersign_body_bytes_in_flight 0");
        drop(connection);
        until("the budget came back", || in_flight() == "countersign_body_bytes_in_flight 0");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_client_that_writes_everything_first_still_reads_the_answer() {
    let (sidecar, key, secret) = with(Sidecar::start());
    let body = vec![b'a'; 6 * MIB];
    for (call, status) in [
        (Call::post("/in", &body).header("X-API-Key", &key.api_key), 413),
        (hook(&secret, &body), 413),
        (Call::post("/in", &body), 401),
        (Call::post("/webhooks/unknown", &body), 401),
        (Call::post("/in/../x", &body), 400),
        (Call::post("/in", &body).header("Expect", "tea"), 417),
    ] {
        for _ in 0..3 {
            let mut connection = Connection::open(sidecar.traffic());
            assert!(connection.try_write(&call.bytes()), "{status}: the write was broken off");
            let answer = connection.answer();
            assert_problem(&answer, status, &call.target);
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(connection.is_closed());
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_panic_is_this_requests_503_and_nobody_elses() {
    let (sidecar, _, secret) = with(Sidecar::start());
    let call = hook(&secret, b"body");
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&call.bytes());
    assert_eq!(connection.answer().status, 200);
    let before = sidecar.upstream.bytes();
    // Readings: the request's arrival, its head judged, its body read, its admission.
    sidecar.clock.panic_at_monotonic(3);
    connection.write(&call.bytes());
    assert_problem(&connection.answer(), 503, "a panic");
    assert!(sidecar.clock.has_panicked());
    assert_eq!(sidecar.upstream.bytes(), before);
    connection.write(&call.bytes());
    assert_eq!(connection.answer().status, 200);
    let counted = sidecar.metrics("countersign_verifications_total{");
    assert!(counted.iter().any(|line| line.contains("reason=\"internal\"")), "{counted:?}");
    assert_eq!(sidecar.metrics("countersign_panics_total"), ["countersign_panics_total 1"]);
}

#[test]
fn a_panic_after_the_verification_forwards_nothing() {
    let (sidecar, _, secret) = with(Sidecar::start());
    // Arrival, then admission.
    sidecar.clock.panic_at_wall(1);
    sidecar.refuses(&hook(&secret, b"body"), 503);
    assert!(sidecar.clock.has_panicked());
    sidecar.upstream.saw_nothing();
    sidecar.passes(&hook(&secret, b"body"));
    let in_flight = sidecar.metrics("countersign_body_bytes_in_flight");
    assert_eq!(in_flight, ["countersign_body_bytes_in_flight 0"]);
}

#[test]
fn connections_beyond_the_limit_are_closed_and_those_within_are_served() {
    let (sidecar, key, _) = with(Sidecar::builder().config("[limits]\nconnections = 2").start());
    let call = Call::get("/in").header("X-API-Key", &key.api_key).bytes();
    let mut held: Vec<Connection> = (0..2).map(|_| Connection::open(sidecar.traffic())).collect();
    for connection in &mut held {
        connection.write(&call);
        assert_eq!(connection.answer().status, 200);
    }
    let mut third = Connection::open(sidecar.traffic());
    third.write(&call);
    assert!(third.try_answer("GET").is_none());
    held[0].write(&call);
    assert_eq!(held[0].answer().status, 200);
    assert_eq!(sidecar.upstream.take().len(), 3);
}
