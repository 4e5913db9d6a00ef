//! Answers that were made up, read by us and by hyper's client: what we take for an answer, it takes for the same one.

use std::path::Path;

use bytes::Bytes;
use countersign::upstream::connect::Target;
use countersign::upstream::limits::{Limits, PoolSettings};
use countersign::upstream::pool::Pool;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};

use super::{Body, empty, read_head, soon};

/// How many, unless `COUNTERSIGN_TEST_ANSWERS` says otherwise.
const USUAL: u64 = 600;

const STATUS: [&str; 10] = [
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 404",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    "HTTP/1.1 99 OK",
    "HTTP/1.1  200 OK",
    "HTTP/2 200 OK",
];

const FIELDS: [&str; 20] = [
    "Content-Length: 5",
    "Content-Length: 5",
    "content-length:5 ",
    "Content-Length: 6",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Content-Length : 5",
    "Content_Length: 7",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: CHUNKED ",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: xchunked",
    "Connection: close",
    "Connection: keep-alive",
    "X-One: 1",
    "X-Two:",
    "no colon",
    " folded: yes",
    "Set-Cookie: a=\u{e9}",
];

const BODIES: [&str; 14] = [
    "hello",
    "hello",
    "hello!",
    "hell",
    "",
    "5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "2;a=\"b\"\r\nhe\r\n003\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n",
    "5\nhello\n0\n\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "\r\nhello",
    "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
];

fn count() -> u64 {
    let set = std::env::var_os("COUNTERSIGN_TEST_ANSWERS");
    set.map_or(USUAL, |count| count.to_str().unwrap().parse().expect("it is a number"))
}

/// Numbers without end, the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }

    fn answer(&mut self) -> Vec<u8> {
        let end = |numbers: &mut Self| if numbers.below(20) == 0 { "\n" } else { "\r\n" };
        let mut text = STATUS[self.below(STATUS.len())].to_owned() + end(self);
        for _ in 0..self.below(4) {
            text += FIELDS[self.below(FIELDS.len())];
            text += end(self);
        }
        text += end(self);
        text += BODIES[self.below(BODIES.len())];
        let mut bytes = text.into_bytes();
        if self.below(3) == 0 {
            let at = self.below(bytes.len());
            bytes[at] = [0, b'\r', b'\n', b' ', b':', b',', b'0', 0x80][self.below(8)];
        }
        bytes
    }
}

/// Status, fields and body; `None` where it is no answer, or not a whole one.
type Read = Option<(u16, Vec<(String, Vec<u8>)>, Bytes)>;

fn fields(headers: &http::HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

async fn ours(to: &Path) -> Read {
    let target = Target::Unix(to.to_owned());
    let pool: Pool<Body> = Pool::new(target, Limits::new(PoolSettings::default()));
    let answer = soon(pool.checkout().await.unwrap().send(empty())).await.ok()?;
    let (status, headers) = (answer.status.as_u16(), fields(&answer.headers));
    Some((status, headers, soon(answer.body.collect()).await.ok()?.to_bytes()))
}

async fn hypers(to: &Path) -> Read {
    let stream = TokioIo::new(UnixStream::connect(to).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    let driven = tokio::spawn(connection);
    let request = Request::get("/").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
    let (head, body) = soon(sender.send_request(request)).await.ok()?.into_parts();
    let body = soon(body.collect()).await.ok()?.to_bytes();
    driven.abort();
    Some((head.status.as_u16(), fields(&head.headers), body))
}

#[tokio::test]
async fn h21_what_we_take_for_an_answer_is_one_to_hyper_too() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("application.sock");
    let listener = UnixListener::bind(&to).unwrap();
    let (mut numbers, mut taken, mut refused) = (Numbers(0x9e37_79b9_7f4a_7c15), 0, 0);
    for _ in 0..count() {
        let answer = numbers.answer();
        let serve = async {
            for _ in 0..2 {
                let mut stream = listener.accept().await.unwrap().0;
                read_head(&mut stream).await;
                let _cut = stream.write_all(&answer).await;
                let _cut = stream.shutdown().await;
            }
        };
        let read = async { (ours(&to).await, hypers(&to).await) };
        let ((ours, hypers), ()) = tokio::join!(read, serve);
        let what = String::from_utf8_lossy(&answer);
        match ours {
            None => refused += 1,
            ours => {
                assert_eq!(ours, hypers, "{what:?}");
                taken += 1;
            }
        }
    }
    assert!(taken > 50 && refused > 50, "{taken} taken, {refused} refused");
}
