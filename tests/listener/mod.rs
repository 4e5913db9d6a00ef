//! The listener as a client sees it: raw bytes over real sockets, with limits short enough to wait for.

mod deadlines;
mod endings;
mod socket_file;
mod unix;

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign::drain;
use countersign::listener;
use countersign::listener::Connections;
use countersign::listener::Handler;
use countersign::listener::{ListenerSettings, LiveTuning, Peer, Place, Waiting};
use http::Request;
use http::Response;
use http::request::Parts;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(200);
/// No test waits longer than this for what must happen.
const PATIENCE: Duration = Duration::from_secs(5);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Answers by path: `/early` at once, `/slow` when the gate opens, `/panic` never, anything else with the
/// length of the body.
#[derive(Clone)]
struct Paths {
    entered: Arc<Semaphore>,
    gate: Arc<Semaphore>,
}

impl Handler for Paths {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        head: &mut Parts,
        body: Incoming,
        _peer: &Peer,
        _waiting: Waiting<'_>,
    ) -> Response<Full<Bytes>> {
        self.entered.add_permits(1);
        let body = match head.uri.path() {
            "/early" => {
                return Response::builder().status(413).body(Full::from("too much")).unwrap();
            }
            "/panic" => panic!("a fault of the handler"),
            "/slow" => {
                self.gate.acquire().await.unwrap().forget();
                String::from("slow")
            }
            _ => match body.collect().await {
                Ok(body) => format!("ok {}", body.to_bytes().len()),
                Err(_) => String::from("cut"),
            },
        };
        Response::new(Full::from(body))
    }
}

struct Server {
    place: Place,
    paths: Paths,
    counters: Arc<Connections>,
    drain: drain::Trigger,
    serving: JoinHandle<std::io::Result<()>>,
}

fn brief() -> ListenerSettings {
    ListenerSettings {
        header_timeout: SHORT,
        idle_timeout: SHORT,
        drain_timeout: PATIENCE,
        ..ListenerSettings::default()
    }
}

/// A free port.
fn any() -> Place {
    Place::Tcp((Ipv4Addr::LOCALHOST, 0).into())
}

fn start(settings: ListenerSettings) -> Server {
    start_at(&any(), settings)
}

fn start_at(place: &Place, settings: ListenerSettings) -> Server {
    let bound = listener::bind(place, 1).unwrap();
    let paths = Paths { entered: Arc::new(Semaphore::new(0)), gate: Arc::new(Semaphore::new(0)) };
    let counters = Arc::new(Connections::default());
    let (drain, watcher) = drain::channel();
    let socket = bound.sockets.into_iter().next().unwrap();
    let serving = tokio::spawn(listener::serve(
        socket,
        LiveTuning::new(settings),
        paths.clone(),
        watcher,
        Arc::clone(&counters),
    ));
    Server { place: bound.place, paths, counters, drain, serving }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.place.tcp().unwrap()).await.unwrap()
    }

    async fn entered(&self) {
        soon(self.paths.entered.acquire()).await.unwrap().forget();
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it should have happened by now")
}

/// Everything until the peer closes. A reset counts as a close only if nothing was to be read.
async fn rest(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    match soon(client.read_to_end(&mut bytes)).await {
        Ok(_) => String::from_utf8(bytes).unwrap(),
        Err(error) if bytes.is_empty() => format!("({})", error.kind()),
        Err(error) => panic!("{error} after {} bytes", bytes.len()),
    }
}

/// One response with `content-length`.
async fn response(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut seen = Vec::new();
    loop {
        let read = soon(client.read_buf(&mut seen)).await.unwrap();
        let text = String::from_utf8_lossy(&seen).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ").unwrap().1;
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= length {
                return text;
            }
        }
        assert!(read > 0, "closed after {text:?}");
    }
}

async fn closes_within_the_deadline(mut client: TcpStream, opened: Instant) {
    assert_eq!(rest(&mut client).await, "");
    assert!(opened.elapsed() >= SHORT, "closed after {:?}", opened.elapsed());
    assert!(opened.elapsed() < SHORT * 10, "closed after {:?}", opened.elapsed());
}

async fn h2c(server: &Server) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let io = TokioIo::new(server.connect().await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn h2_request(path: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
    Request::post(format!("http://a{path}")).body(Full::from(body)).unwrap()
}
