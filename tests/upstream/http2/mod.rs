//! An application that is spoken to in HTTP/2: what it gets, on how few connections, and what becomes of a request when
//! a stream or a connection ends.

mod connections;
mod faults;
mod grpc;
mod heads;
mod real_peer;
mod tls;

use crate::support::frames::Frames;
use crate::support::http::Call;
use crate::support::script::Script;
use crate::support::sidecar::{Builder, Key, Sidecar};
use crate::support::upstream::Upstream;

/// A sidecar before an application that speaks HTTP/2, with a key; `config` is more of `[upstream]`, and what follows.
fn before(upstream: &Upstream, config: &str) -> (Sidecar, Key) {
    at(&upstream.url, config)
}

fn at(url: &str, config: &str) -> (Sidecar, Key) {
    super::keyed(builder(url, config).start())
}

fn builder(url: &str, config: &str) -> Builder {
    Sidecar::builder().config(&format!("[upstream]\nhttp2 = true\n{config}")).upstream(url)
}

/// The next connection to an application that is a script of frames, after its preface and ours.
fn serve(script: &Script) -> Frames {
    Frames::serving(script.accept(), &[])
}

/// A sidecar with one thread before a script.
fn scripted(config: &str) -> (Sidecar, Script, Key) {
    let script = Script::start();
    let (sidecar, key) = super::keyed(builder(&script.url, config).one_thread().start());
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
