//! Bare hyper: forwards without a check, a limit, a timeout, a log or a metric. Connections to the application
//! are kept in a list of their own, which costs less than hyper-util's pooling client.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use super::BoxError;

type Idle = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

pub(crate) fn run(address: SocketAddr, upstream: SocketAddr) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, serve(address, upstream))
}

async fn serve(address: SocketAddr, upstream: SocketAddr) -> Result<(), BoxError> {
    let listener = TcpListener::bind(address).await?;
    let idle = Idle::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let idle = Rc::clone(&idle);
        spawn_local(async move {
            let service = service_fn(move |request| forward(request, upstream, Rc::clone(&idle)));
            // A client that leaves in the middle is no news.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(
    mut request: Request<Incoming>,
    upstream: SocketAddr,
    idle: Idle,
) -> Result<Response<Incoming>, BoxError> {
    request.headers_mut().remove(CONNECTION);
    let ready = {
        let mut idle = idle.borrow_mut();
        let at = idle.iter().rposition(SendRequest::is_ready);
        at.map(|at| idle.swap_remove(at))
    };
    let mut sender = match ready {
        Some(sender) => sender,
        None => connect(upstream).await?,
    };
    let response = sender.send_request(request).await?;
    idle.borrow_mut().push(sender);
    Ok(response)
}

async fn connect(upstream: SocketAddr) -> Result<SendRequest<Incoming>, BoxError> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    spawn_local(async move {
        let _ended = connection.await;
    });
    Ok(sender)
}
