//! The traffic port as a socket in the file system: what passes, and who its client is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use countersign::drain;
use countersign::listener::{
    self, Connections, Handler, ListenerSettings, LiveTuning, Peer, Place, Socket, Waiting,
};
use http::Response;
use http::request::Parts;
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::{GET, PATIENCE, SHORT, brief, response, rest, soon, start_at};
use crate::support::certificates::Authority;
use crate::support::http::{Call, Connection, unix_stream};
use crate::support::nginx;
use crate::support::sidecar::{Key, Sidecar, until};
use crate::support::tls::Client;

pub(super) fn place(path: &Path) -> Place {
    Place::Unix { path: path.to_owned(), mode: 0o660 }
}

/// A directory, and a place for a socket in it.
pub(super) fn somewhere() -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("traffic.sock");
    (dir, path)
}

/// A sidecar on a socket, with a key that this network may use.
fn confined(config: &str, network: &str) -> (Sidecar, Key) {
    let sidecar = Sidecar::builder().unix().config(config).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({ "allowedCidrs": [network] }));
    (sidecar, key)
}

fn get(key: &Key) -> Call {
    Call::get("/a").header("X-API-Key", &key.api_key)
}

#[test]
fn a_genuine_request_passes_and_a_refused_one_does_not() {
    let sidecar = Sidecar::builder().unix().start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let mut connection = Connection::open_unix(&sidecar.socket());
    for call in [Call::get("/a"), get(&key).without("x-api-key").header("X-API-Key", "wk_forged")] {
        connection.write(&call.bytes());
        assert_eq!(connection.answer_to("GET").status, 401);
    }
    sidecar.upstream.saw_nothing();
    let call = get(&key).header("X-Forwarded-For", "192.0.2.1").header("Forwarded", "for=192.0.2.1");
    connection.write(&call.bytes());
    assert_eq!(connection.answer_to("GET").status, 200);
    let seen = sidecar.upstream.only();
    // RFC 7239 §6.2; X-Forwarded-For has no word for it.
    assert_eq!(seen.all("forwarded"), ["for=unknown;host=\"app.example\";proto=http"]);
    assert!(seen.all("x-forwarded-for").is_empty());
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
}

#[test]
fn a_signed_body_passes_and_a_forged_one_does_not() {
    let sidecar = Sidecar::builder().unix().start();
    let secret = sidecar.integration(json!({ "name": "github", "type": "github" }));
    let call = Call::post("/webhooks/github", "{}").header("Content-Type", "application/json");
    let forged = sidecar.signed("github", "another-secret-of-some-length", call.clone());
    assert_eq!(forged.send_unix(&sidecar.socket()).status, 401);
    sidecar.upstream.saw_nothing();
    assert_eq!(sidecar.signed("github", &secret, call).send_unix(&sidecar.socket()).status, 200);
    assert_eq!(sidecar.upstream.only().body, b"{}");
    let deliveries = || sidecar.admin("GET", "/api/integrations/github/deliveries", None).json();
    until("both deliveries are there", || deliveries()["items"].as_array().unwrap().len() == 2);
    for delivery in deliveries()["items"].as_array().unwrap() {
        assert_eq!(delivery["client"], "unix", "{delivery}");
    }
}

#[test]
fn h2_passes_too() {
    let sidecar = Sidecar::builder().unix().start();
    let mut connection = Connection::open_unix(&sidecar.socket());
    connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    // The server's own SETTINGS frame.
    assert_eq!(connection.read_exactly(9)[3], 4);
}

#[test]
fn a_key_for_some_addresses_is_refused_to_whoever_has_none() {
    for network in ["127.0.0.0/8", "0.0.0.0/0", "::/0"] {
        let (sidecar, key) = confined("", network);
        let refused = get(&key).header("X-Forwarded-For", "127.0.0.1").send_unix(&sidecar.socket());
        assert_eq!(refused.status, 401, "{network}");
        sidecar.upstream.saw_nothing();
    }
}

#[test]
fn the_client_is_whom_a_trusted_peer_forwards_for() {
    let (sidecar, key) = confined("[listener]\ntrusted_proxies = ['unix', '10.0.0.0/8']", "192.0.2.0/24");
    for (header, list, status) in [
        ("X-Forwarded-For", "203.0.113.1, 192.0.2.7, 10.0.0.1", 200),
        ("Forwarded", "for=192.0.2.7", 200),
        ("X-Forwarded-For", "192.0.2.7, 203.0.113.1", 401),
        ("X-Forwarded-For", "192.0.2.7, unknown", 401),
        ("X-Forwarded-For", "192.0.2.7, unix", 401),
        ("Forwarded", "for=unknown", 401),
    ] {
        let answer = get(&key).header(header, list).send_unix(&sidecar.socket());
        assert_eq!(answer.status, status, "{list}");
        if status == 200 {
            let seen = sidecar.upstream.only();
            assert_eq!(seen.all("x-forwarded-for"), ["192.0.2.7"]);
            assert_eq!(seen.all("forwarded"), ["for=192.0.2.7;host=\"app.example\";proto=http"]);
        } else {
            assert_eq!(sidecar.upstream.count(), 0);
        }
    }
}

#[test]
fn the_client_is_whom_a_proxy_header_of_a_trusted_peer_names() {
    let config = "[listener]\ntrusted_proxies = ['unix']\nproxy_protocol = 'on'";
    let (sidecar, key) = confined(config, "192.0.2.0/24");
    for (line, status) in [
        ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Some(200)),
        ("PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n", Some(401)),
        ("PROXY UNKNOWN\r\n", Some(401)),
        ("", None),
    ] {
        let mut connection = Connection::open_unix(&sidecar.socket());
        connection.write(line.as_bytes());
        connection.write(&get(&key).bytes());
        assert_eq!(connection.try_answer("GET").map(|answer| answer.status), status, "{line:?}");
        match status {
            Some(200) => assert_eq!(sidecar.upstream.only().all("x-forwarded-for"), ["192.0.2.7"]),
            _ => assert_eq!(sidecar.upstream.count(), 0),
        }
    }
    assert_eq!(
        sidecar.metrics("countersign_listener_proxy_faults_total"),
        ["countersign_listener_proxy_faults_total 1"]
    );
}

#[test]
fn a_real_proxy_names_its_clients_with_the_lines_that_are_documented() {
    let page = include_str!("../../docs/unix-sockets.md");
    let block = page.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let (sidecar, key) = confined("[listener]\ntrusted_proxies = ['unix']", "127.0.0.9");
    let socket = sidecar.socket().display().to_string();
    let dir = tempdir().unwrap();
    let (_nginx, address) = nginx::start(dir.path(), |address| {
        let block = block.replace("/run/countersign/traffic.sock", &socket);
        block.replace("server {\n", &format!("server {{\n    listen {address};\n"))
    });
    let address = address.parse().unwrap();
    // What a client says of itself does not count.
    let call = get(&key).header("X-Forwarded-For", "127.0.0.9").header("Forwarded", "for=127.0.0.9");
    for (last, status) in [(9, 200), (8, 401), (9, 200)] {
        let mut client = Connection::open_from(last, address);
        client.write(&call.bytes());
        assert_eq!(client.answer_to("GET").status, status);
        if status == 200 {
            let seen = sidecar.upstream.only();
            assert_eq!(seen.all("forwarded"), ["for=127.0.0.9;host=\"app.example\";proto=http"]);
            assert_eq!(
                (seen.all("x-forwarded-for"), seen.all("host")),
                (vec!["127.0.0.9"], vec!["app.example"])
            );
        } else {
            assert_eq!(sidecar.upstream.count(), 0);
        }
    }
}

#[test]
fn tls_goes_over_it_too() {
    let authority = Authority::new("servers");
    let pair = authority.vouch("app", &["app.example"]);
    let sidecar = Sidecar::builder().unix().config(&crate::tls::table(&[&pair], "")).start();
    let key = sidecar.key(&sidecar.workspace("tenant"), json!({}));
    let client = Client::new(&authority.file(), None);
    let mut session = client.open_over(unix_stream(&sidecar.socket()), "app.example").unwrap();
    assert_eq!(session.exchange(&get(&key)).unwrap().status, 200);
    assert_eq!(sidecar.upstream.only().all("x-forwarded-proto"), ["https"]);
    let mut plain = Connection::open_unix(&sidecar.socket());
    plain.write(&get(&key).bytes());
    assert!(plain.try_answer("GET").is_none());
    assert_eq!(sidecar.upstream.count(), 0);
}

#[tokio::test]
async fn the_drain_removes_the_file_and_ends_what_is_in_flight_in_order() {
    let (_dir, path) = somewhere();
    let server = start_at(&place(&path), ListenerSettings { drain_timeout: PATIENCE, ..brief() });
    let mut busy = UnixStream::connect(&path).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.entered().await;
    let mut idle = UnixStream::connect(&path).await.unwrap();
    idle.write_all(GET).await.unwrap();
    response(&mut idle).await;
    server.drain.start();
    assert_eq!(rest(&mut idle).await, "");
    soon(async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(UnixStream::connect(&path).await.is_err());
    server.paths.gate.add_permits(1);
    let last = response(&mut busy).await;
    assert!(last.contains("connection: close") && last.ends_with("slow"), "{last}");
    soon(server.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn limits_of_a_connection_hold_and_those_of_an_address_do_not() {
    let (_dir, path) = somewhere();
    let limits = ListenerSettings { max_connections: 3, max_connections_per_address: 1, ..brief() };
    let server = start_at(&place(&path), limits);
    let opened = Instant::now();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(UnixStream::connect(&path).await.unwrap());
    }
    // Each has begun a head, and does not go on.
    for stream in &mut held {
        stream.write_all(b"GET / HT").await.unwrap();
    }
    let mut fourth = UnixStream::connect(&path).await.unwrap();
    assert_eq!(soon(fourth.read(&mut [0])).await.unwrap_or(0), 0);
    assert_eq!((server.counters.refused(), server.counters.refused_by_address()), (1, 0));
    for mut stream in held {
        assert_eq!(rest(&mut stream).await, "");
    }
    assert!(opened.elapsed() >= SHORT, "{:?}", opened.elapsed());
}

/// Says on which thread a request is, and blocks it until it may go on.
#[derive(Clone)]
struct Blocking {
    entered: mpsc::Sender<std::thread::ThreadId>,
    gate: Arc<std::sync::Mutex<mpsc::Receiver<()>>>,
}

impl Handler for Blocking {
    type Body = Full<Bytes>;

    async fn handle(&self, head: &mut Parts, _: Incoming, _: &Peer, _: Waiting<'_>) -> Response<Full<Bytes>> {
        self.entered.send(std::thread::current().id()).unwrap();
        if head.uri.path() == "/block" {
            let _end = self.gate.lock().unwrap().recv();
        }
        Response::new(Full::from("ok"))
    }
}

#[test]
fn while_one_thread_is_busy_the_other_accepts() {
    let (_dir, path) = somewhere();
    let bound = listener::bind(&place(&path), 2).unwrap();
    let ((entered, threads), (open, gate)) = (mpsc::channel(), mpsc::channel());
    let handler = Blocking { entered, gate: Arc::new(std::sync::Mutex::new(gate)) };
    let (drain, watcher) = drain::channel();
    let serve = |socket: Socket| {
        let (handler, watcher) = (handler.clone(), watcher.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (tuning, counters) = (LiveTuning::new(brief()), Arc::new(Connections::default()));
            runtime.block_on(listener::serve(socket, tuning, handler, watcher, counters)).unwrap();
        })
    };
    let serving: Vec<_> = bound.sockets.into_iter().map(serve).collect();
    let mut first = Connection::open_unix(&path);
    first.write(&Call::get("/block").bytes());
    let busy = threads.recv_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        assert_eq!(Call::get("/").send_unix(&path).status, 200);
        assert_ne!(threads.recv_timeout(PATIENCE).unwrap(), busy);
    }
    open.send(()).unwrap();
    assert_eq!(first.answer_to("GET").status, 200);
    drain.start();
    for thread in serving {
        thread.join().unwrap();
    }
    assert!(!path.exists());
}
