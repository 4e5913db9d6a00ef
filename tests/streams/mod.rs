//! What passes through and goes on: streams both ways, clients that leave, WebSockets, and the keys of them all.

mod lasting;
mod leaving;
mod pressure;
mod proxy_protocol;
mod real_peer;
mod websocket;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::json;

use crate::support::http::{Call, DEADLINE};
use crate::support::script::{Script, head};
use crate::support::sidecar::{Key, Sidecar};

fn open(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn send(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = open(to);
    stream.write_all(bytes).unwrap();
    stream
}

fn exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Whether the other side has ended, in order or not. Fails when it has not within the deadline.
fn has_ended(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => {
            assert!(!matches!(error.kind(), std::io::ErrorKind::WouldBlock), "it has not ended in time");
            true
        }
    }
}

/// A sidecar before a script, with a key, and `config` beside.
fn scripted(config: &str) -> (Sidecar, Script, Key) {
    let script = Script::start();
    let sidecar = Sidecar::builder().config(config).upstream(&script.url).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    (sidecar, script, key)
}

fn get(key: &Key, target: &str) -> Call {
    Call::get(target).header("X-API-Key", &key.api_key)
}
