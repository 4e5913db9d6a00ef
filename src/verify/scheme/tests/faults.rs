//! What is wrong with a scheme, named when it is loaded.

use super::{CUSTOM, SchemeChoice, SchemeSpec, faults, named, presets, resolve};

#[test]
fn every_fault_is_named_at_once() {
    assert_eq!(
        faults(
            "signed = '{body}{body}{bodi}{header:}'\nalgorithm = 'hmac-sha256'\nmax_body = 0\n\
             [sig]\nheader = ['', 'X-Sig', 'x-sig']\nsep = ','\n\
             [timestamp]\nheader = 'a b'\nfield = 't'\ntolerance = 0\n[secret]\nstrip = ''"
        ),
        [
            "encoding",
            "signed",
            "signed",
            "signed",
            "sig.header",
            "sig.header",
            "sig.sep",
            "timestamp",
            "timestamp.tolerance",
            "secret.strip",
            "max_body",
        ]
    );
}

#[test]
fn each_fault_is_one_by_itself() {
    let hmac = "algorithm = 'hmac-sha256'\nencoding = 'hex'\n";
    let list = |key: &str, sep: &str| {
        faults(&format!(
            "signed = '{{body}}'\n{hmac}[sig]\nheader = 'X-Sig'\nparse = 'kv'\nsep = '{sep}'\n{key}"
        ))
    };
    assert_eq!(list("key = 'v1'", ","), [""; 0]);
    for key in ["", "key = ''", "key = 'v,1'", "key = 'v=1'", "key = 'v 1'", "key = 'é'"] {
        assert_eq!(list(key, ","), ["sig.key"], "{key}");
    }
    let timed = |field: &str| {
        faults(&format!(
            "signed = '{{timestamp}}{{body}}'\n{hmac}[sig]\nheader = 'X-Sig'\nparse = 'kv'\nsep = ','\n\
             key = 'v1'\n[timestamp]\nfield = '{field}'"
        ))
    };
    assert_eq!(timed("t"), [""; 0]);
    assert_eq!(
        (timed(""), timed("v1")),
        (vec!["timestamp.field".to_owned()], vec!["timestamp.field".to_owned()])
    );
    for place in ["form = ''", "query = ''"] {
        assert_eq!(faults(&format!("signed = '{{body}}'\n{hmac}[sig]\n{place}")), ["sig"], "{place}");
    }
    for numbered in ["", "a b"] {
        let text = format!("signed = '{{body}}'\n{hmac}[sig]\nnumbered = '{numbered}'");
        assert_eq!(faults(&text), ["sig.numbered"], "{numbered}");
    }
    for inside in ["[timestamp]\njson = 't'", "[id]\njson = 'i'"] {
        let text = format!("signed = '{{body}}'\n{hmac}each = 'a'\n[sig]\njson = 's'\n{inside}");
        assert_eq!(faults(&text), ["each"], "{inside}");
    }
    assert_eq!(faults(&format!("{hmac}[sig]\nheader = 'X-Sig'")), ["signed"]);
}

#[test]
fn what_a_scheme_does_not_say_is_not_written() {
    let written = |name: &str| serde_json::to_value(named(name).spec()).unwrap();
    let kind = written("paypal");
    assert!(kind.get("sig").is_none() && kind.get("secret").is_none(), "{kind}");
    assert!(written("github").get("secret").is_none() && written("github").get("sig").is_some());
    assert!(written("standard-webhooks").get("secret").is_some());
}

#[test]
fn what_is_read_must_be_signed_and_what_is_signed_must_be_read() {
    let rest = "algorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n";
    let time = "[timestamp]\nheader = 'X-Time'";
    let id = "[id]\nheader = 'X-Id'";
    assert_eq!(faults(&format!("signed = '{{body}}'\n{rest}{time}")), ["timestamp"]);
    assert_eq!(faults(&format!("signed = '{{body}}'\n{rest}{id}")), ["id"]);
    assert_eq!(faults(&format!("signed = '{{timestamp}}{{id}}{{body}}'\n{rest}")), ["timestamp", "id"]);
    assert!(faults(&format!("signed = '{{timestamp}}.{{id}}.{{body}}'\n{rest}{time}\n{id}")).is_empty());
}

#[test]
fn a_template_without_a_variable_or_brace_is_a_fault() {
    for signed in ["", "constant", "{{body}}", "{body", "body}", "{body}}", "{Body}", "{ body }", "{}"] {
        let text = format!(
            "signed = '{signed}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'"
        );
        assert_eq!(faults(&text).first().map(String::as_str), Some("signed"), "{signed}");
    }
}

#[test]
fn a_token_signs_nothing_and_has_one_form() {
    let text = "signed = '{body}'\nalgorithm = 'token'\nencoding = 'hex'\n\
                [sig]\nheader = 'X-Token'\nparse = 'kv'\nsep = ','\nkey = 'k'\n[secret]\ndecode = 'hex'";
    assert_eq!(faults(text), ["encoding", "signed", "sig.parse", "secret.decode"]);
    assert_eq!(
        faults("algorithm = 'token'\n[sig]\nheader = 'X-Token'\n[timestamp]\nheader = 'X-Time'"),
        ["timestamp"]
    );
}

#[test]
fn a_header_that_http_needs_can_not_carry_a_signature() {
    for name in ["Content-Length", "host", "Transfer-Encoding"] {
        let text = format!(
            "signed = '{{body}}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = '{name}'"
        );
        assert_eq!(faults(&text), ["sig.header"]);
    }
}

#[test]
fn unknown_keys_are_refused_by_name_in_both_formats() {
    let toml = toml::from_str::<SchemeSpec>("algorithm = 'token'\nsined = ''\n[sig]\nheader = 'X'");
    assert!(toml.unwrap_err().message().contains("sined"));
    let json = r#"{"algorithm": "token", "sig": {"header": "X", "hedaer": "Y"}}"#;
    let fault = serde_json::from_str::<SchemeChoice>(json).unwrap_err().to_string();
    assert!(fault.contains("hedaer"), "{fault}");
    assert!(
        serde_json::from_str::<SchemeSpec>(r#"{"algorithm": "hmac-md5", "sig": {"header": "X"}}"#).is_err()
    );
}

#[test]
fn a_choice_survives_json() {
    for scheme in presets() {
        let inline = SchemeChoice::Inline(Box::new(scheme.spec().clone()));
        let text = serde_json::to_string(&inline).unwrap();
        let back: SchemeChoice = serde_json::from_str(&text).unwrap();
        assert_eq!(back, inline);
        assert_eq!(resolve(&back).unwrap().label(), CUSTOM);
        let named = SchemeChoice::Preset(scheme.label().to_owned());
        let text = serde_json::to_string(&named).unwrap();
        assert_eq!(text, format!("\"{}\"", scheme.label()));
        assert_eq!(serde_json::from_str::<SchemeChoice>(&text).unwrap(), named);
    }
    assert_eq!(resolve(&SchemeChoice::Preset("none".to_owned())).unwrap_err()[0].path, "scheme");
    assert!(serde_json::from_str::<SchemeChoice>("7").is_err());
}

#[test]
fn sizes_are_read_with_their_unit() {
    use crate::verify::scheme::size::ByteSize;
    for (text, bytes) in
        [("0", 0), ("1024", 1024), ("25MB", 25_000_000), ("25MiB", 26_214_400), ("3B", 3), ("1GiB", 1 << 30)]
    {
        let size = ByteSize::parse(text).unwrap();
        assert_eq!(size.0, bytes, "{text}");
        assert_eq!(ByteSize::parse(&size.to_string()), Some(size), "{text}");
    }
    for text in [
        "",
        "MB",
        "-1",
        "+1",
        "1.5MB",
        "1 MB",
        "25mb",
        "1TiB",
        "99999999999999999999",
        "18446744073709551615KB",
    ] {
        assert_eq!(ByteSize::parse(text), None, "{text}");
    }
    let shown = [0, 1, 1000, 1024, 1025, 25 << 20].map(|bytes| ByteSize(bytes).to_string());
    assert_eq!(shown, ["0B", "1B", "1KB", "1KiB", "1025B", "25MiB"]);
    assert_eq!(named("github").max_body(), Some(25 << 20));
}
