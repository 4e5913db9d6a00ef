//! How `serve` ends: it drains what is in flight, or is told to hurry.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use tempfile::tempdir;

use crate::support::http::{Call, Connection, DEADLINE};
use crate::support::process::Serve;
use crate::support::sidecar::until;
use crate::support::upstream::{Manner, Upstream, nobody};

#[test]
fn sigterm_and_ctrl_c_end_an_idle_sidecar_with_0() {
    for signal in ["TERM", "INT"] {
        let dir = tempdir().unwrap();
        let serve = Serve::start(dir.path(), &nobody());
        serve.process.signal(signal);
        let ended = serve.process.finish();
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.stderr);
    }
}

/// An application that answers its one request when it is told to.
fn slow_application() -> (String, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (arrived, arrival) = mpsc::channel();
    let (answer, told) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let _length = stream.read(&mut head).unwrap();
        arrived.send(()).unwrap();
        told.recv().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").unwrap();
    });
    (url, arrival, answer)
}

#[test]
fn sigterm_lets_a_request_in_flight_finish() {
    let dir = tempdir().unwrap();
    let (url, arrival, answer) = slow_application();
    let mut serve = Serve::start(dir.path(), &url);
    let workspace = serve.workspace("w");
    let key = serve.key(&workspace, "k");
    let mut connection = Connection::open(serve.traffic);
    connection.write(&Call::get("/slow").header("X-API-Key", &key.api_key).bytes());
    arrival.recv_timeout(DEADLINE).unwrap();

    serve.process.signal("TERM");
    serve.process.wait_for("it says that it drains", |_, stderr| stderr.contains("draining").then_some(()));
    until("readiness tells Kubernetes", || serve.ops("/readyz").status == 503);
    assert_eq!(serve.ops("/livez").status, 200);
    answer.send(()).unwrap();
    let late = connection.answer_to("GET");
    assert_eq!((late.status, late.text().as_str()), (200, "late"));
    let ended = serve.process.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_second_sigterm_ends_it_at_once() {
    let dir = tempdir().unwrap();
    let upstream = Upstream::with(Manner::Silent);
    let mut serve = Serve::start(dir.path(), &upstream.url);
    let workspace = serve.workspace("w");
    let key = serve.key(&workspace, "k");
    let mut connection = Connection::open(serve.traffic);
    connection.write(&Call::get("/never").header("X-API-Key", &key.api_key).bytes());
    until("the request has arrived", || upstream.bytes() > 0);

    serve.process.signal("TERM");
    serve.process.wait_for("it says that it drains", |_, stderr| stderr.contains("draining").then_some(()));
    serve.process.signal("TERM");
    // drain.timeout is 20 s and the application never answers: only the second signal can end it in time.
    let ended = serve.process.finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("ended at once"), "{}", ended.stderr);
    assert!(connection.try_answer("GET").is_none(), "the request was cut");
}
