//! Connections to the application, and clients that do not read its answers.

use std::sync::{Arc, LazyLock};

use http::Response;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::frames::{self, Frames, frame};
use crate::support::http::{Call, Connection};
use crate::support::refusal::assert_problem;
use crate::support::sidecar::{Key, Sidecar, until};
use crate::support::upstream::Manner;

/// More than the buffers on the way take.
static LARGE: LazyLock<String> = LazyLock::new(|| "a".repeat(16 * 1024 * 1024));

fn held(config: &str) -> (Sidecar, Key, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let sidecar = Sidecar::builder().config(config).manner(Manner::Held(Arc::clone(&gate))).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    (sidecar, key, gate)
}

fn get(key: &Key) -> Call {
    Call::get("/in").header("X-API-Key", &key.api_key)
}

fn begin(sidecar: &Sidecar, call: &Call) -> Connection {
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&call.bytes());
    connection
}

#[test]
fn a_request_without_a_connection_to_the_application_is_a_503() {
    let (sidecar, key, gate) = held("[upstream]\nconnections = 2\nconnection_wait = '50ms'");
    let mut first: Vec<Connection> = (0..2).map(|_| begin(&sidecar, &get(&key))).collect();
    until("two are at work", || sidecar.upstream.count() == 2);
    let answer = sidecar.send(&get(&key));
    assert_problem(&answer, 503, "one too many");
    assert!(answer.header("retry-after").is_some());
    assert_eq!((sidecar.upstream.count(), sidecar.upstream.connections()), (2, 2));
    assert_eq!(
        sidecar.metrics("countersign_upstream_errors_total"),
        ["countersign_upstream_errors_total{cause=\"busy\"} 1"]
    );
    gate.add_permits(3);
    first.iter_mut().for_each(|connection| assert_eq!(connection.answer().status, 200));
    assert_eq!(sidecar.send(&get(&key)).status, 200);
}

#[test]
fn a_request_waits_for_a_connection_that_is_in_use() {
    let (sidecar, key, gate) = held("[upstream]\nconnections = 1\nconnection_wait = '20s'");
    let mut all: Vec<Connection> = (0..5).map(|_| begin(&sidecar, &get(&key))).collect();
    until("one is at work", || sidecar.upstream.count() == 1);
    gate.add_permits(5);
    all.iter_mut().for_each(|connection| assert_eq!(connection.answer().status, 200));
    assert_eq!(sidecar.upstream.take().len(), 5);
}

#[test]
fn an_unused_connection_of_one_thread_makes_room_for_another() {
    let (sidecar, key, gate) = held("[upstream]\nconnections = 1\nconnection_wait = '20s'");
    gate.add_permits(100);
    // Whichever thread the kernel gives them to.
    for _ in 0..20 {
        assert_eq!(sidecar.send(&get(&key)).status, 200);
    }
    assert_eq!(sidecar.upstream.take().len(), 20);
}

#[test]
fn d03_a_client_that_reads_nothing_is_cut_off() {
    let config = "[limits]\nsend_timeout = '300ms'";
    let manner = Manner::Answers(|_| Response::new(LARGE.as_str()));
    let sidecar = Sidecar::builder().config(config).manner(manner).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let _reads_nothing = begin(&sidecar, &get(&key));
    let open = || sidecar.metrics("countersign_listener_connections ");
    until("it is at work", || sidecar.upstream.count() == 1);
    until("it is cut off", || open() == ["countersign_listener_connections 0"]);
    // Who reads gets all of it.
    assert_eq!(sidecar.send(&get(&key)).body.len(), LARGE.len());
}

#[test]
fn d03_a_stream_that_is_never_read_is_reset_and_its_connection_goes_on() {
    let config = "[limits]\nsend_timeout = '300ms'";
    let manner = Manner::Answers(|_| Response::new(LARGE.as_str()));
    let sidecar = Sidecar::builder().config(config).manner(manner).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    // SETTINGS_INITIAL_WINDOW_SIZE is 0 (RFC 9113 §6.5.2): nothing of an answer may be sent.
    let mut connection = Frames::with(sidecar.traffic(), &[(4, 0)]);
    let fields = frames::request("GET", "/in", &[("x-api-key", &key.api_key)]);
    connection.request(1, &fields, true);
    assert_eq!(connection.status(1), 200);
    let reset = connection.find(|frame| frame.kind != frames::PING).unwrap();
    assert_eq!((reset.kind, reset.stream, reset.code()), (frames::RST_STREAM, 1, frames::CANCEL));
    // A window that opens, and then no more.
    connection.request(3, &fields, true);
    connection.write(&frame(frames::WINDOW_UPDATE, 0, 3, &[0, 0, 0x80, 0]));
    assert_eq!(connection.status(3), 200);
    let mut read = 0;
    let end = loop {
        let frame = connection.read().unwrap();
        match frame.kind {
            frames::DATA => read += frame.payload.len(),
            frames::PING => {}
            _ => break frame,
        }
    };
    assert_eq!((read, end.kind, end.code()), (0x8000, frames::RST_STREAM, frames::CANCEL));
    assert!(connection.answers());
    assert_eq!(sidecar.upstream.take().len(), 2);
}
