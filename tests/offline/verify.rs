//! `verify`: forms of the file, verdicts, hints, schemes of one's own, vectors.

use std::io::Write;
use std::process::Stdio;

use super::{Bench, Ran, request};

const LINE: &str = "POST /hooks/a?b=c HTTP/1.1";
const AT: &str = "1700000000";

/// A scheme that is no preset.
const OWN: &str = "signed = '{timestamp}|{header:X-Topic}|{body}'\nalgorithm = 'hmac-sha512'\nencoding = 'base64url'\n\
    [sig]\nheader = 'X-Acme'\nprefix = 'v9 '\n[timestamp]\nheader = 'X-Acme-Time'\nunit = 'ms'\ntolerance = 60\n";

#[test]
fn a_captured_request_is_valid_with_either_line_end() {
    let bench = Bench::new();
    let headers = bench.signed("github", &[]);
    for end in ["\n", "\r\n"] {
        let ran = bench.judged("github", request(LINE, &headers, Bench::BODY, end), &[]);
        ran.is_valid("current");
        let expected = "{\"verdict\":\"valid\",\"scheme\":\"github\",\"reason\":null,\"secret\":\"current\",\"bodyBound\":true}\n";
        assert_eq!(ran.stdout, expected);
    }
    let headers = format!("Content-Length: 3\n{headers}");
    bench.judged("github", request(LINE, &headers, Bench::BODY, "\n"), &[]).is_valid("current");
    bench.judged("github", request(LINE, &headers, "", "\n"), &[]).is_refused("mismatch");
}

#[test]
fn a_request_comes_from_standard_input_too() {
    let bench = Bench::new();
    let file = request(LINE, &bench.signed("github", &[]), Bench::BODY, "\n");
    let mut command = bench.command(&["verify", "--scheme", "github", "--secret-file", "secret", "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
    Ran::of(&child.wait_with_output().unwrap()).is_valid("current");
}

#[test]
fn one_line_end_is_removed_from_a_secret_and_no_more() {
    let bench = Bench::new();
    let file = request(LINE, &bench.signed("github", &[]), Bench::BODY, "\n");
    for end in ["\n", "\r\n"] {
        bench.write("secret", format!("{}{end}", Bench::SECRET));
        bench.judged("github", &file, &[]).is_valid("current");
    }
    bench.write("secret", format!("{}\n\n", Bench::SECRET));
    let ran = bench.judged("github", &file, &[]);
    ran.is_refused("mismatch");
    assert!(ran.stderr.contains("without the white space around it"), "{ran:?}");
    for empty in ["", "\n", "\r\n"] {
        bench.write("secret", empty);
        bench.judged("github", &file, &[]).is_usage("the secret is empty");
    }
}

#[test]
fn later_secrets_are_previous_ones() {
    let bench = Bench::new();
    let file = request(LINE, &bench.signed("github", &[]), Bench::BODY, "\n");
    bench.write("old", Bench::SECRET);
    bench.write("secret", "another");
    bench.judged("github", &file, &["--secret-file", "old"]).is_valid("previous");
    bench.judged("github", &file, &["--secret-file", "secret"]).is_refused("mismatch");
}

#[test]
fn the_window_ends_after_300_seconds_either_way() {
    let bench = Bench::new();
    let file = request(LINE, &bench.signed("slack", &["--at", AT]), Bench::BODY, "\n");
    for inside in ["1699999700", AT, "1700000300"] {
        bench.judged("slack", &file, &["--at", inside]).is_valid("current");
    }
    let ran = bench.judged("slack", &file, &["--at", "1700000301"]);
    ran.is_refused("timestamp_old");
    assert!(ran.stderr.contains("the signature itself is right"), "{ran:?}");
    bench.judged("slack", &file, &["--at", "1699999699"]).is_refused("timestamp_future");
    bench.judged("slack", &file, &[]).is_refused("timestamp_old");
    bench.judged("slack", &file, &["--at", "1700000000000"]).is_usage("looks like milliseconds");
}

#[test]
fn what_is_absent_duplicate_malformed_or_empty_is_told_apart() {
    let bench = Bench::new();
    let headers = bench.signed("slack", &["--at", AT]);
    let at = ["--at", AT];
    let ran = bench.judged("slack", request(LINE, "X-Hub-Signature: sha1=00", "{}", "\n"), &at);
    ran.is_refused("absent");
    assert!(ran.stderr.contains("these look like it: x-hub-signature"), "{ran:?}");
    let twice = format!("{headers}{headers}");
    bench.judged("slack", request(LINE, &twice, Bench::BODY, "\n"), &at).is_refused("duplicate");
    let garbled = headers.replace("v0=", "v0=x");
    bench.judged("slack", request(LINE, &garbled, Bench::BODY, "\n"), &at).is_refused("malformed");
    let timeless: String = headers.lines().filter(|line| !line.contains("timestamp")).collect();
    bench.judged("slack", request(LINE, &timeless, Bench::BODY, "\n"), &at).is_refused("timestamp_missing");
    let headers = bench.signed("pagerduty-v3", &[]);
    bench.judged("pagerduty-v3", request(LINE, &headers, "", "\n"), &[]).is_refused("body_empty");
}

#[test]
fn a_secret_that_the_scheme_cannot_decode_is_a_refusal() {
    let bench = Bench::new();
    bench.write("secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    let file = request(LINE, &bench.signed("standard-webhooks", &["--at", AT]), Bench::BODY, "\n");
    bench.write("secret", "whsec_no base64!");
    let ran = bench.judged("standard-webhooks", &file, &["--at", AT]);
    ran.is_refused("mismatch");
    assert!(ran.stderr.contains("can't be used with this scheme: the secret is not base64"), "{ran:?}");
    let sign = ["sign", "--scheme", "standard-webhooks", "--secret-file", "secret", "--body-file", "body"];
    assert_eq!(bench.run(&sign).code, 1);
}

#[test]
fn what_cannot_be_judged_is_a_usage_fault() {
    let bench = Bench::new();
    let headers = bench.signed("github", &[]);
    let chunked = format!("{headers}Transfer-Encoding: chunked\n");
    bench.judged("github", request(LINE, &chunked, Bench::BODY, "\n"), &[]).is_usage("Transfer-Encoding");
    bench.judged("github", "not a request", &[]).is_usage("line 1");
    bench.judged("github", format!("{LINE}\n{headers}"), &[]).is_usage("the headers don't end");
    let file = request(LINE, &headers, Bench::BODY, "\n");
    bench.judged("nobody", &file, &[]).is_usage("there is no preset `nobody`");
    bench.judged("github", &file, &["--secret-file", "none"]).is_usage("none: ");
    bench.judged("square", &file, &[]).is_usage("give it with --url");
    bench.judged("square", &file, &["--url", "/hooks"]).is_usage("must begin with http");
    for args in [
        &["verify"][..],
        &["verify", "--scheme", "github", "request.http"],
        &["verify", "--secret-file", "secret", "request.http"],
        &["verify", "--scheme", "github", "--secret-file", "secret"],
        &["verify", "--vectors", "v.json", "request.http"],
        &["verify", "--vectors", "v.json"],
    ] {
        assert_eq!(bench.run(args).code, 2, "{args:?}");
    }
}

#[test]
fn the_proxys_target_rule_is_not_applied() {
    let bench = Bench::new();
    bench.write("body", "");
    let file = request("GET / HTTP/1.1", &bench.signed("github", &["--method", "GET"]), "", "\n");
    bench.judged("github", file, &[]).is_valid("current");
}

#[test]
fn a_scheme_of_ones_own_is_read_from_its_file() {
    let bench = Bench::new();
    bench.write("own.toml", OWN);
    let more = ["--at", AT, "--header", "X-Topic: t"];
    let headers = bench.signed("own.toml", &more);
    assert!(headers.contains("x-acme-time: 1700000000000"), "{headers}");
    let file = request(LINE, &format!("{headers}x-topic: t"), Bench::BODY, "\n");
    let ran = bench.judged("own.toml", &file, &["--at", "1700000060"]);
    ran.is_valid("current");
    assert_eq!(ran.json()["scheme"], "custom");
    bench.judged("own.toml", &file, &["--at", "1700000061"]).is_refused("timestamp_old");
    let args = ["sign", "--scheme", "own.toml", "--secret-file", "secret", "--body-file", "body"];
    bench.run(&args).is_usage("signs the header `x-topic`");
}

#[test]
fn faults_of_a_scheme_file_name_their_lines() {
    let bench = Bench::new();
    bench.write(
        "own.toml",
        OWN.replace("prefix = 'v9 '", "prefix = ' v9'").replace("'ms'", "'ms'\nunits = 's'"),
    );
    let ran = bench.judged("own.toml", "", &[]);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(
        ran.stderr.contains("own.toml:6: sig.prefix: ")
            && ran.stderr.contains("own.toml:10: unknown field `units`"),
        "{ran:?}"
    );
    bench.write("own.toml", OWN.replace("prefix = 'v9 '", "prefix = ' v9'").replace("60", "0"));
    let ran = bench.judged("own.toml", "", &[]);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(
        ran.stderr.contains("own.toml:6: sig.prefix: ")
            && ran.stderr.contains("own.toml:10: timestamp.tolerance: "),
        "{ran:?}"
    );
    bench.judged("missing.toml", "", &[]).is_usage("missing.toml: ");
}

#[test]
fn usual_mistakes_are_named_and_stay_refused() {
    let bench = Bench::new();
    let headers = bench.signed("github", &[]);
    let hint = |scheme: &str, headers: &str, body: &str, more: &[&str], says: &str| {
        let ran = bench.judged(scheme, request(LINE, headers, body, "\n"), more);
        assert_eq!((ran.code, &ran.json()["verdict"]), (1, &"refused".into()), "{ran:?}");
        assert!(ran.stderr.contains(says), "{says}: {ran:?}");
        assert!(!ran.stderr.contains(Bench::SECRET), "{ran:?}");
    };
    let body = Bench::BODY;
    hint("github", &headers, &format!("{body}\n"), &[], "without the line feed at its end");
    hint("github", &headers, &format!("{body}\r\n"), &[], "without the CRLF at its end");
    hint("github", &headers, "{\n \"hello\": \"w/rld\"\n}", &[], "written anew");
    hint("github", &headers, "", &[], "most likely the secret is of another endpoint");
    hint(
        "hub-sha256",
        &headers.replace("x-hub-signature-256", "x-signature"),
        &format!("{body}\n"),
        &[],
        "line feed",
    );
    hint("bitbucket", &headers, body, &[], "it verifies with the scheme `github`");
    let bare = headers.replace("sha256=", "");
    hint("github", &bare, body, &[], "a signature without `sha256=` before it");
    let headers = bench.signed("signed-request", &["--url", "http://a/hooks/a", "--at", AT]);
    hint("signed-request", &headers, body, &["--at", AT], "the target without its query");
    let headers = bench.signed("square", &["--url", "http://a.example/hooks"]);
    hint("square", &headers, body, &["--url", "https://a.example/hooks"], "the URL with http");
    let headers = bench.signed("messagebird-jwt", &["--url", "http://a.example/hooks"]);
    hint("messagebird-jwt", &headers, body, &["--url", "https://a.example/hooks"], "the URL with http");
    let headers = bench.signed("slack", &["--at", AT]).replace(AT, "1700000000000");
    hint("slack", &headers, body, &["--at", AT], "(timestamp_future)");
    bench.write("secret", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    let headers = bench.signed("standard-webhooks", &["--at", AT]);
    bench.write(
        "own.toml",
        "signed = '{id}.{timestamp}.{body}'\nalgorithm = 'hmac-sha256'\nencoding = 'base64'\n\
        [sig]\nheader = 'webhook-signature'\nprefix = 'v1,'\n[id]\nheader = 'webhook-id'\n\
        [timestamp]\nheader = 'webhook-timestamp'\n",
    );
    hint("own.toml", &headers, body, &["--at", AT], "the secret decoded from base64");
}

#[test]
fn the_expected_signature_is_shown_only_where_it_was_asked_for() {
    let bench = Bench::new();
    let headers = bench.signed("github", &[]);
    let signature = headers.trim().rsplit('=').next().unwrap();
    let forged = request(LINE, &headers.replace(signature, &"0".repeat(64)), Bench::BODY, "\n");
    let ran = bench.judged("github", &forged, &[]);
    ran.is_refused("mismatch");
    assert!(!ran.stderr.contains(signature), "{ran:?}");
    let ran = bench.judged("github", &forged, &["--explain"]);
    ran.is_refused("mismatch");
    assert!(ran.stderr.contains(&format!("expected  {signature} with the current secret")), "{ran:?}");
    assert!(!ran.stdout.contains(signature) && !ran.stderr.contains(Bench::SECRET), "{ran:?}");
}

#[test]
fn a_token_is_never_shown() {
    let bench = Bench::new();
    let sent = "sent-token-of-the-sender";
    let file = request(LINE, &format!("X-Gitlab-Token: {sent}"), Bench::SECRET, "\n");
    let ran = bench.judged("gitlab-token", &file, &["--explain"]);
    ran.is_refused("mismatch");
    assert_eq!(ran.json()["bodyBound"], false);
    assert!(!ran.stderr.contains(sent) && !ran.stderr.contains(Bench::SECRET), "{ran:?}");
    let file = request(LINE, "X-Hub-Signature-256: sha256=00", Bench::SECRET, "\n");
    let ran = bench.judged("github", &file, &["--explain"]);
    assert!(!ran.stderr.contains(Bench::SECRET), "{ran:?}");
}

#[test]
fn published_vectors_pass() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/webhook-vectors.json");
    let bench = Bench::new();
    let ran = bench.run(&["verify", "--vectors", file]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "180 passed, 0 failed, 1 skipped\n"), "{ran:?}");
    let json = bench.run(&["verify", "--vectors", file, "--json"]).json();
    assert_eq!((&json["passed"], &json["failed"], &json["skipped"]), (&180.into(), &0.into(), &1.into()));
    assert_eq!(json["unknownSchemes"].get("x-crc"), None);
}

#[test]
fn a_wrongly_judged_vector_is_named_and_fails_the_run() {
    let bench = Bench::new();
    bench.write(
        "v.json",
        r#"[
        {"id": "a", "scheme": "gitlab-token", "secret": ["x", "y"], "method": "POST", "url": "https://a/b",
         "headers": {"X-Gitlab-Token": "y"}, "body": "", "expect": "valid"},
        {"id": "b", "scheme": "gitlab-token", "secret": "eHl6", "secret_encoding": "base64", "method": "POST",
         "url": "https://a/b", "headers": {"X-Gitlab-Token": "xyz"}, "body_base64": "AA==", "expect": "invalid",
         "why": "on purpose"},
        {"id": "c", "scheme": "gitlab-token"},
        {"id": "d", "scheme": "gitlab-token", "kind": "handshake"},
        {"id": "e", "scheme": "nobody"}]"#,
    );
    let ran = bench.run(&["verify", "--vectors", "v.json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "b [gitlab-token]: expected invalid, got valid (on purpose)");
    assert!(lines[1].starts_with("c [gitlab-token]: expected ?, got an unreadable vector"), "{ran:?}");
    assert_eq!(lines[2..], ["1 passed, 2 failed, 2 skipped"]);
    let ran = bench.run(&["verify", "--vectors", "v.json", "--json"]);
    assert_eq!((ran.code, &ran.json()["failures"][0]["id"]), (1, &"b".into()));
    bench.write("v.json", "{}");
    bench.run(&["verify", "--vectors", "v.json"]).is_usage("v.json: ");
}
