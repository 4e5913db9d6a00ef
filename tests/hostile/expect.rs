//! `Expect: 100-continue` (RFC 9110 §10.1.1): nobody is asked for a body that would be refused.

use serde_json::json;

use super::{open, status};
use crate::support::http::{Call, Connection};
use crate::support::mac::hmac_hex;

fn expecting(call: Call, length: usize) -> Vec<u8> {
    call.header("Expect", "100-continue").header("Content-Length", length.to_string()).bytes()
}

#[test]
fn h14_without_a_credential_the_answer_comes_without_a_100() {
    let (sidecar, _) = open();
    sidecar.integration(json!({ "name": "hook" }));
    for target in ["/in", "/webhooks/hook", "/webhooks/unknown"] {
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&expecting(Call::new("POST", target), 5));
        assert_eq!(connection.answer().status, 401, "{target}");
        assert_eq!(connection.interim, [0_u16; 0], "{target}");
        assert!(connection.is_closed(), "{target}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn h14_a_body_over_the_limit_is_not_asked_for() {
    let (sidecar, key) = open();
    let mut connection = Connection::open(sidecar.traffic());
    let call = Call::new("POST", "/in").header("X-API-Key", &key.api_key);
    connection.write(&expecting(call, 2 * 1024 * 1024));
    assert_eq!(connection.answer().status, 413);
    assert_eq!(connection.interim, [0_u16; 0]);
    sidecar.upstream.saw_nothing();
}

#[test]
fn h14_with_a_good_head_the_body_is_asked_for() {
    let (sidecar, key) = open();
    let hook = sidecar.integration(json!({ "name": "hook" }));
    let by_key = Call::new("POST", "/in").header("X-API-Key", &key.api_key);
    let by_hook =
        Call::new("POST", "/webhooks/hook").header("X-Webhook-Signature", hmac_hex(&hook, &[b"hello"]));
    for call in [by_key, by_hook, Call::new("POST", "/public/a")] {
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&expecting(call.clone(), 5));
        assert_eq!(connection.interim(), 100, "{}", call.target);
        connection.write(b"hello");
        assert_eq!(connection.answer().status, 200, "{}", call.target);
        assert_eq!(connection.interim, [0_u16; 0], "{}", call.target);
        let seen = sidecar.upstream.only();
        assert_eq!((seen.body.as_slice(), seen.header("expect")), (b"hello".as_slice(), None));
    }
}

#[test]
fn h14_another_expectation_is_not_met() {
    let (sidecar, key) = open();
    for value in ["tea", "200-ok", "100-continue, tea", "", "100-continue\r\nExpect: tea"] {
        for target in ["/in", "/public/a"] {
            let bytes = format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nExpect: {value}\r\n\
                 Content-Length: 5\r\n\r\nhello",
                key.api_key
            );
            assert_eq!(status(&sidecar, bytes), 417, "{value:?} at {target}");
        }
    }
    sidecar.upstream.saw_nothing();
}
