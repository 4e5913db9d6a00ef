//! The port over a real socket.

use std::time::Duration;

use countersign::admin::serve;
use countersign::drain::channel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::admin_port::{Port, TOKEN};

#[tokio::test]
async fn requests_are_answered_and_a_drain_closes_idle_connections() {
    let port = Port::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, watcher) = channel();
    let serving = tokio::spawn(serve(listener, port.router.clone(), None, watcher));

    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET /api/workspaces HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = vec![0; 4096];
    let count = stream.read(&mut read).await.unwrap();
    let text = String::from_utf8_lossy(&read[..count]).into_owned();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");

    trigger.start();
    let ended = tokio::time::timeout(Duration::from_secs(10), serving).await;
    assert!(ended.is_ok(), "an idle connection held up the drain");
    assert_eq!(stream.read(&mut read).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}
