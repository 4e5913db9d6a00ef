//! Where one message ends and the next begins (RFC 9112 §6).

use super::{open, raw, status};
use crate::support::http::Connection;

#[test]
fn a_transfer_coding_other_than_one_chunked_is_refused() {
    let (sidecar, key) = open();
    for lines in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: ",
        "Transfer-Encoding: , chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        for target in ["/in", "/public/in"] {
            let bytes = format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                key.api_key
            );
            assert_eq!(status(&sidecar, bytes), 400, "{lines:?} at {target}");
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn one_chunked_in_any_case_is_forwarded_as_one_chunked() {
    let (sidecar, key) = open();
    for coding in ["chunked", "Chunked", "CHUNKED", " chunked\t"] {
        let bytes = format!(
            "POST /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nTransfer-Encoding:{coding}\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n",
            key.api_key
        );
        assert_eq!(status(&sidecar, bytes), 200, "{coding:?}");
        let seen = sidecar.upstream.only();
        assert_eq!(seen.body, b"hello");
        assert_eq!(seen.all("transfer-encoding"), ["chunked"]);
    }
}

#[test]
fn h11_a_transfer_coding_in_http_1_0_is_refused() {
    let (sidecar, key) = open();
    for coding in ["chunked", "gzip"] {
        let bytes = format!(
            "POST /in HTTP/1.0\r\nHost: a\r\nX-API-Key: {}\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n",
            key.api_key
        );
        let (answer, mut connection) = raw(&sidecar, bytes);
        assert_eq!(answer.unwrap().status, 400);
        assert!(connection.is_closed());
    }
    sidecar.upstream.saw_nothing();
}

/// Both framings, in either order, and then a second request that one of them would hide.
fn both_framings(headers: &str) -> [String; 2] {
    let framings = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ];
    framings.map(|framing| {
        format!(
            "POST /first HTTP/1.1\r\nHost: a\r\n{headers}{framing}\r\n\r\n0\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: a\r\n{headers}\r\n"
        )
    })
}

#[test]
fn h01_both_framings_without_a_credential_reach_nobody() {
    let (sidecar, _) = open();
    for bytes in both_framings("") {
        let (answer, mut connection) = raw(&sidecar, bytes);
        assert!(matches!(answer.unwrap().status, 400 | 401));
        assert!(connection.try_answer("GET").is_none(), "the second request was served");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn h01_both_framings_become_one_request_with_one_framing() {
    let (sidecar, key) = open();
    for bytes in both_framings(&format!("X-API-Key: {}\r\n", key.api_key)) {
        let from = sidecar.upstream.raw().len();
        let (answer, mut connection) = raw(&sidecar, bytes);
        assert!(matches!(answer.unwrap().status, 200 | 400));
        assert!(connection.try_answer("GET").is_none(), "the second request was served");
        let sent = sidecar.upstream.raw().split_off(from);
        assert_eq!(sent.matches("http/1.1\r\n").count(), 1, "{sent}");
        let framings = sent.matches("content-length:").count() + sent.matches("transfer-encoding:").count();
        assert_eq!(framings, 1, "{sent}");
        assert!(!sent.contains("smuggled"), "{sent}");
    }
}

#[test]
fn a_content_length_that_is_no_number_or_two_numbers_is_refused() {
    let (sidecar, key) = open();
    for lines in [
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 5, 5",
        "Content-Length: 5 5",
        "Content-Length: 0x5",
        "Content-Length: 5e0",
        "Content-Length: five",
        "Content-Length: ",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 6\r\nContent-Length: 5",
        "Content-Length: 99999999999999999999",
    ] {
        let bytes =
            format!("POST /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n{lines}\r\n\r\nhello!", key.api_key);
        let status = status(&sidecar, bytes);
        assert!(matches!(status, 400 | 413 | 431), "{lines:?}: {status}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_content_length_that_is_repeated_goes_upstream_once_or_not_at_all() {
    let (sidecar, key) = open();
    let bytes = format!(
        "POST /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        key.api_key
    );
    match status(&sidecar, bytes) {
        400 => sidecar.upstream.saw_nothing(),
        200 => {
            assert_eq!(sidecar.upstream.only().body, b"hello");
            assert_eq!(sidecar.upstream.raw().matches("content-length:").count(), 1);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn broken_chunks_never_become_a_request() {
    let (sidecar, key) = open();
    for body in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "5 \nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
    ] {
        let bytes = format!(
            "POST /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
            key.api_key
        );
        assert_eq!(status(&sidecar, bytes), 400, "{body:?}");
    }
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn h11_a_body_without_a_framing_is_no_body() {
    let (sidecar, key) = open();
    let head = format!("POST /in HTTP/1.0\r\nHost: a\r\nX-API-Key: {}\r\n\r\nnot a body", key.api_key);
    let (answer, mut connection) = raw(&sidecar, head);
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(sidecar.upstream.only().body, b"");
    assert!(connection.try_answer("GET").is_none());
}

#[test]
fn trailers_are_not_forwarded() {
    let (sidecar, key) = open();
    let trailers = "Countersign-Verified: forged\r\nX-Forwarded-For: 192.0.2.1\r\nX-Trailer: t";
    let hook = sidecar.integration(serde_json::json!({ "name": "hook" }));
    let signature = crate::support::mac::hmac_hex(&hook, &[b"hello"]);
    for (target, credential) in [
        ("/in", format!("X-API-Key: {}", key.api_key)),
        ("/public/in", "X-Other: x".to_owned()),
        ("/webhooks/hook", format!("X-Webhook-Signature: {signature}")),
    ] {
        let bytes = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\n{credential}\r\nTE: trailers\r\nTrailer: X-Trailer\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{trailers}\r\n\r\n"
        );
        assert_eq!(status(&sidecar, bytes), 200, "{target}");
        let seen = sidecar.upstream.only();
        assert_eq!(seen.body, b"hello");
        assert!(!seen.has_trailers, "{target}");
        assert_eq!((seen.header("trailer"), seen.header("te")), (None, None));
    }
    let sent = sidecar.upstream.raw();
    assert!(!sent.contains("x-trailer") && !sent.contains("forged"), "{sent}");
}

#[test]
fn what_follows_a_refused_body_is_not_taken_for_a_request() {
    let (sidecar, key) = open();
    let inner = format!("GET /smuggled HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", key.api_key);
    let bytes = format!("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(bytes.as_bytes());
    assert_eq!(connection.answer().status, 401);
    assert!(connection.is_closed());
    sidecar.upstream.saw_nothing();
}
