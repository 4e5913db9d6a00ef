//! How many connections there may be, and how much one of them may carry.

use serde_json::json;

use super::{hook, load};
use crate::support::frames::{self, Frames};
use crate::support::http::{Call, Connection};
use crate::support::sidecar::{Key, Sidecar, until};

fn with(config: &str) -> (Sidecar, Key) {
    let sidecar = Sidecar::builder().config(config).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    (sidecar, key)
}

#[test]
fn connections_of_one_address_beyond_its_limit_are_closed_and_others_are_served() {
    let (sidecar, key) = with("[limits]\nconnections_per_address = 2");
    let call = Call::get("/in").header("X-API-Key", &key.api_key).bytes();
    let mut held: Vec<Connection> = (0..2).map(|_| Connection::open_from(1, sidecar.traffic())).collect();
    for connection in &mut held {
        connection.write(&call);
        assert_eq!(connection.answer().status, 200);
    }
    let mut third = Connection::open_from(1, sidecar.traffic());
    third.write(&call);
    assert!(third.try_answer("GET").is_none());
    assert_eq!(
        sidecar.metrics("countersign_listener_refused_connections_by_address_total"),
        ["countersign_listener_refused_connections_by_address_total 1"]
    );
    let mut other = Connection::open_from(2, sidecar.traffic());
    other.write(&call);
    assert_eq!(other.answer().status, 200);
    drop(held.pop());
    until("a place is free", || {
        let mut again = Connection::open_from(1, sidecar.traffic());
        again.write(&call);
        again.try_answer("GET").is_some()
    });
}

#[test]
fn the_last_request_of_a_connection_closes_it() {
    let (sidecar, key) = with("[limits]\nrequests_per_connection = 3");
    let call = Call::get("/in").header("X-API-Key", &key.api_key);
    for refused in [false, true] {
        let mut connection = Connection::open(sidecar.traffic());
        let call = if refused { Call::get("/in") } else { call.clone() };
        connection.write(&call.bytes().repeat(4));
        for n in 1..=3 {
            let answer = connection.answer();
            assert_eq!(answer.status, if refused { 401 } else { 200 });
            assert_eq!(answer.header("connection"), (n == 3).then_some("close"));
        }
        assert!(connection.is_closed());
    }
    assert_eq!(sidecar.upstream.take().len(), 3);
}

#[test]
fn the_last_request_of_an_http2_connection_is_answered_after_goaway() {
    let (sidecar, key) = with("[limits]\nrequests_per_connection = 3\nlinger_time = '100ms'");
    let api_key = [("x-api-key", key.api_key.as_str())];
    let mut connection = Frames::open(sidecar.traffic());
    for stream in [1, 3, 5] {
        connection.request(stream, &frames::request("GET", "/in", &api_key), true);
    }
    let frames = connection.rest();
    let goaway = frames.iter().find(|frame| frame.kind == frames::GOAWAY).expect("a GOAWAY");
    assert_eq!(goaway.code(), frames::NO_ERROR);
    let answered = frames.iter().filter(|frame| frame.kind == frames::HEADERS).count();
    assert_eq!((answered, sidecar.upstream.take().len()), (3, 3));
}

#[test]
fn a_client_that_ignores_goaway_is_cut_off() {
    let (sidecar, key) = with("[limits]\nrequests_per_connection = 3\nh2_streams = 2");
    let api_key = [("x-api-key", key.api_key.as_str())];
    let mut connection = Frames::open(sidecar.traffic());
    let mut stream = 1;
    // It never answers the ping that goes with GOAWAY.
    while connection.request(stream, &frames::request("GET", "/in", &api_key), true) {
        stream += 2;
        if connection.find(|frame| frame.kind == frames::DATA && frame.flags & 1 != 0).is_none() {
            break;
        }
    }
    let forwarded = sidecar.upstream.take().len();
    assert!((7..=8).contains(&forwarded), "{forwarded}");
}

#[test]
fn d14_a_stream_beyond_the_limit_is_refused_and_the_others_go_on() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let manner = crate::support::upstream::Manner::Held(std::sync::Arc::clone(&gate));
    let sidecar = Sidecar::builder().manner(manner).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let api_key = [("x-api-key", key.api_key.as_str())];
    let mut connection = Frames::open(sidecar.traffic());
    for n in 0..101 {
        connection.request(2 * n + 1, &frames::request("GET", "/in", &api_key), true);
    }
    let reset = connection.find(|frame| frame.kind == frames::RST_STREAM).unwrap();
    assert_eq!((reset.stream, reset.code()), (201, frames::REFUSED_STREAM));
    gate.add_permits(100);
    for _ in 0..100 {
        let headers = connection.find(|frame| frame.kind == frames::HEADERS);
        assert!(headers.is_some_and(|headers| headers.stream < 201));
    }
    assert_eq!(sidecar.upstream.take().len(), 100);
}

#[test]
fn d05_an_idle_connection_over_which_large_bodies_came_costs_little_more_than_a_read() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), load::Sink::start());
    let (serve, secret) = load::serve(dir.path(), &sink, &[]);
    let large = hook(&secret, &vec![b'a'; 100 * 1024]).bytes();
    let open = |_| {
        let mut connection = Connection::open(serve.traffic);
        for _ in 0..4 {
            connection.write(&large);
            assert_eq!(connection.answer().status, 200);
        }
        connection
    };
    let mut held: Vec<Connection> = (0..20).map(open).collect();
    let before = load::memory(&serve, "VmRSS");
    held.extend((0..100).map(open));
    let each = load::memory(&serve, "VmRSS").saturating_sub(before) * 1024 / 100;
    assert!(each <= 176 * 1024, "{each} bytes for an idle connection");
}
