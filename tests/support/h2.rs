//! A client that speaks HTTP/2 with prior knowledge, one request at a time.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::http::{Answer, Call, DEADLINE};

/// Sends requests one after the other on one connection.
pub(crate) fn send(to: SocketAddr, calls: &[Call]) -> Vec<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = async {
        let stream = TcpStream::connect(to).await.unwrap();
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut answers = Vec::new();
        for call in calls {
            answers.push(exchange(&mut sender, call).await);
        }
        drop(sender);
        driver.abort();
        answers
    };
    runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await.expect("nothing came in time") })
}

async fn exchange(sender: &mut http2::SendRequest<Full<Bytes>>, call: &Call) -> Answer {
    let mut request =
        Request::builder().method(call.method.as_str()).uri(format!("http://app.example{}", call.target));
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::from(call.body.clone())).unwrap();
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Answer { status: parts.status.as_u16(), headers, body }
}
