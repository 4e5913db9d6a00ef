//! Connections to the application that carry many requests each: HTTP/2 (RFC 9113), by prior knowledge or, under TLS, by
//! ALPN (§3.2, §3.3).
//!
//! One set of connections per runtime, as with `pool`, and like it this changes no request and bounds no time but
//! connecting and idleness. Invariants:
//! - Nothing is sent before the application has shown that it speaks HTTP/2: under TLS by choosing it, everywhere by its
//!   SETTINGS, which also say how many streams it takes.
//! - Every request holds one of the process's places (`cap`) from its seat to the end of its answer.
//! - One connection is opened at a time; who needs it waits for it, and shares its failure.
//! - The lock is never held across an await.

mod held;
mod interim;
mod line;
mod send;
mod upload;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::cap::Place;
use super::connect::{ConnectError, Dialer, Stream, Target, connect};
use super::limits::Limits;
use held::Held;
pub(super) use line::Seat;
use line::{Connection, Ear, Hearing, Line, allowed};
pub(super) use send::Fault;

/// Bytes that the application may send on one stream before a client has read them.
const STREAM_WINDOW: u32 = 64 * 1024;

/// The same for all streams of a connection together: as much as they may each, so that clients that do not read hold up
/// nobody else's answer (RFC 9113 §5.2.2).
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;

/// Bytes of a response's head.
const MAX_HEAD: u32 = 64 * 1024;

/// How long nothing may come on a connection with open streams before it is pinged. Servers of gRPC take pings of which
/// nothing was the occasion for abuse if they come more often than every five minutes.
const PING_AFTER: Duration = Duration::from_secs(330);

/// What the answer to a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The connections of one runtime to one application. Cheap to clone.
#[derive(Clone)]
pub(super) struct Multiplex(Arc<Inner>);

struct Inner {
    target: Target,
    dialer: Option<Dialer>,
    limits: Arc<Limits>,
    builder: http2::Builder<TokioExecutor>,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    /// The first one that has room is used, so that the last ones fall idle.
    open: Vec<Arc<Line>>,
    opening: Option<watch::Receiver<Opened>>,
}

/// `None` while it goes on.
type Opened = Option<Result<(), Arc<ConnectError>>>;

enum Found {
    Line(Arc<Line>),
    Opening(watch::Receiver<Opened>),
}

impl Multiplex {
    /// Without connections.
    pub(super) fn new(target: Target, dialer: Option<Dialer>, limits: Arc<Limits>) -> Self {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            // None before its SETTINGS are there: it is said by no other sign that they are.
            .initial_max_send_streams(0)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(usize::try_from(STREAM_WINDOW).unwrap_or(usize::MAX))
            .max_header_list_size(MAX_HEAD)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_TIMEOUT);
        Self(Arc::new(Inner { target, dialer, limits, builder, lines: Mutex::default() }))
    }

    /// A place for one request.
    ///
    /// # Errors
    /// None was free in time, or a connection was needed and could not be had.
    pub(super) async fn seat(&self) -> Result<Seat, Arc<ConnectError>> {
        let place = self.0.limits.cap.place().await.ok_or(ConnectError::Busy)?;
        self.seat_with(place).await
    }

    async fn seat_with(&self, place: Place) -> Result<Seat, Arc<ConnectError>> {
        loop {
            match self.find() {
                Found::Line(line) => return Ok(Seat::new(self.clone(), line, place)),
                Found::Opening(mut opening) => {
                    let opened = opening.wait_for(Option::is_some).await;
                    // Who opened it is gone with the runtime.
                    let opened = opened.ok().and_then(|opened| opened.clone());
                    opened.unwrap_or(Err(Arc::new(ConnectError::Timeout)))?;
                }
            }
        }
    }

    /// A connection with room, or one to come.
    fn find(&self) -> Found {
        let mut lines = self.0.lines.lock();
        lines.open.retain(|line| !line.is_closed());
        if let Some(line) = lines.open.iter().find(|line| line.enter()) {
            return Found::Line(Arc::clone(line));
        }
        if let Some(opening) = &lines.opening {
            return Found::Opening(opening.clone());
        }
        let (told, opening) = watch::channel(None);
        lines.opening = Some(opening.clone());
        drop(lines);
        // A task of its own: whoever asked first may leave, and others wait as well.
        let this = self.clone();
        tokio::spawn(async move {
            let opened = this.open().await;
            let mut lines = this.0.lines.lock();
            lines.opening = None;
            let outcome = opened.map(|line| lines.open.push(line)).map_err(Arc::new);
            drop(lines);
            told.send_replace(Some(outcome));
        });
        Found::Opening(opening)
    }

    async fn open(&self) -> Result<Arc<Line>, ConnectError> {
        let limit = self.0.limits.connect_timeout();
        let end = Instant::now() + limit;
        let stream = connect(&self.0.target, self.0.dialer.as_ref(), limit).await?;
        if let Stream::Tls(tls) = &stream
            && tls.get_ref().1.alpn_protocol() != Some(b"h2")
        {
            return Err(ConnectError::NotHttp2);
        }
        let ear = Arc::new(Ear::default());
        let stream = TokioIo::new(Held::new(stream, Hearing::new(Arc::clone(&ear))));
        let (sender, connection) = self.0.builder.handshake(stream).await.map_err(ConnectError::Handshake)?;
        let connection = Arc::new(Mutex::new(Some(connection)));
        tokio::spawn(drive(Arc::clone(&connection), Arc::clone(&ear)));
        while allowed(&connection) == 0 {
            if sender.is_closed() {
                return Err(ConnectError::NotHttp2);
            }
            timeout_at(end, ear.listen()).await.map_err(|_elapsed| ConnectError::Timeout)?;
        }
        let line = Arc::new(Line::new(sender, connection, ear));
        let begin = Instant::now() + self.0.limits.idle_timeout();
        let rests = close_when_idle(Arc::downgrade(&self.0), Arc::downgrade(&line), begin);
        tokio::spawn(rests);
        Ok(line)
    }

    /// A connection that carries nothing any more: it is kept, unless enough are.
    fn rest(&self, line: &Arc<Line>) {
        let mut lines = self.0.lines.lock();
        let idle = lines.open.iter().filter(|line| line.idle_since().is_some()).count();
        if idle > self.0.limits.max_idle() {
            lines.retire(line);
        }
    }

    /// Gives a connection no further request. It ends with those that it carries.
    fn retire(&self, line: &Arc<Line>) {
        self.0.lines.lock().retire(line);
    }
}

impl Lines {
    fn retire(&mut self, line: &Arc<Line>) {
        self.open.retain(|open| !Arc::ptr_eq(open, line));
    }
}

impl std::fmt::Debug for Multiplex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Multiplex").field("target", &self.0.target).finish_non_exhaustive()
    }
}

/// Polls a connection to its end, and makes whoever waits for its SETTINGS look.
async fn drive(connection: Arc<Connection>, ear: Arc<Ear>) {
    let poll = |cx: &mut Context<'_>| match connection.lock().as_mut() {
        Some(connection) => Pin::new(connection).poll(cx),
        None => Poll::Ready(Ok(())),
    };
    if let Err(error) = poll_fn(poll).await {
        tracing::debug!(%error, "connection to the application ended");
    }
    // What it held is given back to whoever waits for it.
    let ended = connection.lock().take();
    drop(ended);
    ear.note();
}

/// Lets go of a connection that has carried nothing for so long.
async fn close_when_idle(pool: Weak<Inner>, line: Weak<Line>, mut next: Instant) {
    loop {
        sleep_until(next).await;
        let (Some(pool), Some(line)) = (pool.upgrade(), line.upgrade()) else { return };
        let (now, limit) = (Instant::now(), pool.limits.idle_timeout());
        let mut lines = pool.lines.lock();
        match line.idle_since() {
            Some(since) if now.saturating_duration_since(since) >= limit => return lines.retire(&line),
            Some(since) => next = since + limit,
            None => next = now + limit,
        }
    }
}
