//! What connections are run by: the limits, and hyper's settings made from them, as one immutable snapshot.
//!
//! It may be replaced while the process runs. Invariant: a connection keeps what it was accepted with.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;

use super::ListenerSettings;
use super::stalls::Streams;
use crate::tls::ServerTls;

/// Bytes that one read may bring, and so what is buffered for one connection; hyper begins with 8 KiB and doubles with
/// each read that fills its room. A body of 100 KiB comes in one read then: with half the room, in two, it took 7 % more
/// CPU, all told (benches/README.md). The price is memory: a connection keeps its room while it is idle.
const ROOM: usize = 128 * 1024;

/// Where the snapshot in force is found. One for all threads of a listener.
#[derive(Clone)]
pub struct LiveTuning {
    tuning: Arc<ArcSwap<Tuning>>,
    tls: Option<Arc<ServerTls>>,
}

/// One snapshot.
pub(super) struct Tuning {
    pub(super) settings: ListenerSettings,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<Streams>,
}

impl LiveTuning {
    /// Begins with these settings.
    #[must_use]
    pub fn new(settings: ListenerSettings) -> Self {
        Self { tuning: Arc::new(ArcSwap::from_pointee(Tuning::new(settings))), tls: None }
    }

    /// Every connection is under TLS.
    #[must_use]
    pub fn with_tls(self, tls: Option<Arc<ServerTls>>) -> Self {
        Self { tls, ..self }
    }

    /// Connections accepted from now on are run by these settings.
    pub fn replace(&self, settings: ListenerSettings) {
        self.tuning.store(Arc::new(Tuning::new(settings)));
    }

    pub(super) fn now(&self) -> Arc<Tuning> {
        self.tuning.load_full()
    }

    pub(super) fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_deref()
    }
}

impl Tuning {
    fn new(settings: ListenerSettings) -> Self {
        let (http1, http2) = (http1(&settings), http2(&settings));
        Self { settings, http1, http2 }
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
        .max_buf_size(settings.max_header_bytes.max(ROOM));
    builder
}

fn http2(settings: &ListenerSettings) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams::new(settings.send_timeout));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.h2_max_streams)
        .initial_stream_window_size(settings.h2_stream_window)
        .initial_connection_window_size(settings.h2_connection_window)
        .max_send_buf_size(usize::try_from(settings.h2_stream_window).unwrap_or(usize::MAX))
        .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX))
        // What h2 itself has by default, said here because it stops a flood of resets (CVE-2023-44487).
        .max_pending_accept_reset_streams(20)
        // Resets that a peer provokes by faults of its own (MadeYouReset, CVE-2025-8671).
        .max_local_error_reset_streams(usize::try_from(settings.h2_resets).unwrap_or(usize::MAX))
        .keep_alive_interval(settings.h2_ping_interval)
        .keep_alive_timeout(settings.h2_ping_timeout);
    builder
}
