//! Bodies behind an API key: streamed through, within limits.

use super::with_key;
use crate::support::http::{Call, Connection};
use crate::support::mac::sha256_hex;
use crate::support::refusal::assert_problem;
use crate::support::sidecar::until;

const MIB: usize = 1024 * 1024;

/// Bytes of every value, so that nothing is taken for text.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + at / 251) % 256).unwrap()).collect()
}

#[test]
fn a_body_below_the_limit_arrives_whole() {
    let (sidecar, key) = with_key();
    for length in [MIB - 1, MIB] {
        let call = Call::post("/upload", bytes(length)).header("X-API-Key", &key.api_key);
        let seen = sidecar.passes(&call);
        assert_eq!(seen.body.len(), length);
        assert_eq!(sha256_hex(&seen.body), sha256_hex(&call.body));
        assert_eq!(seen.header("content-length"), Some(length.to_string().as_str()));
        assert_eq!(seen.header("transfer-encoding"), None);
    }
}

#[test]
fn a_chunked_body_arrives_whole() {
    let (sidecar, key) = with_key();
    let call = Call::post("/upload", bytes(MIB)).header("X-API-Key", &key.api_key);
    for size in [1021, 64 * 1024, MIB] {
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&call.chunked(size));
        assert_eq!(connection.answer().status, 200);
        let seen = sidecar.upstream.only();
        assert_eq!(sha256_hex(&seen.body), sha256_hex(&call.body), "in chunks of {size}");
        assert_eq!(seen.all("transfer-encoding"), ["chunked"]);
        assert_eq!(seen.header("content-length"), None);
    }
}

#[test]
fn a_chunked_body_without_a_byte_is_a_body_all_the_same() {
    let (sidecar, key) = with_key();
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&Call::new("PUT", "/empty").header("X-API-Key", &key.api_key).chunked(1));
    assert_eq!(connection.answer().status, 200);
    assert_eq!(sidecar.upstream.only().body, b"");
}

#[test]
fn a_declared_length_over_the_limit_is_refused_before_a_byte_is_read() {
    let (sidecar, key) = with_key();
    let call = Call::post("/upload", bytes(MIB + 1)).header("X-API-Key", &key.api_key);
    let answer = sidecar.refuses(&call, 413);
    assert_eq!(answer.header("connection"), Some("close"));
    // Only the head was sent: the answer does not wait for the body.
    let head = Call::new("POST", "/upload")
        .header("X-API-Key", &key.api_key)
        .header("Content-Length", "9223372036854775807");
    sidecar.refuses(&head, 413);
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_chunked_body_that_crosses_the_limit_never_becomes_a_request() {
    let (sidecar, key) = with_key();
    let call = Call::post("/upload", bytes(MIB + 1)).header("X-API-Key", &key.api_key);
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&call.chunked(64 * 1024));
    assert_problem(&connection.answer(), 413, "a chunked body over the limit");
    assert!(connection.is_closed());
    // The connection that carried half of it is of no further use; the next request has another.
    let small = Call::post("/upload", "small").header("X-API-Key", &key.api_key);
    assert_eq!(sidecar.passes(&small).body, b"small");
    assert_eq!(sidecar.upstream.connections(), 2);
    assert!(!sidecar.upstream.raw().contains("\r\n0\r\n\r\n"), "the body was ended upstream");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_leaves_no_request_behind() {
    let (sidecar, key) = with_key();
    let head = Call::new("POST", "/upload").header("X-API-Key", &key.api_key).header("Content-Length", "100");
    for half_close in [true, false] {
        let before = sidecar.upstream.bytes();
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&[head.bytes(), b"half".to_vec()].concat());
        until("the upstream saw the beginning", || sidecar.upstream.bytes() > before);
        if half_close {
            connection.finish();
            let answer = connection.try_answer("POST");
            assert!(answer.is_none_or(|answer| answer.status == 400), "half a body was answered");
        }
        drop(connection);
        let next = Call::post("/upload", "whole").header("X-API-Key", &key.api_key);
        assert_eq!(sidecar.passes(&next).body, b"whole", "and nothing else");
    }
}
