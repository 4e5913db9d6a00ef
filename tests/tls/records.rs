//! Records and messages that are no TLS, or come when they should not, byte by byte (RFC 8446 §4, §5).

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::{Secured, assert_unanswered, client_hello};
use crate::support::http::{Call, DEADLINE};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

fn record(kind: u8, version: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let [major, minor] = version.to_be_bytes();
    [&[kind, major, minor, high, low], payload].concat()
}

#[test]
fn t02_records_that_no_handshake_begins_with_end_the_connection() {
    let secured = Secured::start();
    let hello = client_hello(&secured.client());
    let message = &hello[5..];
    let longer = |by: u8| {
        let mut message = message.to_vec();
        message[3] = message[3].wrapping_add(by);
        message
    };
    let mut no_null_compression = message.to_vec();
    // After version, random and session id: cipher suites with their length, then compression methods.
    let at = 4 + 2 + 32;
    let at = at + 1 + usize::from(message[at]);
    let suites = usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
    no_null_compression[at + 2 + suites + 1] = 1;
    let mut no_suites = message.to_vec();
    no_suites[at + 2..at + 2 + suites].fill(0);
    let finished = record(HANDSHAKE, 0x0303, &[20, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    for (what, bytes) in [
        ("application data", record(APPLICATION_DATA, 0x0303, b"GET / HTTP/1.1")),
        ("ChangeCipherSpec first", record(CHANGE_CIPHER_SPEC, 0x0303, &[1])),
        ("a heartbeat", record(HEARTBEAT, 0x0303, &[1, 0x40, 0])),
        ("an unknown type", record(99, 0x0303, b"x")),
        ("a fatal alert", record(ALERT, 0x0303, &[2, 40])),
        ("Finished first", finished),
        ("no handshake type", record(HANDSHAKE, 0x0301, &[99, 0, 0, 1, 0])),
        ("an empty record of the handshake", record(HANDSHAKE, 0x0301, &[])),
        ("a message beyond what there may be", record(HANDSHAKE, 0x0301, &[1, 0xff, 0xff, 0xff])),
        ("a record beyond 2^14 + 256", [&[HANDSHAKE, 3, 1, 0xff, 0xff][..], &[1; 0xffff]].concat()),
        ("a version of another protocol", record(HANDSHAKE, 0x0909, message)),
        ("SSL 2.0", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80".to_vec()),
        ("a hello with bytes behind it", record(HANDSHAKE, 0x0301, &[message, &[0; 3]].concat())),
        ("a hello that is cut short", [record(HANDSHAKE, 0x0301, &longer(0xff)[..]), hello.clone()].concat()),
        ("no null compression", record(HANDSHAKE, 0x0301, &no_null_compression)),
        ("no cipher suite that is one", record(HANDSHAKE, 0x0301, &no_suites)),
    ] {
        println!("{what}");
        assert_unanswered(secured.sidecar.traffic(), &bytes);
    }
    secured.sidecar.upstream.saw_nothing();
    assert_eq!(secured.get(), 200);
}

#[test]
fn t02_a_hello_with_any_byte_changed_harms_nobody() {
    let secured = Secured::start();
    let hello = client_hello(&secured.client());
    for at in 0..hello.len() {
        let mut changed = hello.clone();
        changed[at] ^= if at % 2 == 0 { 0xff } else { 1 };
        let mut stream = TcpStream::connect(secured.sidecar.traffic()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(&changed).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "byte {at}"),
        }
        // The handshake goes on, or is refused: nothing else is ever said.
        assert!(answer.is_empty() || [ALERT, HANDSHAKE].contains(&answer[0]), "byte {at}: {answer:?}");
    }
    secured.sidecar.upstream.saw_nothing();
    assert_eq!(secured.sidecar.metrics("countersign_panics_total"), ["countersign_panics_total 0"]);
    assert_eq!(secured.get(), 200);
}

#[test]
fn t02_what_was_not_encrypted_for_a_session_ends_it() {
    let secured = Secured::start();
    let client = secured.client();
    let plain = Call::get("/injected").bytes();
    for (what, bytes) in [
        ("plain bytes", plain.clone()),
        ("plain bytes in a record", record(APPLICATION_DATA, 0x0303, &plain)),
        ("a forged alert", record(ALERT, 0x0303, &[1, 0])),
        ("another hello", client_hello(&client)),
        ("a record without an end", [&[APPLICATION_DATA, 3, 3, 0xff, 0xff][..], &[0; 0xffff]].concat()),
    ] {
        let mut session = client.open(secured.sidecar.traffic(), "app.example").unwrap();
        session.stream().write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        if let Err(error) = session.stream().read_to_end(&mut answer) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{what}");
        }
    }
    secured.sidecar.upstream.saw_nothing();
    assert_eq!(secured.get(), 200);
}
