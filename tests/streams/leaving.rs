//! Clients that leave, and clients that only stop sending. What only the time between tells apart is
//! `src/listener/tests.rs`.

use std::io::Write;
use std::net::Shutdown;

use super::{exactly, get, has_ended, head, scripted, send};
use crate::support::http::{Call, DEADLINE};
use crate::support::sidecar::until;

#[test]
fn h24_a_client_that_half_closes_gets_its_answer() {
    let (sidecar, script, key) = scripted("");
    for call in [get(&key, "/a"), Call { method: "POST".into(), body: b"body".into(), ..get(&key, "/a") }] {
        let mut client = send(sidecar.traffic(), &call.bytes());
        client.shutdown(Shutdown::Write).unwrap();
        let (mut application, _) = script.accept_head();
        application
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\none")
            .unwrap();
        assert!(head(&mut client).starts_with("HTTP/1.1 200"));
        assert_eq!(exactly(&mut client, 3), b"one");
        application.write_all(b"two").unwrap();
        assert_eq!(exactly(&mut client, 3), b"two");
    }
}

#[test]
fn a_client_that_resets_its_connection_ends_the_request_behind_at_once() {
    let (sidecar, script, key) = scripted("");
    // Unread bytes of an earlier answer make the kernel reset the connection when it is closed.
    let client = send(sidecar.traffic(), &[get(&key, "/first").bytes(), get(&key, "/slow").bytes()].concat());
    let (mut application, _) = script.accept_head();
    application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    head(&mut application);
    let mut byte = [0];
    client.peek(&mut byte).unwrap();
    drop(client);
    assert!(has_ended(&mut application));
}

#[test]
fn a_client_that_resets_its_connection_ends_a_stream_behind_even_while_nothing_is_sent() {
    let (sidecar, script, key) = scripted("");
    let mut client = send(sidecar.traffic(), &get(&key, "/events").bytes());
    let (mut application, _) = script.accept_head();
    application
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .unwrap();
    application.write_all(b"9\r\ndata: 1\n\n\r\n").unwrap();
    assert!(head(&mut client).contains("200"));
    // The rest of the event stays unread.
    assert_eq!(exactly(&mut client, 1), b"9");
    let mut byte = [0];
    client.peek(&mut byte).unwrap();
    drop(client);
    assert!(has_ended(&mut application));
    until("its connection is gone", || {
        sidecar.metrics("countersign_listener_connections") == ["countersign_listener_connections 0"]
    });
}

#[test]
fn a_client_that_leaves_amid_its_body_ends_the_request_behind() {
    let (sidecar, script, key) = scripted("");
    let call = get(&key, "/upload").header("Content-Length", "100");
    let mut client = send(sidecar.traffic(), &Call { method: "POST".into(), ..call }.bytes());
    client.write_all(b"half").unwrap();
    let (mut application, _) = script.accept_head();
    assert_eq!(exactly(&mut application, 4), b"half");
    drop(client);
    assert!(has_ended(&mut application));
}

#[test]
fn what_a_client_pipelines_while_it_waits_is_answered_in_turn() {
    let (sidecar, script, key) = scripted("");
    let mut client = send(sidecar.traffic(), &get(&key, "/first").bytes());
    let (mut application, first) = script.accept_head();
    assert!(first.starts_with("GET /first "));
    client.write_all(&get(&key, "/second").bytes()).unwrap();
    application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1").unwrap();
    assert!(head(&mut client).starts_with("HTTP/1.1 200"));
    assert_eq!(exactly(&mut client, 1), b"1");
    assert!(head(&mut application).starts_with("GET /second "));
    application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2").unwrap();
    assert!(head(&mut client).starts_with("HTTP/1.1 200"));
    assert_eq!(exactly(&mut client, 1), b"2");
}

#[test]
fn a_client_of_http2_that_resets_its_stream_ends_the_request_behind() {
    let (sidecar, script, key) = scripted("");
    let to = sidecar.traffic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(to).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get("http://app.example/slow")
            .header("X-API-Key", &key.api_key)
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let pending = tokio::spawn(sender.send_request(request));
        let (mut application, _) = tokio::task::spawn_blocking(move || script.accept_head()).await.unwrap();
        // Dropping what waits for the answer resets the stream; the connection stays.
        pending.abort();
        let ended = tokio::task::spawn_blocking(move || has_ended(&mut application));
        assert!(tokio::time::timeout(DEADLINE, ended).await.unwrap().unwrap());
        drop(sender);
    });
}
