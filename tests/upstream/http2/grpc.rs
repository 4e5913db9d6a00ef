//! gRPC from end to end: HTTP/2 on both sides, bodies that stream both ways, and the outcome in trailers.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::at;
use crate::support::http::{Connection, DEADLINE};
use crate::support::parts::Parts;
use crate::support::sidecar::{Key, Sidecar};

type Body = BoxBody<Bytes, Infallible>;

/// A service that gives every message back as it comes, and says in trailers that it went well; `/fails` says that it
/// did not, in a head and nothing else.
struct Service {
    url: String,
    heads: std::sync::mpsc::Receiver<HeaderMap>,
}

impl Service {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, heads) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            run(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let told = told.clone();
                    let service = service_fn(move |request| {
                        let _gone = told.send(Request::headers(&request).clone());
                        async { Ok::<_, Infallible>(echo(request)) }
                    });
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(tokio::spawn(server.serve_connection(TokioIo::new(stream), service)));
                }
            });
        });
        Self { url, heads }
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let answer = Response::builder().header("content-type", "application/grpc");
    if request.uri().path() == "/fails" {
        return answer.header("grpc-status", "5").body(Empty::new().boxed()).unwrap();
    }
    let (sender, body) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let mut body = request.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                let _gone = sender.send(Frame::data(data)).await;
            }
        }
        let mut trailers = HeaderMap::new();
        for (name, value) in [
            ("grpc-status", "0"),
            ("grpc-message", "fine"),
            ("countersign-verified", "forged"),
            ("countersign_key_id", "forged"),
            ("content-length", "9"),
            ("content_length", "9"),
            ("host", "evil.example"),
            ("trailer", "x"),
        ] {
            trailers.insert(name, value.parse().unwrap());
        }
        let _gone = sender.send(Frame::trailers(trailers)).await;
    });
    answer.body(Parts(body).boxed()).unwrap()
}

/// What came of a call: status, head, messages, trailers.
struct Outcome {
    head: http::response::Parts,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

async fn channel(to: SocketAddr) -> http2::SendRequest<Body> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    drop(tokio::spawn(connection));
    sender
}

fn request(path: &str, headers: &[(String, String)], body: Body) -> Request<Body> {
    let mut request = Request::post(format!("http://app.example{path}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body).unwrap()
}

async fn call(to: SocketAddr, request: Request<Body>) -> Outcome {
    let work = async {
        let answer = channel(to).await.send_request(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned();
        Outcome { head, body: collected.to_bytes(), trailers }
    };
    timeout(DEADLINE, work).await.expect("nothing came in time")
}

fn key_header(key: &Key) -> Vec<(String, String)> {
    vec![("x-api-key".to_owned(), key.api_key.clone())]
}

fn whole(message: &'static [u8]) -> Body {
    Full::new(Bytes::from_static(message)).boxed()
}

fn names(trailers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = trailers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_unary_call_ends_with_the_status_that_the_service_gave() {
    let service = Service::start();
    let (sidecar, key) = at(&service.url, "");
    let outcome =
        run(call(sidecar.traffic(), request("/echo", &key_header(&key), whole(b"\0\0\0\0\x05hello"))));
    assert_eq!((outcome.head.status.as_u16(), &outcome.body[..]), (200, b"\0\0\0\0\x05hello".as_slice()));
    let trailers = outcome.trailers.unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"0".parse().unwrap(), &"fine".parse().unwrap())
    );
    // The service knows that the way is open for trailers, and who calls.
    let head = service.heads.recv_timeout(DEADLINE).unwrap();
    assert_eq!(
        (&head["te"], &head["countersign-verified"]),
        (&"trailers".parse().unwrap(), &"api-key".parse().unwrap())
    );
    assert!(!head.contains_key("x-api-key"));
}

#[test]
fn trailers_of_an_answer_say_nothing_that_is_not_theirs_to_say() {
    let service = Service::start();
    let (sidecar, key) = at(&service.url, "");
    let outcome = run(call(sidecar.traffic(), request("/echo", &key_header(&key), whole(b"x"))));
    assert_eq!(names(&outcome.trailers.unwrap()), ["grpc-message", "grpc-status"]);
}

#[test]
fn a_call_that_fails_at_once_has_its_status_in_the_head() {
    let service = Service::start();
    let (sidecar, key) = at(&service.url, "");
    let outcome = run(call(sidecar.traffic(), request("/fails", &key_header(&key), whole(b"x"))));
    assert_eq!(
        (outcome.head.status.as_u16(), &outcome.head.headers["grpc-status"]),
        (200, &"5".parse().unwrap())
    );
    assert!(outcome.body.is_empty() && outcome.trailers.is_none());
}

#[test]
fn a_call_without_a_good_key_never_reaches_the_service() {
    let service = Service::start();
    let (sidecar, _) = at(&service.url, "");
    for headers in [Vec::new(), vec![("x-api-key".to_owned(), "wk_forged".to_owned())]] {
        let outcome = run(call(sidecar.traffic(), request("/echo", &headers, whole(b"x"))));
        assert_eq!((outcome.head.status.as_u16(), outcome.trailers.is_none()), (401, true));
    }
    assert!(service.heads.try_recv().is_err());
}

#[test]
fn messages_pass_both_ways_as_they_come() {
    let service = Service::start();
    let (sidecar, key) = at(&service.url, "");
    run(async {
        let work = async {
            let (messages, receiver) = tokio::sync::mpsc::channel(1);
            let body = Parts(receiver).boxed();
            let mut channel = channel(sidecar.traffic()).await;
            let asked = channel.send_request(request("/echo", &key_header(&key), body));
            let mut answer = asked.await.unwrap().into_body();
            for n in 0..20_u8 {
                messages.send(Frame::data(Bytes::from(vec![n]))).await.unwrap();
                // Each is answered while the call goes on in both directions.
                let message = answer.frame().await.unwrap().unwrap().into_data().unwrap();
                assert_eq!(message[..], [n]);
            }
            drop(messages);
            let trailers = answer.frame().await.unwrap().unwrap().into_trailers().unwrap();
            assert_eq!(names(&trailers), ["grpc-message", "grpc-status"]);
            assert!(answer.frame().await.is_none());
        };
        timeout(DEADLINE, work).await.expect("nothing came in time");
    });
}

#[test]
fn a_signed_call_is_read_whole_and_has_its_trailers() {
    let service = Service::start();
    let (sidecar, key) = at(&service.url, "");
    let mut message = crate::support::http::Call::post("/echo", b"\0\0\0\0\x02hi");
    message = message.header("X-Workspace-ID", &key.workspace);
    let signed = sidecar.signed("workspace", &key.secret, message);
    let outcome = run(call(sidecar.traffic(), request("/echo", &signed.headers, whole(b"\0\0\0\0\x02hi"))));
    assert_eq!((outcome.head.status.as_u16(), &outcome.body[..]), (200, b"\0\0\0\0\x02hi".as_slice()));
    assert_eq!(&outcome.trailers.unwrap()["grpc-status"], "0");
    let forged = run(call(sidecar.traffic(), request("/echo", &signed.headers, whole(b"\0\0\0\0\x02ho"))));
    assert_eq!(forged.head.status, 401);
    assert_eq!(service.heads.try_iter().count(), 1);
}

#[test]
fn a_client_of_http_1_gets_the_answer_and_no_trailers_that_it_did_not_ask_for() {
    let service = Service::start();
    let (sidecar, key) = at(&service.url, "");
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&super::post(&key, "hello").bytes());
    assert_eq!(connection.answer().text(), "hello");
    // The next one is read where it begins.
    connection.write(&super::post(&key, "again").bytes());
    assert_eq!(connection.answer().text(), "again");
}

#[test]
fn http_1_has_trailers_where_client_and_application_agree_on_them() {
    use crate::support::upstream::Manner;
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Countersign-Verified, Keep-Alive\r\n\r\n\
        2\r\nok\r\n0\r\nX-Sum: 1\r\nCountersign-Verified: forged\r\nKeep-Alive: 5\r\n\r\n";
    let (sidecar, key): (Sidecar, Key) = super::super::with(Manner::Raw(ANSWER));
    for (te, has) in [("trailers", true), ("", false)] {
        let mut connection = Connection::open(sidecar.traffic());
        let call = super::get(&key).header("TE", te).header("Connection", "close");
        connection.write(&call.bytes());
        let (status, _) = connection.head();
        let mut rest = Vec::new();
        while !connection.is_closed() {
            rest.extend(connection.read_exactly(1));
        }
        let text = String::from_utf8(rest).unwrap().to_lowercase();
        let trailers = if has { "x-sum: 1\r\n" } else { "" };
        assert_eq!(
            (status, text.as_str()),
            (200, format!("2\r\nok\r\n0\r\n{trailers}\r\n").as_str()),
            "{te:?}"
        );
    }
}
