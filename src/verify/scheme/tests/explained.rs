//! What is shown of a scheme and a request to people who look for a fault.

use super::{BODY, HEX, NOW, Sent, compile, extract, key, named};
use crate::credential::{CredentialFault, Extraction};
use crate::verify::scheme::spec::Proof;

/// A template with a part of every sort, whose body is read as a stream.
const EVERY_SORT: &str = "signed = '{method}|{header:X-Nonce}|{id}|{timestamp}|{body}'\n\
    algorithm = 'hmac-sha256'\nencoding = 'hex'\nrequire = { X-Kind = 'a' }\n[sig]\nheader = ['X-Sig', 'X-Old-Sig']\n\
    [timestamp]\nheader = 'X-Time'\n[id]\nheader = 'X-Id'";

fn sent() -> Sent {
    let mut sent = Sent::with(&[("x-sig", HEX), ("x-time", "7"), ("x-id", "i"), ("x-nonce", "n")]);
    sent.add("x-kind", "a");
    sent.url = Some("https://hooks.example/a".to_owned());
    sent
}

#[test]
fn the_signed_bytes_are_those_of_the_template() {
    let shown = |signed: &str, body: &[u8]| {
        let scheme = compile(&format!(
            "signed = '{signed}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n\
             [timestamp]\nheader = 'X-Time'"
        ));
        let sent = sent();
        let bytes = scheme.signed_bytes(&sent.head(), &extract(&scheme, &sent).unwrap(), body);
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    };
    assert_eq!(shown("v0:{timestamp}:{body}", b"abc").as_deref(), Some("v0:7:abc"));
    assert_eq!(shown("{body}{timestamp}", b"abc").as_deref(), Some("abc7"));
    assert_eq!(shown("{timestamp}.{url}", b"abc").as_deref(), Some("7.https://hooks.example/a"));
    assert_eq!(shown("{timestamp}.{json:a.b}", b"{\"a\":{\"b\":5}}").as_deref(), Some("7.5"));
    assert_eq!(shown("{timestamp}.{json:a.b}", b"{}"), None, "the body lacks a part");
    let token = named("gitlab-token");
    let sent = Sent::with(&[("x-gitlab-token", "abc")]);
    assert_eq!(token.signed_bytes(&sent.head(), &extract(token, &sent).unwrap(), b"abc"), None);
}

#[test]
fn every_signature_that_came_is_shown_and_no_token() {
    let received = |name: &str, header: &str, value: &str| {
        let sent = Sent::with(&[(header, value), ("x-signature-timestamp", "7")]);
        let credential = extract(named(name), &sent).unwrap();
        (named(name).received_signatures(&credential), credential.candidates())
    };
    let github = received("github", "x-hub-signature-256", &format!("sha256={HEX}"));
    assert_eq!(github, (vec![HEX.to_owned()], 1));
    let long = HEX.repeat(2);
    assert_eq!(received("discord", "x-signature-ed25519", &long), (vec![long.clone()], 1));
    let two = format!("v1={HEX},v1={}", "00".repeat(32));
    assert_eq!(
        received("pagerduty-v3", "x-pagerduty-signature", &two),
        (vec![HEX.to_owned(), "00".repeat(32)], 2)
    );
    assert_eq!(received("gitlab-token", "x-gitlab-token", "abc"), (vec![], 1));
}

#[test]
fn a_token_is_told_from_a_signature_and_an_address_from_none() {
    for (name, token, address) in [
        ("gitlab-token", true, false),
        ("github", false, false),
        ("slack", false, false),
        ("square", false, true),
        ("signed-request", false, true),
        ("rfc9421", false, true),
        ("aws-sns", false, false),
    ] {
        let scheme = named(name);
        assert_eq!((scheme.is_token(), scheme.signs_address()), (token, address), "{name}");
    }
}

#[test]
fn every_header_that_is_read_is_named_with_its_aliases() {
    let scheme = compile(EVERY_SORT);
    let names: Vec<&str> = scheme.read_headers().into_iter().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["x-sig", "x-old-sig", "x-time", "x-id", "x-kind", "x-nonce"]);
    let signed: Vec<&str> = scheme.signed_headers().map(http::HeaderName::as_str).collect();
    assert_eq!(signed, ["x-nonce"]);
    let sent = sent();
    let bytes = scheme.signed_bytes(&sent.head(), &extract(&scheme, &sent).unwrap(), b"b").unwrap();
    assert_eq!(bytes, b"POST|n|i|7|b");
}

#[test]
fn an_expected_signature_is_the_one_that_the_sender_makes() {
    let scheme = named("github");
    let key = key(scheme);
    let sent = Sent::signed(scheme, &key, BODY);
    let expected = scheme.expected_signature(&key, &sent.head(), &extract(scheme, &sent).unwrap(), BODY);
    assert_eq!(
        Some(format!("sha256={}", expected.unwrap()).as_str()),
        sent.headers["x-hub-signature-256"].to_str().ok()
    );
    assert_eq!(sent.headers, Sent::signed(scheme, &key, BODY).headers, "at {NOW:?} and at no other time");
}

#[test]
fn the_place_of_a_signature_has_a_name() {
    for (name, place) in [
        ("github", "X-Hub-Signature-256"),
        ("docusign", "X-DocuSign-Signature-1..100"),
        ("braintree", "body"),
        ("ebay", "x-ebay-signature"),
        ("adyen-notification", "json: NotificationRequestItem.additionalData.hmacSignature"),
    ] {
        assert_eq!(named(name).summary().header, place, "{name}");
    }
}

#[test]
fn every_proof_has_its_name_in_the_scheme_language() {
    for proof in [Proof::Published, Proof::Shape, Proof::None] {
        assert_eq!(serde_json::to_value(proof).unwrap(), proof.name());
    }
}

#[test]
fn a_signature_in_the_query_is_there_once_or_absent() {
    let scheme =
        compile("signed = '{body}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nquery = 'sig'");
    let at = |target: String| {
        let mut sent = Sent::new();
        sent.target = target;
        match scheme.extract(&sent.head()) {
            Extraction::Absent => "absent",
            Extraction::Present(_) => "present",
            Extraction::Malformed(CredentialFault::Duplicate(_)) => "twice",
            Extraction::Malformed(_) => "malformed",
        }
    };
    for target in ["/a", "/a?", "/a?b=c", "/a?signature=x", "/sig=a"] {
        assert_eq!(at(target.to_owned()), "absent", "{target}");
    }
    assert_eq!(at(format!("/a?b=c&sig={HEX}")), "present");
    assert_eq!(at(format!("/a?sig={HEX}&sig={HEX}")), "twice");
    assert_eq!(at("/a?sig=%zz".to_owned()), "malformed");
}
