//! One connection of HTTP/2, its places for streams, and the seat of one request on it (RFC 9113 §5.1.2).
//!
//! Not the choice among several (`mod.rs`). Invariants: no more streams than the peer allows now, nor than [`STREAMS`];
//! a seat that is given up, with its answer or before, calls off what is left of the request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Multiplex;
use super::held::{Held, Holder};
use super::interim::{Streams, excess};
use super::upload::{Upload, Uploading};
use crate::upstream::cap::Place;

/// Streams on one connection, where the peer allows as many. The least that RFC 9113 §6.5.2 recommends to allow.
const STREAMS: usize = 100;

pub(super) type Sender = http2::SendRequest<Uploading>;

/// What hyper runs a connection by; `None` once that has ended: a request that it still held would wait for ever.
pub(super) type Connection =
    Mutex<Option<http2::Connection<TokioIo<Held<Hearing>>, Uploading, TokioExecutor>>>;

/// How many streams the peer takes at once, as far as it has said so; none once it is gone.
pub(super) fn allowed(connection: &Connection) -> usize {
    connection.lock().as_ref().map_or(0, http2::Connection::current_max_send_streams)
}

/// A connection.
pub(super) struct Line {
    sender: Sender,
    connection: Arc<Connection>,
    ear: Arc<Ear>,
    /// Whether it has ever answered.
    proven: AtomicBool,
    load: Mutex<Load>,
}

struct Load {
    streams: usize,
    /// When the last stream ended, where there is none.
    idle_since: Instant,
}

impl Line {
    pub(super) fn new(sender: Sender, connection: Arc<Connection>, ear: Arc<Ear>) -> Self {
        let load = Load { streams: 0, idle_since: Instant::now() };
        Self { sender, connection, ear, proven: AtomicBool::new(false), load: Mutex::new(load) }
    }

    /// Takes a place for a stream, if one is free.
    pub(super) fn enter(&self) -> bool {
        let allowed = allowed(&self.connection).min(STREAMS);
        let mut load = self.load.lock();
        let free = load.streams < allowed && !self.sender.is_closed();
        load.streams += usize::from(free);
        free
    }

    /// Gives the place back. Whether it was the last.
    fn leave(&self) -> bool {
        let mut load = self.load.lock();
        load.streams = load.streams.saturating_sub(1);
        if load.streams == 0 {
            load.idle_since = Instant::now();
        }
        load.streams == 0
    }

    /// Since when it has carried nothing.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let load = self.load.lock();
        (load.streams == 0).then_some(load.idle_since)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// An answer has come on it.
    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Whether it has ended because of interim answers without end, of one request or another.
    pub(super) fn has_excess(&self) -> bool {
        self.ear.excess.load(Ordering::Relaxed)
    }

    /// Reads so far.
    pub(super) fn heard(&self) -> u64 {
        self.ear.reads.load(Ordering::Relaxed)
    }
}

/// One request's place on a connection, and among all that there may be. Kept until the answer has ended.
pub(in crate::upstream) struct Seat {
    multiplex: Multiplex,
    line: Arc<Line>,
    upload: Option<Upload>,
    /// Until the seat is left, or its place goes with the request to another connection.
    place: Option<Place>,
}

impl Seat {
    pub(super) fn new(multiplex: Multiplex, line: Arc<Line>, place: Place) -> Self {
        Self { multiplex, line, upload: None, place: Some(place) }
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// The body that goes up from it.
    pub(super) fn carry(&mut self, upload: Option<Upload>) {
        self.upload = upload;
    }

    /// Leaves with the place.
    pub(super) fn into_place(mut self) -> Option<Place> {
        self.place.take()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.call_off();
        }
        if self.line.leave() {
            self.multiplex.rest(&self.line);
        }
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

/// Notes when something comes from a peer.
#[derive(Debug, Default)]
pub(super) struct Ear {
    reads: AtomicU64,
    noted: Notify,
    excess: AtomicBool,
}

impl Ear {
    /// Ready once something has come, or the connection has ended, since the last time. For one that waits.
    pub(super) async fn listen(&self) {
        self.noted.notified().await;
    }

    pub(super) fn note(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.noted.notify_one();
    }
}

/// What lives with the connection.
#[derive(Debug)]
pub(super) struct Hearing {
    ear: Arc<Ear>,
    streams: Streams,
}

impl Hearing {
    pub(super) fn new(ear: Arc<Ear>) -> Self {
        Self { ear, streams: Streams::default() }
    }
}

impl Holder for Hearing {
    fn on_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        let within = self.streams.take(bytes);
        if !within {
            self.ear.excess.store(true, Ordering::Relaxed);
        }
        self.ear.note();
        if within { Ok(()) } else { Err(excess()) }
    }
}
