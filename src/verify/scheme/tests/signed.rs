//! What a signature covers, and that nothing else passes under it.

use http::{HeaderValue, Method};

use super::{
    BODY, HEX, NOW, SECRET, Sent, TIMED, compile, extract, key, named, presets, signs_in_head, verifies,
};
use crate::credential::CredentialFault;

#[test]
fn what_a_preset_signs_it_verifies_and_under_that_key_only() {
    for scheme in presets().filter(|scheme| signs_in_head(scheme)) {
        let secret = scheme.generate_secret(&[7; 32]);
        let key = scheme.prepare(&secret).unwrap();
        let other = scheme.prepare(&scheme.generate_secret(&[8; 32])).unwrap();
        let sent = Sent::signed(scheme, &key, TIMED);
        assert!(verifies(scheme, &key, &sent, TIMED), "{}", scheme.label());
        assert!(!verifies(scheme, &other, &sent, TIMED), "{}", scheme.label());
        let bound = !verifies(scheme, &key, &sent, b"{\"event\": 2}");
        // A built-in kind binds the body of a sample wherever its sender can.
        let can = scheme.spec().kind.is_some() && !["atlassian-connect", "monday"].contains(&scheme.label());
        assert_eq!(bound, scheme.binds_body() || can, "{}", scheme.label());
        assert!(scheme.secret_len(&secret).unwrap() >= 16, "{}", scheme.label());
    }
}

#[test]
fn several_keys_are_tried_in_one_pass_over_the_body() {
    let scheme = named("signed-request");
    let keys: Vec<_> =
        (0..4).map(|seed| scheme.prepare(&scheme.generate_secret(&[seed; 32])).unwrap()).collect();
    let sent = Sent::signed(scheme, &keys[2], BODY);
    let credential = extract(scheme, &sent).unwrap();
    let mut attempts: Vec<_> = keys.iter().map(|key| scheme.begin(key, &sent.head(), &credential)).collect();
    for chunk in BODY.chunks(5) {
        attempts.iter_mut().for_each(|attempt| attempt.update(chunk));
    }
    let verdicts: Vec<bool> =
        attempts.into_iter().map(|attempt| attempt.finish(scheme, &credential, b"").matched.into()).collect();
    assert_eq!(verdicts, [false, false, true, false]);
}

#[test]
fn a_signed_request_binds_time_method_and_target() {
    let scheme = named("signed-request");
    let key = key(scheme);
    let whole = || Sent::signed(scheme, &key, BODY);
    assert_eq!(extract(scheme, &whole()).unwrap().timestamp(), Some(NOW));

    let mut sent = whole();
    sent.method = Method::PUT;
    assert!(!verifies(scheme, &key, &sent, BODY));
    let mut sent = whole();
    sent.target = "/hooks/a?b=d".to_owned();
    assert!(!verifies(scheme, &key, &sent, BODY));
    let mut sent = whole();
    sent.headers.insert("x-webhook-timestamp", HeaderValue::from_static("1700000001"));
    assert!(!verifies(scheme, &key, &sent, BODY));
}

#[test]
fn the_end_of_a_target_and_the_beginning_of_a_body_cannot_trade_places() {
    let scheme = named("signed-request");
    let key = key(scheme);
    let mut sent = Sent::signed(scheme, &key, b"x/../admin?y=.{}");
    sent.target = format!("{}.x/../admin?y=", sent.target);
    assert!(extract(scheme, &sent).is_err(), "the same signed bytes were read as another request");
}

#[test]
fn a_target_that_the_body_follows_at_once_counts_as_unbound() {
    for (name, bound) in
        [("square", false), ("hubspot-v3", false), ("signed-request", true), ("github", false)]
    {
        assert_eq!(named(name).binds_target(), bound, "{name}");
    }
}

#[test]
fn an_id_can_not_move_the_boundaries_of_the_signed_bytes() {
    let scheme = named("standard-webhooks");
    let key = scheme.prepare(&scheme.generate_secret(&[7; 32])).unwrap();
    let sent = Sent::signed(scheme, &key, b"a.1700000009.rest");
    assert_eq!(extract(scheme, &sent).unwrap().id(), Some("msg_1700000000000"));
    let mut moved = Sent::new();
    moved.add("webhook-signature", sent.headers["webhook-signature"].to_str().unwrap());
    moved.add("webhook-id", "msg_1700000000000.1700000000.a");
    moved.add("webhook-timestamp", "1700000009");
    assert!(!verifies(scheme, &key, &moved, b"rest"));
    let behind = compile(
        "signed = '{body}.{id}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n\
         [id]\nheader = 'X-Id'",
    );
    let reads = |id: &str| extract(&behind, &Sent::with(&[("x-sig", HEX), ("x-id", id)])).is_ok();
    assert!(reads("ab") && !reads("a.b"), "where it follows the body");
    for id in ["", "a b", "é", &"a".repeat(256)] {
        let mut other = Sent::signed(scheme, &key, BODY);
        other.headers.insert("webhook-id", HeaderValue::from_bytes(id.as_bytes()).unwrap());
        assert!(matches!(extract(scheme, &other), Err(CredentialFault::Malformed(_))), "{id}");
    }
}

#[test]
fn text_after_the_body_is_signed_too() {
    let scheme = compile(
        "signed = '{{{method} {path} {query} {header:X-Nonce}}}{body}.{timestamp}'\n\
         algorithm = 'hmac-sha512'\nencoding = 'base64url'\n[sig]\nheader = 'X-Sig'\n\
         [timestamp]\nheader = 'X-Time'\nunit = 'ms'",
    );
    let key = key(&scheme);
    let mut sent = Sent::with(&[("x-nonce", "n")]);
    let made = scheme.sign(&key, &sent.head(), &[BODY], NOW, None);
    sent.headers.extend(made);
    assert!(verifies(&scheme, &key, &sent, BODY));
    assert!(scheme.binds_target());

    let mac = crate::verify::mac::MacKey::new(crate::verify::mac::Hash::Sha512, SECRET.as_bytes()).unwrap();
    let mut mac = mac.begin();
    mac.update(b"{POST /hooks/a b=c n}{\"event\": 1}.1700000000000");
    let expected = data_encoding::BASE64URL_NOPAD.encode(mac.finish().as_bytes());
    assert_eq!(sent.headers["x-sig"], expected);

    sent.headers.insert("x-time", HeaderValue::from_static("1700000000001"));
    assert!(!verifies(&scheme, &key, &sent, BODY));
}

#[test]
fn a_signed_header_or_url_that_is_missing_is_a_fault() {
    let scheme = compile(
        "signed = '{url}|{header:x-nonce}|{body}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n\
         [sig]\nheader = 'X-Sig'",
    );
    let key = key(&scheme);
    assert!(scheme.needs_url() && scheme.binds_target());
    let mut sent = Sent::with(&[("x-nonce", "n"), ("x-sig", HEX)]);
    assert!(extract(&scheme, &sent).is_err(), "no URL");
    assert!(scheme.sign(&key, &sent.head(), &[BODY], NOW, None).is_empty());
    sent.url = Some("https://hooks.example/a".to_owned());
    assert!(extract(&scheme, &sent).is_ok());
    let credential = extract(&scheme, &sent).unwrap();
    sent.add("x-nonce", "m");
    assert_eq!(extract(&scheme, &sent).err(), Some(CredentialFault::Duplicate("a signed header")));
    sent.headers.remove("x-nonce");
    assert!(extract(&scheme, &sent).is_err(), "no header");
    let attempt = scheme.begin(&key, &sent.head(), &credential);
    assert!(!bool::from(attempt.finish(&scheme, &credential, b"").matched), "a head that changed fails");
}

#[test]
fn what_is_bound_is_what_is_signed() {
    let bound = |signed: &str| {
        let text = format!(
            "signed = '{signed}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'"
        );
        let scheme = compile(&text);
        (scheme.binds_target(), scheme.binds_body())
    };
    assert_eq!(bound("{body}"), (false, true));
    assert_eq!(bound("{method}.{body}"), (false, true));
    assert_eq!(bound("{path}.{body}"), (false, true));
    assert_eq!(bound("{path}?{query}"), (true, false));
    assert_eq!(bound("{target}{body}"), (false, true), "either could end where the other begins");
    assert_eq!(bound("{target}{sha256hex:body}"), (false, true));
    assert_eq!(bound("{body}.{target}{sha256hex:body}"), (false, true), "behind the body too");
    assert_eq!(bound("{body}.{target}"), (true, true));
    assert_eq!(bound("{target}|{body}"), (true, true));
    assert_eq!(bound("{url}"), (true, false));
}
