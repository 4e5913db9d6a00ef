//! What the connections of one listener thread share: limits, hyper's settings, and the drain.
//!
//! Not process-wide: each thread has its own, but for `connections`. Each connection learns of the drain
//! here and not from its own `drain::Watcher`, which costs a lock that all threads share. Invariant: a
//! connection that enables `drained` before it reads `drain_end` cannot miss the drain.

use std::sync::Arc;
use std::sync::OnceLock;

use hyper::server::conn::http1;
use hyper::server::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioTimer;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::ListenerSettings;
use super::connections::Connections;

/// The least that hyper takes for `max_buf_size`, in bytes.
const MIN_BUFFER: usize = 8192;

/// One per listener thread.
pub(super) struct Shared {
    pub(super) settings: Arc<ListenerSettings>,
    pub(super) connections: Arc<Connections>,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
    drain: Notify,
    drain_end: OnceLock<Instant>,
}

impl Shared {
    pub(super) fn new(settings: Arc<ListenerSettings>, connections: Arc<Connections>) -> Arc<Self> {
        let http1 = http1(&settings);
        let http2 = http2(&settings);
        Arc::new(Self {
            settings,
            connections,
            http1,
            http2,
            drain: Notify::new(),
            drain_end: OnceLock::new(),
        })
    }

    /// Tells every connection to finish. Returns when those that have not are dropped.
    pub(super) fn start_drain(&self) -> Instant {
        let end = *self.drain_end.get_or_init(|| Instant::now() + self.settings.drain_timeout);
        self.drain.notify_waiters();
        end
    }

    /// When the drain ends; `None` before it begins.
    pub(super) fn drain_end(&self) -> Option<Instant> {
        self.drain_end.get().copied()
    }

    /// Completes when the drain begins, if it was enabled before that.
    pub(super) fn drained(&self) -> Notified<'_> {
        self.drain.notified()
    }
}

fn http1(settings: &ListenerSettings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // One limit for a slow head and an idle connection; `deadline` has two.
        .header_read_timeout(None)
        // A client that shuts down its write side after the request still wants the answer.
        .half_close(true)
        .max_headers(settings.max_headers)
        .max_header_size(settings.max_header_bytes)
        .max_buf_size(settings.max_header_bytes.max(MIN_BUFFER));
    builder
}

fn http2(settings: &ListenerSettings) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.h2_max_streams)
        .initial_stream_window_size(settings.h2_stream_window)
        .initial_connection_window_size(settings.h2_connection_window)
        .max_send_buf_size(usize::try_from(settings.h2_stream_window).unwrap_or(usize::MAX))
        .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX))
        // What h2 itself has by default, said here because it stops a flood of resets (CVE-2023-44487).
        .max_pending_accept_reset_streams(20)
        .keep_alive_interval(settings.h2_ping_interval)
        .keep_alive_timeout(settings.h2_ping_timeout);
    builder
}
