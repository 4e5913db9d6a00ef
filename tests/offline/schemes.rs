//! `schemes`: the list, one scheme, the check of a scheme of one's own, and the walk-through of the README.

use countersign::clock::{Clock, SystemClock};
use countersign::verify::scheme::{SchemeSpec, presets};
use serde_json::{Value, json};

use super::{Bench, Ran, request};
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::Sidecar;

const README: &str = include_str!("../../config/schemes/README.md");

/// Columns of an ordinary terminal.
const WIDTH: usize = 80;

fn schemes(args: &[&str]) -> Ran {
    Bench::new().run(&[&["schemes"], args].concat())
}

#[test]
fn the_list_names_what_each_preset_binds_and_fits_on_a_terminal() {
    let ran = schemes(&[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["name", "algorithm", "binds", "proof"]);
    assert_eq!(lines.len(), presets().count() + 1);
    for line in &lines {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    let row = |name: &str| {
        let line = lines.iter().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("github"), "hmac-sha256 body published");
    assert_eq!(row("standard-webhooks"), "hmac-sha256 body time id published");
    assert_eq!(row("signed-request"), "hmac-sha256 body time target none");
    assert_eq!(row("bearer"), "token - shape");
}

#[test]
fn the_list_as_json_says_all_of_it() {
    let items = schemes(&["--json"]).json()["items"].take();
    let items = items.as_array().unwrap();
    assert_eq!(items.len(), presets().count());
    let stripe = items.iter().find(|item| item["name"] == "stripe").unwrap();
    let expected = json!({
        "name": "stripe", "title": "Stripe", "header": "Stripe-Signature", "algorithm": "hmac-sha256",
        "bindsBody": true, "bindsTimestamp": true, "bindsId": false, "bindsTarget": false,
        "needsPublicUrl": false, "proof": "published",
    });
    assert_eq!(stripe, &expected);
}

#[test]
fn a_preset_is_shown_with_its_set_up_and_as_it_could_be_written() {
    for scheme in presets().step_by(12) {
        let ran = schemes(&[scheme.label()]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        let (head, text) = ran.stdout.split_once("\n\n").unwrap();
        for line in head.lines().filter(|line| line.split_whitespace().count() > 2) {
            assert!(line.chars().count() <= WIDTH, "{}: {line}", scheme.label());
        }
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        let setup = scheme.spec().setup.as_deref().unwrap();
        assert!(words(head).contains(&words(setup)), "{}: {head}", scheme.label());
        let shown: SchemeSpec = toml::from_str(text).unwrap();
        let written = SchemeSpec {
            title: None,
            documentation: None,
            proof: None,
            setup: None,
            ..scheme.spec().clone()
        };
        assert_eq!(shown, written, "{}", scheme.label());
    }
    let square = schemes(&["square"]);
    assert!(square.stdout.contains("\nneeds      listener.public_url\n"), "{square:?}");
    let detail = schemes(&["square", "--json"]).json();
    assert_eq!(detail["needsPublicUrl"], true);
    assert_eq!(detail["scheme"]["signed"], "{url}{body}");
    assert!(detail["setup"].as_str().unwrap().contains("Signature Key"));
}

#[test]
fn a_name_that_is_none_is_answered_with_what_may_be_meant() {
    let ran = schemes(&["strpe"]);
    ran.is_usage("there is no preset `strpe`; did you mean `stripe`?");
    assert!(ran.stderr.contains("`countersign schemes` lists them"), "{ran:?}");
    let ran = schemes(&["nobody-has-this-name"]);
    ran.is_usage("there is no preset `nobody-has-this-name`\n");
    assert!(ran.stderr.lines().all(|line| line.chars().count() <= WIDTH), "{ran:?}");
    let bench = Bench::new();
    bench.judged("githup", "", &[]).is_usage("did you mean `github`?");
    bench.run(&["schemes", "stripe", "--check", "own.toml"]).is_usage("cannot be used with");
}

#[test]
fn every_fault_of_a_file_is_named_with_its_line() {
    let bench = Bench::new();
    bench.write(
        "acme.toml",
        "signed = '{timestamp}.{bodi}'\nalgorithm = 'hmac-md5'\nencoding = 'hex'\nsined = 'x'\n\
         [sig]\nheader = 'Content-Length'\nparse = 'kv'\nsep = 'ab'\nkey = 'v1'\n\
         [timestamp]\nfield = 'v1'\ntolerance = 0\n",
    );
    let ran = bench.run(&["schemes", "--check", "acme.toml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (78, ""), "{ran:?}");
    let faults: Vec<&str> = ran.stderr.trim_start_matches("countersign: ").lines().collect();
    let expected = [
        "acme.toml:1: signed: `{bodi}` is unknown; there are body, timestamp",
        "acme.toml:2: unknown variant `hmac-md5`, expected one of `hmac-sha1`",
        "acme.toml:4: unknown field `sined`, expected one of",
        "acme.toml:6: sig.header: `content-length` is needed by HTTP itself",
        "acme.toml:8: sig.sep: must be one ASCII character",
        "acme.toml:11: timestamp.field: must be the key of another item",
        "acme.toml:12: timestamp.tolerance: must be 1 to 86400 seconds",
    ];
    assert_eq!(faults.len(), expected.len(), "{}", ran.stderr);
    for (fault, says) in faults.iter().zip(expected) {
        assert!(fault.starts_with(says), "{fault}");
    }

    bench.write("broken.toml", "signed = '{body}\n");
    let ran = bench.run(&["schemes", "--check", "broken.toml"]);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(ran.stderr.contains("broken.toml:1: is not TOML: "), "{ran:?}");
    bench.run(&["schemes", "--check", "missing.toml"]).is_usage("missing.toml: ");
    bench.write("bytes.toml", [0xff, 0xfe]);
    bench.run(&["schemes", "--check", "bytes.toml"]).is_usage("is not UTF-8");
}

/// The first block of TOML after a heading of the README.
fn block(heading: &str) -> &'static str {
    let (_, after) = README.split_once(heading).unwrap();
    after.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0
}

#[test]
fn the_walk_through_of_the_readme_works_as_it_is_written() {
    let acme = block("## A new sender in ten lines");
    assert_eq!(acme.lines().count(), 10, "ten lines");
    let bench = Bench::new();
    bench.write("acme.toml", acme);
    let ran = bench.run(&["schemes", "--check", "acme.toml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(
        ran.stdout.starts_with("scheme ok\n") && ran.stdout.contains("\nbinds      body time\n"),
        "{ran:?}"
    );
    assert_eq!(bench.run(&["schemes", "--check", "acme.toml", "--json"]).json()["ok"], true);

    // As the prose before it describes Acme, signed without the code under test.
    let signed = |secret: &str, at: i64| {
        let hex = hmac_hex(secret, &[format!("{at}.{}", Bench::BODY).as_bytes()]);
        format!("t={at},v1={hex}")
    };
    bench.write("key", "a-secret-of-acme");
    let now = SystemClock.now().0 / 1000;
    let judged = |at: i64| {
        let header = format!("X-Acme-Signature: {}", signed("a-secret-of-acme", at));
        bench.write("request.http", request("POST /hooks/acme HTTP/1.1", &header, Bench::BODY, "\r\n"));
        bench.run(&["verify", "--scheme", "acme.toml", "--secret-file", "key", "request.http"])
    };
    judged(now).is_valid("current");
    judged(now - 400).is_refused("timestamp_old");
    for command in [
        "countersign schemes --check acme.toml",
        "countersign verify --scheme acme.toml --secret-file key request.http",
    ] {
        assert!(README.contains(command), "the README does not say `{command}`");
    }

    let sidecar = Sidecar::start();
    let scheme: Value = toml::from_str(acme).unwrap();
    let secret = sidecar.integration(json!({ "name": "acme", "scheme": scheme }));
    let at = sidecar.clock.now().0 / 1000;
    let call =
        |at: i64| Call::post("/webhooks/acme", Bench::BODY).header("X-Acme-Signature", signed(&secret, at));
    assert_eq!(sidecar.passes(&call(at)).header("countersign-body-bound"), Some("true"));
    sidecar.refuses_as(&call(at - 301), "integration", "custom", "timestamp_old");
}

#[test]
fn the_grammar_of_the_readme_has_every_key_and_no_other() {
    // As a whole it says too much, but all of it can be said.
    let spec: SchemeSpec = toml::from_str(block("## Grammar")).unwrap();
    let json = serde_json::to_value(&spec).unwrap();
    let missing = |value: &Value, keys: &[&str]| {
        keys.iter().filter(|key| value.get(**key).is_none()).map(|key| (*key).to_owned()).collect::<Vec<_>>()
    };
    let tables = [
        ("", &["signed", "algorithm", "encoding", "body", "max_body", "url", "each", "require"][..]),
        ("/sig", &["header", "headers", "numbered", "json", "form", "query", "parse"][..]),
        ("/secret", &["several", "strip", "normalize", "decode", "derive", "generate"][..]),
        ("/timestamp", &["header", "field", "json", "form", "unit", "tolerance", "enforce"][..]),
        ("/bind", &["query", "prefix", "digest", "unless_content_type"][..]),
    ];
    for (table, keys) in tables {
        assert_eq!(missing(json.pointer(table).unwrap(), keys), Vec::<String>::new(), "{table}");
    }
}
