//! Request lines and header lines (RFC 9112 §3 and §5).

use super::{open, raw, status};
use crate::support::sidecar::until;

#[test]
fn a_missing_repeated_or_invalid_host_is_refused() {
    let (sidecar, key) = open();
    for host in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: \r\n",
        "Host: a b\r\n",
        "Host: a, b\r\n",
        "Host: user@a\r\n",
        "Host: a:port\r\n",
        "Host: a:80:80\r\n",
        "Host: a:999999\r\n",
        "Host: [::1\r\n",
        "Host: a/b\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: http://a\r\n",
        "Host: a\\b\r\n",
        "Host: \u{e4}\r\n",
    ] {
        for target in ["/", "/public/a"] {
            let bytes = format!("GET {target} HTTP/1.1\r\n{host}X-API-Key: {}\r\n\r\n", key.api_key);
            assert_eq!(status(&sidecar, bytes), 400, "{host:?} at {target}");
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_host_goes_up_as_it_came() {
    let (sidecar, key) = open();
    for host in ["app.example", "APP.example:8080", "[::1]:80", "127.0.0.1", "a."] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {}\r\n\r\n", key.api_key);
        assert_eq!(status(&sidecar, bytes), 200, "{host}");
        let seen = sidecar.upstream.only();
        assert_eq!(seen.all("host"), [host]);
        assert_eq!(seen.all("x-forwarded-host"), [host]);
    }
}

#[test]
fn h09_an_absolute_form_counts_only_where_host_agrees() {
    let (sidecar, key) = open();
    let bytes = |target: &str, host: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {}\r\n\r\n", key.api_key)
    };
    for (target, host) in [
        ("http://other.example/a", "app.example"),
        ("http://app.example:81/a", "app.example"),
        ("http://user@app.example/a", "app.example"),
        ("http://user@app.example/a", "user@app.example"),
        ("http:///a", "app.example"),
        ("//other.example/a", "app.example"),
    ] {
        assert_eq!(status(&sidecar, bytes(target, host)), 400, "{target} with {host}");
    }
    sidecar.upstream.saw_nothing();
    for target in ["http://app.example/a?b=c", "HTTP://APP.example/a?b=c"] {
        assert_eq!(status(&sidecar, bytes(target, "app.example")), 200, "{target}");
        let seen = sidecar.upstream.only();
        assert_eq!(seen.target, "/a?b=c");
        assert_eq!(seen.all("host").len(), 1);
        assert!(seen.all("host")[0].eq_ignore_ascii_case("app.example"));
    }
}

#[test]
fn h09_a_target_that_is_no_path_is_refused() {
    let (sidecar, key) = open();
    for line in ["GET abc", "GET a:80", "OPTIONS *", "GET *", "GET ?a=b", "GET \\", "POST abc/def"] {
        let bytes = format!("{line} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", key.api_key);
        assert_eq!(status(&sidecar, bytes), 400, "{line}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a17_connect_and_trace_are_not_served() {
    let (sidecar, key) = open();
    for line in ["CONNECT a:80", "TRACE /", "TRACE /public/a"] {
        for credential in [String::new(), format!("X-API-Key: {}\r\n", key.api_key)] {
            let bytes = format!("{line} HTTP/1.1\r\nHost: a:80\r\n{credential}\r\n");
            let (answer, mut connection) = raw(&sidecar, bytes);
            assert!(connection.is_closed(), "{line}: what follows could be read as a tunnel");
            let answer = answer.unwrap();
            assert_eq!(answer.status, 405, "{line}");
            assert!(answer.header("allow").is_some());
            assert!(!answer.text().contains(&key.api_key));
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a12_a17_every_method_needs_a_credential() {
    let (sidecar, key) = open();
    for method in ["get", "FOO", "PROPFIND", "OPTIONS", "M-SEARCH"] {
        let bare = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\n\
             Access-Control-Request-Method: POST\r\n\r\n"
        );
        assert_eq!(status(&sidecar, bare), 401, "{method}");
    }
    sidecar.upstream.saw_nothing();
    for method in ["get", "FOO"] {
        let with_key = format!("{method} / HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", key.api_key);
        assert_eq!(status(&sidecar, with_key), 200, "{method}");
        assert_eq!(sidecar.upstream.only().method, method);
    }
}

#[test]
fn h08_lines_that_parsers_read_differently_are_refused() {
    let (sidecar, key) = open();
    let good = format!("X-API-Key: {}", key.api_key);
    for lines in [
        format!("{good}\r\nX-A: one\r\n two"),
        format!("{good}\r\nX-A: one\r\n\ttwo"),
        format!(" X-First: a\r\n{good}"),
        format!("{good}\r\nX-A : a"),
        format!("{good}\r\nX-A\t: a"),
        format!("X-API-Key : {}", key.api_key),
        format!("{good}\r\nTransfer-Encoding : chunked"),
        format!("{good}\r\nContent-Length : 5"),
        format!("{good}\r\nX-A: a\0b"),
        format!("{good}\r\nX\0A: a"),
        format!("{good}\r\nX-A: a\rb"),
        format!("{good}\r\nX-A: a\rX-B: b"),
        format!("{good}\r\n: a"),
        format!("{good}\r\nno colon"),
        format!("{good}\r\nX-A: a\x7f"),
        format!("{good}\r\nX(A): a"),
        format!("{good}\r\nX\u{e4}: a"),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
        assert_eq!(status(&sidecar, bytes), 400, "{lines:?}");
    }
    sidecar.upstream.saw_nothing();
    let errors = || sidecar.metrics("countersign_listener_parse_errors_total ");
    until("each is counted", || errors() == ["countersign_listener_parse_errors_total 17"]);
}

#[test]
fn h09_request_lines_of_other_protocols_are_refused() {
    let (sidecar, key) = open();
    for line in [
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / http/1.1",
        "GET / HTTP/1.1 ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET /a\0b HTTP/1.1",
        "GET /\r HTTP/1.1",
        "GET /a b HTTP/1.1",
        " GET / HTTP/1.1",
        "GET /",
        "G@T / HTTP/1.1",
    ] {
        let bytes = format!("{line}\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", key.api_key);
        assert_eq!(status(&sidecar, bytes), 400, "{line:?}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn more_than_a_head_may_hold_is_refused() {
    let (sidecar, key) = open();
    let many: String = (0..101).map(|n| format!("X-{n}: a\r\n")).collect();
    let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n{many}\r\n", key.api_key);
    assert_eq!(status(&sidecar, bytes), 431);
    let long = "a".repeat(1024 * 1024);
    for head in [
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        assert!(matches!(status(&sidecar, head), 414 | 431));
    }
    let wide = format!("GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: wk_{}\r\n\r\n", "a".repeat(8 * 1024));
    assert_eq!(status(&sidecar, wide), 401);
    sidecar.upstream.saw_nothing();
}

#[test]
fn h15_an_upgrade_is_neither_made_nor_forwarded() {
    let (sidecar, key) = open();
    for upgrade in ["h2c", "HTTP/2.0", "websocket, h2c", "websocket", "TLS/1.0"] {
        let bytes = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            key.api_key
        );
        let (answer, mut connection) = raw(&sidecar, bytes);
        assert_eq!(answer.unwrap().status, 200, "{upgrade}");
        let seen = sidecar.upstream.only();
        for gone in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(seen.header(gone), None, "{upgrade}");
        }
        // What follows is read as a request, and is none.
        assert!(connection.try_answer("GET").is_none_or(|answer| answer.status == 400));
        assert!(!sidecar.upstream.raw().contains("pri *"));
    }
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn h20_unknown_headers_pass_in_order_and_repeated() {
    let (sidecar, key) = open();
    let bytes = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two: a\r\nX-API-Key: {}\r\nX-Two: b, c\r\nX-Two:\r\n\
         X_One: under\r\nCookie: a=1; b=2\r\nX-Empty:   \r\n\r\n",
        key.api_key
    );
    assert_eq!(status(&sidecar, bytes), 200);
    let seen = sidecar.upstream.only();
    assert_eq!(seen.all("x-two"), ["a", "b, c", ""]);
    assert_eq!(seen.all("x-one"), ["1"]);
    assert_eq!(seen.all("x_one"), ["under"]);
    assert_eq!(seen.all("cookie"), ["a=1; b=2"]);
    assert_eq!(seen.all("x-empty"), [""]);
}
