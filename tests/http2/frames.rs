//! RFC 9113 §3.4, §4 and §6: the preface, sizes, and each kind of frame.

use super::{COARSE, assert_ends, assert_resets, get, open};
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Frames, GOAWAY,
    HEADERS, PADDED, PING, PREFACE, PRIORITISED, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame, framed, settings,
};

#[test]
fn rfc9113_3_4_the_preface_is_followed_by_settings() {
    let sidecar = open();
    let mut connection = Frames::bare(sidecar.traffic());
    connection.write(PREFACE);
    connection.write(&settings(&[]));
    assert_eq!(connection.read().map(|frame| (frame.kind, frame.flags)), Some((SETTINGS, 0)));
}

#[test]
fn rfc9113_4_1_what_is_unknown_is_ignored() {
    let sidecar = open();
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&frame(0x16, 0, 0, b"unknown"));
    connection.write(&frame(PING, 0x16, 0, b"12345678"));
    // The reserved bit of a stream's number.
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1 | 1 << 31, &get()));
    assert_eq!(connection.status(1), 200);
    assert_eq!(sidecar.upstream.take().len(), 1);
}

#[test]
fn rfc9113_4_2_frames_have_the_size_that_was_agreed() {
    let sidecar = open();
    let mut begun = frame(HEADERS, END_HEADERS, 1, &get());
    begun.extend(frame(DATA, END_STREAM, 1, &[0; 16_385]));
    assert_resets(&sidecar, "DATA over the size", FRAME_SIZE_ERROR, &begun);
    let mut large = get();
    large.resize(16_385, 0);
    assert_ends(&sidecar, "HEADERS over the size", FRAME_SIZE_ERROR, &frame(HEADERS, END_HEADERS, 1, &large));
}

#[test]
fn rfc9113_6_frames_belong_to_a_stream_or_to_none() {
    let sidecar = open();
    for (what, bytes) in [
        ("DATA", frame(DATA, END_STREAM, 0, b"x")),
        ("HEADERS", frame(HEADERS, END_HEADERS | END_STREAM, 0, &get())),
        ("PRIORITY", frame(PRIORITY, 0, 0, &[0, 0, 0, 3, 1])),
        ("RST_STREAM", frame(RST_STREAM, 0, 0, &[0; 4])),
        ("SETTINGS", frame(SETTINGS, 0, 1, &[])),
        ("PING", frame(PING, 0, 1, &[0; 8])),
        ("GOAWAY", frame(GOAWAY, 0, 1, &[0; 8])),
        ("CONTINUATION", frame(CONTINUATION, END_HEADERS, 0, &get())),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], get().as_slice()].concat())),
    ] {
        assert_ends(&sidecar, what, PROTOCOL_ERROR, &bytes);
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn rfc9113_6_frames_have_the_size_of_their_kind() {
    let sidecar = open();
    let begun = frame(HEADERS, END_HEADERS, 1, &get());
    for (what, bytes) in [
        ("SETTINGS of 3 bytes", frame(SETTINGS, 0, 0, &[0; 3])),
        ("SETTINGS with ACK and more", frame(SETTINGS, ACK, 0, &[0; 6])),
        ("PING of 6 bytes", frame(PING, 0, 0, &[0; 6])),
        ("WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        ("RST_STREAM of 3 bytes", [begun.clone(), frame(RST_STREAM, 0, 1, &[0; 3])].concat()),
    ] {
        assert_ends(&sidecar, what, COARSE, &bytes);
    }
    let short = [begun, frame(PRIORITY, 0, 1, &[0; 4])].concat();
    assert_resets(&sidecar, "PRIORITY of 4 bytes", COARSE, &short);
}

#[test]
fn rfc9113_6_1_and_6_2_padding_is_within_the_frame() {
    let sidecar = open();
    let mut bytes = frame(HEADERS, END_HEADERS, 1, &get());
    bytes.extend(frame(DATA, END_STREAM | PADDED, 1, &[5, b'a', b'b']));
    assert_ends(&sidecar, "DATA", PROTOCOL_ERROR, &bytes);
    let mut padded = vec![200];
    padded.extend(get());
    assert_ends(&sidecar, "HEADERS", PROTOCOL_ERROR, &frame(HEADERS, END_HEADERS | PADDED, 1, &padded));

    let mut connection = Frames::open(sidecar.traffic());
    let mut fine = vec![3];
    // Stream 0 and a weight: priorities are read and ignored.
    fine.extend([0, 0, 0, 0, 15]);
    fine.extend(get());
    fine.extend([0; 3]);
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM | PADDED | PRIORITISED, 1, &fine));
    assert_eq!(connection.status(1), 200);
}

#[test]
fn rfc9113_6_5_settings_are_answered_and_within_bounds() {
    let sidecar = open();
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&settings(&[(3, 100), (0xff, 1)]));
    for _ in 0..2 {
        let ack = connection.find(|frame| frame.kind == SETTINGS && frame.flags & ACK != 0);
        assert_eq!(ack.unwrap().payload, b"");
    }
    for (what, code, parameter) in [
        ("ENABLE_PUSH 2", PROTOCOL_ERROR, (2, 2)),
        ("INITIAL_WINDOW_SIZE over 2^31-1", COARSE, (4, 1 << 31)),
        ("MAX_FRAME_SIZE under 2^14", PROTOCOL_ERROR, (5, 16_383)),
        ("MAX_FRAME_SIZE over 2^24-1", PROTOCOL_ERROR, (5, 1 << 24)),
    ] {
        assert_ends(&sidecar, what, code, &settings(&[parameter]));
    }
}

#[test]
fn rfc9113_6_7_a_ping_is_answered_and_an_answer_is_not() {
    let sidecar = open();
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&frame(PING, ACK, 0, b"unasked!"));
    connection.write(&frame(PING, 0, 0, b"12345678"));
    let ping = connection.find(|frame| frame.kind == PING && frame.payload != [0; 8]).unwrap();
    assert_eq!((ping.flags & ACK, ping.payload.as_slice()), (ACK, b"12345678".as_slice()));
}

#[test]
fn rfc9113_6_9_windows_are_opened_by_something_and_within_bounds() {
    let sidecar = open();
    let begun = frame(HEADERS, END_HEADERS, 1, &get());
    assert_ends(&sidecar, "by 0, connection", PROTOCOL_ERROR, &frame(WINDOW_UPDATE, 0, 0, &[0; 4]));
    let nothing = [begun.clone(), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat();
    assert_resets(&sidecar, "by 0, stream", PROTOCOL_ERROR, &nothing);
    let most = [0x7f, 0xff, 0xff, 0xff];
    assert_ends(
        &sidecar,
        "over 2^31-1, connection",
        FLOW_CONTROL_ERROR,
        &frame(WINDOW_UPDATE, 0, 0, &most).repeat(2),
    );
    let over = [begun, frame(WINDOW_UPDATE, 0, 1, &most).repeat(2)].concat();
    assert_resets(&sidecar, "over 2^31-1, stream", FLOW_CONTROL_ERROR, &over);
}

#[test]
fn rfc9113_6_9_1_nothing_is_sent_beyond_the_window() {
    let sidecar = open();
    // A window of one byte for each stream.
    let mut connection = Frames::with(sidecar.traffic(), &[(4, 1)]);
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get()));
    let first = connection.find(|frame| frame.kind == DATA).unwrap();
    assert_eq!(first.payload.len(), 1);
    connection.write(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 2]));
    let second = connection.find(|frame| frame.kind == DATA).unwrap();
    assert_eq!(second.payload.len(), 2);
    // §6.9.2: a change of the initial window moves the windows of streams that are open.
    connection.write(&settings(&[(4, 1000)]));
    let rest = connection.find(|frame| frame.kind == DATA).unwrap();
    assert!(rest.payload.len() > 2 && rest.flags & END_STREAM != 0, "{rest:?}");
}

#[test]
fn rfc9113_6_10_a_header_block_is_not_interrupted() {
    let sidecar = open();
    let begun = frame(HEADERS, END_STREAM, 1, &get()[..10]);
    for (what, bytes) in [
        ("DATA", frame(DATA, 0, 1, b"x")),
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("HEADERS", frame(HEADERS, END_HEADERS, 3, &get())),
        ("CONTINUATION of another stream", frame(CONTINUATION, END_HEADERS, 3, &get()[10..])),
        ("an unknown frame", frame(0x16, 0, 0, b"x")),
    ] {
        assert_ends(&sidecar, what, PROTOCOL_ERROR, &[begun.clone(), bytes].concat());
    }
    let whole = frame(HEADERS, END_HEADERS, 1, &get());
    let late = [whole, frame(CONTINUATION, END_HEADERS, 1, &get())].concat();
    assert_ends(&sidecar, "CONTINUATION of a block that has ended", PROTOCOL_ERROR, &late);

    let mut connection = Frames::open(sidecar.traffic());
    for (kind, flags, part) in [
        (HEADERS, END_STREAM, &get()[..10]),
        (CONTINUATION, 0, &get()[10..20]),
        (CONTINUATION, END_HEADERS, &get()[20..]),
    ] {
        connection.write(&frame(kind, flags, 1, part));
    }
    assert_eq!(connection.status(1), 200);
}

#[test]
fn rfc9113_4_1_a_frame_that_is_cut_short_is_no_request() {
    let sidecar = open();
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(&framed(1000, HEADERS, END_HEADERS | END_STREAM, 1, &get()));
    connection.finish();
    connection.rest();
    sidecar.upstream.saw_nothing();
}
