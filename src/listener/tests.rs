//! What only time tells apart, over a pipe in memory and on a clock that stands still while anybody has something to do:
//! a client that leaves, and one that has only said all that it has to say.

use std::convert::Infallible;
use std::future::pending;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Response;
use http::request::Parts as Head;
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::connection::converse;
use super::secure::Transport;
use super::{Handler, ListenerSettings, LiveTuning, Peer, Shared, Waiting};

const MS: std::time::Duration = std::time::Duration::from_millis(1);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n";

impl Transport for DuplexStream {}

/// An answer in the making; closed once nobody wants it any more.
type Answer = oneshot::Sender<Response<Parts>>;

/// A body of what is sent into it, to its end.
#[derive(Debug)]
pub(super) struct Parts(pub(super) mpsc::UnboundedReceiver<Bytes>);

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

/// Passes each request to the test, and waits for what it answers.
#[derive(Clone)]
struct Slow(mpsc::Sender<Answer>);

impl Handler for Slow {
    type Body = Parts;

    async fn handle(&self, _: &mut Head, _: Incoming, _: &Peer, waiting: Waiting<'_>) -> Response<Parts> {
        waiting.is_long();
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.unwrap();
        answered.await.unwrap()
    }
}

/// Serves one connection.
fn serve(stream: DuplexStream, handler: impl Handler) -> impl Future<Output = std::io::Result<()>> {
    let shared = Shared::new(LiveTuning::new(ListenerSettings::default()), Default::default());
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), tls: None };
    converse(stream, None, peer, shared, handler)
}

/// A client that has sent a request, and the answers that are asked for.
async fn asked() -> (DuplexStream, mpsc::Receiver<Answer>) {
    let (mut client, stream) = tokio::io::duplex(64 * 1024);
    let (pass, asked) = mpsc::channel(1);
    tokio::spawn(serve(stream, Slow(pass)));
    client.write_all(GET).await.unwrap();
    (client, asked)
}

/// An answer, and where its body comes from.
fn answer() -> (Response<Parts>, mpsc::UnboundedSender<Bytes>) {
    let (parts, body) = mpsc::unbounded_channel();
    (Response::new(Parts(body)), parts)
}

async fn says(client: &mut DuplexStream, wanted: &[u8]) {
    let mut read = vec![0; wanted.len()];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&read), String::from_utf8_lossy(wanted));
}

/// The rest of an answer's head.
async fn head(client: &mut DuplexStream) {
    says(client, OK).await;
    rest_of_head(client).await;
}

async fn rest_of_head(client: &mut DuplexStream) {
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        last[3] = client.read_u8().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn h24_a_client_that_ends_its_side_with_its_request_gets_its_answer_however_long_it_takes() {
    for after in [0, 99] {
        let (mut client, mut asked) = asked().await;
        let wanted = asked.recv().await.unwrap();
        sleep(after * MS).await;
        client.shutdown().await.unwrap();
        sleep(20_000 * MS).await;
        assert!(!wanted.is_closed(), "{after} ms");
        let (response, parts) = answer();
        assert!(wanted.send(response).is_ok());
        head(&mut client).await;
        for part in [b"one", b"two"] {
            sleep(5000 * MS).await;
            parts.send(Bytes::from_static(part)).unwrap();
            says(&mut client, &[b"3\r\n", &part[..], b"\r\n"].concat()).await;
        }
        drop(parts);
        says(&mut client, b"0\r\n\r\n").await;
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_the_answer_ends_the_request_at_once() {
    let (client, mut asked) = asked().await;
    let mut wanted = asked.recv().await.unwrap();
    sleep(101 * MS).await;
    drop(client);
    let left = tokio::time::Instant::now();
    timeout(20_000 * MS, wanted.closed()).await.unwrap();
    assert_eq!(left.elapsed().as_nanos(), 0);
    assert!(asked.recv().await.is_none(), "its connection is gone");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_a_stream_ends_it_even_while_nothing_is_sent() {
    let (mut client, mut asked) = asked().await;
    let wanted = asked.recv().await.unwrap();
    let (response, parts) = answer();
    assert!(wanted.send(response).is_ok());
    parts.send(Bytes::from_static(b"data: 1\n\n")).unwrap();
    head(&mut client).await;
    says(&mut client, b"9\r\ndata: 1\n\n\r\n").await;
    sleep(101 * MS).await;
    drop(client);
    let left = tokio::time::Instant::now();
    timeout(20_000 * MS, parts.closed()).await.unwrap();
    assert_eq!(left.elapsed().as_nanos(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_pipelines_while_it_waits_is_answered_in_turn() {
    let (mut client, mut asked) = asked().await;
    let first = asked.recv().await.unwrap();
    sleep(300 * MS).await;
    client.write_all(GET).await.unwrap();
    sleep(300 * MS).await;
    assert!(asked.try_recv().is_err(), "one at a time");
    assert!(!first.is_closed());
    for wanted in [Some(first), None] {
        let wanted = match wanted {
            Some(wanted) => wanted,
            None => asked.recv().await.unwrap(),
        };
        let (response, parts) = answer();
        drop(parts);
        assert!(wanted.send(response).is_ok());
        head(&mut client).await;
        says(&mut client, b"0\r\n\r\n").await;
    }
}

/// Reads a body to its end.
#[derive(Clone)]
struct Reads;

impl Handler for Reads {
    type Body = Full<Bytes>;

    async fn handle(&self, _: &mut Head, body: Incoming, _: &Peer, _: Waiting<'_>) -> Response<Full<Bytes>> {
        let body = body.collect().await.unwrap().to_bytes();
        Response::new(Full::from(body.len().to_string()))
    }
}

#[tokio::test]
async fn a_large_body_that_is_there_is_read_in_one_turn() {
    let (mut client, stream) = tokio::io::duplex(256 * 1024);
    client.write_all(b"POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 102400\r\n\r\n").await.unwrap();
    client.write_all(&[b'a'; 102_400]).await.unwrap();
    let mut connection = pin!(serve(stream, Reads));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(connection.as_mut().poll(&mut cx).is_pending());
    let mut answer = [0; 1024];
    let Poll::Ready(read) = pin!(client.read(&mut answer)).poll(&mut cx) else { panic!("no answer") };
    let read = read.unwrap();
    assert!(answer[..read].ends_with(b"\r\n\r\n102400"));
}

/// Counts the pieces in which a body arrives while its answer takes its time.
#[derive(Clone)]
struct Counts;

impl Handler for Counts {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        _: &mut Head,
        mut body: Incoming,
        _: &Peer,
        waiting: Waiting<'_>,
    ) -> Response<Full<Bytes>> {
        waiting.is_long();
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            pieces += usize::from(frame.unwrap().is_data());
        }
        Response::new(Full::from(format!("{pieces:>5}")))
    }
}

#[tokio::test]
async fn a_body_that_takes_its_time_is_not_read_byte_by_byte() {
    const PIECES: usize = 500;
    let (mut client, stream) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(stream, Counts));
    client.write_all(b"POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let piece = [&b"3e8\r\n"[..], &[b'a'; 1000], b"\r\n"].concat();
    for _ in 0..PIECES {
        client.write_all(&piece).await.unwrap();
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 1024];
    let read = client.read(&mut answer).await.unwrap();
    let pieces: usize = str::from_utf8(&answer[read - 5..read]).unwrap().trim().parse().unwrap();
    assert!(pieces <= 2 * PIECES, "{pieces}");
}

/// Answers how long it was that nothing happened, asked in this many milliseconds.
#[derive(Clone)]
struct Waits(&'static [u32]);

impl Handler for Waits {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        _: &mut Head,
        _: Incoming,
        _: &Peer,
        waiting: Waiting<'_>,
    ) -> Response<Full<Bytes>> {
        let mut waited = String::new();
        for millis in self.0 {
            let begun = tokio::time::Instant::now();
            assert!(waiting.until(begun + *millis * MS, pin!(pending::<()>())).await.is_none());
            waited += &format!("{} ", begun.elapsed().as_millis());
            assert_eq!(waiting.until(begun + 1000 * MS, pin!(async { 7 })).await, Some(7));
            // Ready only when it was waited for: its own waker, not the timer.
            assert!(waiting.until(begun + 1000 * MS, pin!(sleep(3 * MS))).await.is_some());
        }
        Response::new(Full::from(format!("{waited:>20}")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_waits_as_long_as_it_says_and_no_longer() {
    let (mut client, stream) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(stream, Waits(&[100, 30, 250, 1])));
    // The timer was set for something else each time: for the head, for the request before.
    for pause in [0, 10, 99, 300, 59_000] {
        sleep(pause * MS).await;
        client.write_all(GET).await.unwrap();
        rest_of_head(&mut client).await;
        says(&mut client, b"       100 30 250 1 ").await;
    }
}
