//! Bodies of deliveries: verified and forwarded as the bytes that arrived, within the limits that apply.

use serde_json::json;

use super::{generic, signed};
use crate::support::http::{Call, Connection};
use crate::support::mac::{hmac_hex, sha256_hex};
use crate::support::sidecar::Sidecar;

const MIB: usize = 1024 * 1024;

#[test]
fn w21_bytes_arrive_as_they_were_sent() {
    let (sidecar, secret) = generic();
    let every: Vec<u8> = (0..=255).collect();
    for body in [
        b"\xef\xbb\xbf{\"a\": 1}".as_slice(),
        b"{\"a\": 1}\r\n",
        b"{\"a\": 1}\n",
        b"a\0b\0",
        b"\0",
        b"\xff\xfe\x80",
        b"{\"a\":1,\"a\":2}",
        b" ",
        b"\r\n",
        b"0\r\n\r\n",
        &every,
    ] {
        let call = signed(&secret, body);
        let seen = sidecar.passes(&call);
        assert_eq!(sha256_hex(&seen.body), sha256_hex(body), "{body:?}");
        assert_eq!(seen.all("content-length"), [body.len().to_string()]);
        // And in chunks of a byte each.
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&call.chunked(1));
        assert_eq!(connection.answer().status, 200, "{body:?}");
        assert_eq!(sha256_hex(&sidecar.upstream.only().body), sha256_hex(body), "{body:?}");
    }
}

#[test]
fn w22_a_compressed_body_stays_compressed() {
    let (sidecar, secret) = generic();
    // gzip of a mebibyte of zeros is about 1 KiB; this is gzip of "hello", with another's claim of its length.
    let gzip =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00";
    for coding in ["gzip", "br", "gzip, gzip", "unknown"] {
        let call = signed(&secret, gzip).header("Content-Encoding", coding);
        let seen = sidecar.passes(&call);
        assert_eq!(seen.body, gzip);
        assert_eq!(seen.all("content-encoding"), [coding]);
    }
    // Signed over what is inside: not what arrived.
    let inside = Call { body: gzip.to_vec(), ..signed(&secret, "hello") };
    let call = inside.header("Content-Encoding", "gzip");
    sidecar.refuses_as(&call, "integration", "generic", "mismatch");
}

fn github(secret: &str, name: &str, body: Vec<u8>) -> Call {
    let value = format!("sha256={}", hmac_hex(secret, &[&body]));
    Call::post(&format!("/webhooks/{name}"), body).header("X-Hub-Signature-256", value)
}

#[test]
fn a_sender_that_is_known_to_send_more_may() {
    let sidecar = Sidecar::start();
    let large = sidecar.integration(json!({ "name": "large", "type": "github" }));
    let usual = sidecar.integration(json!({ "name": "hook", "type": "generic" }));
    let body: Vec<u8> = (0..2 * MIB).map(|at| u8::try_from(at % 251).unwrap()).collect();

    sidecar.refuses(&signed(&usual, &body), 413);
    sidecar.upstream.saw_nothing();
    let call = github(&large, "large", body.clone());
    let seen = sidecar.passes(&call);
    assert_eq!(sha256_hex(&seen.body), sha256_hex(&body));
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&call.chunked(100_000));
    assert_eq!(connection.answer().status, 200);
    assert_eq!(sha256_hex(&sidecar.upstream.only().body), sha256_hex(&body));
    // And no more than that.
    let before = sidecar.upstream.bytes();
    let head = Call::new("POST", "/webhooks/large")
        .header("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64)))
        .header("Content-Length", (25 * MIB + 1).to_string());
    assert_eq!(sidecar.send(&head).status, 413);
    assert_eq!(sidecar.upstream.bytes(), before);
}

#[test]
fn a_limit_of_the_route_beats_that_of_the_sender() {
    let config = "
[[routes]]
name = 'small'
path = '/webhooks/{integration}'
verify = ['integration']
max_body = '1KiB'
[[routes]]
name = 'large'
path = '/large/{integration}'
verify = ['integration']
max_body = '2MiB'
";
    let sidecar = Sidecar::builder().config(config).start();
    let hub = sidecar.integration(json!({ "name": "hub", "type": "github" }));
    let usual = sidecar.integration(json!({ "name": "hook" }));
    sidecar.refuses(&github(&hub, "hub", vec![b'a'; 1025]), 413);
    sidecar.refuses(&signed(&usual, vec![b'a'; 1025]), 413);
    sidecar.upstream.saw_nothing();
    sidecar.passes(&github(&hub, "hub", vec![b'a'; 1024]));
    let larger = Call { target: "/large/hook".into(), ..signed(&usual, vec![b'a'; 2 * MIB]) };
    sidecar.passes(&larger);
}

#[test]
fn w24_a_chunked_body_over_the_limit_leaves_the_upstream_untouched() {
    let (sidecar, secret) = generic();
    for size in [MIB + 1, 3 * MIB] {
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&signed(&secret, vec![b'a'; size]).chunked(64 * 1024));
        assert_eq!(connection.answer().status, 413);
        assert!(connection.is_closed());
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn w25_a_body_that_ends_early_is_never_judged() {
    let (sidecar, secret) = generic();
    let call = signed(&secret, "body");
    let longer = call.header("Content-Length", "100");
    let mut connection = Connection::open(sidecar.traffic());
    let mut bytes = Call { body: Vec::new(), ..longer }.bytes();
    bytes.extend(b"body");
    connection.write(&bytes);
    connection.finish();
    assert!(connection.try_answer("POST").is_none_or(|answer| answer.status == 400));
    let mut connection = Connection::open(sidecar.traffic());
    let chunked = signed(&secret, "body").chunked(4);
    connection.write(&chunked[..chunked.len() - 5]);
    connection.finish();
    assert!(connection.try_answer("POST").is_none_or(|answer| answer.status == 400));
    sidecar.upstream.saw_nothing();
}
