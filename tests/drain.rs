//! The way out: what is in flight ends as it should, and nothing new begins.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::http::{Call, Connection};
use crate::support::mac::hmac_hex;
use crate::support::sidecar::{Sidecar, until};
use crate::support::upstream::Manner;

struct Ports {
    traffic: SocketAddr,
    ops: SocketAddr,
    admin: SocketAddr,
}

fn held(config: &str) -> (Sidecar, Arc<Semaphore>, Ports) {
    let gate = Arc::new(Semaphore::new(0));
    let sidecar = Sidecar::builder().config(config).manner(Manner::Held(Arc::clone(&gate))).start();
    let ports = Ports {
        traffic: sidecar.traffic(),
        ops: sidecar.running().ops,
        admin: sidecar.running().admin.unwrap(),
    };
    (sidecar, gate, ports)
}

fn stopping(mut sidecar: Sidecar) -> JoinHandle<Sidecar> {
    thread::spawn(move || {
        sidecar.stop();
        sidecar
    })
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

#[test]
fn a_request_in_flight_is_answered_and_no_other_is_taken() {
    let (sidecar, gate, ports) = held("");
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let call = Call::post("/slow", "body").header("X-API-Key", &key.api_key);
    let mut in_flight = Connection::open(ports.traffic);
    in_flight.write(&call.bytes());
    until("the application has the request", || sidecar.upstream.count() == 1);
    let mut idle = Connection::open(ports.traffic);
    idle.write(&Call::get("/none").bytes());
    assert_eq!(idle.answer().status, 401);

    let stopped = stopping(sidecar);
    until("nobody new is let in", || is_refused(ports.traffic));
    assert!(idle.is_closed());
    // The kubelet can ask all the while.
    let ready = Call::get("/readyz").send(ports.ops);
    assert_eq!((ready.status, ready.text().as_str()), (503, "not ready: draining\n"));
    assert_eq!(Call::get("/livez").send(ports.ops).status, 200);
    assert!(!stopped.is_finished(), "it stopped while a request was in flight");

    gate.add_permits(1);
    let answer = in_flight.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "from the application"));
    assert!(in_flight.is_closed());
    let sidecar = stopped.join().unwrap();
    assert_eq!(sidecar.upstream.take().len(), 1);
    for (port, address) in [("traffic", ports.traffic), ("ops", ports.ops), ("admin", ports.admin)] {
        assert!(is_refused(address), "the {port} port is open after the stop");
    }
}

#[test]
fn a_body_that_is_still_arriving_is_verified_to_its_end() {
    let (sidecar, gate, ports) = held("");
    gate.add_permits(1);
    let secret = sidecar.integration(json!({ "name": "hook" }));
    let head = Call::new("POST", "/webhooks/hook")
        .header("X-Webhook-Signature", hmac_hex(&secret, &[b"body"]))
        .header("Content-Length", "4")
        .header("Expect", "100-continue");
    let mut delivery = Connection::open(ports.traffic);
    delivery.write(&head.bytes());
    assert_eq!(delivery.interim(), 100);
    let stopped = stopping(sidecar);
    until("nobody new is let in", || is_refused(ports.traffic));
    delivery.write(b"body");
    assert_eq!(delivery.answer().status, 200);
    assert_eq!(stopped.join().unwrap().upstream.only().body, b"body");
}

#[test]
fn what_does_not_end_in_time_does_not_hold_the_stop() {
    let (sidecar, _gate, ports) = held("[drain]\ntimeout = '200ms'");
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let mut in_flight = Connection::open(ports.traffic);
    in_flight.write(&Call::get("/never").header("X-API-Key", &key.api_key).bytes());
    until("the application has the request", || sidecar.upstream.count() == 1);
    stopping(sidecar).join().unwrap();
    assert!(in_flight.try_answer("GET").is_none(), "an answer was made up");
}

#[test]
fn a_stop_without_traffic_returns_and_keeps_what_was_acknowledged() {
    let mut sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    sidecar.stop();
    sidecar.start_again();
    sidecar.passes(&Call::get("/").header("X-API-Key", &key.api_key));
}
