//! SIGTERM under load, again and again: whoever honours readiness loses nothing, and nothing is cut.
//!
//! How often is COUNTERSIGN_TEST_DRAINS, 2 unless set; `tests/run --drain` sets more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::application::{Application, PART};
use super::{World, count};
use crate::support::h2;
use crate::support::http::{Call, Connection};
use crate::support::sidecar::until;

/// Clients at once.
const CLIENTS: usize = 8;

/// What clients have seen together.
#[derive(Default)]
struct Tally {
    not_ready: AtomicBool,
    answered: AtomicUsize,
    streamed: AtomicUsize,
}

#[test]
fn g01_sigterm_under_load_loses_and_cuts_nothing() {
    let rounds = count("COUNTERSIGN_TEST_DRAINS", 2);
    let application = Application::start();
    let mut answered = 0;
    for round in 0..rounds {
        answered += one_drain(&application.url, round);
    }
    println!(
        "drain: {rounds} times SIGTERM under load of {CLIENTS} clients: {answered} answers, 0 lost, 0 truncated"
    );
}

/// Answers that came, all of them whole.
fn one_drain(url: &str, round: usize) -> usize {
    let world = World::start(url, &[("drain.delay", "2s")]);
    let tally = Arc::new(Tally::default());
    let mixed = [world.by_key("/small"), world.by_key("/parts/20"), world.delivery(&[b'b'; 30_000])];
    let mut clients: Vec<JoinHandle<()>> = (0..CLIENTS)
        .map(|index| client(world.serve.traffic, mixed.clone(), index, Arc::clone(&tally)))
        .collect();
    clients.push(client_of_h2(world.serve.traffic, mixed[1].clone(), Arc::clone(&tally)));
    let (ops, watching) = (world.serve.ops, Arc::clone(&tally));
    clients.push(std::thread::spawn(move || {
        while Call::get("/readyz").send(ops).status == 200 {}
        watching.not_ready.store(true, Ordering::SeqCst);
    }));
    until("there is load", || tally.answered.load(Ordering::SeqCst) > 40 + round);
    world.serve.process.signal("TERM");
    for client in clients {
        client.join().unwrap();
    }
    let ended = world.serve.process.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(tally.streamed.load(Ordering::SeqCst) > 0);
    tally.answered.load(Ordering::SeqCst)
}

/// Sends one request after the other, on a connection for as long as it is kept, until the sidecar is not ready.
fn client(to: SocketAddr, mixed: [Call; 3], index: usize, tally: Arc<Tally>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut kept: Option<Connection> = None;
        for turn in index.. {
            if tally.not_ready.load(Ordering::SeqCst) {
                return;
            }
            let call = &mixed[turn % mixed.len()];
            let mut connection = kept.take().unwrap_or_else(|| Connection::open(to));
            connection.write(&call.bytes());
            let answer = connection.try_answer("GET").unwrap_or_else(|| panic!("{} was lost", call.target));
            let expected = match turn % mixed.len() {
                0 => b"0".to_vec(),
                1 => PART.repeat(20),
                _ => b"30000".to_vec(),
            };
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.body.len(), expected.len(), "{}", call.target);
            assert_eq!(answer.body, expected, "{}", call.target);
            tally.answered.fetch_add(1, Ordering::SeqCst);
            tally.streamed.fetch_add(usize::from(turn % mixed.len() == 1), Ordering::SeqCst);
            if answer.header("connection") != Some("close") && turn % 5 != 0 {
                kept = Some(connection);
            }
        }
    })
}

/// The same over HTTP/2, some streams for each connection.
fn client_of_h2(to: SocketAddr, call: Call, tally: Arc<Tally>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !tally.not_ready.load(Ordering::SeqCst) {
            for answer in h2::send(to, &[call.clone(), call.clone(), call.clone()]) {
                assert_eq!((answer.status, answer.body.len()), (200, PART.len() * 20));
                tally.answered.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
}
