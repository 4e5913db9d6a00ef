//! The key of what goes on: revoked, expired or beyond judging, and its stream is cut.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use super::websocket::{ROUTES, established};
use super::{Script, exactly, get, has_ended, head, scripted, send};
use crate::support::http::Connection;
use crate::support::sidecar::{Key, Sidecar, until};

const EVENTS: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const EVENT: &[u8] = b"9\r\ndata: 1\n\n\r\n";

fn streaming(more: &str) -> (Sidecar, Script, Key) {
    scripted(&format!("{more}\n[limits]\nrecheck = '1s'\n{ROUTES}"))
}

/// An event stream that has begun: both ends of it.
fn events(sidecar: &Sidecar, script: &Script, key: &Key) -> (TcpStream, TcpStream) {
    let mut client = send(sidecar.traffic(), &get(key, "/events").bytes());
    let (mut application, _) = script.accept_head();
    application.write_all(&[EVENTS, EVENT].concat()).unwrap();
    assert!(head(&mut client).starts_with("HTTP/1.1 200"));
    assert_eq!(exactly(&mut client, EVENT.len()), EVENT);
    (client, application)
}

fn cut(sidecar: &Sidecar, streams: &mut [(TcpStream, TcpStream)]) {
    let many = streams.len();
    for (client, application) in streams {
        assert!(has_ended(client) && has_ended(application));
    }
    let counted = || sidecar.metrics("countersign_streams_cut_total");
    until("they are counted", || counted() == [format!("countersign_streams_cut_total {many}")]);
}

fn goes_on(streams: &mut [(TcpStream, TcpStream)]) {
    for (client, application) in streams {
        application.write_all(EVENT).unwrap();
        assert_eq!(exactly(client, EVENT.len()), EVENT);
    }
}

#[test]
fn a_stream_of_a_revoked_key_is_cut_and_that_of_another_goes_on() {
    let (sidecar, script, key) = streaming("");
    let other = sidecar.key(&key.workspace, json!({ "name": "other" }));
    let mut theirs =
        [events(&sidecar, &script, &other), established(&sidecar, &script, get(&other, "/live"))];
    let mut mine = [events(&sidecar, &script, &key), established(&sidecar, &script, get(&key, "/live"))];
    goes_on(&mut mine);
    sidecar.patch_key(&key, json!({ "isActive": false }));
    cut(&sidecar, &mut mine);
    goes_on(&mut theirs);
}

#[test]
fn a_stream_of_a_deleted_key_is_cut_while_bytes_flow() {
    let (sidecar, script, key) = streaming("");
    let (mut client, mut application) = events(&sidecar, &script, &key);
    assert_eq!(sidecar.admin("DELETE", &format!("/api/webhook-keys/{}", key.id), None).status, 204);
    let writer = std::thread::spawn(move || while application.write_all(EVENT).is_ok() {});
    let mut drop_all = [0; 64 * 1024];
    while matches!(std::io::Read::read(&mut client, &mut drop_all), Ok(1..)) {}
    drop(client);
    writer.join().unwrap();
    assert_eq!(sidecar.metrics("countersign_streams_cut_total"), ["countersign_streams_cut_total 1"]);
}

#[test]
fn a_stream_of_an_expired_key_is_cut() {
    let (sidecar, script, key) = streaming("");
    sidecar.patch_key(&key, json!({ "expiresAt": "2026-01-01T01:00:00Z" }));
    let mut mine = [events(&sidecar, &script, &key), established(&sidecar, &script, get(&key, "/live"))];
    sidecar.advance(3_700);
    cut(&sidecar, &mut mine);
}

#[test]
fn a_stream_whose_key_was_rotated_away_is_cut_when_the_overlap_ends() {
    let (sidecar, script, key) = streaming("");
    let mut mine = [events(&sidecar, &script, &key)];
    sidecar.rotate_key(&key, json!({ "overlapSeconds": 0 }));
    cut(&sidecar, &mut mine);
}

#[test]
fn a_stream_whose_key_nobody_can_judge_any_more_is_cut() {
    let (sidecar, script, key) = streaming("");
    let mut mine = [events(&sidecar, &script, &key), established(&sidecar, &script, get(&key, "/live"))];
    sidecar.clock.hush_the_store();
    sidecar.clock.advance(std::time::Duration::from_secs(31));
    cut(&sidecar, &mut mine);
}

#[test]
fn an_answer_that_ends_by_itself_is_looked_at_by_nobody() {
    let (sidecar, script, key) = streaming("");
    let mut client = Connection::open(sidecar.traffic());
    client.write(&get(&key, "/short").bytes());
    let (mut application, _) = script.accept_head();
    sidecar.patch_key(&key, json!({ "isActive": false }));
    application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    assert_eq!(client.answer_to("GET").text(), "ok");
    assert_eq!(sidecar.metrics("countersign_streams_cut_total"), ["countersign_streams_cut_total 0"]);
}
