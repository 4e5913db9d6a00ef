//! RFC 9113 §8: what a request is made of. A malformed one is a stream error of type PROTOCOL_ERROR (§8.1.1), or gets
//! a 400, and the application sees none of it.

use super::open;
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PROTOCOL_ERROR, RST_STREAM, block, frame,
    request,
};

/// Refused: reset, or answered with a 400.
fn assert_refused(connection: &mut Frames, stream: u32, what: &str) {
    let of = |frame: &Frame| frame.stream == stream && frame.kind == RST_STREAM || frame.kind == GOAWAY;
    let answer = connection.find(|frame| of(frame) || frame.stream == stream && frame.kind == HEADERS);
    let answer = answer.unwrap_or_else(|| panic!("{what}: the connection ended"));
    if answer.kind == HEADERS {
        let status = answer.payload.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
        assert_eq!(answer.payload[status], 0x8c, "{what}: it was not a 400");
    } else {
        assert_eq!(answer.code(), PROTOCOL_ERROR, "{what}");
    }
}

#[test]
fn rfc9113_8_malformed_requests_are_refused() {
    let sidecar = open();
    let normal = || request("GET", "/in", &[]);
    let without = |name: &str| -> Vec<(&str, &str)> {
        normal().into_iter().filter(|(other, _)| *other != name).collect()
    };
    let with = |more: &[(&'static str, &'static str)]| [normal().as_slice(), more].concat();
    for (what, fields) in [
        ("8.2.1: a name in upper case", with(&[("X-Upper", "v")])),
        ("8.2.1: a name with a space", with(&[("x upper", "v")])),
        ("8.2.1: a name with a colon", with(&[("x:y", "v")])),
        ("8.2.1: an empty name", with(&[("", "v")])),
        ("8.2.1: a value with a line feed", with(&[("x-a", "v\nx-b: w")])),
        ("8.2.1: a value with a carriage return", with(&[("x-a", "v\rw")])),
        ("8.2.1: a value with NUL", with(&[("x-a", "v\0w")])),
        ("8.2.2: Connection", with(&[("connection", "keep-alive")])),
        ("8.2.2: Keep-Alive", with(&[("keep-alive", "1")])),
        ("8.2.2: Proxy-Connection", with(&[("proxy-connection", "keep-alive")])),
        ("8.2.2: Transfer-Encoding", with(&[("transfer-encoding", "chunked")])),
        ("8.2.2: Upgrade", with(&[("upgrade", "h2c")])),
        ("8.2.2: TE other than trailers", with(&[("te", "gzip")])),
        ("8.3: an unknown pseudo-header field", with(&[(":unknown", "v")])),
        ("8.3: one of answers", with(&[(":status", "200")])),
        ("8.3: one after other fields", [&[("x-a", "v")], normal().as_slice()].concat()),
        ("8.3.1: no method", without(":method")),
        ("8.3.1: no scheme", without(":scheme")),
        ("8.3.1: no path", without(":path")),
        ("8.3.1: an empty path", request("GET", "", &[])),
        ("8.3.1: two methods", with(&[(":method", "GET")])),
        ("8.3.1: two schemes", with(&[(":scheme", "http")])),
        ("8.3.1: two paths", with(&[(":path", "/in")])),
        ("8.3.1: two authorities", with(&[(":authority", "app.example")])),
        ("8.3.1: a host other than the authority", with(&[("host", "other.example")])),
    ] {
        let mut connection = Frames::open(sidecar.traffic());
        connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields)));
        assert_refused(&mut connection, 1, what);
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn rfc9113_8_1_1_a_body_has_the_length_that_was_declared() {
    let sidecar = open();
    for (what, length, parts) in [
        ("too short", "5", vec![(END_STREAM, "four")]),
        ("too long", "3", vec![(END_STREAM, "four")]),
        ("too long in two", "5", vec![(0, "four"), (END_STREAM, "four")]),
    ] {
        let mut connection = Frames::open(sidecar.traffic());
        connection.request(1, &request("POST", "/in", &[("content-length", length)]), false);
        for (flags, part) in parts {
            connection.write(&frame(DATA, flags, 1, part.as_bytes()));
        }
        assert_refused(&mut connection, 1, what);
    }
    assert_eq!(sidecar.upstream.take().len(), 0);
}

#[test]
fn rfc9113_8_1_trailers_end_the_stream_and_go_nowhere() {
    let sidecar = open();
    let mut connection = Frames::open(sidecar.traffic());
    connection.request(1, &request("POST", "/in", &[]), false);
    connection.write(&frame(DATA, 0, 1, b"body"));
    connection.write(&frame(HEADERS, END_HEADERS, 1, &block(&[("x-trailer", "v")])));
    assert_refused(&mut connection, 1, "trailers without an end");
    assert_eq!(sidecar.upstream.take().len(), 0);
    let mut connection = Frames::open(sidecar.traffic());
    connection.request(1, &request("POST", "/in", &[("te", "trailers")]), false);
    connection.write(&frame(DATA, 0, 1, b"body"));
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x-trailer", "v")])));
    assert_eq!(connection.status(1), 200);
    let seen = sidecar.upstream.only();
    assert_eq!((seen.body.as_slice(), seen.header("x-trailer")), (b"body".as_slice(), None));
}
