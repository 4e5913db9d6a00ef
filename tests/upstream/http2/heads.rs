//! What an application of HTTP/2 is told: pseudo-header fields, and nothing that belongs to a connection.

use super::{before, get, post};
use crate::support::http::{Call, Connection};
use crate::support::refusal::assert_problem;
use crate::support::upstream::{Manner, Upstream, is_via};

#[test]
fn rfc9113_8_2_2_a_request_goes_up_without_what_belongs_to_a_connection() {
    let upstream = Upstream::http2(100, Manner::Polite);
    let (sidecar, key) = before(&upstream, "");
    let call = post(&key, "body")
        .header("Connection", "X-Named, close")
        .header("X-Named", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAMAAABkAAQAAP__")
        .header("TE", "gzip")
        .header("Countersign-Verified", "forged")
        .header("X-Other", "2");
    let answer = sidecar.send(&call);
    assert_eq!((answer.status, answer.text().as_str()), (200, "from the application"));
    let seen = upstream.only();
    // The scheme, the authority and the path, as one.
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "http://app.example/a?b=c"));
    assert_eq!(seen.body, b"body");
    assert_eq!(seen.all("content-length"), ["4"]);
    assert_eq!(seen.all("x-other"), ["2"]);
    assert_eq!(seen.all("countersign-verified"), ["api-key"]);
    assert_eq!(seen.all("x-forwarded-host"), ["app.example"]);
    assert!(matches!(seen.all("via")[..], [ours] if is_via(ours, "1.1")));
    for gone in [
        "host",
        "connection",
        "x-named",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "te",
        "x-api-key",
    ] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
}

#[test]
fn a_body_without_a_length_goes_up_whole() {
    let upstream = Upstream::http2(100, Manner::Polite);
    let (sidecar, key) = before(&upstream, "");
    let body = "0123456789".repeat(50_000);
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&post(&key, &body).chunked(1000));
    assert_eq!(connection.answer().status, 200);
    let seen = upstream.only();
    assert_eq!((seen.body.len(), seen.header("content-length")), (body.len(), None));
    assert!(seen.body == body.as_bytes());
}

#[test]
fn a_signed_body_goes_up_as_it_was_signed() {
    let upstream = Upstream::http2(100, Manner::Polite);
    let (sidecar, key) = before(&upstream, "");
    let call = Call::post("/a", "{\"n\": 1}").header("X-Workspace-ID", &key.workspace);
    let signed = sidecar.signed("workspace", &key.secret, call);
    assert_eq!(sidecar.send(&signed).status, 200);
    let seen = upstream.only();
    assert_eq!(seen.body, b"{\"n\": 1}");
    assert_eq!(seen.all("countersign-verified"), ["signature"]);
    // Another body under the same signature goes nowhere.
    let mut forged = signed;
    forged.body = b"{\"n\": 2}".to_vec();
    assert_problem(&sidecar.send(&forged), 401, "another body");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn te_trailers_goes_up_only_where_the_client_says_it() {
    let upstream = Upstream::http2(100, Manner::Polite);
    let (sidecar, key) = before(&upstream, "");
    for (said, goes_up) in
        [("trailers", true), ("deflate, Trailers", true), ("trailersX", false), ("gzip", false)]
    {
        assert_eq!(sidecar.send(&get(&key).header("TE", said)).status, 200);
        let seen = upstream.only();
        assert_eq!(seen.all("te"), if goes_up { vec!["trailers"] } else { Vec::new() }, "{said}");
    }
}

#[test]
fn h07_a11_trailers_of_a_request_never_reach_an_application_of_http_2() {
    let upstream = Upstream::http2(100, Manner::Polite);
    let (sidecar, key) = before(&upstream, "");
    let head = post(&key, "").without("content-length").header("Transfer-Encoding", "chunked");
    let head = head.header("Trailer", "Countersign-Verified").bytes();
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&head);
    connection.write(
        b"5\r\nhello\r\n0\r\nCountersign-Verified: forged\r\nX-Trailer: t\r\nContent-Length: 9\r\n\r\n",
    );
    assert_eq!(connection.answer().status, 200);
    let seen = upstream.only();
    assert_eq!((seen.body.as_slice(), seen.has_trailers), (b"hello".as_slice(), false));
    assert_eq!(seen.all("countersign-verified"), ["api-key"]);
    assert_eq!((seen.header("trailer"), seen.header("x-trailer")), (None, None));
}

#[test]
fn a_host_that_has_no_authority_is_refused() {
    let upstream = Upstream::http2(100, Manner::Polite);
    let (sidecar, key) = before(&upstream, "");
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&get(&key).bytes_for("app%2eexample"));
    assert_problem(&connection.answer_to("GET"), 400, "an escape in the host");
    upstream.saw_nothing();
}

#[test]
fn a_socket_in_the_file_system_is_spoken_to_in_http_2() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::http2_unix(&dir.path().join("app.sock"));
    let (sidecar, key) = before(&upstream, "");
    assert_eq!(sidecar.send(&get(&key)).status, 200);
    assert_eq!(upstream.only().target, "http://app.example/a?b=c");
}

#[test]
fn an_answer_to_head_and_one_without_a_body_have_none() {
    let upstream = Upstream::http2(
        100,
        Manner::Answers(|seen| {
            let status = if seen.method == "HEAD" { 200 } else { 204 };
            http::Response::builder().status(status).header("x-method", &seen.method).body("").unwrap()
        }),
    );
    let (sidecar, key) = before(&upstream, "");
    for (method, status) in [("HEAD", 200), ("DELETE", 204)] {
        let answer = Call { method: method.into(), ..get(&key) };
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&answer.bytes());
        let answer = connection.answer_to(method);
        assert_eq!((answer.status, answer.header("x-method")), (status, Some(method)));
    }
}
