//! An application that records what it saw, down to whether a single byte arrived.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

use super::parts::Parts;
use super::watched::Watched;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// In the order of arrival, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) has_trailers: bool,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The names of its headers that begin so.
    pub(crate) fn names(&self, prefix: &str) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with(prefix)).collect()
    }
}

/// Whether this is what a sidecar adds to `Via` for a client of this version.
pub(crate) fn is_via(value: &str, version: &str) -> bool {
    let name = value.strip_prefix(version).and_then(|rest| rest.strip_prefix(" countersign-"));
    name.is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// 200 with a short body.
    Polite,
    /// Reads and never answers.
    Silent,
    /// Reads, and is polite once the gate gives a permit.
    Held(Arc<Semaphore>),
    /// Answers with a head and one chunk, `first`, and then with `second` for each permit of the gate, twice.
    Streams(Arc<Semaphore>),
    /// Answers like this.
    Answers(fn(&Seen) -> Response<&'static str>),
    /// Reads a head and what of a body comes with it, writes these bytes and closes.
    Raw(&'static [u8]),
    /// The same, and leaves the connection open.
    RawOpen(&'static [u8]),
}

/// What it speaks.
#[derive(Debug, Clone, Copy)]
enum Spoken {
    Http1,
    Http2 { streams: u32 },
}

#[derive(Default)]
struct Record {
    seen: Mutex<Vec<Seen>>,
    raw: Mutex<Vec<u8>>,
    bytes: AtomicU64,
    connections: AtomicUsize,
}

/// The application. Its connections end when it is dropped.
pub(crate) struct Upstream {
    /// As `upstream.url` names it.
    pub(crate) url: String,
    record: Arc<Record>,
    _end: watch::Sender<()>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        Self::with(Manner::Polite)
    }

    pub(crate) fn with(manner: Manner) -> Self {
        Self::speaking(Spoken::Http1, manner)
    }

    /// One that speaks HTTP/2 with prior knowledge and takes so many streams at once on a connection.
    pub(crate) fn http2(streams: u32, manner: Manner) -> Self {
        Self::speaking(Spoken::Http2 { streams }, manner)
    }

    fn speaking(spoken: Spoken, manner: Manner) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        Self::at(listener, spoken, manner)
    }

    /// On a port that is bound already.
    pub(crate) fn http2_at(listener: std::net::TcpListener) -> Self {
        Self::at(listener, Spoken::Http2 { streams: 100 }, Manner::Polite)
    }

    fn at(listener: std::net::TcpListener, spoken: Spoken, manner: Manner) -> Self {
        listener.set_nonblocking(true).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let record = Arc::new(Record::default());
        let served = Arc::clone(&record);
        let end = run(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, spoken, Arc::clone(&served), manner.clone()));
            }
        });
        Self { url: format!("http://{address}"), record, _end: end }
    }

    /// The same over a Unix socket.
    pub(crate) fn unix(path: &std::path::Path) -> Self {
        Self::at_path(path, Spoken::Http1)
    }

    /// The same in HTTP/2.
    pub(crate) fn http2_unix(path: &std::path::Path) -> Self {
        Self::at_path(path, Spoken::Http2 { streams: 100 })
    }

    fn at_path(path: &std::path::Path, spoken: Spoken) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let record = Arc::new(Record::default());
        let served = Arc::clone(&record);
        let end = run(async move {
            let listener = UnixListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, spoken, Arc::clone(&served), Manner::Polite));
            }
        });
        Self { url: format!("unix:{}", path.display()), record, _end: end }
    }

    /// Everything it saw, and forgets it.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.record.seen.lock())
    }

    /// The one request it saw.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "the upstream saw {seen:?}");
        seen.remove(0)
    }

    /// How many requests it saw since they were last taken.
    pub(crate) fn count(&self) -> usize {
        self.record.seen.lock().len()
    }

    /// Asserts that no byte has arrived since the start.
    pub(crate) fn saw_nothing(&self) {
        let bytes = self.record.bytes.load(Ordering::SeqCst);
        assert_eq!(bytes, 0, "the upstream saw {bytes} bytes: {}", self.raw());
    }

    /// Bytes that have arrived.
    pub(crate) fn bytes(&self) -> u64 {
        self.record.bytes.load(Ordering::SeqCst)
    }

    /// The bytes themselves, of all connections in order of arrival, in lower case.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.record.raw.lock()).to_lowercase()
    }

    /// Connections that have been made.
    pub(crate) fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }
}

/// An address on which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn run(work: impl Future<Output = ()> + Send + 'static) -> watch::Sender<()> {
    let (end, mut ended) = watch::channel(());
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            tokio::select! {
                () = work => {}
                _dropped = ended.changed() => {}
            }
        });
    });
    end
}

async fn connection<S>(stream: S, spoken: Spoken, record: Arc<Record>, manner: Manner)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    record.connections.fetch_add(1, Ordering::SeqCst);
    let counted = Arc::clone(&record);
    let mut stream = Watched::new(stream, move |arrived: &[u8]| {
        counted.raw.lock().extend_from_slice(arrived);
        counted.bytes.fetch_add(u64::try_from(arrived.len()).unwrap(), Ordering::SeqCst);
    });
    if let Manner::Raw(bytes) | Manner::RawOpen(bytes) = manner {
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            if !matches!(stream.read_buf(&mut head).await, Ok(1..)) {
                return;
            }
        }
        let _gone = stream.write_all(bytes).await;
        if matches!(manner, Manner::RawOpen(_)) {
            while matches!(stream.read_buf(&mut head).await, Ok(1..)) {}
        }
        let _gone = stream.shutdown().await;
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let (record, manner) = (Arc::clone(&record), manner.clone());
        async move {
            let seen = read(request).await;
            record.seen.lock().extend(seen.clone());
            Ok::<_, Infallible>(answer(manner, seen).await)
        }
    });
    let stream = TokioIo::new(stream);
    let _broken = match spoken {
        Spoken::Http1 => hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await,
        Spoken::Http2 { streams } => {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(streams)
                .serve_connection(stream, service)
                .await
        }
    };
}

async fn answer(manner: Manner, seen: Option<Seen>) -> Response<BoxBody<Bytes, Infallible>> {
    match manner {
        Manner::Polite | Manner::Raw(_) | Manner::RawOpen(_) => {}
        Manner::Silent => pending().await,
        Manner::Held(gate) => gate.acquire().await.unwrap().forget(),
        Manner::Streams(gate) => return Response::new(first_and_seconds(gate).boxed()),
        Manner::Answers(answer) => {
            let Some(seen) = seen else { return Response::new(Full::default().boxed()) };
            return answer(&seen).map(|body| Full::from(body).boxed());
        }
    }
    Response::new(Full::new(Bytes::from_static(b"from the application")).boxed())
}

/// `first`, then `second` twice, each after a permit.
fn first_and_seconds(gate: Arc<Semaphore>) -> Parts {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let _gone = sender.send(Frame::data(Bytes::from_static(b"first"))).await;
        for _ in 0..2 {
            gate.acquire().await.unwrap().forget();
            let _gone = sender.send(Frame::data(Bytes::from_static(b"second"))).await;
        }
    });
    Parts(receiver)
}

/// The request, unless its body never ended.
async fn read(request: Request<Incoming>) -> Option<Seen> {
    let (parts, body) = request.into_parts();
    let collected = body.collect().await.ok()?;
    let has_trailers = collected.trailers().is_some();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Some(Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers,
        body: collected.to_bytes().to_vec(),
        has_trailers,
    })
}
