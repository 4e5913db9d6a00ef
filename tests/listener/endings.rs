//! How connections end: early answers, faults, drain, limits; and that the port is ours alone.

use std::time::Duration;

use countersign::listener;
use countersign::listener::{ListenerSettings, Socket};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::GET;
use super::PATIENCE;
use super::SHORT;
use super::any;
use super::brief;
use super::h2_request;
use super::h2c;
use super::response;
use super::rest;
use super::soon;
use super::start;

#[tokio::test]
async fn the_client_gets_to_read_an_early_answer() {
    const BODY: usize = 10 * 1024 * 1024;
    let server = start(ListenerSettings::default());
    let mut client = server.connect().await;
    let head = format!("POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY}\r\n\r\n");
    soon(client.write_all(head.as_bytes())).await.unwrap();
    soon(client.write_all(&vec![b'x'; BODY])).await.unwrap();
    // A request behind the unread body is not served.
    soon(client.write_all(GET)).await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.ends_with("too much"), "{answer:?}");
    assert_eq!(server.paths.entered.available_permits(), 1);
}

#[tokio::test]
async fn lingering_ends_at_its_limits() {
    let head = b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\nx";
    let server = start(ListenerSettings { linger_time: SHORT, ..ListenerSettings::default() });
    let mut client = server.connect().await;
    client.write_all(head).await.unwrap();
    assert!(rest(&mut client).await.starts_with("HTTP/1.1 413"));
    soon(async {
        while server.counters.open() > 0 {
            sleep(SHORT / 20).await;
        }
    })
    .await;

    let server = start(ListenerSettings {
        linger_time: PATIENCE * 2,
        linger_bytes: 100_000,
        ..ListenerSettings::default()
    });
    let mut client = server.connect().await;
    client.write_all(head).await.unwrap();
    soon(async { while client.write_all(&[b'x'; 10_000]).await.is_ok() {} }).await;
}

#[tokio::test]
async fn what_is_not_http_is_answered_and_counted() {
    let server = start(ListenerSettings::default());
    let endless = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(300_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101));
    let cases = [("\0\0\r\n\r\n", "400"), (endless.as_str(), "431"), (many.as_str(), "431")];
    for (bytes, status) in cases {
        let mut client = server.connect().await;
        client.write_all(bytes.as_bytes()).await.unwrap();
        let answer = rest(&mut client).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer:?}");
    }
    soon(async {
        while server.counters.parse_errors() < 3 {
            sleep(SHORT / 20).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_panic_of_the_handler_ends_its_connection_alone() {
    let server = start(ListenerSettings::default());
    let mut other = server.connect().await;
    let mut client = server.connect().await;
    client.write_all(b"GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut client).await, "");
    let mut sender = h2c(&server).await;
    assert!(soon(sender.send_request(h2_request("/panic", b""))).await.is_err());
    assert_eq!(soon(sender.send_request(h2_request("/", b""))).await.unwrap().status(), 200);
    other.write_all(GET).await.unwrap();
    assert!(response(&mut other).await.ends_with("ok 0"));
}

#[tokio::test]
async fn drain_closes_idle_connections_and_finishes_busy_ones() {
    let server = start(ListenerSettings { drain_timeout: PATIENCE, ..ListenerSettings::default() });
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(GET).await.unwrap();
    response(&mut idle).await;
    server.entered().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut sender = h2c(&server).await;
    let stream = tokio::spawn(sender.send_request(h2_request("/slow", b"")));
    server.entered().await;
    server.entered().await;

    server.drain.start();
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(server.place.tcp().unwrap()).await.is_err(), "the socket is closed");
    assert!(!server.serving.is_finished());
    server.paths.gate.add_permits(2);
    let answer = rest(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("slow"), "{answer:?}");
    assert_eq!(soon(stream).await.unwrap().unwrap().status(), 200);
    drop((busy, idle));
    soon(server.serving).await.unwrap().unwrap();
    assert_eq!(server.counters.open(), 0);
}

#[tokio::test]
async fn drain_does_not_wait_for_idle_clients_to_close() {
    let server = start(ListenerSettings { linger_time: PATIENCE * 2, ..ListenerSettings::default() });
    let mut idle = server.connect().await;
    idle.write_all(GET).await.unwrap();
    response(&mut idle).await;
    server.drain.start();
    soon(server.serving).await.unwrap().unwrap();
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn drain_drops_what_has_not_finished_in_time() {
    let server = start(ListenerSettings { drain_timeout: SHORT, ..ListenerSettings::default() });
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.entered().await;
    server.drain.start();
    soon(server.serving).await.unwrap().unwrap();
    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn a_second_bind_of_the_port_is_refused() {
    let first = listener::bind(&any(), 2).unwrap();
    assert_eq!(first.sockets.len(), 2);
    for socket in &first.sockets {
        let Socket::Tcp(socket) = socket else { panic!("{socket:?}") };
        assert_eq!(socket.local_addr().ok(), first.place.tcp());
    }
    let refused = listener::bind(&first.place, 1).unwrap_err();
    assert!(refused.is_in_use(), "{refused}");
    drop(first);
    listener::bind(&refused.place, 1).unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let server = start(ListenerSettings { max_connections: 1, ..ListenerSettings::default() });
    let mut first = server.connect().await;
    first.write_all(GET).await.unwrap();
    response(&mut first).await;
    let mut second = server.connect().await;
    assert_eq!(rest(&mut second).await, "");
    assert_eq!((server.counters.open(), server.counters.refused()), (1, 1));
    drop(first);
    soon(async {
        while server.counters.open() > 0 {
            sleep(SHORT / 20).await;
        }
    })
    .await;
    let mut third = server.connect().await;
    third.write_all(GET).await.unwrap();
    response(&mut third).await;
}

/// Time that this thread has spent on a processor.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn h24_a_client_that_half_closes_or_leaves_costs_nothing() {
    let server = start(brief());
    let mut clients = Vec::new();
    for head in ["content-length: 5\r\n\r\nab", "transfer-encoding: chunked\r\n\r\n2\r\nab", "x: y\r\n\r\n"] {
        for leaves in [false, true] {
            let mut client = server.connect().await;
            let request = format!("POST /slow HTTP/1.1\r\nhost: a\r\n{head}");
            client.write_all(request.as_bytes()).await.unwrap();
            server.entered().await;
            client.shutdown().await.unwrap();
            if !leaves {
                clients.push(client);
            }
        }
    }
    let before = processor_time();
    sleep(SHORT * 5).await;
    let spent = processor_time() - before;
    assert!(spent < SHORT / 4, "{spent:?}");
    server.paths.gate.add_permits(6);
    for mut client in clients {
        assert!(rest(&mut client).await.starts_with("HTTP/1.1 200"));
    }
    soon(async {
        while server.counters.open() > 0 {
            sleep(SHORT / 20).await;
        }
    })
    .await;
}
