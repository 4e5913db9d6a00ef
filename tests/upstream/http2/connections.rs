//! Few connections for many requests: as many streams as the application takes, and no longer than they are needed.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{at, before, get, post, scripted, sending, serve};
use crate::support::frames::{DATA, END_HEADERS, Frames, HEADERS, PREFACE, block, frame, request};
use crate::support::http::Connection;
use crate::support::refusal::assert_problem;
use crate::support::sidecar::until;
use crate::support::upstream::{Manner, Upstream};

#[test]
fn many_requests_at_once_share_a_connection() {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::http2(1000, Manner::Held(Arc::clone(&gate)));
    let (sidecar, key) = before(&upstream, "");
    let waiting: Vec<_> = (0..40).map(|_| sending(&sidecar, get(&key))).collect();
    until("all of them have arrived", || upstream.count() == 40);
    // One for each data-path thread.
    assert!(upstream.connections() <= 2, "{} connections", upstream.connections());
    gate.add_permits(40);
    for answer in waiting {
        assert_eq!(answer.join().unwrap().status, 200);
    }
    for n in 0..100 {
        gate.add_permits(1);
        let call = if n % 2 == 0 { get(&key) } else { post(&key, "body") };
        assert_eq!(sidecar.send(&call).status, 200, "request {n}");
    }
    assert!(upstream.connections() <= 2, "{} connections", upstream.connections());
}

#[test]
fn an_application_gets_no_more_streams_on_a_connection_than_it_takes() {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::http2(2, Manner::Held(Arc::clone(&gate)));
    let (sidecar, key) = before(&upstream, "");
    let waiting: Vec<_> = (0..12).map(|_| sending(&sidecar, post(&key, "body"))).collect();
    until("all of them have arrived", || upstream.count() == 12);
    assert!((6..=8).contains(&upstream.connections()), "{} connections", upstream.connections());
    gate.add_permits(12);
    for answer in waiting {
        assert_eq!(answer.join().unwrap().status, 200);
    }
    assert_eq!(upstream.count(), 12, "each was sent once");
}

#[test]
fn no_more_requests_are_up_at_once_than_upstream_connections_says() {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::http2(100, Manner::Held(Arc::clone(&gate)));
    let (sidecar, key) = before(&upstream, "connections = 2\nconnection_wait = '100ms'");
    let waiting: Vec<_> = (0..2).map(|_| sending(&sidecar, get(&key))).collect();
    until("both are up", || upstream.count() == 2);
    let refused = sidecar.send(&get(&key));
    assert_problem(&refused, 503, "the third");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(upstream.count(), 2);
    gate.add_permits(3);
    for answer in waiting {
        assert_eq!(answer.join().unwrap().status, 200);
    }
    assert_eq!(sidecar.send(&get(&key)).status, 200);
}

#[test]
fn an_answer_that_streams_holds_its_place_to_its_end() {
    let gate = Arc::new(Semaphore::new(0));
    let upstream = Upstream::http2(100, Manner::Streams(Arc::clone(&gate)));
    let (sidecar, key) = before(&upstream, "connections = 1\nconnection_wait = '0s'");
    let mut client = Connection::open(sidecar.traffic());
    client.write(&get(&key).bytes());
    assert_eq!(client.head().0, 200);
    assert_problem(&sidecar.send(&get(&key)), 503, "while it streams");
    // Its client leaves: the stream is reset, and its place is free.
    drop(client);
    gate.add_permits(10);
    until("another may go up", || sidecar.send(&get(&key)).status == 200);
}

#[test]
fn a_connection_is_kept_no_longer_than_configured() {
    let (sidecar, script, key) = scripted("idle_timeout = '50ms'");
    let answer = sending(&sidecar, get(&key));
    let mut application = serve(&script);
    let stream = application.begun();
    application.answer(stream, "200", b"ok");
    assert_eq!(answer.join().unwrap().text(), "ok");
    // It ends by itself, in order.
    let frames = application.rest();
    assert!(frames.iter().all(|frame| frame.kind != HEADERS), "{frames:?}");

    let upstream = Upstream::http2(100, Manner::Polite);
    let (sidecar, key) = before(&upstream, "idle_connections = 0");
    for n in 1..=5 {
        assert_eq!(sidecar.send(&get(&key)).status, 200);
        assert_eq!(upstream.connections(), n);
    }
}

#[test]
fn an_application_that_starts_anew_is_found_again() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = Upstream::http2_at(listener);
    let (sidecar, key) = before(&upstream, "");
    assert_eq!(sidecar.send(&get(&key)).status, 200);
    drop(upstream);
    until("it is missed", || sidecar.send(&post(&key, "body")).status == 502);
    let upstream = Upstream::http2_at(std::net::TcpListener::bind(address).unwrap());
    assert_eq!(sidecar.send(&post(&key, "body")).status, 200);
    assert_eq!(upstream.only().body, b"body");
}

#[test]
fn nothing_is_sent_to_an_application_that_does_not_speak_http_2() {
    let upstream = Upstream::with(Manner::Raw(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    let (sidecar, key) = at(&upstream.url, "");
    for call in [get(&key), post(&key, "canary-of-http2")] {
        assert_problem(&sidecar.send(&call), 502, "an application of HTTP/1.1");
    }
    let counted = sidecar.metrics("countersign_upstream_errors_total");
    assert_eq!(counted, ["countersign_upstream_errors_total{cause=\"protocol\"} 2"]);
    let preface = String::from_utf8_lossy(PREFACE).to_lowercase();
    assert!(upstream.raw().starts_with(&preface), "{:?}", upstream.raw());
    assert!(!upstream.raw().contains("canary"), "{:?}", upstream.raw());
    // One that says nothing at all is waited for no longer than to connect.
    let (sidecar, script, key) = scripted("connect_timeout = '100ms'");
    assert_problem(&sidecar.send(&get(&key)), 502, "an application without a word");
    let mut silent = script.accept();
    let mut sent = Vec::new();
    std::io::Read::read_to_end(&mut silent, &mut sent).unwrap();
    assert!(sent.starts_with(PREFACE) && !sent.windows(5).any(|five| five == [0, 1, 4, 0, 0]), "{sent:?}");
}

#[test]
fn a_client_that_does_not_read_holds_up_its_own_answer_and_no_other() {
    let (sidecar, script, key) = scripted("");
    // Both on one connection, so that both go up on one: 16 KiB of each answer may come, until more is granted.
    let mut client = Frames::with(sidecar.traffic(), &[(4, 16 * 1024)]);
    let call = [("x-api-key", key.api_key.as_str())];
    client.request(1, &request("GET", "/large", &call), true);
    let mut application = serve(&script);
    let large = application.begun();
    application.write(&frame(HEADERS, END_HEADERS, large, &block(&[(":status", "200")])));
    let (mut window, mut sent) = (65_535, 0);
    while sent < 1 << 20 {
        let length = window.min(16 * 1024);
        application.write(&frame(DATA, 0, large, &vec![b'x'; length]));
        (window, sent) = (window - length, sent + length);
        if window == 0 {
            window = application.granted(large);
            if window == 0 {
                break;
            }
        }
    }
    assert!(sent <= 256 * 1024, "{sent} bytes were taken that nobody reads");
    client.request(3, &request("GET", "/small", &call), true);
    let small = application.begun();
    application.answer(small, "200", b"ok");
    assert_eq!(client.status(3), 200);
    let body = client.find(|frame| (frame.kind, frame.stream) == (DATA, 3)).unwrap();
    assert_eq!(body.payload, b"ok");
}
