//! An application that is a script: the test accepts its connections and plays it, byte by byte. Not a test.

use std::io::Read;
use std::net::{TcpListener, TcpStream};

use super::http::DEADLINE;
use super::sidecar::until;

pub(crate) struct Script {
    listener: TcpListener,
    pub(crate) url: String,
}

impl Script {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    /// The next connection, under the deadline.
    pub(crate) fn accept(&self) -> TcpStream {
        let mut accepted = None;
        until("a connection is made", || {
            accepted = self.listener.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    }

    /// The next connection, and the head that came on it.
    pub(crate) fn accept_head(&self) -> (TcpStream, String) {
        let mut stream = self.accept();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let head = head(&mut stream);
        (stream, head)
    }

    /// Whether somebody has connected who was not accepted.
    pub(crate) fn is_called(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

/// Reads a head, byte by byte, so that nothing after it is taken.
pub(crate) fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "it ended after {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
