//! TLS in front of senders, behind to the application, and on the admin port; and files that change.

mod admin;
mod clients;
mod files;
mod names;
mod port;
mod records;
mod upstream;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::certificates::{Authority, Pair};
use crate::support::http::{Call, DEADLINE};
use crate::support::sidecar::{Builder, Sidecar};
use crate::support::tls::Client;

/// A sidecar under TLS, and what its clients believe.
pub(crate) struct Secured {
    pub(crate) sidecar: Sidecar,
    pub(crate) authority: Authority,
    pub(crate) pair: Pair,
}

/// What is not TLS gets an alert at most, and the connection ends.
fn assert_unanswered(to: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    // RFC 8446 §5.1: a record of type alert (21).
    assert!(answer.is_empty() || answer[0] == 21 && answer.len() == 7, "{answer:?}");
}

/// The record in which this client says hello (RFC 8446 §4.1.2).
fn client_hello(client: &Client) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from("app.example").unwrap();
    let mut connection =
        rustls::ClientConnection::new(std::sync::Arc::new(client.config.clone()), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}

const OPEN: &str = "[[routes]]\nname = 'open'\npath = '/{*rest}'\nverify = 'none'";

/// `[listener.tls]` with these certificates and `more`.
pub(crate) fn table(pairs: &[&Pair], more: &str) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|pair| {
            format!("{{ cert_file = '{}', key_file = '{}' }}", pair.cert.display(), pair.key.display())
        })
        .collect();
    format!("[listener.tls]\ncertificates = [{}]\n{more}", pairs.join(", "))
}

fn builder(pairs: &[&Pair], more: &str) -> Builder {
    Sidecar::builder().config(&table(pairs, more)).config(OPEN)
}

impl Secured {
    fn start() -> Self {
        let authority = Authority::new("servers");
        let pair = authority.vouch("server", &["app.example"]);
        let sidecar = builder(&[&pair], "").start();
        Self { sidecar, authority, pair }
    }

    fn client(&self) -> Client {
        Client::new(&self.authority.file(), None)
    }

    fn get(&self) -> u16 {
        let answer = self.client().send(self.sidecar.traffic(), "app.example", &Call::get("/a"));
        answer.unwrap().status
    }
}
