//! How long a connection may be silent, slow or idle, and that a request in flight may take its time.

use std::time::Duration;

use countersign::listener::ListenerSettings;
use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio::time::sleep;

use super::GET;
use super::PATIENCE;
use super::PREFACE;
use super::SHORT;
use super::brief;
use super::closes_within_the_deadline;
use super::h2_request;
use super::h2c;
use super::response;
use super::rest;
use super::soon;
use super::start;

#[tokio::test]
async fn a_silent_socket_is_closed_at_the_deadline() {
    let server = start(ListenerSettings { idle_timeout: PATIENCE, ..brief() });
    let opened = Instant::now();
    closes_within_the_deadline(server.connect().await, opened).await;
}

#[tokio::test]
async fn half_a_preface_is_closed_at_the_deadline() {
    let server = start(ListenerSettings { idle_timeout: PATIENCE, ..brief() });
    let opened = Instant::now();
    let mut client = server.connect().await;
    client.write_all(&PREFACE[..12]).await.unwrap();
    closes_within_the_deadline(client, opened).await;
}

#[tokio::test]
async fn a_whole_preface_and_silence_is_closed_when_idle() {
    let server = start(ListenerSettings { linger_time: SHORT, ..brief() });
    let opened = Instant::now();
    let mut client = server.connect().await;
    client.write_all(PREFACE).await.unwrap();
    let mut bytes = Vec::new();
    soon(client.read_to_end(&mut bytes)).await.unwrap();
    assert!(opened.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_slow_head_is_closed_at_the_header_deadline_even_if_bytes_keep_coming() {
    let server = start(ListenerSettings { idle_timeout: PATIENCE, ..brief() });
    let opened = Instant::now();
    let mut client = server.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    while client.write_all(b"y").await.is_ok() {
        assert!(opened.elapsed() < SHORT * 10);
        sleep(SHORT / 20).await;
    }
    assert!(opened.elapsed() >= SHORT);
    assert_eq!(server.paths.entered.available_permits(), 0);
}

#[tokio::test]
async fn a_slow_second_head_is_closed_at_the_header_deadline() {
    let server = start(ListenerSettings { idle_timeout: PATIENCE, ..brief() });
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    response(&mut client).await;
    sleep(SHORT * 2).await;
    let began = Instant::now();
    client.write_all(&GET[..9]).await.unwrap();
    closes_within_the_deadline(client, began).await;
}

#[tokio::test]
async fn an_idle_keep_alive_connection_outlives_the_header_deadline() {
    let server = start(ListenerSettings { idle_timeout: SHORT * 5, ..brief() });
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    response(&mut client).await;
    sleep(SHORT * 2).await;
    client.write_all(GET).await.unwrap();
    assert!(response(&mut client).await.starts_with("http/1.1 200"));
    let idle = Instant::now();
    assert_eq!(rest(&mut client).await, "");
    assert!(idle.elapsed() >= SHORT * 5 - Duration::from_millis(20), "closed after {:?}", idle.elapsed());
}

#[tokio::test]
async fn a_slow_handler_is_not_cut_by_the_idle_deadline() {
    let server = start(brief());
    let mut client = server.connect().await;
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    sleep(SHORT * 4).await;
    server.paths.gate.add_permits(1);
    assert!(response(&mut client).await.ends_with("slow"));
    let idle = Instant::now();
    closes_within_the_deadline(client, idle - Duration::from_millis(20)).await;
}

#[tokio::test]
async fn a_slow_body_is_not_cut_by_the_header_deadline() {
    let server = start(brief());
    let mut client = server.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\n").await.unwrap();
    for _ in 0..8 {
        sleep(SHORT / 4).await;
        client.write_all(b"x").await.unwrap();
    }
    assert!(response(&mut client).await.ends_with("ok 8"));
}

#[tokio::test]
async fn a_client_that_half_closes_gets_its_answer() {
    let server = start(brief());
    let mut client = server.connect().await;
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    server.entered().await;
    server.paths.gate.add_permits(1);
    assert!(rest(&mut client).await.ends_with("slow"));
}

#[tokio::test]
async fn h2c_with_prior_knowledge_works() {
    let server = start(brief());
    let mut sender = h2c(&server).await;
    let response = soon(sender.send_request(h2_request("/", b"four"))).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok 4");
    let slow = sender.send_request(h2_request("/slow", b""));
    sleep(SHORT * 3).await;
    server.paths.gate.add_permits(1);
    assert_eq!(soon(slow).await.unwrap().status(), 200);
    let idle = Instant::now();
    soon(async {
        while sender.ready().await.is_ok() {
            sleep(SHORT / 20).await;
        }
    })
    .await;
    assert!(idle.elapsed() >= SHORT - Duration::from_millis(20), "closed after {:?}", idle.elapsed());
}
