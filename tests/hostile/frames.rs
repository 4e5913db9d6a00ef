//! HTTP/2 requests as frames: header lists that no HTTP/1.1 request could be, and what they become (RFC 9113 §8).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::{open, requests};
use crate::support::http::DEADLINE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How one stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// With an answer; 200 or another.
    Answered { ok: bool },
    /// Reset, or the connection with it.
    Refused,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Literal fields, neither indexed nor compressed (RFC 7541 §6.2.2).
fn fields(list: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in list {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "one byte of length");
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text);
        }
    }
    block
}

/// Sends the preface and these frames, and reads how stream 1 ends.
fn send(to: SocketAddr, frames: &[Vec<u8>]) -> End {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
    let _gone = stream.write_all(&[preface, frames.concat()].concat());
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        let about = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        match (head[3], about) {
            // Every answer begins with its status; 200 is one byte, an entry of the static table.
            (HEADERS, 1) => {
                let _open = stream.shutdown(Shutdown::Write);
                return End::Answered { ok: payload.first() == Some(&0x88) };
            }
            (RST_STREAM, 1) | (GOAWAY, _) => return End::Refused,
            _ => {}
        }
    }
    End::Refused
}

/// A request's fields: those given, and whichever of the usual ones they leave out.
fn request(key: &str, changed: &[(&[u8], &[u8])], last: bool) -> Vec<u8> {
    let mut list: Vec<(&[u8], &[u8])> = Vec::new();
    let usual: [(&[u8], &[u8]); 4] =
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/in"), (b":authority", b"a")];
    for (name, value) in usual {
        if !changed.iter().any(|(other, _)| *other == name) {
            list.push((name, value));
        }
    }
    // A hyphen as a pseudo-header stands for its absence.
    list.extend(changed.iter().filter(|(name, value)| !(name.starts_with(b":") && value == b"-")));
    list.push((b"x-api-key", key.as_bytes()));
    frame(HEADERS, if last { END_HEADERS | END_STREAM } else { END_HEADERS }, 1, &fields(&list))
}

#[test]
fn a_plain_request_in_frames_passes() {
    let (sidecar, key) = open();
    let head = request(&key.api_key, &[(b"te", b"trailers"), (b"content-length", b"5")], false);
    let end = send(sidecar.traffic(), &[head, frame(DATA, END_STREAM, 1, b"hello")]);
    assert_eq!(end, End::Answered { ok: true });
    let seen = sidecar.upstream.only();
    assert_eq!((seen.body.as_slice(), seen.header("te")), (b"hello".as_slice(), None));
    assert_eq!(seen.all("content-length"), ["5"]);
}

#[test]
fn h30_header_lists_that_are_none_reach_nobody() {
    let (sidecar, key) = open();
    for changed in [
        vec![(b"X-Upper".as_slice(), b"a".as_slice())],
        vec![(b"connection", b"close")],
        vec![(b"connection", b"x-api-key")],
        vec![(b"keep-alive", b"timeout=5")],
        vec![(b"proxy-connection", b"close")],
        vec![(b"transfer-encoding", b"chunked")],
        vec![(b"upgrade", b"h2c")],
        vec![(b"te", b"gzip")],
        vec![(b"te", b"trailers, gzip")],
        vec![(b":method", b"-")],
        vec![(b":scheme", b"-")],
        vec![(b":path", b"-")],
        vec![(b":path", b"")],
        vec![(b":path", b"/in"), (b":path", b"/other")],
        vec![(b":method", b"GET"), (b":method", b"POST")],
        vec![(b":authority", b"a"), (b":authority", b"b")],
        vec![(b":status", b"200")],
        vec![(b":other", b"x")],
        vec![(b"x-first", b"a"), (b":path", b"/in")],
        vec![(b":method", b"POST / HTTP/1.1\r\nx: y")],
        vec![(b":method", b"PO ST")],
        vec![(b":method", b"CONNECT")],
        vec![(b":method", b"TRACE")],
        vec![(b":path", b"/in HTTP/1.1\r\nx: y\r\n\r\n")],
        vec![(b":path", b"/in\0")],
        vec![(b":path", b"/in x")],
        vec![(b":path", b"in")],
        vec![(b":path", b"*")],
        vec![(b":path", b"http://b/in")],
        vec![(b":path", b"//b/in")],
        vec![(b":path", b"/a/../in")],
        vec![(b":path", b"/\xff")],
        vec![(b":authority", b"-")],
        vec![(b":authority", b"")],
        vec![(b":authority", b"user@a")],
        vec![(b":authority", b"a b")],
        vec![(b":authority", b"a/b")],
        vec![(b":authority", b"a\r\nx: y")],
        vec![(b":authority", b"a,b")],
        vec![(b"host", b"b")],
        vec![(b"host", b"a"), (b"host", b"a")],
        vec![(b"host", b"")],
        vec![(b"x-a", b"a\r\nx-b: b")],
        vec![(b"x-a", b"a\0b")],
        vec![(b"x-a\r\nx-b", b"b")],
        vec![(b"x-a: b\r\nx", b"b")],
        vec![(b"x a", b"b")],
        vec![(b"x:a", b"b")],
        vec![(b"", b"b")],
        vec![(b"x\xe4", b"b")],
        vec![(b"expect", b"tea")],
        vec![(b"content-length", b"5")],
        vec![(b"content-length", b"0"), (b"content-length", b"0")],
        vec![(b"content-length", b"0"), (b"content-length", b"5")],
        vec![(b"content-length", b"x")],
        vec![(b"content-length", b"+0")],
        vec![(b"content-length", b"")],
        vec![(b"content-length", b"0, 0")],
    ] {
        let shown: Vec<_> = changed
            .iter()
            .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
            .collect();
        let end = send(sidecar.traffic(), &[request(&key.api_key, &changed, true)]);
        assert_ne!(end, End::Answered { ok: true }, "{shown:?}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_length_that_is_not_the_bodys_never_becomes_a_request() {
    let (sidecar, key) = open();
    for (length, body) in
        [(b"4".as_slice(), b"hello".as_slice()), (b"6", b"hello"), (b"0", b"hello"), (b"5", b"")]
    {
        let head = request(&key.api_key, &[(b"content-length", length)], false);
        let end = send(sidecar.traffic(), &[head, frame(DATA, END_STREAM, 1, body)]);
        assert_ne!(end, End::Answered { ok: true }, "{length:?}");
    }
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn trailers_of_frames_bring_nothing_up() {
    let (sidecar, key) = open();
    for trailers in [
        vec![(b"x-api-key".as_slice(), b"canary".as_slice()), (b"countersign-verified", b"canary")],
        vec![(b"content-length", b"99"), (b"x-forwarded-for", b"canary")],
        vec![(b":path", b"/canary")],
        vec![(b"connection", b"canary")],
        vec![(b"X-Upper", b"canary")],
    ] {
        let frames = [
            request(&key.api_key, &[], false),
            frame(DATA, 0, 1, b"hello"),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&trailers)),
        ];
        let end = send(sidecar.traffic(), &frames);
        let seen = sidecar.upstream.take();
        let whole = seen.iter().all(|seen| {
            (seen.target.as_str(), seen.body.as_slice(), seen.has_trailers)
                == ("/in", b"hello".as_slice(), false)
        });
        assert!(
            whole && (end == End::Answered { ok: true }) == (seen.len() == 1),
            "{trailers:?}: {end:?} {seen:?}"
        );
    }
    assert!(!sidecar.upstream.raw().contains("canary"));
}

#[test]
fn a_body_without_a_length_goes_up_with_one_framing() {
    let (sidecar, key) = open();
    let head = request(&key.api_key, &[], false);
    let body = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let end = send(sidecar.traffic(), &[head, frame(DATA, END_STREAM, 1, body)]);
    assert_eq!(end, End::Answered { ok: true });
    let seen = sidecar.upstream.only();
    assert_eq!(seen.body, body);
    let sent = sidecar.upstream.raw();
    assert_eq!(
        sent.matches("content-length:").count() + sent.matches("transfer-encoding:").count(),
        1,
        "{sent}"
    );
    assert!(requests(&sent) >= 1);
}
