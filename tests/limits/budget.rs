//! The budget of body bytes in flight: who waits, who gives way, and whom a flood does not reach.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use super::{head_of, hook};
use crate::support::frames::{self, Frames, frame};
use crate::support::http::{Call, Connection};
use crate::support::refusal::assert_problem;
use crate::support::sidecar::{Sidecar, until};

const SMALL: &str = "[limits]\nbody_budget = '64KiB'\nmax_body = '64KiB'";

fn start(config: &str) -> (Sidecar, String) {
    let sidecar = Sidecar::builder().config(config).start();
    let secret = sidecar.integration(json!({ "name": "hook" }));
    (sidecar, secret)
}

fn in_flight(sidecar: &Sidecar) -> usize {
    let line = sidecar.metrics("countersign_body_bytes_in_flight").pop().unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn shed(sidecar: &Sidecar, cause: &str) -> String {
    let line = sidecar.metrics(&format!("countersign_body_shed_total{{cause=\"{cause}\"}}")).pop().unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

/// A delivery from this address of which the last byte does not come.
fn unfinished(sidecar: &Sidecar, address: u8, call: &Call) -> Connection {
    let before = in_flight(sidecar);
    let mut connection = Connection::open_from(address, sidecar.traffic());
    let body = &call.body[1..];
    connection.write(&[head_of(call, call.body.len()), body.to_vec()].concat());
    until("the body is held", || in_flight(sidecar) == before + body.len());
    connection
}

fn send_from(address: u8, to: SocketAddr, call: &Call) -> crate::support::http::Answer {
    let mut connection = Connection::open_from(address, to);
    connection.write(&call.bytes());
    connection.answer()
}

#[test]
fn d15_a_new_body_without_room_is_a_503_at_once_and_the_budget_comes_back() {
    let (sidecar, secret) = start(SMALL);
    let call = hook(&secret, &vec![b'a'; 64 * 1024 - 100]);
    let mut first = unfinished(&sidecar, 1, &call);
    let answer = sidecar.refuses_with(&call, 503, "integration", "generic", "over_budget");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
    assert_eq!(shed(&sidecar, "new"), "1");
    sidecar.upstream.saw_nothing();
    // What is small still fits, and the first is none the worse for it.
    assert_eq!(sidecar.passes(&hook(&secret, b"small")).body, b"small");
    first.write(b"a");
    assert_eq!(first.answer().status, 200);
    until("the budget came back", || in_flight(&sidecar) == 0);
    assert_eq!(sidecar.send(&call).status, 200);
}

#[test]
fn d15_one_address_does_not_keep_others_out() {
    let (sidecar, secret) = start(SMALL);
    let part = hook("no secret of ours", &[b'a'; 16 * 1024]);
    let mut hogs: Vec<Connection> = (0..4).map(|_| unfinished(&sidecar, 1, &part)).collect();
    // Within the room that is left to address 1 once it has given way.
    let genuine = hook(&secret, &[b'b'; 15 * 1024]);
    for _ in 0..3 {
        let answer = send_from(2, sidecar.traffic(), &genuine);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_ne!(shed(&sidecar, "address"), "0");
    assert_eq!(sidecar.upstream.take().len(), 3);
    // Those that gave way know.
    let gone = hogs.iter_mut().map(Connection::answer).next().unwrap();
    assert_problem(&gone, 503, "a body that gave way");
}

#[test]
fn d15_a_drip_gives_way_to_what_moves() {
    let (sidecar, secret) = start("[limits]\nbody_budget = '128KiB'\nmax_body = '128KiB'");
    // Each holds little, and is far slower than what comes.
    let mut drips: Vec<Connection> =
        (0..4).map(|_| unfinished(&sidecar, 1, &hook(&secret, &[b'a'; 101]))).collect();
    let call = hook(&secret, &vec![b'b'; 128 * 1024 - 200]);
    assert_eq!(send_from(1, sidecar.traffic(), &call).status, 200);
    for drip in &mut drips {
        let gone = drip.answer();
        assert_problem(&gone, 503, "a drip");
        if shed(&sidecar, "slow") == "2" {
            break;
        }
    }
    assert_eq!(sidecar.upstream.take().len(), 1);
}

#[test]
fn d02_a_body_below_the_least_rate_is_a_408() {
    let config = "[limits]\nbody_idle_timeout = '200ms'\nbody_min_rate = '1KiB'";
    let (sidecar, secret) = start(config);
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let streamed = Call::post("/in", "").header("X-API-Key", &key.api_key);
    let chunked = "Transfer-Encoding";
    for (what, head) in [
        ("buffered", head_of(&hook(&secret, b"body"), 100_000)),
        ("buffered in chunks", hook(&secret, b"").header(chunked, "chunked").bytes()),
        ("streamed", head_of(&streamed, 100_000)),
        ("streamed in chunks", streamed.clone().header(chunked, "chunked").bytes()),
    ] {
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&head);
        let mut dripping = connection.twin();
        let drip = std::thread::spawn(move || {
            while dripping.try_write(b"1\r\nx\r\n") {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        assert_problem(&connection.answer(), 408, what);
        drop(connection);
        drip.join().unwrap();
    }
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn d02_a_slow_body_over_http2_is_a_408_and_other_streams_go_on() {
    let config = "[limits]\nbody_idle_timeout = '200ms'\nbody_min_rate = '1KiB'";
    let (sidecar, secret) = start(config);
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let signature = crate::support::mac::hmac_hex(&secret, &[b"body"]);
    let mut connection = Frames::open(sidecar.traffic());
    let signed = [("x-webhook-signature", signature.as_str())];
    connection.request(1, &frames::request("POST", "/webhooks/hook", &signed), false);
    connection.request(3, &frames::request("GET", "/in", &[("x-api-key", &key.api_key)]), true);
    assert_eq!(connection.status(3), 200);
    connection.write(&frame(frames::DATA, 0, 1, b"bo"));
    assert_eq!(connection.status(1), 408);
    connection.request(5, &frames::request("GET", "/in", &[("x-api-key", &key.api_key)]), true);
    assert_eq!(connection.status(5), 200);
    assert_eq!(sidecar.upstream.take().len(), 2);
}

#[test]
fn a_body_in_single_bytes_is_verified_and_forwarded_as_it_is() {
    let (sidecar, secret) = start("");
    let body: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let call = hook(&secret, &body);
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&call.chunked(1));
    assert_eq!(connection.answer().status, 200);
    assert_eq!(sidecar.upstream.only().body, body);
    // Small ones among large ones.
    let mut bytes = call.without("content-length").header("Transfer-Encoding", "chunked");
    bytes.body.clear();
    let mut wire = bytes.bytes();
    let (mut at, mut size) = (0, 1);
    while at < body.len() {
        let end = (at + size).min(body.len());
        wire.extend(format!("{:x}\r\n", end - at).bytes());
        wire.extend(&body[at..end]);
        wire.extend(b"\r\n");
        (at, size) = (end, size * 3 % 2000 + 1);
    }
    wire.extend(b"0\r\n\r\n");
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&wire);
    assert_eq!(connection.answer().status, 200);
    assert_eq!(sidecar.upstream.only().body, body);
}
