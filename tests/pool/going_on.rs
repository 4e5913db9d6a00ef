//! A connection goes on whoever waits for it: while nobody uses it, reads its answer or wants it any more.

use std::future::Future;
use std::io::Read;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use countersign::upstream::limits::{Limits, PoolSettings};
use countersign::upstream::pool::Pool;
use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::{
    Application, Channel, OK, PATIENCE, answer, empty, exchange, full, is_closed, read_head, request, soon,
    target,
};

#[tokio::test]
async fn a_connection_that_ends_while_nobody_uses_it_is_closed_at_once() {
    let (application, pool) = Application::start().await;
    let (over, is_over) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        answer(&mut stream, OK).await;
        is_over.await.unwrap();
        stream.shutdown().await.unwrap();
        is_closed(stream).await;
    });
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    assert_eq!(pool.idle(), 1);
    over.send(()).unwrap();
    soon(serving).await.unwrap();
}

/// The same, read with nobody else having a turn.
fn blocking(stream: TcpStream) -> std::net::TcpStream {
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[tokio::test]
async fn an_unused_connection_makes_room_for_another_at_once() {
    let (application, _) = Application::start().await;
    let settings = PoolSettings { connections: 1, wait: Duration::ZERO, ..PoolSettings::default() };
    let limits = Limits::new(settings);
    let target = target(application.0.local_addr().unwrap());
    let [one, other] = [(); 2].map(|()| Pool::new(target.clone(), Arc::clone(&limits)));
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        answer(&mut stream, OK).await;
        (application, stream)
    });
    assert_eq!(exchange(&one, empty()).await.unwrap(), "ok");
    assert_eq!(one.idle(), 1);
    let (application, first) = soon(serving).await.unwrap();
    let mut first = blocking(first);
    let mut checkout = pin!(other.checkout());
    assert!(checkout.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // Nothing else has a turn on this thread while this waits: not the connection's task either.
    assert_eq!(first.read(&mut [0]).unwrap(), 0);
    assert_eq!(one.idle(), 0);
    let (lease, _second) = soon(async { tokio::join!(checkout, application.accept()) }).await;
    assert!(lease.is_ok());
}

#[tokio::test]
async fn a_large_request_is_written_at_once_by_whoever_sends_it() {
    static LARGE: [u8; 64 << 10] = [b'a'; 64 << 10];
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        answer(&mut stream, OK).await;
        stream
    });
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    let mut stream = blocking(soon(serving).await.unwrap());
    let lease = pool.checkout().await.unwrap();
    let mut sending = pin!(lease.send(full("POST", &LARGE)));
    assert!(sending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // Nothing else has a turn on this thread while this waits.
    let mut seen = vec![0; LARGE.len()];
    stream.read_exact(&mut seen).unwrap();
    assert!(seen.starts_with(b"POST / HTTP/1.1\r\n"));
    // Its task goes on from there.
    stream.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(stream).unwrap();
    let rest = async {
        let head = seen.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        stream.read_exact(&mut vec![0; head]).await.unwrap();
        stream.write_all(OK).await.unwrap();
    };
    let (answer, ()) = soon(async { tokio::join!(sending, rest) }).await;
    assert_eq!(soon(answer.unwrap().body.collect()).await.unwrap().to_bytes(), "ok");
    assert_eq!(pool.idle(), 1);
}

#[tokio::test]
async fn an_answer_that_is_still_to_come_in_part_is_not_whole() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
    let to_close = b"HTTP/1.1 200 OK\r\n\r\nok";
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok";
    let bytes = [OK, chunked, to_close, cut];
    for (bytes, whole) in bytes.into_iter().zip([true, false, false, false]) {
        let (application, pool) = Application::start().await;
        let serving = tokio::spawn(async move {
            let mut stream = application.accept().await;
            answer(&mut stream, bytes).await;
            stream
        });
        let mut answer = soon(pool.checkout().await.unwrap().send(empty())).await.unwrap();
        assert_eq!(answer.body.is_whole(), whole, "{}", String::from_utf8_lossy(bytes));
        let first = soon(answer.body.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "ok");
        drop(soon(serving).await.unwrap());
    }
}

#[tokio::test]
async fn a_body_goes_on_up_while_nobody_reads_its_answer() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        read_head(&mut stream).await;
        stream.write_all(OK).await.unwrap();
        let mut rest = Vec::new();
        while !rest.ends_with(b"0\r\n\r\n") {
            assert!(soon(stream.read_buf(&mut rest)).await.unwrap() > 0);
        }
        rest
    });
    let (more, body) = mpsc::channel(1);
    let request = request("POST", Channel(body).boxed());
    let response = soon(pool.checkout().await.unwrap().send(request)).await.unwrap();
    for part in ["one", "two"] {
        soon(more.send(Bytes::from(part))).await.unwrap();
    }
    drop(more);
    assert_eq!(soon(serving).await.unwrap(), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    assert_eq!(soon(response.body.collect()).await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn what_is_left_of_a_body_goes_on_up_while_nobody_reads_its_answer() {
    // More than the sockets on the way take, in one piece.
    static LARGE: [u8; 16 << 20] = [b'a'; 16 << 20];
    let (application, pool) = Application::start().await;
    let (taken, is_taken) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        let head = read_head(&mut stream).await;
        stream.write_all(OK).await.unwrap();
        is_taken.await.unwrap();
        let mut rest =
            vec![
                0;
                LARGE.len()
                    - (head.len() - head.windows(4).position(|four| four == b"\r\n\r\n").unwrap() - 4)
            ];
        soon(stream.read_exact(&mut rest)).await.unwrap();
    });
    let response = soon(pool.checkout().await.unwrap().send(full("POST", &LARGE))).await.unwrap();
    taken.send(()).unwrap();
    soon(serving).await.unwrap();
    assert_eq!(soon(response.body.collect()).await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn an_exchange_that_is_given_up_closes_its_connection() {
    let (application, pool) = Application::start().await;
    let (asked, is_asked) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        read_head(&mut stream).await;
        asked.send(()).unwrap();
        is_closed(stream).await;
        let mut stream = application.accept().await;
        answer(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
        is_closed(stream).await;
    });
    // Before its answer, and in the middle of it.
    tokio::select! {
        _ = pool.checkout().await.unwrap().send(empty()) => unreachable!("nobody answers"),
        asked = soon(is_asked) => asked.unwrap(),
    }
    drop(soon(pool.checkout().await.unwrap().send(empty())).await.unwrap());
    soon(serving).await.unwrap();
    assert_eq!(pool.idle(), 0);
}
