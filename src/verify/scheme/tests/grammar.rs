//! How the header that carries a signature is read: what is no signature, and what is one too many.

use super::{BODY, HEX, Sent, extract, is_malformed, key, named, presets, verifies};
use crate::credential::{CredentialFault, Extraction};

#[test]
fn only_a_request_without_the_signature_header_is_absent() {
    for scheme in presets().filter(|scheme| !scheme.header().is_empty()) {
        let mut sent = Sent::with(&[("webhook-id", "msg_1"), ("x-webhook-timestamp", "1700000000")]);
        assert!(matches!(scheme.extract(&sent.head()), Extraction::Absent), "{}", scheme.label());
        if scheme.spec().kind.is_some() && scheme.header() == "authorization" {
            sent.add("authorization", "Bearer token");
            assert!(matches!(scheme.extract(&sent.head()), Extraction::Absent), "{}", scheme.label());
            continue;
        }
        sent.add(scheme.header(), "");
        assert!(extract(scheme, &sent).is_err(), "{}", scheme.label());
    }
}

#[test]
fn a_second_line_of_any_header_that_is_read_is_a_duplicate() {
    let scheme = named("standard-webhooks");
    let key = scheme.prepare(&scheme.generate_secret(&[7; 32])).unwrap();
    for name in ["signature", "timestamp", "id"] {
        for family in ["webhook", "svix"] {
            let mut sent = Sent::signed(scheme, &key, BODY);
            let value = sent.headers[&format!("webhook-{name}")].to_str().unwrap().to_owned();
            sent.add(&format!("{family}-{name}"), &value);
            let fault = extract(scheme, &sent).unwrap_err();
            assert!(matches!(fault, CredentialFault::Duplicate(_)), "{family}-{name}: {fault:?}");
        }
    }
    let twice = format!("t=1,t=1,v1={HEX}");
    let fault = extract(named("stripe"), &Sent::with(&[("stripe-signature", &twice)])).unwrap_err();
    assert_eq!(fault, CredentialFault::Duplicate("the timestamp"));
}

#[test]
fn one_bad_candidate_does_not_spoil_the_list() {
    let scheme = named("pagerduty-v3");
    let key = key(scheme);
    let good = Sent::signed(scheme, &key, BODY).headers["x-pagerduty-signature"].to_str().unwrap().to_owned();
    for list in [
        format!("v1=zz,{good}"),
        format!("{good} , v1="),
        format!("v1={HEX},v2=whatever,,v1,{good}"),
        format!("v1={},{good}", &HEX[..62]),
    ] {
        let sent = Sent::with(&[("x-pagerduty-signature", &list)]);
        assert!(verifies(scheme, &key, &sent, BODY), "{list}");
    }
}

#[test]
fn other_versions_and_empty_values_are_no_candidates() {
    let scheme = named("pagerduty-v3");
    for value in
        ["v1=", "v1", "=", ",", &format!("v0={HEX}"), &format!("V1={HEX}"), HEX, &format!("v1 {HEX}")]
    {
        assert!(is_malformed(scheme, &[("x-pagerduty-signature", value)]), "{value}");
    }
}

#[test]
fn sixteen_candidates_are_taken_and_seventeen_refused() {
    let scheme = named("pagerduty-v3");
    let key = key(scheme);
    let good = Sent::signed(scheme, &key, BODY).headers["x-pagerduty-signature"].to_str().unwrap().to_owned();
    let others = |count: usize| vec![format!("v1={HEX}"); count].join(",");
    let sent = Sent::with(&[("x-pagerduty-signature", &format!("{},{good}", others(15)))]);
    assert_eq!(extract(scheme, &sent).unwrap().candidates(), 16);
    assert!(verifies(scheme, &key, &sent, BODY));
    assert!(is_malformed(scheme, &[("x-pagerduty-signature", &format!("{good},{}", others(16)))]));
    let undecodable = vec!["v1=".to_owned(); 16].join(",");
    assert!(is_malformed(scheme, &[("x-pagerduty-signature", &format!("{good},{undecodable}"))]));
}

#[test]
fn a_signature_has_one_length_and_one_spelling_but_for_the_case_of_hex() {
    let scheme = named("github");
    let key = key(scheme);
    let good = Sent::signed(scheme, &key, BODY).headers["x-hub-signature-256"].to_str().unwrap().to_owned();
    let hex = good.strip_prefix("sha256=").unwrap();
    let upper = format!("sha256={}", hex.to_uppercase());
    assert!(verifies(scheme, &key, &Sent::with(&[("x-hub-signature-256", &upper)]), BODY));
    for bad in [
        hex.to_owned(),
        format!("SHA256={hex}"),
        format!("sha256={}", &hex[..63]),
        format!("sha256={}", &hex[..62]),
        format!("sha256={hex}00"),
        format!("sha256= {hex}"),
        format!("sha256=sha256={hex}"),
        format!("{good},{good}"),
        "sha256=".to_owned(),
    ] {
        assert!(is_malformed(scheme, &[("x-hub-signature-256", &bad)]), "{bad}");
    }
}

#[test]
fn base64_that_is_not_canonical_is_refused() {
    let scheme = named("shopify");
    let key = key(scheme);
    let good = Sent::signed(scheme, &key, BODY).headers["x-shopify-hmac-sha256"].to_str().unwrap().to_owned();
    let (head, last) = good.split_at(42);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let at = alphabet.find(&last[..1]).unwrap();
    assert_eq!(at % 4, 0, "two trailing bits of 32 bytes are zero");
    let sibling = format!("{head}{}=", &alphabet[at + 1..at + 2]);
    assert!(is_malformed(scheme, &[("x-shopify-hmac-sha256", &sibling)]));
    assert!(is_malformed(scheme, &[("x-shopify-hmac-sha256", good.trim_end_matches('='))]));
}

#[test]
fn generic_takes_its_prefix_or_none() {
    let scheme = named("generic");
    let key = key(scheme);
    let sent = Sent::signed(scheme, &key, BODY);
    let good = sent.headers["x-webhook-signature"].to_str().unwrap();
    let bare = good.strip_prefix("sha256=").unwrap();
    assert!(verifies(scheme, &key, &Sent::with(&[("x-webhook-signature", bare)]), BODY));
    assert!(is_malformed(scheme, &[("x-webhook-signature", &format!("sha512={bare}"))]));
    assert!(is_malformed(named("workspace"), &[("x-webhook-signature", bare)]));
}

#[test]
fn a_time_that_is_missing_or_none_is_a_fault() {
    let signature = format!("v0={HEX}");
    let time = |value: &str| {
        let lines = [("x-slack-signature", signature.as_str()), ("x-slack-request-timestamp", value)];
        extract(named("slack"), &Sent::with(&lines)).err()
    };
    for value in ["", "hello", "-1", "9223372036854775807", "9223372036854775808", "1.5", "0170000000"] {
        assert_eq!(time(value), Some(CredentialFault::TimestampMissing), "{value}");
    }
    assert_eq!(time("9999999999999"), None);
    let without = extract(named("slack"), &Sent::with(&[("x-slack-signature", &signature)]));
    assert_eq!(without.err(), Some(CredentialFault::TimestampMissing));
}

#[test]
fn the_same_signature_twice_is_still_one() {
    let scheme = named("stripe");
    let key = key(scheme);
    let mut sent = Sent::signed(scheme, &key, BODY);
    let value = sent.headers["stripe-signature"].to_str().unwrap().to_owned();
    let (_, signature) = value.split_once(",v1=").unwrap();
    sent.headers.insert("stripe-signature", format!("{value},v1={signature}").parse().unwrap());
    assert!(verifies(scheme, &key, &sent, BODY));
}
