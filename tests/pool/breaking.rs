//! Exchanges that break, on either side: what the other end gets, and what is done with the connection.

use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::upstream::SendError;
use countersign::upstream::connect::Target;
use countersign::upstream::http1::Fault;
use countersign::upstream::limits::{Limits, PoolSettings};
use countersign::upstream::pool::Pool;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::{Application, Body, OK, answer, empty, exchange, full, read_head, request, soon};

#[tokio::test]
async fn h23_a_request_of_whose_answer_something_came_is_not_sent_again() {
    for beginning in ["H", "HTTP/1.1 200 OK\r\nx: y", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let (application, pool) = Application::start().await;
        let serving = tokio::spawn(async move {
            let mut stream = application.accept().await;
            answer(&mut stream, OK).await;
            answer(&mut stream, beginning.as_bytes()).await;
            drop(stream);
            application.nobody_connects().await;
        });
        assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
        assert!(exchange(&pool, empty()).await.is_err(), "{beginning}");
        soon(serving).await.unwrap();
    }
}

/// A body that is not as long as it says.
struct Liar {
    parts: Vec<Bytes>,
    said: u64,
}

impl http_body::Body for Liar {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        // What is left of it never comes.
        match self.parts.pop() {
            Some(bytes) if bytes.is_empty() => Poll::Pending,
            next => Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.said)
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_its_head_says_never_becomes_a_request() {
    // The larger ones are written by whoever sends them.
    static PART: [u8; 16 << 10] = [b'a'; 16 << 10];
    let cases = [4, PART.len()].into_iter().flat_map(|length| {
        let (part, said) = (Bytes::from_static(&PART[..length]), length as u64);
        // The third goes on after what is too much: nothing is written in the hope of an end.
        let goes_on = vec![Bytes::new(), part.clone(), part.clone()];
        [(vec![part.clone()], said - 1), (vec![part], said + 1), (goes_on, said + 1)]
    });
    for (parts, said) in cases {
        let (application, pool) = Application::start().await;
        let serving = tokio::spawn(async move {
            let mut stream = application.accept().await;
            answer(&mut stream, OK).await;
            let mut seen = Vec::new();
            let _reset = stream.read_to_end(&mut seen).await;
            String::from_utf8(seen).unwrap()
        });
        // On a connection that is in use: only there does whoever sends write.
        assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
        let body = Liar { parts, said }.boxed();
        let lease = pool.checkout().await.unwrap();
        let error = soon(lease.send(request("POST", body))).await.unwrap_err();
        assert!(matches!(error, SendError::Exchange { source: Fault::Body(_), .. }), "{error}");
        let seen = soon(serving).await.unwrap();
        let body = seen.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(body.len() < said.try_into().unwrap(), "{seen:?}");
        assert_eq!(pool.idle(), 0);
    }
}

#[tokio::test]
async fn an_answer_to_a_request_that_was_not_taken_to_its_end_is_read() {
    // More than the sockets on the way take.
    static LARGE: [u8; 16 << 20] = [b'a'; 16 << 20];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("application.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let pool: Pool<Body> = Pool::new(Target::Unix(path), Limits::new(PoolSettings::default()));
    let serving = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        read_head(&mut stream).await;
        // From here on nothing is taken: to write to it is an error.
        let stream = stream.into_std().unwrap();
        stream.shutdown(Shutdown::Read).unwrap();
        let mut stream = tokio::net::UnixStream::from_std(stream).unwrap();
        stream.write_all(b"HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        let _open = soon(listener.accept()).await;
        drop(stream);
    });
    let answer = soon(pool.checkout().await.unwrap().send(full("POST", &LARGE))).await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(soon(answer.body.collect()).await.unwrap().to_bytes(), "no");
    // Nor is the connection used for another.
    assert_eq!(pool.idle(), 0);
    let _next = pool.checkout().await.unwrap();
    soon(serving).await.unwrap();
}
