//! Behaviour of AWS Signature Version 4.

use proptest::prelude::{any, proptest};
use sha2::Digest as _;

use crate::credential::Extraction;
use crate::secret::Secret;
use crate::verify::kind::testing::{NOW, Sent, compile, faults, vector};
use crate::verify::scheme::{Scheme, preset};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const AUTHORIZATION: &str = "authorization";
const CONTENT: &str = "x-amz-content-sha256";

fn scheme() -> &'static Scheme {
    preset("aws-sigv4").unwrap()
}

fn digest(body: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(body))
}

fn sent() -> Sent {
    Sent::post("/hook/a%20b?b=2&a=1", b"{\"a\":1}")
}

/// One way to change a request.
type Change = fn(&mut Sent);

/// The request with its authorization changed.
fn replaced(sent: &Sent, from: &str, to: &str) -> Sent {
    let mut changed = sent.clone();
    let value = sent.get(AUTHORIZATION);
    assert!(value.contains(from), "{value}");
    changed.set(AUTHORIZATION, &value.replace(from, to));
    changed
}

#[test]
fn what_is_signed_verifies_and_no_bound_part_can_change() {
    let sent = sent().signed(scheme(), SECRET);
    assert!(sent.passes(scheme(), SECRET));
    assert!(!sent.passes(scheme(), "another"));
    let changes: [(&str, Change); 9] = [
        ("body", |sent| sent.body.push(b' ')),
        ("path", |sent| sent.target = "/hook/a b?b=2&a=1".to_owned()),
        ("escape of the path", |sent| sent.target = "/hook/%61%20b?b=2&a=1".to_owned()),
        ("segments of the path", |sent| sent.target = "/x/../hook/a%20b?b=2&a=1".to_owned()),
        ("query", |sent| sent.target.push('1')),
        ("method", |sent| sent.method = http::Method::PUT),
        ("host", |sent| sent.set("host", "other.example")),
        ("time", |sent| sent.set("x-amz-date", "20231114T221321Z")),
        ("hash", |sent| sent.set(CONTENT, &"0".repeat(64))),
    ];
    for (what, change) in changes {
        let mut changed = sent.clone();
        change(&mut changed);
        assert!(!changed.passes(scheme(), SECRET), "{what}");
    }
    let mut reordered = sent;
    reordered.target = "/hook/a%20b?a=1&b=2".to_owned();
    assert!(reordered.passes(scheme(), SECRET), "the order of parameters is left open");
}

#[test]
fn the_window_is_fifteen_minutes_and_the_credential_is_of_the_same_day() {
    let sent = sent().signed(scheme(), SECRET);
    assert!(sent.judged(scheme(), SECRET, NOW.plus_seconds(900)).is_ok());
    assert!(sent.judged(scheme(), SECRET, NOW.plus_seconds(901)).is_err());
    let other_day = replaced(&sent, "/20231114/", "/20231115/");
    let refused = other_day.judged(scheme(), SECRET, NOW).unwrap_err();
    assert!(refused.to_string().contains("date"), "{refused}");
    let mut timeless = sent;
    timeless.headers.remove("x-amz-date");
    let refused = timeless.judged(scheme(), SECRET, NOW).unwrap_err();
    assert!(refused.to_string().contains("timestamp"), "{refused}");
}

#[test]
fn a_header_twice_is_refused() {
    let sent = sent().signed(scheme(), SECRET);
    for header in [AUTHORIZATION, "x-amz-date", CONTENT] {
        let mut doubled = sent.clone();
        doubled.add(header, &sent.get(header));
        let refused = doubled.judged(scheme(), SECRET, NOW).unwrap_err();
        assert!(refused.to_string().contains("more than once"), "{header}: {refused}");
    }
}

#[test]
fn other_credentials_are_absent_and_broken_ones_are_malformed() {
    let mut sent = sent();
    assert_eq!(sent.judged(scheme(), SECRET, NOW).unwrap_err(), crate::verify::offline::Refused::Absent);
    sent.set(AUTHORIZATION, "Bearer AWS4-HMAC-SHA256");
    assert_eq!(sent.judged(scheme(), SECRET, NOW).unwrap_err(), crate::verify::offline::Refused::Absent);
    let signed = self::sent().signed(scheme(), SECRET);
    for (from, to, says) in [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "algorithm"),
        ("Credential=", "Credential=x, Credential=", "each of them once"),
        ("Credential=", "Other=x, Credential=", "each of them once"),
        ("Signature=", "Signatur=", "each of them once"),
        ("/aws4_request", "/aws5_request", "the credential is not"),
        ("/aws4_request", "/aws4_request/x", "the credential is not"),
        ("host;x-amz-content", "x-amz-content", "does not cover"),
        ("host;", "host;host;", "not sorted"),
        ("host;", "host;z;", "not sorted"),
        ("host;", "host;m-absent;", "not there"),
        ("Signature=", "Signature=0", "64 hex digits"),
    ] {
        let refused = replaced(&signed, from, to).judged(scheme(), SECRET, NOW).unwrap_err();
        assert!(refused.to_string().contains(says), "{to}: {refused}");
    }
}

#[test]
fn an_unsigned_body_is_let_in_only_where_that_is_configured() {
    let lax = compile("kind = 'sigv4'\n[params]\nbody = 'optional'");
    assert!(scheme().binds_body() && scheme().binds_target() && !lax.binds_body());
    let mut sent = sent().signed(scheme(), SECRET);
    for claim in
        ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
    {
        sent.set(CONTENT, claim);
        let refused = sent.judged(scheme(), SECRET, NOW).unwrap_err();
        assert!(refused.to_string().contains(CONTENT), "{claim}: {refused}");
        let reads = sent.judged(&lax, SECRET, NOW).unwrap_err().to_string().contains("no signature matches");
        assert_eq!(reads, claim == "UNSIGNED-PAYLOAD", "{claim}");
    }
}

#[test]
fn a_body_counts_as_bound_where_its_hash_is_signed() {
    let lax = compile("kind = 'sigv4'\n[params]\nbody = 'optional'");
    let key = lax.prepare(&Secret::from_text(SECRET)).unwrap();
    let mut sent = sent().signed(&lax, SECRET);
    let mut binds = |claim: Option<&str>| {
        claim.into_iter().for_each(|claim| sent.set(CONTENT, claim));
        let Extraction::Present(credential) = lax.extract(&sent.head()) else { panic!("not read") };
        let mut attempt = lax.begin(&key, &sent.head(), &credential);
        attempt.update(&sent.body);
        attempt.finish(&lax, &credential, &sent.body).binds_body
    };
    assert!(binds(None) && binds(Some(&digest(b"{\"a\":1}"))));
    assert!(!binds(Some("UNSIGNED-PAYLOAD")));
}

#[test]
fn a_hash_that_is_sent_is_that_of_the_body_though_nobody_signed_it() {
    let own = include_str!("../../../../tests/vectors/own/aws.json");
    let (mut sent, secret, at) = vector(own, "sigv4-date");
    for (claim, holds) in [(digest(&sent.body), true), ("0".repeat(64), false), ("x".to_owned(), false)] {
        sent.set(CONTENT, &claim);
        assert_eq!(sent.judged(scheme(), &secret, at).is_ok(), holds, "{claim}");
    }
}

#[test]
fn a_session_token_must_be_signed() {
    let mut sent = sent();
    sent.set("x-amz-security-token", "token");
    let mut sent = sent.signed(scheme(), SECRET);
    assert!(sent.passes(scheme(), SECRET));
    sent.set("x-amz-security-token", "tokem");
    assert!(!sent.passes(scheme(), SECRET));
    let mut added = self::sent().signed(scheme(), SECRET);
    added.set("x-amz-security-token", "token");
    let refused = added.judged(scheme(), SECRET, NOW).unwrap_err();
    assert!(refused.to_string().contains("does not cover"), "{refused}");
}

#[test]
fn key_id_region_and_service_can_be_fixed() {
    let fixed = |name: &str, value: &str| compile(&format!("kind = 'sigv4'\n[params]\n{name} = '{value}'"));
    let sent = sent().signed(scheme(), SECRET);
    for (name, said) in [("access_key_id", "AKIDEXAMPLE"), ("region", "us-east-1"), ("service", "webhooks")] {
        assert!(sent.passes(&fixed(name, said), SECRET), "{name}");
        assert!(!sent.passes(&fixed(name, "other"), SECRET), "{name}");
    }
    let strict = compile("kind = 'sigv4'\n[params]\nrequired = ['Content-Type']");
    assert!(!sent.passes(&strict, SECRET));
    let mut typed = self::sent();
    typed.set("content-type", "text/plain");
    let mut typed = typed.signed(&strict, SECRET);
    assert!(typed.passes(&strict, SECRET));
    typed.set("content-type", "text/html");
    assert!(!typed.passes(&strict, SECRET));
}

#[test]
fn parameters_are_checked() {
    assert_eq!(faults("kind = 'sigv4'\n[params]\nother = 1"), ["params"]);
    let wrong = "kind = 'sigv4'\n[params]\ntolerance = 0\nrequired = ['a b']";
    assert_eq!(faults(wrong), ["params.tolerance", "params.required"]);
}

proptest! {
    #[test]
    fn no_head_panics(value in "[ -~]{0,120}", date in "[0-9TZ]{0,18}", target in any::<String>()) {
        let mut sent = sent();
        sent.target = target;
        sent.set("x-amz-date", &date);
        sent.set(AUTHORIZATION, &format!("AWS4-HMAC-SHA256 {value}"));
        assert!(!sent.passes(scheme(), SECRET));
        sent.set(AUTHORIZATION, &format!(
            "AWS4-HMAC-SHA256 Credential={value}/20231114/r/s/aws4_request, SignedHeaders=host, Signature={value}"
        ));
        sent.set("x-amz-date", "20231114T221320Z");
        assert!(!sent.passes(scheme(), SECRET));
    }
}
