//! Many requests on one connection: each is judged alone, and answered in order (RFC 9112 §9.3.2).

use super::open;
use crate::support::http::{Call, Connection};

#[test]
fn h18_a_hundred_pipelined_requests_are_answered_in_order() {
    let (sidecar, key) = open();
    let mut bytes = Vec::new();
    for n in 0..100 {
        let call = Call::get(&format!("/{n}"));
        let call = if n % 2 == 0 { call.header("X-API-Key", &key.api_key) } else { call };
        bytes.extend(call.bytes());
    }
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&bytes);
    for n in 0..100 {
        assert_eq!(connection.answer().status, if n % 2 == 0 { 200 } else { 401 }, "request {n}");
    }
    let seen: Vec<String> = sidecar.upstream.take().into_iter().map(|seen| seen.target).collect();
    let expected: Vec<String> = (0..100).step_by(2).map(|n| format!("/{n}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a20_a_key_that_is_revoked_midway_is_refused_from_then_on() {
    let (sidecar, key) = open();
    let request = Call::post("/in", "body").header("X-API-Key", &key.api_key).bytes();
    let mut connection = Connection::open(sidecar.traffic());
    for _ in 0..20 {
        connection.write(&request);
        assert_eq!(connection.answer().status, 200);
    }
    sidecar.patch_key(&key, serde_json::json!({ "isActive": false }));
    let before = sidecar.upstream.bytes();
    connection.write(&request);
    assert_eq!(connection.answer().status, 401);
    assert_eq!(sidecar.upstream.bytes(), before);
    assert_eq!(sidecar.upstream.take().len(), 20);
}

#[test]
fn a20_a_valid_request_lends_nothing_to_the_one_behind_it() {
    let (sidecar, key) = open();
    let hook = sidecar.integration(serde_json::json!({ "name": "hook" }));
    let signature = crate::support::mac::hmac_hex(&hook, &[b"body"]);
    let first = Call::post("/webhooks/hook", "body").header("X-Webhook-Signature", &signature);
    let second = Call::post("/webhooks/hook", "bodY").header("X-Webhook-Signature", &signature);
    let third = Call::get("/in");
    let fourth = Call::get("/in").header("X-API-Key", &key.api_key);
    let mut connection = Connection::open(sidecar.traffic());
    let all: Vec<u8> = [&first, &second, &third, &fourth].iter().flat_map(|call| call.bytes()).collect();
    connection.write(&all);
    let statuses: Vec<u16> = (0..4).map(|_| connection.answer().status).collect();
    assert_eq!(statuses, [200, 401, 401, 200]);
    assert_eq!(sidecar.upstream.take().len(), 2);
}
