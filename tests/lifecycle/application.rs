//! An application with answers that take their time: streams, uploads, and what waits at a gate.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::support::parts::Parts;

type Body = BoxBody<Bytes, Infallible>;

/// One part of a streamed answer.
pub(super) const PART: &[u8] = &[b'p'; 4096];

/// The application; it is gone when this is dropped, connections and all.
pub(super) struct Application {
    pub(super) url: String,
    seen: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    _end: oneshot::Sender<()>,
}

impl Application {
    /// `/held` answers once the gate is open, `/halved` with one part before that and one after it, `/parts/N` with N
    /// parts a millisecond apart, anything else with the length of the body that it was sent.
    pub(super) fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let (seen, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (end, ended) = oneshot::channel::<()>();
        let shared = (Arc::clone(&seen), Arc::clone(&gate));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(TcpListener::from_std(listener).unwrap(), shared) => {}
                    _ended = ended => {}
                }
            });
        });
        Self { url: format!("http://{address}"), seen, gate, _end: end }
    }

    /// Requests that have come, their bodies perhaps not.
    pub(super) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Lets everybody through.
    pub(super) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

async fn serve(listener: TcpListener, shared: (Arc<AtomicUsize>, Arc<Semaphore>)) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = shared.clone();
        let service = service_fn(move |request| answer(request, shared.clone()));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn answer(
    request: Request<Incoming>,
    (seen, gate): (Arc<AtomicUsize>, Arc<Semaphore>),
) -> Result<Response<Body>, Infallible> {
    seen.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    let body = match path.as_str() {
        "/held" => {
            drop(gate.acquire().await.unwrap());
            full("held".to_owned())
        }
        "/halved" => parts(2, Some(gate)),
        _ => match path.strip_prefix("/parts/") {
            Some(count) => parts(count.parse().unwrap(), None),
            None => {
                let Ok(body) = request.into_body().collect().await else {
                    return Ok(Response::new(full(String::new())));
                };
                full(body.to_bytes().len().to_string())
            }
        },
    };
    Ok(Response::new(body))
}

fn full(text: String) -> Body {
    Full::from(text).boxed()
}

/// So many parts; the gate is before the second.
fn parts(count: usize, gate: Option<Arc<Semaphore>>) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for index in 0..count {
            match &gate {
                Some(gate) if index == 1 => drop(gate.acquire().await.unwrap()),
                Some(_) => {}
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
            if sender.send(Frame::data(Bytes::from_static(PART))).await.is_err() {
                return;
            }
        }
    });
    Parts(receiver).boxed()
}
