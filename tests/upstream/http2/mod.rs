//! An application that is spoken to in HTTP/2: what it gets, on how few connections, and what becomes of a request when
//! a stream or a connection ends.

mod connections;
mod faults;
mod grpc;
mod heads;
mod real_peer;
mod tls;

use std::net::{TcpListener, TcpStream};

use crate::support::frames::Frames;
use crate::support::http::Call;
use crate::support::sidecar::{Key, Sidecar, until};
use crate::support::upstream::Upstream;

/// A sidecar before an application that speaks HTTP/2, with a key; `config` is more of `[upstream]`, and what follows.
fn before(upstream: &Upstream, config: &str) -> (Sidecar, Key) {
    at(&upstream.url, config)
}

fn at(url: &str, config: &str) -> (Sidecar, Key) {
    let config = format!("[upstream]\nhttp2 = true\n{config}");
    super::keyed(Sidecar::builder().config(&config).upstream(url).start())
}

/// An application that is a script of frames.
struct Script {
    listener: TcpListener,
    url: String,
}

impl Script {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    /// The next connection, under the deadline.
    fn accept(&self) -> TcpStream {
        let mut accepted = None;
        until("a connection is made", || {
            accepted = self.listener.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    }

    /// Whether somebody has connected who was not accepted.
    fn is_called(&self) -> bool {
        self.listener.accept().is_ok()
    }

    /// The next connection, after its preface and ours.
    fn serve(&self) -> Frames {
        Frames::serving(self.accept(), &[])
    }
}

/// A sidecar with one thread before a script.
fn scripted(config: &str) -> (Sidecar, Script, Key) {
    let script = Script::start();
    let (sidecar, key) = at(&script.url, config);
    (sidecar, script, key)
}

fn get(key: &Key) -> Call {
    Call::get("/a?b=c").header("X-API-Key", &key.api_key)
}

fn post(key: &Key, body: &str) -> Call {
    Call::post("/a?b=c", body).header("X-API-Key", &key.api_key)
}

/// Sends a request from another thread.
fn sending(sidecar: &Sidecar, call: Call) -> std::thread::JoinHandle<crate::support::http::Answer> {
    let to = sidecar.traffic();
    std::thread::spawn(move || call.send(to))
}
