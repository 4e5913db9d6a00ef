//! Requests within requests: whatever a second parser might make of the bytes, one request goes up for each that is
//! answered as forwarded, with one framing, and it is not the hidden one (RFC 9112 §11.2).

use super::{exchange, open, raw, requests, status};
use crate::support::http::Connection;
use crate::support::sidecar::{Key, Sidecar};

/// What must never become a request.
const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends a request with these framing lines and this body; gives the statuses of all answers.
fn forward(sidecar: &Sidecar, key: &Key, framing: &[u8], body: &[u8]) -> Vec<u16> {
    let head = format!("POST /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n", key.api_key);
    let bytes = [head.as_bytes(), framing, b"\r\n\r\n", body].concat();
    let (statuses, sent) = exchange(sidecar, &bytes);
    let what = String::from_utf8_lossy(framing).into_owned();
    let forwarded = statuses.iter().filter(|status| **status == 200).count();
    let seen: Vec<String> = sidecar.upstream.take().into_iter().map(|seen| seen.target).collect();
    assert_eq!(seen, vec!["/in"; forwarded], "{what:?}: {statuses:?} {sent}");
    if forwarded > 0 {
        let framings =
            sent.matches("\ncontent-length:").count() + sent.matches("\ntransfer-encoding:").count();
        assert_eq!(framings, 1, "{what:?}: {sent}");
        assert!(!sent.contains("transfer_encoding") && !sent.contains("content_length"), "{what:?}: {sent}");
    }
    statuses
}

#[test]
fn h01_spellings_of_chunked_hide_no_request_from_a_content_length() {
    let (sidecar, key) = open();
    // A parser that overlooks the coding reads the hidden request as the body; one that sees it ends before.
    let body = format!("0\r\n\r\n{HIDDEN}");
    let length = format!("\r\nContent-Length: {}", body.len());
    for coding in [
        b"Transfer-Encoding:\x0bchunked".as_slice(),
        b"Transfer-Encoding: \x0cchunked",
        b"Transfer-Encoding: \"chunked\"",
        b"Transfer-Encoding: 'chunked'",
        b"Transfer-Encoding: chunked;q=1",
        b"Transfer-Encoding: chunked; a=\"b\"",
        b"Transfer-Encoding: chunked chunked",
        b"Transfer-Encoding: chunk",
        b"Transfer-Encoding: chunked\0",
        b"Transfer-Encoding: \0chunked",
        b"Transfer-Encoding: \xffchunked",
        "Transfer-Encoding: chun\u{212a}ed".as_bytes(),
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding:\r\n\tchunked",
        b"Transfer-Encoding\r\n: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b" Transfer-Encoding: chunked",
        b"\tTransfer-Encoding: chunked",
        b"X: y\rTransfer-Encoding: chunked",
        b"X: y\r\rTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r",
        b"Transfer\x7fEncoding: chunked\x7f",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding:\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: identity, chunked, identity",
        b"Transfer-Encoding: deflate, gzip, chunked",
    ] {
        for framing in
            [[coding, length.as_bytes()].concat(), [&length.as_bytes()[2..], b"\r\n", coding].concat()]
        {
            let statuses = forward(&sidecar, &key, &framing, body.as_bytes());
            let what = String::from_utf8_lossy(&framing);
            assert!(matches!(statuses[..], [400] | []), "{what:?}: {statuses:?}");
        }
    }
    sidecar.upstream.saw_nothing();
    // These name another header, which no application gets to see.
    for coding in ["Transfer_Encoding: chunked", "transfer.encoding: chunked", "X-Transfer-Encoding: chunked"]
    {
        let statuses = forward(&sidecar, &key, format!("{coding}{length}").as_bytes(), body.as_bytes());
        if !coding.starts_with('X') {
            assert_eq!(statuses, [200], "{coding}");
        }
    }
}

#[test]
fn h01_one_chunked_beside_a_content_length_ends_the_connection() {
    let (sidecar, key) = open();
    let body = format!("0\r\n\r\n{HIDDEN}");
    for coding in
        ["Transfer-Encoding: chunked", "Transfer-Encoding:\tChunked \t", "X: y\nTransfer-Encoding: chunked"]
    {
        for length in ["5", "0", "0, 0", "+5", "x", "99999999999999999999999"] {
            let after = format!("{coding}\r\nContent-Length: {length}");
            let statuses = forward(&sidecar, &key, after.as_bytes(), body.as_bytes());
            assert!(matches!(statuses[..], [200] | [400]), "{after:?}: {statuses:?}");
        }
    }
}

#[test]
fn a_length_that_two_parsers_count_differently_is_refused() {
    let (sidecar, key) = open();
    for line in [
        b"Content-Length: +5".as_slice(),
        b"Content-Length: -0",
        b"Content-Length: 5,5",
        b"Content-Length: 5, 5",
        b"Content-Length: 5;5",
        b"Content-Length: 5 5",
        b"Content-Length: 5.0",
        b"Content-Length: 5e0",
        b"Content-Length: 0x5",
        b"Content-Length: 0b101",
        b"Content-Length: 5_0",
        b"Content-Length: \"5\"",
        b"Content-Length: \x0b5",
        b"Content-Length: 5\0",
        b"Content-Length: \xef\xbc\x95",
        b"Content-Length:",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 6\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: x",
        b"Content-Length: 5\r\nContent-Length:",
        b"Content-Length: 18446744073709551616",
        b"Content-Length: 18446744073709551621",
        b"Content-Length:\r\n 5",
        b"Content-Length : 5",
        b"Content-Length: 5\r 0",
    ] {
        let statuses = forward(&sidecar, &key, line, b"hello");
        assert!(matches!(statuses[..], [400 | 413]), "{:?}: {statuses:?}", String::from_utf8_lossy(line));
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_length_goes_up_as_one_plain_number() {
    let (sidecar, key) = open();
    for line in [
        "Content-Length: 05",
        "Content-Length: 000000000000000000005",
        "Content-Length:\t5\t",
        "content-length:5",
    ] {
        let head =
            format!("POST /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n{line}\r\n\r\nhello", key.api_key);
        assert_eq!(status(&sidecar, head), 200, "{line:?}");
        assert_eq!(sidecar.upstream.only().all("content-length"), ["5"], "{line:?}");
    }
    let empty =
        format!("POST /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nContent-Length: 00\r\n\r\n", key.api_key);
    assert_eq!(status(&sidecar, empty), 200);
    assert_eq!(sidecar.upstream.only().all("content-length"), ["0"]);
}

#[test]
fn chunks_that_two_parsers_count_differently_never_become_a_request() {
    let (sidecar, key) = open();
    let chunked = b"Transfer-Encoding: chunked";
    let abuse = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(20_000));
    for body in [
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5_\r\nhello\r\n0\r\n\r\n",
        "5x\r\nhello\r\n0\r\n\r\n",
        "5,5\r\nhello\r\n0\r\n\r\n",
        "\"5\"\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "100000000000000005\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n-0\r\n\r\n",
        "5\r\nhello\r\n0x0\r\n\r\n",
        "5\r\nhello\r\n0\r\nno trailer\r\n\r\n",
        abuse.as_str(),
    ] {
        let statuses = forward(&sidecar, &key, chunked, format!("{body}{HIDDEN}").as_bytes());
        let shown = &body[..body.len().min(40)];
        assert!(!statuses.contains(&200), "{shown:?}: {statuses:?}");
    }
}

#[test]
fn chunks_in_every_legal_dress_are_one_body() {
    let (sidecar, key) = open();
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "00000005\r\nhello\r\n000\r\n\r\n",
        "5;name=value\r\nhello\r\n0\r\n\r\n",
        "5;name=\"quoted; value\"\r\nhello\r\n0;last\r\n\r\n",
        "5 ;a\r\nhello\r\n0\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: t\r\n\r\n",
    ] {
        let bytes = format!(
            "POST /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
            key.api_key
        );
        assert_eq!(status(&sidecar, bytes), 200, "{body:?}");
        assert_eq!(sidecar.upstream.only().body, b"hello", "{body:?}");
    }
    assert!(!sidecar.upstream.raw().contains("name="));
    assert!(!sidecar.upstream.raw().contains("x-trailer"));
}

#[test]
fn a_chunked_body_goes_up_whatever_the_method() {
    let (sidecar, key) = open();
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "FOO"] {
        let bytes = format!(
            "{method} /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n",
            key.api_key
        );
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(bytes.as_bytes());
        assert_eq!(connection.answer_to(method).status, 200, "{method}");
        let seen = sidecar.upstream.only();
        assert_eq!(
            (seen.body.as_slice(), seen.all("transfer-encoding")),
            (b"hello".as_slice(), vec!["chunked"]),
            "{method}"
        );
    }
}

#[test]
fn h07_trailers_beyond_the_limit_end_the_request() {
    let (sidecar, key) = open();
    let long = format!("X-Long: {}\r\n", "a".repeat(65 * 1024));
    let many: String = (0..101).map(|n| format!("X-{n}: a\r\n")).collect();
    for trailers in [long, many] {
        for (target, credential) in
            [("/in", format!("X-API-Key: {}\r\n", key.api_key)), ("/public/a", String::new())]
        {
            let bytes = format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\n{credential}Transfer-Encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\n{trailers}\r\n"
            );
            let (answer, mut connection) = raw(&sidecar, bytes);
            assert_eq!(answer.map(|answer| answer.status), Some(400));
            assert!(connection.is_closed());
        }
    }
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn a11_trailers_bring_no_credential_and_no_identity() {
    let (sidecar, key) = open();
    let trailer =
        format!("X-API-Key: {}\r\nCountersign-Verified: api-key\r\nContent-Length: 99\r\n", key.api_key);
    let chunked = |credential: &str| {
        format!(
            "POST /in HTTP/1.1\r\nHost: a\r\n{credential}Trailer: X-API-Key\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n{trailer}\r\n"
        )
    };
    assert_eq!(status(&sidecar, chunked("")), 401);
    sidecar.upstream.saw_nothing();
    assert_eq!(status(&sidecar, chunked(&format!("X-API-Key: {}\r\n", key.api_key))), 200);
    let seen = sidecar.upstream.only();
    assert_eq!((seen.body.as_slice(), seen.has_trailers), (b"hello".as_slice(), false));
    assert!(!sidecar.upstream.raw().contains(&key.api_key.to_lowercase()));
}

#[test]
fn h11_http_1_0_gets_one_answer_and_no_interim_one() {
    let (sidecar, key) = open();
    for connection in ["keep-alive", "close", "Keep-Alive, x"] {
        let one = format!(
            "POST /in HTTP/1.0\r\nHost: a\r\nConnection: {connection}\r\nExpect: 100-continue\r\n\
             X-API-Key: {}\r\nContent-Length: 5\r\n\r\nhello",
            key.api_key
        );
        let mut client = Connection::open(sidecar.traffic());
        client.write(format!("{one}{one}").as_bytes());
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{connection}");
        assert_ne!(answer.header("connection"), Some("keep-alive"), "{connection}");
        assert_eq!(client.interim, [0_u16; 0]);
        assert!(client.try_answer("POST").is_none(), "{connection}: a second answer");
        assert_eq!(sidecar.upstream.only().body, b"hello");
    }
}

#[test]
fn h15_a_preface_behind_an_upgrade_is_not_forwarded() {
    let (sidecar, key) = open();
    for (upgrade, version) in
        [("h2c", "1.1"), ("HTTP/2.0", "1.1"), ("websocket, h2c", "1.1"), ("websocket", "1.0")]
    {
        let bytes = format!(
            "POST /in HTTP/{version}\r\nHost: a\r\nX-API-Key: {}\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 5\r\n\r\nhello\
             PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            key.api_key
        );
        let (statuses, sent) = exchange(&sidecar, &bytes);
        assert!(matches!(statuses[..], [200] | [200, 400]), "{upgrade}: {statuses:?}");
        assert_eq!(requests(&sent), 1, "{upgrade}: {sent}");
        for gone in ["upgrade", "http2-settings", "pri *", "connection:"] {
            assert!(!sent.contains(gone), "{upgrade}: {sent}");
        }
        sidecar.upstream.take();
    }
    // `HTTP2-Settings` is for one hop whether `Connection` says so or not (RFC 9110 §7.6.1).
    let bytes =
        format!("GET /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nHTTP2-Settings: AAMA\r\n\r\n", key.api_key);
    assert_eq!(status(&sidecar, bytes), 200);
    assert_eq!(sidecar.upstream.only().header("http2-settings"), None);
}

#[test]
fn a_head_that_cannot_be_read_in_one_way_ends_the_connection() {
    let (sidecar, key) = open();
    let good = format!("GET /smuggled HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", key.api_key);
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET abc HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    ] {
        let (statuses, _) = exchange(&sidecar, format!("{head}{good}"));
        assert!(matches!(statuses[..], [400 | 417]), "{head:?}: {statuses:?}");
    }
    sidecar.upstream.saw_nothing();
}
