//! What becomes of a request when its stream or its connection ends (RFC 9113 §8.7, §6.8; RFC 9110 §9.2.2).

use std::io::Read;
use std::time::Duration;

use super::{get, post, scripted, sending, serve};
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, Frames, GOAWAY, HEADERS, NO_ERROR,
    PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, WINDOW_UPDATE, block, frame, request,
};
use crate::support::http::{Call, Connection};
use crate::support::refusal::assert_problem;

const CANCEL: u32 = 8;
const INTERNAL_ERROR: u32 = 2;

fn reset(application: &mut Frames, stream: u32, code: u32) {
    application.write(&frame(RST_STREAM, 0, stream, &code.to_be_bytes()));
}

fn go_away(application: &mut Frames, last: u32, code: u32) {
    application.write(&frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()));
}

/// The bodies of DATA frames on a stream until it ends.
fn body(application: &mut Frames, stream: u32) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let data = application.find(|frame| (frame.kind, frame.stream) == (DATA, stream)).unwrap();
        body.extend(&data.payload);
        if data.flags & END_STREAM != 0 {
            return body;
        }
    }
}

/// Whether another request begins before the connection is silent for half a second.
fn begins_another(application: &mut Frames) -> bool {
    application.write(&frame(crate::support::frames::PING, 0, 0, b"anymore?"));
    let next = application.find(|frame| frame.kind == HEADERS || frame.payload == b"anymore?");
    next.is_some_and(|frame| frame.kind == HEADERS)
}

#[test]
fn rfc9113_8_7_a_refused_request_is_sent_once_more_with_its_body() {
    let (sidecar, script, key) = scripted("");
    let signed = sidecar.signed(
        "workspace",
        &key.secret,
        Call::post("/a", "signed").header("X-Workspace-ID", &key.workspace),
    );
    // One connection for all: a request that came while one was being closed would go down with it.
    let mut connection = None;
    for call in [get(&key), post(&key, "a body that streams"), signed] {
        let sent = call.body.clone();
        let answer = sending(&sidecar, call);
        let application = connection.get_or_insert_with(|| serve(&script));
        let first = application.begun();
        if !sent.is_empty() {
            assert_eq!(body(application, first), sent);
        }
        reset(application, first, REFUSED_STREAM);
        let second = application.begun();
        assert!(second > first);
        if !sent.is_empty() {
            assert_eq!(body(application, second), sent);
        }
        application.answer(second, "200", b"at last");
        assert_eq!(answer.join().unwrap().text(), "at last");
    }
}

#[test]
fn what_is_refused_twice_is_a_502() {
    let (sidecar, script, key) = scripted("");
    let answer = sending(&sidecar, get(&key));
    let mut application = serve(&script);
    for _ in 0..2 {
        let stream = application.begun();
        reset(&mut application, stream, REFUSED_STREAM);
    }
    assert_problem(&answer.join().unwrap(), 502, "refused twice");
    assert!(!begins_another(&mut application), "it was sent a third time");
}

#[test]
fn a_body_that_has_streamed_away_is_not_sent_again() {
    // The window of a stream is 65535 bytes: more is asked for.
    let large = "x".repeat(100_000);
    let (sidecar, script, key) = scripted("");
    let answer = sending(&sidecar, post(&key, &large));
    let mut application = serve(&script);
    let stream = application.begun();
    application.write(&frame(WINDOW_UPDATE, 0, 0, &100_000_u32.to_be_bytes()));
    application.write(&frame(WINDOW_UPDATE, 0, stream, &100_000_u32.to_be_bytes()));
    assert_eq!(body(&mut application, stream).len(), large.len());
    reset(&mut application, stream, REFUSED_STREAM);
    assert_problem(&answer.join().unwrap(), 502, "it is gone");
    assert!(!begins_another(&mut application), "it was sent again");
}

#[test]
fn rfc9113_6_8_what_a_goaway_leaves_out_is_sent_on_another_connection() {
    let (sidecar, script, key) = scripted("");
    let mut client = Frames::open(sidecar.traffic());
    let call = [("x-api-key", key.api_key.as_str())];
    client.request(1, &request("GET", "/first", &call), true);
    let mut leaving = serve(&script);
    let first = leaving.begun();
    client.request(3, &request("POST", "/second", &call), true);
    let second = leaving.begun();
    go_away(&mut leaving, first, NO_ERROR);
    // The second was not looked at; it comes on a new connection, whatever its method.
    let mut staying = serve(&script);
    let again = staying.begun();
    staying.answer(again, "200", b"second");
    assert_eq!(client.status(3), 200);
    // The first goes on where it is.
    leaving.answer(first, "200", b"first");
    assert_eq!(client.status(1), 200);
    assert!(second > first);
    // And so does every later one.
    client.request(5, &request("GET", "/third", &call), true);
    let third = staying.begun();
    staying.answer(third, "200", b"third");
    assert_eq!(client.status(5), 200);
    assert!(leaving.rest().iter().all(|frame| frame.kind != HEADERS), "it got a request after its GOAWAY");
}

#[test]
fn a_request_that_may_have_been_acted_on_is_never_sent_again() {
    for (what, end) in [
        ("INTERNAL_ERROR", INTERNAL_ERROR),
        ("CANCEL", CANCEL),
        ("PROTOCOL_ERROR", PROTOCOL_ERROR),
        ("ENHANCE_YOUR_CALM", ENHANCE_YOUR_CALM),
    ] {
        let (sidecar, script, key) = scripted("");
        let answer = sending(&sidecar, get(&key));
        let mut application = serve(&script);
        let stream = application.begun();
        reset(&mut application, stream, end);
        assert_problem(&answer.join().unwrap(), 502, what);
        assert!(!begins_another(&mut application), "{what}: it was sent again");
    }
    // A GOAWAY that counts the request in, and then the end.
    let (sidecar, script, key) = scripted("");
    let answer = sending(&sidecar, post(&key, ""));
    let mut application = serve(&script);
    let stream = application.begun();
    go_away(&mut application, stream, NO_ERROR);
    drop(application);
    assert_problem(&answer.join().unwrap(), 502, "counted in");
    assert!(!script.is_called(), "it was sent on another connection");
}

#[test]
fn h23_on_a_connection_that_ends_only_what_may_be_repeated_is_repeated_once() {
    for (method, repeated) in [("GET", true), ("DELETE", true), ("POST", false)] {
        let (sidecar, script, key) = scripted("");
        let mut client = Frames::open(sidecar.traffic());
        let call = [("x-api-key", key.api_key.as_str())];
        client.request(1, &request("GET", "/", &call), true);
        let mut application = serve(&script);
        let stream = application.begun();
        application.answer(stream, "200", b"");
        assert_eq!(client.status(1), 200);
        client.request(3, &request(method, "/", &call), true);
        application.begun();
        drop(application);
        if repeated {
            // Once: the second connection ends like the first.
            let mut application = serve(&script);
            application.begun();
            drop(application);
        }
        assert_eq!(client.status(3), 502, "{method}");
        assert!(!script.is_called(), "{method} was sent once too often");
    }
}

#[test]
fn a_client_that_leaves_resets_its_stream_and_no_other() {
    let (sidecar, script, key) = scripted("");
    let mut client = Frames::open(sidecar.traffic());
    let call = [("x-api-key", key.api_key.as_str())];
    client.request(1, &request("GET", "/leaves", &call), true);
    let mut application = serve(&script);
    let leaves = application.begun();
    client.request(3, &request("GET", "/stays", &call), true);
    let stays = application.begun();
    reset(&mut client, 1, CANCEL);
    let told = application.find(|frame| frame.kind == RST_STREAM).unwrap();
    assert_eq!((told.stream, told.code()), (leaves, CANCEL));
    // One whose answer has begun, too, with a body that still goes up.
    client.request(5, &request("POST", "/leaves", &call), false);
    let uploads = application.begun();
    application.write(&frame(HEADERS, END_HEADERS, uploads, &block(&[(":status", "200")])));
    assert_eq!(client.status(5), 200);
    reset(&mut client, 5, CANCEL);
    let told = application.find(|frame| frame.kind == RST_STREAM).unwrap();
    assert_eq!((told.stream, told.code()), (uploads, CANCEL));
    application.answer(stays, "200", b"");
    assert_eq!(client.status(3), 200);
}

#[test]
fn an_answer_before_the_end_of_the_body_ends_the_body() {
    let (sidecar, script, key) = scripted("[limits]\nbody_idle_timeout = '10s'");
    let mut client = Frames::open(sidecar.traffic());
    client.request(1, &request("POST", "/early", &[("x-api-key", key.api_key.as_str())]), false);
    let mut application = serve(&script);
    let stream = application.begun();
    application.answer(stream, "413", b"enough");
    assert_eq!(client.status(1), 413);
    let told = application.find(|frame| frame.kind == RST_STREAM).unwrap();
    assert_eq!((told.stream, told.code()), (stream, CANCEL));
}

#[test]
fn a_body_that_breaks_a_limit_resets_the_stream_and_is_told_by_its_own_status() {
    let (sidecar, script, key) = scripted("[limits]\nmax_body = '10B'\nbody_idle_timeout = '200ms'");
    let head = post(&key, "").header("Transfer-Encoding", "chunked").bytes();
    // One connection for both: a request that came while one was being closed would go down with it.
    let mut connection = None;
    for (chunk, status) in [("b\r\n01234567890\r\n", 413), ("4\r\n0123\r\n", 408)] {
        let mut client = Connection::open(sidecar.traffic());
        client.write(&[&head, chunk.as_bytes()].concat());
        let application = connection.get_or_insert_with(|| serve(&script));
        let stream = application.begun();
        assert_problem(&client.answer(), status, "a body over a limit");
        let told = application.find(|frame| frame.kind == RST_STREAM).unwrap();
        assert_eq!((told.stream, told.code()), (stream, CANCEL));
    }
}

#[test]
fn a_connection_on_which_nothing_comes_any_more_gets_no_further_request() {
    let (sidecar, script, key) = scripted("response_timeout = '200ms'");
    let mut client = Frames::open(sidecar.traffic());
    let call = [("x-api-key", key.api_key.as_str())];
    client.request(1, &request("GET", "/", &call), true);
    let mut dead = serve(&script);
    dead.begun();
    assert_eq!(client.status(1), 504);
    client.request(3, &request("GET", "/", &call), true);
    let mut alive = serve(&script);
    let stream = alive.begun();
    alive.answer(stream, "200", b"");
    assert_eq!(client.status(3), 200);
    // One that is only slow is used on: others were answered meanwhile.
    client.request(5, &request("GET", "/slow", &call), true);
    let slow = alive.begun();
    client.request(7, &request("GET", "/", &call), true);
    let quick = alive.begun();
    alive.answer(quick, "200", b"");
    assert_eq!((client.status(7), client.status(5)), (200, 504));
    client.request(9, &request("GET", "/", &call), true);
    let last = alive.begun();
    assert!(last > slow);
    alive.answer(last, "200", b"");
    assert_eq!(client.status(9), 200);
}

#[test]
fn an_answer_that_is_cut_is_cut_for_the_client_too() {
    let (sidecar, script, key) = scripted("");
    let mut client = std::net::TcpStream::connect(sidecar.traffic()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    std::io::Write::write_all(&mut client, &get(&key).bytes()).unwrap();
    let mut application = serve(&script);
    let stream = application.begun();
    application.write(&frame(HEADERS, END_HEADERS, stream, &block(&[(":status", "200")])));
    application.write(&frame(DATA, 0, stream, b"half"));
    let mut half = Vec::new();
    while !half.ends_with(b"half\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        half.push(byte[0]);
    }
    reset(&mut application, stream, INTERNAL_ERROR);
    let mut rest = Vec::new();
    let _reset = client.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it looks like a whole answer");
}

#[test]
fn an_answer_that_is_none_is_a_502() {
    for fields in [
        vec![("x-none", "1")],
        vec![(":status", "abc")],
        vec![(":status", "200"), ("connection", "close")],
        vec![(":status", "200"), ("transfer-encoding", "chunked")],
        vec![(":status", "101")],
        vec![(":status", "200"), ("X-Upper", "1")],
    ] {
        let (sidecar, script, key) = scripted("");
        let answer = sending(&sidecar, get(&key));
        let mut application = serve(&script);
        let stream = application.begun();
        application.write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&fields)));
        assert_problem(&answer.join().unwrap(), 502, &format!("{fields:?}"));
        let count = |frame: &Frame| frame.kind == HEADERS;
        application.finish();
        assert_eq!(
            application.rest().iter().filter(|frame| count(frame)).count(),
            0,
            "{fields:?}: sent again"
        );
    }
}

/// Interim answers on a stream.
fn hint(application: &mut Frames, stream: u32, times: usize) {
    let head =
        frame(HEADERS, END_HEADERS, stream, &block(&[(":status", "103"), ("link", "</a>; rel=preload")]));
    application.write(&head.repeat(times));
}

#[test]
fn h21_each_stream_may_get_sixteen_interim_answers() {
    let (sidecar, script, key) = scripted("");
    let mut application = None;
    for _ in 0..3 {
        let answer = sending(&sidecar, get(&key));
        let application = application.get_or_insert_with(|| serve(&script));
        let stream = application.begun();
        hint(application, stream, 16);
        application.answer(stream, "200", b"at last");
        assert_eq!(answer.join().unwrap().text(), "at last");
    }
}

#[test]
fn h21_more_interim_answers_on_a_stream_are_a_502_and_the_end_of_the_connection() {
    let (sidecar, script, key) = scripted("");
    for times in [17, 10_000] {
        let first = sending(&sidecar, get(&key));
        let mut application = serve(&script);
        let stream = application.begun();
        application.answer(stream, "200", b"proven");
        assert_eq!(first.join().unwrap().status, 200);
        let answer = sending(&sidecar, get(&key));
        let stream = application.begun();
        hint(&mut application, stream, times);
        application.answer(stream, "200", b"at last");
        assert_problem(&answer.join().unwrap(), 502, "interim");
        // It ends, and the request is not repeated on another one.
        application.rest();
        assert!(!script.is_called());
    }
}
