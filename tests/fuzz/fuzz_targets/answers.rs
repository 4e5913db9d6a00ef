//! Whatever an application says: nothing panics, an answer is the same however its bytes are cut, one whose end could be
//! in two places is none, and no byte after its end is part of it.
//!
//! The first byte says how many bytes are written at once; the others are the answer, over a real socket.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use bytes::Bytes;
use countersign::upstream::connect::Target;
use countersign::upstream::http1::Lines;
use countersign::upstream::limits::{Limits, PoolSettings};
use countersign::upstream::pool::Pool;
use countersign_fuzz::lines;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Empty};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// Status, fields, body and trailers; no body where the connection has switched protocols.
type Answer = (StatusCode, HeaderMap, Option<(Bytes, Option<HeaderMap>)>);

struct Application {
    runtime: Runtime,
    listener: UnixListener,
    path: PathBuf,
}

static APPLICATION: LazyLock<Application> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("countersign-answers-{}.sock", std::process::id()));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = {
        let _inside = runtime.enter();
        UnixListener::bind(&path).expect("a socket")
    };
    Application { runtime, listener, path }
});

impl Application {
    /// What becomes of bytes that are written so many at once.
    fn says(&self, bytes: &[u8], at_once: usize) -> Option<Answer> {
        let serve = async {
            let (mut stream, _) = self.listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.expect("a request") > 0 {}
            for piece in bytes.chunks(at_once) {
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                yield_now().await;
            }
        };
        let pool = Pool::new(Target::Unix(self.path.clone()), Limits::new(PoolSettings::default()));
        self.runtime.block_on(async { tokio::join!(ask(&pool), serve).0 })
    }
}

async fn ask(pool: &Pool<Empty<Bytes>>) -> Option<Answer> {
    let message = Lines::begin(&Method::GET, "/", b"a").end(&Method::GET, Empty::new(), false);
    let answer = pool.checkout().await.ok()?.send(message).await.ok()?;
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        return Some((answer.status, answer.headers, None));
    }
    let collected = answer.body.collect().await.ok()?;
    let trailers = collected.trailers().cloned();
    Some((answer.status, answer.headers, Some((collected.to_bytes(), trailers))))
}

fuzz_target!(|data: &[u8]| {
    let Some((at_once, bytes)) = data.split_first() else { return };
    let whole = APPLICATION.says(bytes, bytes.len().max(1));
    assert_eq!(APPLICATION.says(bytes, usize::from(*at_once).max(1)), whole);
    let Some((status, headers, body)) = whole else { return };
    let lengths = lines(&headers, "content-length");
    let codings = lines(&headers, "transfer-encoding");
    assert!(lengths.len() + codings.len() < 2);
    assert!(codings.iter().all(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked")));
    let Some((body, trailers)) = body else { return };
    assert!(trailers.is_none() || !codings.is_empty());
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        assert!(body.is_empty());
    } else if let [length] = lengths[..] {
        let length = std::str::from_utf8(length).expect("digits");
        assert!(length.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(length.parse(), Ok(body.len()));
    }
});
