//! The application of the demo: answers every request with what it received.
//!
//! Not an example of how to trust headers: it trusts nothing and shows everything.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value, json};

/// Starts it on a free port of loopback, on a thread of its own that ends with the process.
pub(super) fn start() -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("echo".to_owned()).spawn(move || {
        runtime.block_on(async {
            let app = Router::new().fallback(echo).layer(DefaultBodyLimit::disable());
            let served = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => axum::serve(listener, app).await,
                Err(error) => Err(error),
            };
            if let Err(error) = served {
                tracing::error!(%error, "the echo application has stopped");
            }
        });
    })?;
    Ok(address)
}

async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> String {
    let mut shown = Map::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        shown.insert(name.as_str().to_owned(), Value::String(value));
    }
    let received = json!({
        "the application received": format!("{method} {uri}"),
        "headers": shown,
        "body": String::from_utf8_lossy(&body),
    });
    format!("{received:#}\n")
}
