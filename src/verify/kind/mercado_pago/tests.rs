//! Behaviour of Mercado Pago's manifests.

use super::Parts;
use crate::clock::UnixMillis;
use crate::credential::Extraction;
use crate::verify::kind::testing::{NOW, Sent, compile, faults};
use crate::verify::scheme::{Scheme, preset};

const SECRET: &str = "a secret of some length";

fn named() -> &'static Scheme {
    preset("mercado-pago").unwrap()
}

fn sent(target: &str) -> Sent {
    Sent::post(target, b"{\"data\":{\"id\":\"123\"}}")
}

/// The manifest of a request with this target and, perhaps, request id.
fn manifest(target: &str, request_id: Option<&str>) -> Option<String> {
    let mut sent = sent(target);
    if let Some(id) = request_id {
        sent.set("x-request-id", id);
    }
    Parts::read(&sent.head()).ok().map(|parts| parts.manifest("1"))
}

#[test]
fn a_time_of_more_than_11_digits_is_in_milliseconds() {
    let at = |ts: &str| {
        let mut sent = sent("/");
        sent.set("x-signature", &format!("ts={ts},v1={}", "00".repeat(32)));
        match named().extract(&sent.head()) {
            Extraction::Present(credential) => credential.timestamp(),
            _ => None,
        }
    };
    assert_eq!(at("1700000000"), Some(NOW));
    assert_eq!(at("99999999999"), Some(UnixMillis(99_999_999_999_000)));
    assert_eq!(at("100000000000"), Some(UnixMillis(100_000_000_000)));
    assert_eq!(at("1700000000000"), Some(NOW));
}

#[test]
fn a_part_that_the_request_lacks_is_left_out() {
    let of = |target, id| manifest(target, id).unwrap();
    assert_eq!(of("/?data.id=AbC1&type=payment", Some("r-1")), "id:abc1;request-id:r-1;ts:1;");
    assert_eq!(of("/?type=payment", Some("r-1")), "request-id:r-1;ts:1;");
    assert_eq!(of("/?data%2Eid=1", None), "id:1;ts:1;");
    assert_eq!(of("/", None), "ts:1;");
}

#[test]
fn a_part_can_be_neither_twice_nor_another_part() {
    for target in [
        "/?data.id=1&data.id=1",
        "/?data.id=1&data%2eid=2",
        "/?data.id=",
        "/?data.id=1;ts:2",
        "/?data.id=1%3Brequest-id:x",
        "/?data.id=a+b",
        "/?data.id=%",
        "/?data.id=%C3%A9",
    ] {
        assert_eq!(manifest(target, None), None, "{target}");
    }
    assert_eq!(manifest("/", Some("a;ts:2")), None);
    assert_eq!(manifest("/", Some("")), None);
}

/// Python's hmac: `id:123;request-id:r-1;ts:1700000000;` and so on, by `SECRET`.
#[test]
fn manifests_with_missing_parts_verify_as_such_and_not_as_others() {
    let judged = |target: &str, id: Option<&str>, signature: &str| {
        let mut sent = sent(target);
        if let Some(id) = id {
            sent.set("x-request-id", id);
        }
        sent.set("x-signature", signature);
        sent.passes(named(), SECRET)
    };
    let whole = "ts=1700000000,v1=8f3441c41ee72195307533f25bad4f4bd0323a0b13ad1ca4b36c5d13c00da33e";
    assert!(judged("/h?data.id=123&type=payment", Some("r-1"), whole));
    assert!(!judged("/h?data.id=124&type=payment", Some("r-1"), whole));
    assert!(!judged("/h?data.id=123", Some("r-2"), whole));
    assert!(!judged("/h?data.id=123", None, whole));
    assert!(!judged("/h", Some("r-1"), whole));
    let no_id = "ts=1700000000,v1=0d482031174af417b1b1b873d7c1f96036db2feea208a13c211dc3899d13197d";
    assert!(judged("/h?type=payment", Some("r-1"), no_id));
    assert!(!judged("/h?data.id=123", Some("r-1"), no_id), "an id that was not signed");
    let no_request_id =
        "ts=1700000000123 , v1=00, v1=ba4b840e5f6aa64af6e43d7d8a18c390ff0fa384e57e0af9e98aeb3fc910846a";
    assert!(judged("/h?data.id=123", None, no_request_id));
    assert!(!judged("/h?data.id=123", Some("r-1"), no_request_id), "a request id that was not signed");
    for value in [
        "",
        "ts=1700000000",
        &whole[14..],
        &whole.replace("v1", "v2"),
        &format!("ts=1,{whole}"),
        &whole.replace("ts=", "ts=+"),
        &whole.replace("1700000000", "1700000001"),
    ] {
        assert!(!judged("/h?data.id=123", Some("r-1"), value), "{value}");
    }
}

#[test]
fn the_time_is_in_seconds_or_milliseconds_and_has_a_window() {
    let sent = sent("/h?data.id=1").signed(named(), SECRET);
    let after = |seconds: i64| sent.judged(named(), SECRET, NOW.plus_seconds(seconds)).is_ok();
    assert!(after(0) && after(300) && after(-300));
    assert!(!after(301) && !after(-301));
    assert!(sent.judged(named(), SECRET, UnixMillis(NOW.0 + 999)).is_ok());
    let narrow = compile("kind = 'mercado-pago'\nparams = { tolerance = 10 }");
    assert!(sent.judged(&narrow, SECRET, NOW.plus_seconds(11)).is_err());
    assert_eq!(faults("kind = 'mercado-pago'\nparams = { tolerance = 0 }"), ["params.tolerance"]);
    assert_eq!(faults("kind = 'mercado-pago'\nparams = { window = 1 }"), ["params"]);
}

#[test]
fn the_body_is_not_bound() {
    let mut sent = sent("/h?data.id=1").signed(named(), SECRET);
    sent.body.clear();
    assert!(sent.passes(named(), SECRET));
    assert!(!named().binds_body() && !named().binds_target());
    let mut doubled = sent.clone();
    doubled.add("x-signature", &sent.get("x-signature"));
    assert!(!doubled.passes(named(), SECRET));
    sent.add("x-request-id", "another");
    assert!(!sent.passes(named(), SECRET));
}
