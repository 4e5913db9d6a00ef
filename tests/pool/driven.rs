//! A connection has no task of its own: what drives it, when, and how often.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::{Application, Channel, OK, answer, empty, exchange, full, is_closed, read_head, soon};

/// Awaits a future; how often it was polled.
async fn polls<T>(future: impl Future<Output = T>) -> (T, u32) {
    let mut future = pin!(future);
    let mut polls = 0;
    let value = soon(poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    }))
    .await;
    (value, polls)
}

#[tokio::test]
async fn an_exchange_polls_its_request_once_to_send_and_once_for_the_answer() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        for _ in 0..3 {
            answer(&mut stream, OK).await;
        }
        stream
    });
    // The first opens the connection.
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    for _ in 0..2 {
        let lease = pool.checkout().await.unwrap();
        let (response, sending) = polls(lease.send(empty())).await;
        assert_eq!(sending, 2);
        let mut body = response.unwrap().into_body();
        let (frame, reading) = polls(body.frame()).await;
        assert_eq!((frame.unwrap().unwrap().into_data().unwrap(), reading), (Bytes::from("ok"), 1));
        assert!(body.is_end_stream());
        assert_eq!(pool.idle(), 1);
    }
    drop(soon(serving).await.unwrap());
}

#[tokio::test]
async fn a_connection_that_ends_while_nobody_uses_it_is_given_up_at_once() {
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
    assert_eq!(pool.idle(), 0);
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
    let request = Request::post("/").header("host", "a").body(Channel(body).boxed()).unwrap();
    let response = soon(pool.checkout().await.unwrap().send(request)).await.unwrap();
    for part in ["one", "two"] {
        soon(more.send(Bytes::from(part))).await.unwrap();
    }
    drop(more);
    assert_eq!(soon(serving).await.unwrap(), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "ok");
    assert_eq!(pool.idle(), 0);
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
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "ok");
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn an_exchange_that_is_given_up_closes_its_connection() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"] {
            let mut stream = application.accept().await;
            answer(&mut stream, bytes).await;
            is_closed(stream).await;
        }
    });
    // Before its answer, and in the middle of it.
    let lease = pool.checkout().await.unwrap();
    let mut given_up = Box::pin(lease.send(empty()));
    assert!(poll_fn(|cx| std::task::Poll::Ready(given_up.as_mut().poll(cx).is_pending())).await);
    drop(given_up);
    drop(soon(pool.checkout().await.unwrap().send(empty())).await.unwrap());
    soon(serving).await.unwrap();
    assert_eq!(pool.idle(), 0);
}
