//! RFC 9113 §5: the life of a stream.

use super::{assert_ends, get, open};
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PRIORITY, PROTOCOL_ERROR,
    RST_STREAM, STREAM_CLOSED, WINDOW_UPDATE, frame,
};

#[test]
fn rfc9113_5_1_an_idle_stream_takes_headers_and_priority_alone() {
    let sidecar = open();
    for (what, bytes) in [
        ("DATA", frame(DATA, END_STREAM, 1, b"x")),
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100])),
        ("CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, &get())),
    ] {
        assert_ends(&sidecar, what, PROTOCOL_ERROR, &bytes);
    }
    sidecar.upstream.saw_nothing();
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]));
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get()));
    assert_eq!(connection.status(1), 200);
}

#[test]
fn rfc9113_5_1_a_stream_that_has_ended_takes_no_more() {
    let sidecar = open();
    let whole = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get());
    for (what, bytes) in [
        ("DATA", frame(DATA, END_STREAM, 1, b"x")),
        ("HEADERS", frame(HEADERS, END_HEADERS | END_STREAM, 1, &get())),
    ] {
        // While it is half-closed, and after the answer.
        for answered in [false, true] {
            let mut connection = Frames::open(sidecar.traffic());
            connection.write(&whole);
            if answered {
                connection.find(|frame| frame.kind == DATA && frame.flags & END_STREAM != 0);
            }
            connection.write(&bytes);
            let told = connection.find(|frame| [GOAWAY, RST_STREAM].contains(&frame.kind));
            let code = told.unwrap_or_else(|| panic!("{what}, {answered}: nothing was said")).code();
            assert!([STREAM_CLOSED, PROTOCOL_ERROR].contains(&code), "{what}, {answered}: {code}");
        }
    }
}

#[test]
fn rfc9113_5_1_1_numbers_are_odd_and_rise() {
    let sidecar = open();
    let request = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &get());
    assert_ends(&sidecar, "an even number", PROTOCOL_ERROR, &request(2));
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&request(5));
    assert_eq!(connection.status(5), 200);
    connection.write(&request(3));
    let told = connection.find(|frame| [GOAWAY, RST_STREAM].contains(&frame.kind)).unwrap();
    assert!([STREAM_CLOSED, PROTOCOL_ERROR].contains(&told.code()), "{told:?}");
    assert_eq!(sidecar.upstream.take().len(), 1);
}

#[test]
fn rfc9113_5_3_priorities_that_name_themselves_do_no_harm() {
    let sidecar = open();
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 1]));
    // RFC 9113 has no priorities any more: refused or ignored, never taken for a request.
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &get()));
    let _any = connection.find(|frame| [HEADERS, GOAWAY, RST_STREAM].contains(&frame.kind)).unwrap();
    assert!(sidecar.upstream.take().len() <= 1);
}
