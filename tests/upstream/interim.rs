//! Interim answers of the application: dropped, and counted.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{get, keyed};
use crate::support::http::{Call, Connection};
use crate::support::refusal::assert_problem;
use crate::support::script::{Script, head};
use crate::support::sidecar::{Key, Sidecar};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn scripted() -> (Sidecar, Script, Key) {
    let script = Script::start();
    let (sidecar, key) = keyed(Sidecar::builder().upstream(&script.url).one_thread().start());
    (sidecar, script, key)
}

/// Sends a request on a connection of its own.
fn begin(sidecar: &Sidecar, call: &Call) -> Connection {
    let mut client = Connection::open(sidecar.traffic());
    client.write(&call.bytes());
    client
}

/// Whether the other side has closed the connection, however it did.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn h21_each_request_may_get_sixteen_interim_answers() {
    let (sidecar, script, key) = scripted();
    let mut client = Connection::open(sidecar.traffic());
    let mut kept: Option<TcpStream> = None;
    for interim in [CONTINUE, HINTS, CONTINUE] {
        client.write(&get(&key).bytes());
        let application = match &mut kept {
            None => kept.insert(script.accept_head().0),
            Some(application) => {
                head(application);
                application
            }
        };
        application.write_all((interim.repeat(16) + OK).as_bytes()).unwrap();
        let answer = client.answer_to("GET");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        assert!(client.interim.is_empty(), "none goes on");
    }
    assert!(!script.is_called(), "all went over one connection");
}

#[test]
fn h21_more_interim_answers_are_a_502_and_the_end_of_the_connection() {
    for interim in [CONTINUE.repeat(17), HINTS.repeat(17), CONTINUE.repeat(10_000)] {
        let (sidecar, script, key) = scripted();
        let mut client = begin(&sidecar, &get(&key));
        let (mut application, _) = script.accept_head();
        // Nobody may read it to its end.
        let _cut = application.write_all((interim + OK).as_bytes());
        assert_problem(&client.answer_to("GET"), 502, "interim");
        assert!(client.interim.is_empty());
        assert!(is_closed(&mut application));
        let counted = sidecar.metrics("countersign_upstream_errors_total");
        assert_eq!(counted, ["countersign_upstream_errors_total{cause=\"broken\"} 1"]);
        // The client's own connection goes on, over a new one to the application.
        client.write(&get(&key).bytes());
        let (mut application, _) = script.accept_head();
        application.write_all(OK.as_bytes()).unwrap();
        assert_eq!(client.answer_to("GET").status, 200);
    }
}

#[test]
fn h21_interim_answers_without_end_are_a_502_without_waiting_for_the_timeout() {
    let (sidecar, script, key) = scripted();
    let mut client = begin(&sidecar, &get(&key));
    let (mut application, _) = script.accept_head();
    let endless = std::thread::spawn(move || while application.write_all(CONTINUE.as_bytes()).is_ok() {});
    assert_problem(&client.answer_to("GET"), 502, "without end");
    endless.join().unwrap();
}

#[test]
fn h21_a_request_with_too_many_interim_answers_is_not_repeated() {
    let (sidecar, script, key) = scripted();
    let mut client = begin(&sidecar, &get(&key));
    let (mut application, _) = script.accept_head();
    application.write_all(OK.as_bytes()).unwrap();
    assert_eq!(client.answer_to("GET").status, 200);
    // On a connection that was kept: where that ends without a word, a GET is sent again.
    client.write(&get(&key).bytes());
    head(&mut application);
    let _cut = application.write_all(CONTINUE.repeat(17).as_bytes());
    assert_problem(&client.answer_to("GET"), 502, "kept");
    assert!(!script.is_called());
}
