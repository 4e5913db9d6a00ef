//! `sign`: what it prints verifies, and the curl command sends just that.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use countersign::verify::scheme::presets;

use super::{Bench, request};

/// Answers one request and hands out its bytes.
fn once() -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
            if let Some(end) = text.find("\r\n\r\n") {
                let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                let length = length.map_or(0, |digits| digits.parse::<usize>().unwrap());
                if seen.len() >= end + 4 + length {
                    break;
                }
            }
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the client went away");
            seen.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
        seen
    });
    (port, served)
}

/// Runs the curl command of `sign` in a shell; the bytes that arrived.
fn sent(bench: &Bench, scheme: &str, target: &str, more: &[&str]) -> Vec<u8> {
    let (port, served) = once();
    let url = format!("http://127.0.0.1:{port}{target}");
    let line = bench.signed(scheme, &[&["--curl", "--url", &url], more].concat());
    assert!(!line.contains(Bench::SECRET), "{line}");
    let output = Command::new("sh").arg("-c").arg(line.trim()).current_dir(&bench.dir).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    served.join().unwrap()
}

#[test]
fn what_a_preset_signs_is_valid_now_and_refused_with_another_secret() {
    let bench = Bench::new();
    let url = "https://hooks.example/hooks/a?b=c";
    // A public key can't sign; a form, a content type or a time in the body needs a request of its own kind.
    let plain = |signed: &String| !signed.contains("form.") && !signed.contains("header:");
    let in_head = presets().filter(|scheme| {
        let spec = scheme.spec();
        scheme.generates_secrets()
            && !scheme.header().is_empty()
            && spec.signed.as_ref().is_none_or(plain)
            && spec.timestamp.as_ref().is_none_or(|time| time.json.is_none())
    });
    for scheme in in_head {
        let name = scheme.label();
        let headers = bench.signed(name, &["--url", url]);
        let file = request("POST /hooks/a?b=c HTTP/1.1", &headers, Bench::BODY, "\r\n");
        bench.write("secret", Bench::SECRET);
        bench.judged(name, &file, &["--url", url]).is_valid("current");
        bench.write("secret", "fedcba9876543210fedcba9876543210");
        bench.judged(name, &file, &["--url", url]).is_refused("mismatch");
        bench.write("secret", Bench::SECRET);
    }
}

#[test]
fn the_curl_command_sends_the_very_body_and_headers() {
    let bench = Bench::new();
    let body = b"{\"it's\": \"$HOME `id` \\\\ %s\"}\r\n\x00\xff\n";
    bench.write("body", body);
    let more = ["--header", "X-Note: it's \"quoted\" $(id)", "--header", "X-Empty:", "--method", "PUT"];
    let seen = sent(&bench, "signed-request", "/orders/x?a=%20&b='c'", &more);
    let text = String::from_utf8_lossy(&seen);
    assert!(text.starts_with("PUT /orders/x?a=%20&b='c' HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("\r\nx-note: it's \"quoted\" $(id)\r\n"), "{text}");
    assert!(text.contains("\r\nx-empty:\r\n") || text.contains("\r\nx-empty: \r\n"), "{text}");
    assert!(seen.ends_with(&[b"\r\n\r\n", &body[..]].concat()), "{text}");
    bench.judged("signed-request", &seen, &[]).is_valid("current");
}

#[test]
fn the_curl_command_of_every_form_of_header_verifies_where_it_arrives() {
    let bench = Bench::new();
    for scheme in ["workspace", "stripe", "standard-webhooks", "slack", "shopify"] {
        bench.judged(scheme, sent(&bench, scheme, "/hooks", &[]), &[]).is_valid("current");
    }
    let seen = sent(&bench, "github", "/a/./b/../[c]", &[]);
    assert!(seen.starts_with(b"POST /a/./b/../[c] HTTP/1.1\r\n"));
}

#[test]
fn a_token_stays_in_its_file_until_curl_reads_it() {
    let bench = Bench::new();
    bench.write("secret", format!("{}\r\n", Bench::SECRET));
    let seen = sent(&bench, "gitlab-token", "/hooks", &[]);
    bench.judged("gitlab-token", &seen, &[]).is_valid("current");
}

#[test]
fn what_is_missing_is_said() {
    let bench = Bench::new();
    let run = |scheme: &str, more: &[&str]| {
        let args = ["sign", "--scheme", scheme, "--secret-file", "secret", "--body-file", "body"];
        bench.run(&[&args, more].concat())
    };
    run("square", &[]).is_usage("the scheme `square` signs the URL: give it with --url");
    run("signed-request", &[]).is_usage("signs the target: give it with --url");
    run("github", &["--curl"]).is_usage("--curl needs to know where to");
    run("github", &["--url", "hooks.example"]).is_usage("must begin with http");
    run("github", &["--url", "http://a/#b"]).is_usage("fragment");
    run("github", &["--header", "nonsense"]).is_usage("Name: value");
    run("github", &["--curl", "--url", "http://a/", "--body-file", "-"]).is_usage("--body-file");
    bench.write("secret", "\n");
    run("github", &[]).is_usage("the secret is empty");
}

#[test]
fn what_a_receiver_would_refuse_is_not_signed() {
    let bench = Bench::new();
    let run = |scheme: &str, more: &[&str]| {
        let args = ["sign", "--scheme", scheme, "--secret-file", "secret", "--body-file", "body"];
        let ran = bench.run(&[&args, more].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.contains("would be refused"), "{ran:?}");
    };
    run("signed-request", &["--url", "http://a/b.json"]);
    run("standard-webhooks", &["--id", "a.b"]);
    run("github", &["--header", "X-Hub-Signature-256: sha256=00"]);
    bench.write("body", "");
    run("pagerduty-v3", &[]);
}
