//! A flood of an admin port, from many connections at once. Not tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use serde_json::json;

use super::http::{Call, Connection};
use super::sidecar::{TOKEN, until};

/// Connections.
const FLOODERS: usize = 24;

/// It goes on until it is dropped.
pub(crate) struct Flood {
    state: Arc<State>,
    flooders: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    asked: AtomicUsize,
    is_over: AtomicBool,
}

impl Flood {
    /// Of this port, with much to read in the workspace.
    pub(crate) fn of(admin: SocketAddr, workspace: &str) -> Self {
        let state = Arc::<State>::default();
        let flooder = |number| {
            let (state, workspace) = (Arc::clone(&state), workspace.to_owned());
            std::thread::spawn(move || flood(number, admin, &workspace, &state))
        };
        let flooders = (0..FLOODERS).map(flooder).collect();
        Self { state, flooders }
    }

    /// Requests that were answered so far.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Waits until it has asked so many times more.
    pub(crate) fn wave(&self, count: usize) {
        let before = self.asked();
        until("a wave of the flood is answered", || self.asked() >= before + count);
    }

    /// Ends it; panics where an answer was none that such a request may get.
    pub(crate) fn end(mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        for flooder in self.flooders.drain(..) {
            flooder.join().unwrap();
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
    }
}

/// Asks the same again and again, each connection something else: reads, writes that are refused, and wrong tokens.
fn flood(number: usize, admin: SocketAddr, workspace: &str, state: &State) {
    let token = if number % 4 == 3 { "wrong" } else { TOKEN };
    let call = match number % 3 {
        0 => Call::get("/api/audit-events?limit=200"),
        1 => Call::get(&format!("/api/workspaces/{workspace}/webhook-keys?limit=200")),
        _ => Call::post("/api/workspaces", json!({ "name": " " }).to_string())
            .header("Content-Type", "application/json"),
    };
    let call = call.header("Authorization", format!("Bearer {token}"));
    let bytes = call.bytes_for(&admin.to_string());
    // An address that sends wrong tokens is not listened to any more: it is not that of the others.
    let open = || Connection::open_from(if token == TOKEN { 2 } else { 3 }, admin);
    let mut connection = open();
    while !state.is_over.load(Ordering::SeqCst) {
        connection.write(&bytes);
        match connection.try_answer(&call.method) {
            // 503: from the store itself, which may be out of reach.
            Some(answer) => {
                let status = answer.status;
                assert!(matches!(status, 200 | 401 | 422 | 429 | 503), "{status}: {}", answer.text());
            }
            None => connection = open(),
        }
        state.asked.fetch_add(1, Ordering::SeqCst);
    }
}
