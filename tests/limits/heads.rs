//! The size of a head, and the time that it takes.

use serde_json::json;

use crate::support::frames::{self, Frames};
use crate::support::http::{Call, Connection};
use crate::support::refusal::assert_problem;
use crate::support::sidecar::{Key, Sidecar};

fn with(config: &str) -> (Sidecar, Key) {
    let sidecar = Sidecar::builder().config(config).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    (sidecar, key)
}

fn get(key: &Key, target: &str) -> Call {
    Call::get(target).header("X-API-Key", &key.api_key)
}

#[test]
fn h29_a_target_of_8000_octets_passes_and_a_longer_one_is_a_414() {
    let (sidecar, key) = with("");
    let target = |length: usize| format!("/{}?{}", "a".repeat(4000), "b".repeat(length - 4002));
    assert_eq!(sidecar.passes(&get(&key, &target(8000))).target.len(), 8000);
    assert_eq!(sidecar.passes(&get(&key, &target(8192))).target.len(), 8192);
    let answer = sidecar.send(&get(&key, &target(8193)));
    assert_problem(&answer, 414, "a long target");
    // Beyond what the parser takes; the whole head is too large then.
    assert_eq!(sidecar.send(&get(&key, &target(70_000))).status, 431);
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn d06_the_number_of_fields_is_bounded_over_either_version() {
    let (sidecar, key) = with("[limits]\nheaders = 50");
    let call =
        |fields: usize| (2..fields).fold(get(&key, "/in"), |call, n| call.header(&format!("x-{n}"), "v"));
    // Host and the key are two of them.
    sidecar.passes(&call(50));
    assert_eq!(sidecar.send(&call(51)).status, 431);

    let mut connection = Frames::open(sidecar.traffic());
    let names: Vec<String> = (0..50).map(|n| format!("x-{n}")).collect();
    let api_key = [("x-api-key", key.api_key.as_str())];
    let mut fields = frames::request("GET", "/in", &api_key);
    fields.extend(names.iter().take(49).map(|name| (name.as_str(), "v")));
    connection.request(1, &fields, true);
    assert_eq!(connection.status(1), 200);
    assert_eq!(sidecar.upstream.only().target, "/in");
    fields.push(("x-one-more", "v"));
    connection.request(3, &fields, true);
    assert_eq!(connection.status(3), 431);
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn d06_the_bytes_of_a_head_are_bounded() {
    let (sidecar, key) = with("[limits]\nheader_bytes = '16KiB'");
    sidecar.passes(&get(&key, "/in").header("X-Long", "a".repeat(15 * 1024)));
    assert_eq!(sidecar.send(&get(&key, "/in").header("X-Long", "a".repeat(16 * 1024))).status, 431);
    let many = (0..20).fold(get(&key, "/in"), |call, n| call.header(&format!("x-{n}"), "a".repeat(1000)));
    assert_eq!(sidecar.send(&many).status, 431);
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn d06_a_field_of_70_kib_is_a_431() {
    let (sidecar, key) = with("");
    assert_eq!(sidecar.send(&get(&key, "/in").header("X-Long", "a".repeat(70 * 1024))).status, 431);
    sidecar.upstream.saw_nothing();
}

/// A head of 2 KiB whose fields are a multiple of that: one literal in the dynamic table, named `times`.
fn bomb(key: &Key, times: usize) -> Vec<u8> {
    let mut block = frames::block(&frames::request("GET", "/in", &[("x-api-key", &key.api_key)]));
    block.push(0x40);
    frames::string(&mut block, b"x-bomb");
    frames::string(&mut block, "a".repeat(2000).as_bytes());
    block.extend([0xbe].repeat(times));
    frames::frame(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, 1, &block)
}

#[test]
fn d12_a_header_list_over_the_limit_is_a_431_and_no_request() {
    let (sidecar, key) = with("[limits]\nheader_bytes = '16KiB'");
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&bomb(&key, 8));
    assert_eq!(connection.status(1), 431);
    sidecar.upstream.saw_nothing();
    connection.request(3, &frames::request("GET", "/in", &[("x-api-key", &key.api_key)]), true);
    assert_eq!(connection.status(3), 200);
}

#[test]
fn d12_a_header_list_far_over_the_limit_ends_the_connection() {
    let (sidecar, key) = with("");
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&bomb(&key, 10_000));
    let frames = connection.rest();
    let goaway = frames.iter().find(|frame| frame.kind == frames::GOAWAY).expect("a GOAWAY");
    assert_eq!(goaway.code(), frames::ENHANCE_YOUR_CALM);
    sidecar.upstream.saw_nothing();
}

#[test]
fn d01_heads_that_never_end_are_cut_and_others_are_served() {
    let (sidecar, key) = with("[limits]\nheader_timeout = '200ms'");
    let begun = get(&key, "/in").bytes();
    let mut slow: Vec<Connection> = (0..200).map(|_| Connection::open(sidecar.traffic())).collect();
    for (n, connection) in slow.iter_mut().enumerate() {
        connection.write(&begun[..n % (begun.len() - 4)]);
    }
    sidecar.passes(&get(&key, "/in"));
    for connection in &mut slow {
        assert!(connection.try_answer("GET").is_none());
    }
    assert_eq!(sidecar.upstream.take().len(), 0);
}
