//! Floods of HTTP/2 frames, each of them legal: the connection ends, and nobody else notices.

use serde_json::json;

use crate::support::frames::{self, Frames, frame};
use crate::support::http::Call;
use crate::support::sidecar::{Key, Sidecar, until};

fn start() -> (Sidecar, Key) {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    (sidecar, key)
}

/// Writes the frames that `next` makes until the sidecar ends the connection. Returns how many it took.
fn flood(connection: &mut Frames, most: usize, mut next: impl FnMut(u32) -> Vec<u8>) -> usize {
    for n in 0..most {
        if !connection.write(&next(u32::try_from(n).unwrap())) {
            return n;
        }
    }
    connection.rest();
    most
}

/// The flood was noticed, and others are served.
fn assert_over(sidecar: &Sidecar, key: &Key, floods: u32) {
    let name = "countersign_listener_floods_total";
    until("the flood was counted", || sidecar.metrics(name) == [format!("{name} {floods}")]);
    let open = || sidecar.metrics("countersign_listener_connections ");
    until("the connection has ended", || open() == ["countersign_listener_connections 0"]);
    assert_eq!(sidecar.send(&Call::get("/in").header("X-API-Key", &key.api_key)).status, 200);
}

#[test]
fn d07_rapid_resets_end_the_connection() {
    let (sidecar, key) = start();
    let mut connection = Frames::open(sidecar.traffic());
    let fields = frames::block(&frames::request("GET", "/in", &[("x-api-key", "wk_none")]));
    flood(&mut connection, 100_000, |n| {
        let stream = 2 * n + 1;
        let mut bytes = frame(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, stream, &fields);
        bytes.extend(frame(frames::RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        bytes
    });
    until("the connection has ended", || {
        sidecar.metrics("countersign_listener_connections ") == ["countersign_listener_connections 0"]
    });
    sidecar.upstream.saw_nothing();
    sidecar.passes(&Call::get("/in").header("X-API-Key", &key.api_key));
}

#[test]
fn d07_resets_one_at_a_time_end_the_connection_too() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let manner = crate::support::upstream::Manner::Held(std::sync::Arc::clone(&gate));
    let sidecar = Sidecar::builder().manner(manner).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let mut connection = Frames::open(sidecar.traffic());
    let fields = frames::request("GET", "/in", &[("x-api-key", &key.api_key)]);
    let mut begun = 0;
    // Each is at work when it is reset: the ping comes back when the request has been taken up.
    while begun < 1000 {
        connection.request(2 * begun + 1, &fields, true);
        if !connection.answers() {
            break;
        }
        connection.write(&frame(frames::RST_STREAM, 0, 2 * begun + 1, &[0, 0, 0, 8]));
        begun += 1;
    }
    assert!((100..200).contains(&begun), "{begun}");
    gate.add_permits(1000);
    assert_over(&sidecar, &key, 1);
}

#[test]
fn d07_resets_that_a_client_makes_us_send_end_the_connection() {
    let (sidecar, key) = start();
    let mut connection = Frames::open(sidecar.traffic());
    let fields = frames::block(&frames::request("POST", "/webhooks/none", &[]));
    // A window beyond 2^31-1 is a fault of the stream, which we must reset (RFC 9113 §6.9.1).
    for n in 0..1000 {
        let stream = 2 * n + 1;
        let mut bytes = frame(frames::HEADERS, frames::END_HEADERS, stream, &fields);
        bytes.extend(frame(frames::WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]));
        connection.write(&bytes);
    }
    let frames = connection.rest();
    let goaway = frames.iter().find(|frame| frame.kind == frames::GOAWAY).expect("a GOAWAY");
    assert_eq!(goaway.code(), frames::ENHANCE_YOUR_CALM);
    let resets = frames.iter().filter(|frame| frame.kind == frames::RST_STREAM).count();
    assert!(resets <= 100, "{resets}");
    sidecar.upstream.saw_nothing();
    sidecar.passes(&Call::get("/in").header("X-API-Key", &key.api_key));
}

#[test]
fn d08_a_head_of_endless_continuations_ends_the_connection() {
    let (sidecar, key) = start();
    for payload in [&[][..], &frames::block(&[("x-a", "b")])] {
        let mut connection = Frames::open(sidecar.traffic());
        let fields = frames::block(&frames::request("GET", "/in", &[("x-api-key", &key.api_key)]));
        connection.write(&frame(frames::HEADERS, frames::END_STREAM, 1, &fields));
        // More in all than the sockets on the way take.
        let batch = frame(frames::CONTINUATION, 0, 1, payload).repeat(100);
        assert!(flood(&mut connection, 100_000, |_| batch.clone()) < 100_000);
    }
    sidecar.upstream.saw_nothing();
    sidecar.passes(&Call::get("/in").header("X-API-Key", &key.api_key));
}

#[test]
fn d11_control_frames_without_end_end_the_connection() {
    let floods: [(&str, Vec<u8>); 6] = [
        ("PING", frame(frames::PING, 0, 0, b"12345678")),
        ("PING with ACK", frame(frames::PING, frames::ACK, 0, b"12345678")),
        ("SETTINGS", frames::settings(&[(4, 65_535)])),
        ("PRIORITY", frame(frames::PRIORITY, 0, 1, &[0, 0, 0, 3, 1])),
        ("WINDOW_UPDATE", frame(frames::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("an unknown type", frame(0x42, 0, 0, b"unknown")),
    ];
    let (sidecar, key) = start();
    for (nth, (name, bytes)) in (1..).zip(floods) {
        let mut connection = Frames::open(sidecar.traffic());
        let batch = bytes.repeat(100);
        assert!(flood(&mut connection, 100_000, |_| batch.clone()) < 100_000, "{name}");
        assert_over(&sidecar, &key, nth);
    }
    // Those of others alone.
    assert_eq!(sidecar.upstream.take().len(), 6);
}

#[test]
fn d11_empty_data_without_end_ends_the_connection() {
    let (sidecar, key) = start();
    let mut connection = Frames::open(sidecar.traffic());
    connection.request(1, &frames::request("POST", "/in", &[("x-api-key", &key.api_key)]), false);
    let batch = frame(frames::DATA, 0, 1, &[]).repeat(100);
    assert!(flood(&mut connection, 100_000, |_| batch.clone()) < 100_000);
    let open = || sidecar.metrics("countersign_listener_connections ");
    until("the connection has ended", || open() == ["countersign_listener_connections 0"]);
    sidecar.passes(&Call::get("/in").header("X-API-Key", &key.api_key));
}

#[test]
fn d12_a_table_that_is_resized_again_and_again_ends_the_connection() {
    let (sidecar, key) = start();
    let mut connection = Frames::open(sidecar.traffic());
    let batch = [frames::settings(&[(1, 0)]), frames::settings(&[(1, 4096)])].concat().repeat(50);
    assert!(flood(&mut connection, 100_000, |_| batch.clone()) < 100_000);
    assert_over(&sidecar, &key, 1);
}

#[test]
fn pings_now_and_then_and_window_updates_for_what_was_sent_are_no_flood() {
    let sidecar = Sidecar::builder().config("[limits]\nh2_control_frames = 100").start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let mut connection = Frames::open(sidecar.traffic());
    for n in 0..500 {
        let stream = 2 * n + 1;
        connection.request(stream, &frames::request("GET", "/in", &[("x-api-key", &key.api_key)]), true);
        connection.write(&frame(frames::WINDOW_UPDATE, 0, stream, &[0, 0, 1, 0]));
        connection.write(&frame(frames::WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]));
        connection.write(&frame(frames::PING, 0, 0, b"12345678"));
        assert_eq!(connection.status(stream), 200);
    }
    assert_eq!(sidecar.upstream.take().len(), 500);
}
