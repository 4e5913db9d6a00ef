//! What is read from the body, and what a header says of the body: each source alone.

use super::{SECRET, Sent, compile, key, named, verifies};
use crate::credential::grammar::Encoding;
use crate::verify::mac::{Hash, MacKey};

/// The tag of a text in hex.
fn tag(text: &str) -> String {
    let mut mac = MacKey::new(Hash::Sha256, SECRET.as_bytes()).unwrap().begin();
    mac.update(text.as_bytes());
    Encoding::Hex.encode(mac.finish().as_bytes())
}

/// Whether a scheme that ends so takes a body, with these headers.
fn takes(signed: &str, rest: &str, headers: &[(&str, &str)], body: &str) -> bool {
    let text = format!("signed = \"{signed}\"\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\n{rest}");
    let scheme = compile(&text);
    verifies(&scheme, &key(&scheme), &Sent::with(headers), body.as_bytes())
}

#[test]
fn only_what_the_body_tells_needs_it_in_one_piece() {
    let whole = |rest: &str| {
        let text = format!("signed = '{{url}}{{body}}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n{rest}");
        compile(&text).needs_whole_body()
    };
    let header = "[sig]\nheader = 'X-Sig'";
    for rest in ["", "url = ['as-is']\n"] {
        assert!(!whole(&format!("{rest}{header}")), "{rest}");
    }
    for rest in ["url = ['as-is', 'strip-port']\n", "url = ['strip-port']\n"] {
        assert!(whole(&format!("{rest}{header}")), "{rest}");
    }
    for rest in ["[id]\njson = 'a'", "[id]\nform = 'a'"] {
        assert!(whole(&format!("{header}\n{rest}")), "{rest}");
    }
    assert!(whole("[sig]\njson = 'a'") && whole("[sig]\nform = 'a'"));
    assert!(named("discord").needs_whole_body() && named("twilio").needs_whole_body());
    assert!(!named("github").needs_whole_body() && !named("gitlab-token").needs_whole_body());
}

#[test]
fn fields_of_a_form_are_each_read_from_the_body() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let signature = tag("7");
    let in_header = [form, ("x-sig", signature.as_str())];
    let header = "[sig]\nheader = \"X-Sig\"";
    assert!(takes("{form:a}", header, &in_header, "a=7"));
    assert!(!takes("{form:a}", header, &in_header, "a=8"));

    let timed = format!("{header}\n[timestamp]\nform = \"t\"\nunit = \"s\"");
    assert!(takes("{timestamp}", &timed, &in_header, "t=7"));
    assert!(!takes("{timestamp}", &timed, &in_header, "t=8"));

    let in_form = "[sig]\nform = \"s\"\n[timestamp]\nheader = \"X-Time\"\nunit = \"s\"";
    assert!(takes("{timestamp}", in_form, &[form, ("x-time", "7")], &format!("s={signature}")));
    assert!(!takes("{timestamp}", in_form, &[form, ("x-time", "8")], &format!("s={signature}")));
}

#[test]
fn values_of_a_json_body_are_each_read_from_it() {
    let signature = tag("7");
    let in_header = [("x-sig", signature.as_str())];
    let timed = "[sig]\nheader = \"X-Sig\"\n[timestamp]\njson = \"t\"\nunit = \"s\"";
    assert!(takes("{timestamp}", timed, &in_header, "{\"t\":7}"));
    assert!(!takes("{timestamp}", timed, &in_header, "{\"t\":8}"));

    let in_json = "[sig]\njson = \"s\"\n[timestamp]\nheader = \"X-Time\"\nunit = \"s\"";
    let body = format!("{{\"s\":\"{signature}\"}}");
    assert!(takes("{timestamp}", in_json, &[("x-time", "7")], &body));
    assert!(!takes("{timestamp}", in_json, &[("x-time", "8")], &body));
}

#[test]
fn a_scheme_says_whether_a_time_and_an_id_are_signed() {
    let says = |name: &str| (named(name).signs_time(), named(name).signs_id());
    assert_eq!(says("standard-webhooks"), (true, true));
    assert_eq!(says("stripe"), (true, false));
    assert_eq!(says("github"), (false, false));
}
