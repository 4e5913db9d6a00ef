//! The pool against an application that is a script: raw bytes over real sockets.

mod answers;
mod breaking;
mod going_on;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use countersign::upstream::SendError;
use countersign::upstream::connect::Target;
use countersign::upstream::connect::connect;
use countersign::upstream::http1::{Lines, Message};
use countersign::upstream::limits::{Limits, PoolSettings};
use countersign::upstream::pool::Pool;
use http::Method;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(10);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

type Body = BoxBody<Bytes, std::io::Error>;

struct Application(TcpListener);

impl Application {
    async fn start() -> (Self, Pool<Body>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self(listener), Pool::new(target(address), Limits::new(PoolSettings::default())))
    }

    async fn accept(&self) -> TcpStream {
        soon(self.0.accept()).await.unwrap().0
    }

    /// Takes a connection, answers on it, reads another request and closes: nobody can tell whether it acted.
    async fn answers_once_and_closes(&self) {
        let mut stream = self.accept().await;
        answer(&mut stream, OK).await;
        read_head(&mut stream).await;
    }

    async fn nobody_connects(&self) {
        assert!(timeout(TICK * 5, self.0.accept()).await.is_err(), "a second connection");
    }
}

fn target(address: SocketAddr) -> Target {
    Target::Tcp { host: address.ip().to_string(), port: address.port() }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it should have happened by now")
}

fn empty() -> Box<Message<Body>> {
    full("GET", b"")
}

fn full(method: &str, body: &'static [u8]) -> Box<Message<Body>> {
    request(method, Full::from(body).map_err(|never| match never {}).boxed())
}

fn request(method: &str, body: Body) -> Box<Message<Body>> {
    let method: Method = method.parse().unwrap();
    Lines::begin(&method, "/", b"a").end(&method, body, false)
}

/// Reads a head and answers with `bytes`.
async fn answer(stream: &mut TcpStream, bytes: &[u8]) {
    read_head(stream).await;
    stream.write_all(bytes).await.unwrap();
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
        assert!(soon(stream.read_buf(&mut seen)).await.unwrap() > 0, "closed before a request");
    }
    seen
}

async fn exchange(pool: &Pool<Body>, request: Box<Message<Body>>) -> Result<Bytes, String> {
    let lease = soon(pool.checkout()).await.map_err(|error| error.to_string())?;
    let response = soon(lease.send(request)).await.map_err(|error| error.to_string())?;
    let body = soon(response.body.collect()).await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes())
}

async fn is_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let _reset = soon(stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_connection_is_reused() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        answer(&mut stream, OK).await;
        answer(&mut stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            .await;
        answer(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n").await;
        read_head(&mut stream).await;
        stream.write_all(OK).await.unwrap();
        application.nobody_connects().await;
    });
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    assert_eq!(pool.idle(), 1);
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "");
    assert_eq!(exchange(&pool, full("POST", b"body")).await.unwrap(), "ok");
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn a_stale_connection_is_replaced_without_an_error() {
    let (application, pool) = Application::start().await;
    let (close, closing) = oneshot::channel();
    let (closed, has_closed) = oneshot::channel();
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        answer(&mut stream, OK).await;
        closing.await.unwrap();
        drop(stream);
        closed.send(()).unwrap();
        answer(&mut application.accept().await, OK).await;
    });
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    // Checked out before the close is noticed, sent after it.
    let lease = pool.checkout().await.unwrap();
    assert_eq!(pool.idle(), 0);
    close.send(()).unwrap();
    soon(has_closed).await.unwrap();
    // The end has arrived; this lets the runtime look at its sockets.
    sleep(TICK).await;
    let response = soon(lease.send(full("POST", b"body"))).await.unwrap();
    assert_eq!(response.status, 200);
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn a_request_that_may_have_been_seen_is_not_sent_again() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        application.answers_once_and_closes().await;
        application.nobody_connects().await;
    });
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    let error = soon(pool.checkout().await.unwrap().send(full("POST", b"body"))).await.unwrap_err();
    assert!(matches!(error, SendError::Exchange { unsent: false, .. }), "{error}");
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn h23_what_may_be_repeated_is_sent_once_more_when_a_pooled_connection_ends() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        let (application, pool) = Application::start().await;
        let serving = tokio::spawn(async move {
            application.answers_once_and_closes().await;
            let mut stream = application.accept().await;
            let again = read_head(&mut stream).await;
            let bytes = if method == "HEAD" { b"HTTP/1.1 204 No Content\r\n\r\n".as_slice() } else { OK };
            stream.write_all(bytes).await.unwrap();
            application.nobody_connects().await;
            String::from_utf8(again).unwrap()
        });
        assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
        let request = full(method, b"");
        let response = soon(pool.checkout().await.unwrap().send(request)).await.unwrap();
        assert!(response.status.is_success(), "{method}");
        let again = soon(serving).await.unwrap();
        assert!(
            again.starts_with(&format!("{method} / HTTP/1.1\r\n")) && again.contains("host: a\r\n"),
            "{again}"
        );
    }
}

#[tokio::test]
async fn h23_nothing_is_sent_a_third_time_nor_again_after_an_answer_that_is_none() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        application.answers_once_and_closes().await;
        let mut stream = application.accept().await;
        read_head(&mut stream).await;
        drop(stream);
        // Here it has answered, though with nonsense.
        let mut stream = application.accept().await;
        answer(&mut stream, OK).await;
        answer(&mut stream, b"nonsense\r\n\r\n").await;
        application.nobody_connects().await;
    });
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    assert!(exchange(&pool, empty()).await.is_err());
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    assert!(exchange(&pool, empty()).await.is_err());
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn m20_a_request_that_changes_something_or_has_a_body_is_never_repeated() {
    for (method, body) in [("POST", b"".as_slice()), ("PATCH", b""), ("POST", b"body"), ("PUT", b"body")] {
        let (application, pool) = Application::start().await;
        let serving = tokio::spawn(async move {
            application.answers_once_and_closes().await;
            application.nobody_connects().await;
        });
        assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
        assert!(exchange(&pool, full(method, body)).await.is_err(), "{method}");
        soon(serving).await.unwrap();
    }
}

#[tokio::test]
async fn stray_bytes_after_a_response_close_the_connection() {
    let (application, pool) = Application::start().await;
    let (pooled, is_pooled) = oneshot::channel();
    let (closed, has_closed) = oneshot::channel();
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        answer(&mut stream, &[OK, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"].concat()).await;
        is_closed(stream).await;
        // The same, but later, when the connection is in the pool.
        let mut stream = application.accept().await;
        answer(&mut stream, OK).await;
        is_pooled.await.unwrap();
        stream.write_all(b"x").await.unwrap();
        is_closed(stream).await;
        closed.send(()).unwrap();
        answer(&mut application.accept().await, OK).await;
    });
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    let is_back = async {
        while pool.idle() == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(is_back).await;
    pooled.send(()).unwrap();
    soon(has_closed).await.unwrap();
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn a_response_cut_short_is_not_reused() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        answer(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").await;
        drop(stream);
        // Dropped by us in the middle.
        let mut stream = application.accept().await;
        answer(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").await;
        is_closed(stream).await;
        answer(&mut application.accept().await, OK).await;
    });
    assert!(exchange(&pool, empty()).await.is_err());
    assert_eq!(pool.idle(), 0);
    let mut response = soon(pool.checkout().await.unwrap().send(empty())).await.unwrap();
    soon(response.body.frame()).await.unwrap().unwrap();
    drop(response);
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    soon(serving).await.unwrap();
}

/// A request body that sends what the test sends, and ends when it says so.
struct Channel(mpsc::Receiver<Bytes>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[tokio::test]
async fn a_response_before_the_end_of_the_request_is_not_reused() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        answer(&mut stream, OK).await;
        is_closed(stream).await;
    });
    let (more, body) = mpsc::channel(1);
    let request = request("POST", Channel(body).boxed());
    more.send(Bytes::from_static(b"part")).await.unwrap();
    assert_eq!(exchange(&pool, request).await.unwrap(), "ok");
    let _ended = more.send(Bytes::from_static(b"rest")).await;
    drop(more);
    soon(serving).await.unwrap();
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn an_old_or_surplus_idle_connection_is_dropped() {
    let (application, _) = Application::start().await;
    let address = application.0.local_addr().unwrap();
    let settings = PoolSettings { idle_timeout: TICK * 5, max_idle: 1, ..PoolSettings::default() };
    let pool = Pool::new(target(address), Limits::new(settings));
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let mut stream = application.accept().await;
            tokio::spawn(async move {
                answer(&mut stream, OK).await;
                sleep(PATIENCE).await;
            });
        }
        answer(&mut application.accept().await, OK).await;
    });
    let (one, two) = tokio::join!(exchange(&pool, empty()), exchange(&pool, empty()));
    assert_eq!((one.unwrap(), two.unwrap(), pool.idle()), ("ok".into(), "ok".into(), 1));
    sleep(TICK * 10).await;
    assert_eq!(exchange(&pool, empty()).await.unwrap(), "ok");
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn a_head_without_end_is_an_error() {
    let (application, pool) = Application::start().await;
    let serving = tokio::spawn(async move {
        let mut stream = application.accept().await;
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.unwrap();
        while stream.write_all(&[b'y'; 4096]).await.is_ok() {}
    });
    assert!(exchange(&pool, empty()).await.is_err());
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn a_unix_socket_works_and_a_closed_port_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("application.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let target_path = Target::Unix(path);
    let (connected, accepted) = tokio::join!(connect(&target_path, None, PATIENCE), listener.accept());
    assert!(connected.is_ok() && accepted.is_ok());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(connect(&target(free), None, PATIENCE).await.is_err());
}
