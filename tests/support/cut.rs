//! A wire that can be cut: a TCP proxy in front of a server. Not tests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// Forwards every connection to one port until it is told otherwise.
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The port of the server.
    server: AtomicU16,
    refusing: AtomicBool,
    /// Nothing arrives, and nobody is told.
    swallowing: AtomicBool,
    /// The next connection that answers this is mute from then on.
    swallowed: Mutex<Option<Vec<u8>>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Wire {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        wire.lead_to(port);
        let state = Arc::clone(&wire.state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if state.refusing.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", state.server.load(Ordering::SeqCst)))
                else {
                    continue;
                };
                let questions = (client.try_clone().unwrap(), server.try_clone().unwrap());
                pump(questions.0, questions.1, &state, false);
                pump(server.try_clone().unwrap(), client.try_clone().unwrap(), &state, true);
                state.open.lock().unwrap().extend([client, server]);
            }
        });
        wire
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) fn cut(&self) {
        self.refuse();
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _gone_already = stream.shutdown(Shutdown::Both);
        }
    }

    /// New connections lead to another server.
    pub(crate) fn lead_to(&self, port: u16) {
        self.state.server.store(port, Ordering::SeqCst);
    }

    /// Closes new connections at once; those that are open stay.
    pub(crate) fn refuse(&self) {
        self.state.refusing.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.state.refusing.store(false, Ordering::SeqCst);
        self.state.swallowing.store(false, Ordering::SeqCst);
    }

    /// Swallows every byte of every connection, new ones too, and closes none: both ends are half-open.
    pub(crate) fn swallow_everything(&self) {
        self.state.swallowing.store(true, Ordering::SeqCst);
    }

    /// Swallows the next answer that holds these bytes, and all later ones on its connection.
    pub(crate) fn swallow(&self, answer: &[u8]) {
        *self.state.swallowed.lock().unwrap() = Some(answer.to_vec());
    }
}

impl State {
    fn swallows(&self, chunk: &[u8]) -> bool {
        let mut swallowed = self.swallowed.lock().unwrap();
        let found =
            swallowed.as_ref().is_some_and(|bytes| chunk.windows(bytes.len()).any(|part| part == bytes));
        if found {
            *swallowed = None;
        }
        found
    }
}

/// Copies one way until either end is gone. Answers may be swallowed.
fn pump(mut from: TcpStream, mut to: TcpStream, state: &Arc<State>, answers: bool) {
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        let mut mute = false;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            mute |= answers && state.swallows(&buffer[..count]);
            mute |= state.swallowing.load(Ordering::SeqCst);
            if !mute && to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _gone_already = to.shutdown(Shutdown::Both);
    });
}
