//! Answers of the application: streamed back as they are, or refused where they are none.

use std::sync::Arc;

use http::Response;
use tokio::sync::Semaphore;

use super::{get, with};
use crate::support::http::{Call, Connection};
use crate::support::refusal::assert_problem;
use crate::support::upstream::{Manner, Seen};

#[test]
fn h21_an_answer_that_is_not_http_is_a_502() {
    for answer in [
        b"garbage\r\n\r\n".as_slice(),
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/3.0 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\r\n",
        b"HTTP/1.1 200",
        b"",
    ] {
        let (sidecar, key) = with(Manner::Raw(answer));
        let what = String::from_utf8_lossy(answer).into_owned();
        assert_problem(&sidecar.send(&get(&key)), 502, &what);
        let counted = sidecar.metrics("countersign_upstream_errors_total");
        assert_eq!(counted, ["countersign_upstream_errors_total{cause=\"broken\"} 1"], "{what}");
    }
}

#[test]
fn h21_a_switch_of_protocols_that_nobody_asked_for_is_a_502() {
    let (sidecar, key) = with(Manner::RawOpen(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nstray",
    ));
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&get(&key).header("Connection", "Upgrade").header("Upgrade", "x").bytes());
    assert_problem(&connection.answer(), 502, "101");
}

#[test]
fn interim_answers_are_not_the_answer() {
    let (sidecar, key) = with(Manner::Raw(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
          HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ));
    let answer = sidecar.send(&get(&key));
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

#[test]
fn an_answer_that_is_cut_short_is_not_made_whole() {
    for answer in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".as_slice(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n0\r\n\r\n",
    ] {
        let (sidecar, key) = with(Manner::Raw(answer));
        let what = String::from_utf8_lossy(answer).into_owned();
        for n in 1..=2 {
            let mut connection = Connection::open(sidecar.traffic());
            connection.write(&get(&key).bytes());
            assert!(connection.try_answer("GET").is_none(), "{what}: the client got a whole answer");
            assert_eq!(sidecar.upstream.connections(), n, "{what}: the connection was used again");
        }
    }
}

#[test]
fn an_answer_without_a_framing_ends_with_its_connection() {
    let (sidecar, key) = with(Manner::Raw(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"));
    let answer = sidecar.send(&get(&key));
    assert_eq!((answer.status, answer.text().as_str()), (200, "until the end"));
    sidecar.send(&get(&key));
    assert_eq!(sidecar.upstream.connections(), 2);
}

fn with_headers(_: &Seen) -> Response<&'static str> {
    Response::builder()
        .status(418)
        .header("X-One", "1")
        .header("X-Two", "a")
        .header("X-Two", "b")
        .header("Set-Cookie", "a=1")
        .header("Set-Cookie", "b=2")
        .header("ETag", "\"x\"")
        .header("Allow", "GET, POST")
        .header("WWW-Authenticate", "Basic realm=\"the application's\"")
        .header("Connection", "x-hop")
        .header("X-Hop", "hop")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "x")
        .header("Proxy-Authenticate", "Basic")
        .header("TE", "x")
        .header("Countersign-Verified", "forged")
        .header("Countersign_Key_Id", "forged")
        .header("Countersign-Request-Id", "forged")
        .body("a teapot")
        .unwrap()
}

#[test]
fn p13_p18_an_answer_comes_back_with_its_headers_but_those_of_the_hop_and_ours() {
    let (sidecar, key) = with(Manner::Answers(with_headers));
    let answer = sidecar.send(&get(&key));
    assert_eq!((answer.status, answer.text().as_str()), (418, "a teapot"));
    let all = |name: &str| -> Vec<&str> {
        answer.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(all("x-one"), ["1"]);
    assert_eq!(all("x-two"), ["a", "b"]);
    assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(all("etag"), ["\"x\""]);
    assert_eq!(all("allow"), ["GET, POST"]);
    assert_eq!(all("www-authenticate"), ["Basic realm=\"the application's\""]);
    for gone in [
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "te",
        "countersign-verified",
        "server",
    ] {
        assert_eq!(all(gone), Vec::<&str>::new(), "{gone}");
    }
    assert_eq!(all("countersign_key_id"), Vec::<&str>::new());
    let ids = all("countersign-request-id");
    assert!(ids.len() == 1 && ids[0] != "forged", "{ids:?}");
}

#[test]
fn an_application_answers_410_and_401_for_itself() {
    for status in [401, 403, 410, 500, 503] {
        let answer: fn(&Seen) -> Response<&'static str> = match status {
            401 => |_| Response::builder().status(401).body("theirs").unwrap(),
            403 => |_| Response::builder().status(403).body("theirs").unwrap(),
            410 => |_| Response::builder().status(410).body("theirs").unwrap(),
            500 => |_| Response::builder().status(500).body("theirs").unwrap(),
            _ => |_| Response::builder().status(503).body("theirs").unwrap(),
        };
        let (sidecar, key) = with(Manner::Answers(answer));
        let answer = sidecar.send(&get(&key));
        assert_eq!((answer.status, answer.text().as_str()), (status, "theirs"));
        assert_eq!((answer.header("www-authenticate"), answer.header("retry-after")), (None, None));
    }
}

#[test]
fn an_answer_streams_back_as_it_comes() {
    let gate = Arc::new(Semaphore::new(0));
    let (sidecar, key) = with(Manner::Streams(Arc::clone(&gate)));
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&get(&key).bytes());
    let (status, headers) = connection.head();
    assert_eq!(status, 200);
    assert!(headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked"));
    // The second part is not made before the first has arrived here.
    assert_eq!(connection.read_exactly(10), b"5\r\nfirst\r\n");
    gate.add_permits(1);
    assert_eq!(connection.read_exactly(11), b"6\r\nsecond\r\n");
    gate.add_permits(1);
    assert_eq!(connection.read_exactly(16), b"6\r\nsecond\r\n0\r\n\r\n");
}

fn by_path(seen: &Seen) -> Response<&'static str> {
    let status: u16 = seen.target[1..].parse().unwrap();
    let body = if status == 200 && seen.method == "GET" { "body" } else { "" };
    Response::builder().status(status).header("ETag", "\"x\"").body(body).unwrap()
}

#[test]
fn h26_answers_without_a_body_have_none_and_the_next_is_whole() {
    let (sidecar, key) = with(Manner::Answers(by_path));
    let mut connection = Connection::open(sidecar.traffic());
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404), ("GET", 200)] {
        let call = Call::new(method, &format!("/{status}")).header("X-API-Key", &key.api_key);
        connection.write(&call.bytes());
        let answer = connection.answer_to(method);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("etag"), Some("\"x\""));
        let expected = if (method, status) == ("GET", 200) { "body" } else { "" };
        assert_eq!(answer.text(), expected, "{method} {status}");
        if status == 204 {
            assert_eq!((answer.header("content-length"), answer.header("transfer-encoding")), (None, None));
        }
    }
    assert_eq!(sidecar.upstream.connections(), 1);
}

#[test]
fn h26_stray_bytes_after_an_answer_reach_nobody() {
    for (method, answer) in [
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\nstray".as_slice()),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nstray"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nstray"),
    ] {
        let (sidecar, key) = with(Manner::RawOpen(answer));
        let call = Call::new(method, "/a").header("X-API-Key", &key.api_key);
        let mut connection = Connection::open(sidecar.traffic());
        for n in 1..=3 {
            connection.write(&call.bytes());
            let answer = connection.answer_to(method);
            assert!(!answer.text().contains("stray"), "{method}: {}", answer.text());
            assert_eq!(sidecar.upstream.connections(), n, "a connection with stray bytes was used again");
        }
    }
}
