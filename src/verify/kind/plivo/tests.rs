//! Behaviour of Plivo's signatures V3.

use http::Method;

use super::joined;
use crate::verify::kind::testing::{Sent, faults};
use crate::verify::scheme::{Fields, Scheme, preset};

const SECRET: &str = "an auth token";
const FORM: &[u8] = b"To=%2B1555&From=b+c&Digits=2&Digits=1";

fn named(name: &str) -> &'static Scheme {
    preset(name).unwrap()
}

fn posted(target: &str) -> Sent {
    let mut sent = Sent::post(target, FORM);
    sent.set("content-type", "application/x-www-form-urlencoded");
    sent
}

fn called(target: &str) -> Sent {
    let mut sent = Sent::post(target, b"");
    sent.method = Method::GET;
    sent
}

/// With the target changed, and the URL with it.
fn moved(sent: &Sent, target: &str) -> Sent {
    let url = Some(format!("https://hooks.example{target}"));
    Sent { target: target.to_owned(), url, ..sent.clone() }
}

/// Python's hmac over `https://hooks.example/a?x=1&y=2.Digits1Digits2Fromb cTo+1555.77`, and the like.
#[test]
fn fields_are_sorted_and_joined_behind_the_url() {
    for (target, signature) in [
        ("/a?y=2&x=1", "2lvGElIlqlUv6bPBzGHFSMqLVniSPhLUheZYwkXg828="),
        ("/a", "fGQD2UZroJoYsyjGgUbaIixdrKmIRvT0moXCLAys25c="),
        ("/a?", "fGQD2UZroJoYsyjGgUbaIixdrKmIRvT0moXCLAys25c="),
    ] {
        let mut sent = posted(target);
        sent.set("x-plivo-signature-v3-nonce", "77");
        sent.set("x-plivo-signature-v3", signature);
        assert!(sent.passes(named("plivo-v3"), SECRET), "{target}");
        sent.set("x-plivo-signature-v3", &format!("AAAA, {signature},x"));
        assert!(sent.passes(named("plivo-v3"), SECRET), "one of several");
        sent.set("x-plivo-signature-v3", "AAAA");
        assert!(!sent.passes(named("plivo-v3"), SECRET));
    }
    for (target, signature) in [
        ("/a?y=2+3&x=%41&z", "e5wy8etFSYAQVs6tgnQE77bq5qejbT2vTTvID/wKACg="),
        ("/a", "UGZ/W9YvmAu5DZNx+cgjEwXFHQBolbMOV2nUaBOmbYA="),
    ] {
        let mut sent = called(target);
        sent.set("x-plivo-signature-v3-nonce", "77");
        sent.set("x-plivo-signature-v3", signature);
        assert!(sent.passes(named("plivo-v3-get"), SECRET), "{target}");
    }
}

#[test]
fn no_signed_part_of_a_post_can_change() {
    let scheme = named("plivo-v3");
    let sent = posted("/a?x=1").signed(scheme, SECRET);
    assert!(sent.passes(scheme, SECRET) && !sent.passes(scheme, "another"));
    for change in 0..9 {
        let mut changed = sent.clone();
        match change {
            0 => changed.body.push(b'1'),
            1 => changed = moved(&sent, "/a?x=2"),
            2 => changed = moved(&sent, "/b?x=1"),
            3 => changed.set("x-plivo-signature-v3-nonce", "1"),
            4 => changed.set("content-type", "application/json"),
            5 => changed.method = Method::PUT,
            6 => changed.url = None,
            7 => changed.body.clear(),
            _ => changed.body.extend_from_slice(b"&To=%zz"),
        }
        assert!(!changed.passes(scheme, SECRET), "{change}");
    }
    let mut other = sent.clone();
    other.method = Method::GET;
    assert!(!other.passes(named("plivo-v3-get"), SECRET));
    for header in ["x-plivo-signature-v3", "x-plivo-signature-v3-nonce"] {
        let mut doubled = sent.clone();
        doubled.add(header, &sent.get(header));
        assert!(!doubled.passes(scheme, SECRET), "{header} twice");
        doubled.headers.remove(header);
        assert!(!doubled.passes(scheme, SECRET), "without {header}");
    }
}

#[test]
fn a_get_has_no_body_and_every_parameter_is_signed() {
    let scheme = named("plivo-v3-get");
    let sent = called("/a?x=1&y=2").signed(scheme, SECRET);
    assert!(sent.passes(scheme, SECRET));
    for target in ["/a?y=2&x=%31", "/a?x=1%26y%3D2"] {
        assert!(moved(&sent, target).passes(scheme, SECRET), "order, escapes and edges are not signed");
    }
    for target in ["/a?x=1", "/a?x=1&y=3", "/b?x=1&y=2", "/a?x=1&y=2&y=2", "/a?x=1&y=%", "/%61?x=1&y=2"] {
        assert!(!moved(&sent, target).passes(scheme, SECRET), "{target}");
    }
    let body = Sent { body: FORM.to_vec(), ..sent };
    assert!(!body.passes(scheme, SECRET), "nothing covers it");
    assert!(scheme.binds_target() && !named("plivo-v3").binds_target());
}

#[test]
fn the_nonce_cannot_end_elsewhere() {
    let scheme = named("plivo-v3-get");
    let sent = called("/a.b").signed(scheme, SECRET);
    let nonce = sent.get("x-plivo-signature-v3-nonce");
    let mut other = moved(&sent, "/a");
    other.set("x-plivo-signature-v3-nonce", &format!("b.{nonce}"));
    assert!(!other.passes(scheme, SECRET), "the same signed bytes");
}

#[test]
fn repeated_fields_are_all_signed() {
    let mut room = Vec::new();
    let fields = Fields::parse(b"b=2&a=2&a=1&a=1", &mut room).unwrap();
    assert_eq!(joined(&fields, b"", b""), b"a1a1a2b2");
    assert_eq!(joined(&fields, b"=", b"&"), b"a=1&a=1&a=2&b=2");
}

#[test]
fn parameters_are_checked() {
    assert_eq!(faults("kind = 'plivo-v3'"), ["params"]);
    assert_eq!(faults("kind = 'plivo-v3'\nparams = { method = 'PUT' }"), ["params"]);
}
