//! WebSockets, byte by byte: what opens one, what does not, and how it passes and ends.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use super::{Script, exactly, get, has_ended, head, open, scripted, send};
use crate::support::http::{Call, Connection};
use crate::support::refusal::assert_problem;
use crate::support::sidecar::{Key, Sidecar, sign, until};

pub(super) const ROUTES: &str = "
[[routes]]
name = 'live'
path = '/live'
verify = ['signature', 'api-key']
websocket = true
[[routes]]
name = 'rest'
path = '/{*rest}'
verify = ['api-key']
";

/// The example of RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

pub(super) fn opening(call: Call) -> Call {
    call.header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
        .header("Sec-WebSocket-Protocol", "chat")
}

/// Both ends of a WebSocket that was agreed on.
pub(super) fn established(sidecar: &Sidecar, script: &Script, call: Call) -> (TcpStream, TcpStream) {
    let mut client = send(sidecar.traffic(), &opening(call).bytes());
    let (mut application, asked) = script.accept_head();
    let asked = asked.to_lowercase();
    for line in [
        "connection: upgrade\r\n",
        "upgrade: websocket\r\n",
        "sec-websocket-version: 13\r\n",
        "sec-websocket-protocol: chat\r\n",
        "countersign-verified: ",
    ] {
        assert_eq!(asked.matches(line).count(), 1, "{line:?} in {asked}");
    }
    assert!(!asked.contains("x-api-key") && !asked.contains("x-webhook-signature"), "{asked}");
    application.write_all(AGREED.as_bytes()).unwrap();
    let agreed = head(&mut client).to_lowercase();
    assert!(agreed.starts_with("http/1.1 101"), "{agreed}");
    for line in [
        "connection: upgrade\r\n",
        "upgrade: websocket\r\n",
        "sec-websocket-protocol: chat\r\n",
        "countersign-request-id: ",
    ] {
        assert_eq!(agreed.matches(line).count(), 1, "{line:?} in {agreed}");
    }
    (client, application)
}

fn says(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    from.write_all(bytes).unwrap();
    assert_eq!(exactly(to, bytes.len()), bytes);
}

#[test]
fn a_websocket_passes_bytes_both_ways_until_both_have_ended() {
    let (sidecar, script, key) = scripted(ROUTES);
    let (mut client, mut application) = established(&sidecar, &script, get(&key, "/live"));
    says(&mut client, &mut application, b"\x81\x85\x01\x02\x03\x04hello");
    says(&mut application, &mut client, &[b'y'; 100_000]);
    // An end of one side is passed on, and the other goes on.
    client.shutdown(Shutdown::Write).unwrap();
    assert!(has_ended(&mut application));
    says(&mut application, &mut client, b"still here");
    drop(application);
    assert!(has_ended(&mut client));
    until("its place is free", || {
        sidecar.metrics("countersign_listener_connections") == ["countersign_listener_connections 0"]
    });
}

#[test]
fn what_comes_with_the_agreement_is_not_lost() {
    let (sidecar, script, key) = scripted(ROUTES);
    let mut client = send(sidecar.traffic(), &opening(get(&key, "/live")).bytes());
    let (mut application, _) = script.accept_head();
    application.write_all(format!("{AGREED}\u{81}\u{5}hello").as_bytes()).unwrap();
    head(&mut client);
    assert_eq!(exactly(&mut client, "\u{81}\u{5}hello".len()), "\u{81}\u{5}hello".as_bytes());
}

#[test]
fn a_websocket_without_a_credential_or_with_a_wrong_one_reaches_nobody() {
    let sidecar = Sidecar::builder().config(ROUTES).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    sidecar.patch_key(&key, json!({ "isActive": false }));
    for call in [Call::get("/live"), get(&key, "/live")] {
        let mut client = Connection::open(sidecar.traffic());
        client.write(&opening(call).bytes());
        // What follows an opening that was refused is not HTTP (RFC 9931).
        client.write(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer_to("GET");
        assert_problem(&answer, 401, "refused");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed());
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_signed_request_opens_a_websocket() {
    let (sidecar, script, key) = scripted(ROUTES);
    let signing = sidecar.key(&key.workspace, json!({ "name": "signs", "scheme": "signed-request" }));
    let call = Call::get("/live?room=1")
        .header("X-Workspace-ID", &signing.workspace)
        .header("X-Webhook-Key-Id", &signing.id);
    let call = sign("signed-request", &signing.secret, call, countersign::clock::Clock::now(&*sidecar.clock));
    let (mut client, mut application) = established(&sidecar, &script, call);
    says(&mut client, &mut application, b"up");
}

#[test]
fn h15_only_a_route_that_says_so_lets_a_websocket_through() {
    let (sidecar, key) = plain();
    for (call, upgrade) in [
        (get(&key, "/other"), "websocket"),
        (get(&key, "/live"), "h2c"),
        (get(&key, "/live"), "HTTP/2.0"),
        (get(&key, "/live"), "TLS/1.0"),
    ] {
        let call = opening(call)
            .without("Upgrade")
            .header("Upgrade", upgrade)
            .header("HTTP2-Settings", "AAMAAABkAAQAAP__");
        let mut client = Connection::open(sidecar.traffic());
        client.write(&call.bytes());
        client.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let answer = client.answer_to("GET");
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{upgrade}");
        assert!(client.is_closed());
        let seen = sidecar.upstream.only();
        assert_eq!((seen.header("upgrade"), seen.header("connection")), (None, None), "{upgrade}");
        assert!(!sidecar.upstream.raw().contains("pri * http/2"), "{upgrade}");
    }
}

fn plain() -> (Sidecar, Key) {
    let sidecar = Sidecar::builder().config(ROUTES).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    (sidecar, key)
}

#[test]
fn h15_an_opening_that_is_malformed_is_refused_and_the_connection_ends() {
    let (sidecar, key) = plain();
    let good = opening(get(&key, "/live"));
    let with = |name: &str, value: &str| good.clone().without(name).header(name, value);
    for (what, call) in [
        ("several protocols", with("Upgrade", "websocket, h2c")),
        ("several lines", good.clone().header("Upgrade", "h2c")),
        ("no Connection", good.clone().without("Connection")),
        ("another version", with("Sec-WebSocket-Version", "8")),
        ("no version", good.clone().without("Sec-WebSocket-Version")),
        ("a short key", with("Sec-WebSocket-Key", "c2hvcnQ=")),
        ("two keys", good.clone().header("Sec-WebSocket-Key", KEY)),
        ("no key", good.clone().without("Sec-WebSocket-Key")),
        ("POST", Call { method: "POST".into(), ..good.clone() }),
        ("a body", Call { body: b"body".into(), ..good.clone() }),
    ] {
        let mut client = Connection::open(sidecar.traffic());
        client.write(&call.bytes());
        let answer = client.answer_to("GET");
        assert_problem(&answer, 400, what);
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn m12_http_1_0_asks_for_nothing() {
    let (sidecar, key) = plain();
    let old = String::from_utf8(opening(get(&key, "/live")).bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    let mut client = Connection::open(sidecar.traffic());
    client.write(old.as_bytes());
    assert_eq!(client.answer_to("GET").status, 200);
    assert_eq!(sidecar.upstream.only().header("upgrade"), None);
}

#[test]
fn m42_an_answer_that_does_not_agree_is_an_ordinary_one_and_ends_the_connection() {
    let (sidecar, script, key) = scripted(ROUTES);
    let mut client = send(sidecar.traffic(), &opening(get(&key, "/live")).bytes());
    client.write_all(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (mut application, _) = script.accept_head();
    application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").unwrap();
    let answer = head(&mut client).to_lowercase();
    assert!(answer.starts_with("http/1.1 200") && answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(exactly(&mut client, 2), b"no");
    assert!(has_ended(&mut client));
    // Nothing of what the client went on with was sent up.
    application.set_nonblocking(true).unwrap();
    let nothing = application.peek(&mut [0]);
    assert!(!matches!(nothing, Ok(1..)), "{nothing:?}");
}

#[test]
fn m42_a_switch_to_something_else_is_a_502() {
    let (sidecar, script, key) = scripted(ROUTES);
    for (what, from, to) in [
        ("another protocol", "Upgrade: websocket", "Upgrade: h2c"),
        ("two protocols", "Upgrade: websocket", "Upgrade: websocket, h2c"),
        ("no Connection", "Connection: Upgrade", "X: y"),
        ("another key's agreement", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAALMBiTxaQ9kYGzzhZRbK+xOo="),
        ("no agreement", "Sec-WebSocket-Accept", "X-Accept"),
    ] {
        let mut client = Connection::open(sidecar.traffic());
        client.write(&opening(get(&key, "/live")).bytes());
        let (mut application, _) = script.accept_head();
        application.write_all(AGREED.replace(from, to).as_bytes()).unwrap();
        assert_problem(&client.answer_to("GET"), 502, what);
        assert!(client.is_closed(), "{what}");
        assert!(has_ended(&mut application), "{what}");
    }
}

#[test]
fn a_websocket_on_which_nothing_moves_is_closed() {
    let (sidecar, script, key) = scripted(&format!("[limits]\nwebsocket_idle_timeout = '400ms'\n{ROUTES}"));
    let (mut client, mut application) = established(&sidecar, &script, get(&key, "/live"));
    says(&mut client, &mut application, b"up");
    assert!(has_ended(&mut client) && has_ended(&mut application));
}

#[test]
fn a_websocket_lasts_until_the_drain_is_over() {
    let (mut sidecar, script, key) = scripted(&format!("[drain]\ntimeout = '2s'\n{ROUTES}"));
    let (mut client, mut application) = established(&sidecar, &script, get(&key, "/live"));
    let traffic = sidecar.traffic();
    let stopped = std::thread::spawn(move || sidecar.stop());
    until("nobody new is let in", || TcpStream::connect(traffic).is_err());
    says(&mut client, &mut application, b"up");
    says(&mut application, &mut client, b"down");
    stopped.join().unwrap();
    assert!(has_ended(&mut client) && has_ended(&mut application));
}

#[test]
fn a_side_that_does_not_read_stops_the_other() {
    let (sidecar, script, key) = scripted(ROUTES);
    let (client, mut application) = established(&sidecar, &script, get(&key, "/live"));
    application.set_write_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
    let mut written = 0;
    while let Ok(length) = application.write(&[b'x'; 64 * 1024]) {
        written += length;
        assert!(written < 64 << 20, "{written} bytes were taken that nobody reads");
    }
    drop(client);
    assert!(open(sidecar.traffic()).peer_addr().is_ok());
}

#[test]
fn a_websocket_is_one_of_the_applications_connections_until_it_ends() {
    let config = format!("{ROUTES}\n[upstream]\nconnections = 1\nconnection_wait = '50ms'");
    let (sidecar, script, key) = scripted(&config);
    let (client, application) = established(&sidecar, &script, get(&key, "/live"));
    assert_problem(&sidecar.send(&get(&key, "/a")), 503, "the one place is taken");
    assert!(!script.is_called(), "a second connection was made");
    drop((client, application));
    let answering = std::thread::spawn(move || {
        let (mut application, _) = script.accept_head();
        application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    until("the place is free", || sidecar.send(&get(&key, "/a")).status == 200);
    answering.join().unwrap();
}
