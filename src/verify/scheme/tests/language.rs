//! What the language can say beyond plain headers, trap by trap.

use super::{Sent, compile, extract, faults, key, presets, signs_in_head, verifies};
use crate::credential::Extraction;
use crate::secret::Secret;

/// A body that every symmetric preset takes.
const TIMED: &[u8] = b"{\"event\":1,\"webhookTimestamp\":1700000000000}";

#[test]
fn any_changed_byte_of_a_bound_body_or_time_is_refused() {
    for scheme in presets().filter(|scheme| signs_in_head(scheme)) {
        let key = scheme.prepare(&scheme.generate_secret(&[7; 32])).unwrap();
        let sent = Sent::signed(scheme, &key, TIMED);
        assert!(verifies(scheme, &key, &sent, TIMED), "{}", scheme.label());
        if !scheme.binds_body() {
            continue;
        }
        for at in 0..TIMED.len() {
            let mut body = TIMED.to_vec();
            body[at] ^= 1;
            assert!(!verifies(scheme, &key, &sent, &body), "{}: byte {at}", scheme.label());
        }
        assert!(!verifies(scheme, &key, &sent, &TIMED[1..]), "{}", scheme.label());
    }
}

#[test]
fn every_item_of_a_batch_must_hold_and_there_must_be_one() {
    let scheme = super::named("microsoft-graph");
    let key = scheme.prepare(&Secret::from_text("0123456789abcdef")).unwrap();
    let good = r#"{"clientState":"0123456789abcdef"}"#;
    let bad = r#"{"clientState":"0123456789abcdeF"}"#;
    let judged =
        |items: &str| verifies(scheme, &key, &Sent::new(), format!("{{\"value\":[{items}]}}").as_bytes());
    assert!(judged(good));
    assert!(judged(&format!("{good},{good}")));
    let many = |count: usize| vec![good; count].join(",");
    assert!(judged(&many(1000)) && !judged(&many(1001)), "1000 at most");
    assert!(!judged(&format!("{good},{bad}")));
    assert!(!judged(&format!("{good},{{}}")));
    assert!(!judged(""));
    assert!(!verifies(scheme, &key, &Sent::new(), b"{\"value\":{}}"));
    assert!(!verifies(scheme, &key, &Sent::new(), b""));
    assert!(!judged(r#"{"clientState":"x","clientState":"0123456789abcdef"}"#));
}

#[test]
fn twilio_binds_a_json_body_by_its_digest_and_takes_any_port() {
    let scheme = super::named("twilio");
    let key = key(scheme);
    let mut sent = Sent::new();
    sent.url = Some("https://hooks.example:8443/a".to_owned());
    sent.add("content-type", "application/x-www-form-urlencoded");
    let made = scheme.sign(&key, &sent.head(), &[b"b=2&a=1"], super::NOW, None);
    sent.headers.extend(made);
    assert!(verifies(scheme, &key, &sent, b"b=2&a=1"));
    assert!(verifies(scheme, &key, &sent, b"a=1&b=2&a=1"), "order and repeats are not signed");
    assert!(!verifies(scheme, &key, &sent, b"a=1&b=3"));
    assert!(!verifies(scheme, &key, &sent, b"a=1&b=2&c=%"));
    sent.headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    assert!(!verifies(scheme, &key, &sent, b"{}"), "no digest binds it");
}

#[test]
fn several_numbered_and_grouped_signatures_are_all_tried() {
    let docusign = super::named("docusign");
    let key_one = key(docusign);
    let mut sent = Sent::signed(docusign, &key_one, b"x");
    let value = sent.headers.remove("x-docusign-signature-1").unwrap();
    assert!(matches!(docusign.extract(&sent.head()), Extraction::Absent));
    sent.add("x-docusign-signature-1", "AAAA");
    sent.headers.insert("x-docusign-signature-100", value);
    assert!(verifies(docusign, &key_one, &sent, b"x"));
    sent.add("x-docusign-signature-1", "AAAA");
    assert!(extract(docusign, &sent).is_err(), "the same number twice");

    let persona = super::named("persona");
    let key_two = key(persona);
    let signed = Sent::signed(persona, &key_two, b"x");
    let value = signed.headers["persona-signature"].to_str().unwrap().to_owned();
    let old = format!("t=1700000000,v1={}", super::HEX);
    assert!(verifies(
        persona,
        &key_two,
        &Sent::with(&[("persona-signature", &format!("{old} {value}"))]),
        b"x"
    ));
    let other = format!("t=1700000001,v1={} {value}", super::HEX);
    assert!(extract(persona, &Sent::with(&[("persona-signature", &other)])).is_err(), "times differ");
}

#[test]
fn a_signature_that_is_there_twice_is_still_one() {
    for url in ["", "url = ['as-is', 'strip-port']\n"] {
        let scheme = compile(&format!(
            "signed = '{{url}}|{{body}}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n{url}\
             [sig]\nheader = 'X-Sig'\nparse = 'kv'\nsep = ','\nkey = 'v1'"
        ));
        let key = key(&scheme);
        let mut sent = Sent::signed(&scheme, &key, b"x");
        let value = sent.headers.remove("x-sig").unwrap();
        let value = value.to_str().unwrap();
        sent.add("x-sig", &format!("{value},{value}"));
        assert!(verifies(&scheme, &key, &sent, b"x"), "{url}");
    }
}

#[test]
fn a_required_header_must_have_its_value() {
    let scheme = super::named("box");
    let key = scheme.prepare(&Secret::from_text("primary-secret-key\nsecondary-secret-key")).unwrap();
    let mut sent = Sent::signed(scheme, &key, b"x");
    assert!(verifies(scheme, &key, &sent, b"x"));
    let second = scheme.prepare(&Secret::from_text("another-one\r\nprimary-secret-key\n")).unwrap();
    assert!(verifies(scheme, &second, &sent, b"x"), "any line");
    sent.headers.insert("box-signature-version", http::HeaderValue::from_static("2"));
    assert!(extract(scheme, &sent).is_err());
}

#[test]
fn what_the_signature_does_not_cover_is_a_fault() {
    let base = "algorithm = 'hmac-sha256'\nencoding = 'hex'\n";
    let with = |rest: &str| faults(&format!("{base}{rest}"));
    assert_eq!(with("signed = '{json:a}'\n[sig]\njson = 's'\n[timestamp]\njson = 't'"), ["timestamp"]);
    assert_eq!(with("signed = '{body}'\n[sig]\nheader = 'x'\n[timestamp]\njson = 't'"), [""; 0]);
    let bind = "[sig]\nheader = 'x'\n[bind]\nquery = 'd'\ndigest = 'sha256-hex'";
    assert_eq!(with(&format!("signed = '{{method}}'\n{bind}")), ["bind"]);
    assert_eq!(with(&format!("signed = '{{target}}'\n{bind}")), [""; 0]);
    assert_eq!(with("signed = '{secret}{body}'\n[sig]\nheader = 'x'"), ["signed"]);
    assert_eq!(with("signed = '{body}'\nurl = ['as-is']\n[sig]\nheader = 'x'"), ["url"]);
    assert_eq!(with("signed = '{body}'\neach = 'a'\n[sig]\nheader = 'x'"), ["each"]);
    assert_eq!(with("signed = '{body}'\n[sig]\nheader = 'x'\njson = 'y'"), ["sig"]);
    assert_eq!(faults("algorithm = 'token'\n[sig]\nquery = 'x'"), ["sig.query"]);
}

#[test]
fn what_is_said_to_bind_the_body_binds_all_of_it() {
    let bound = |signed: &str, rest: &str| {
        let base = "algorithm = 'hmac-sha256'\nencoding = 'hex'";
        compile(&format!("signed = '{signed}'\n{base}\n[sig]\nheader = 'x'\n{rest}")).binds_body()
    };
    assert!(bound("{body}", "") && bound("{sha256hex:body}", "") && bound("{form.sorted}", ""));
    assert!(!bound("{json:a}", "") && !bound("{crc32:body}", "") && !bound("{form:a}", ""));
    assert!(bound("{target}", "[bind]\nquery = 'd'\ndigest = 'sha256-hex'"));
    let exempt = "[bind]\nquery = 'd'\ndigest = 'sha256-hex'\nunless_content_type = 'text/plain'";
    assert!(!bound("{target}", exempt));
}
