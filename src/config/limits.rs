//! Bounds on what a client may cause: bytes, time, connections. Enforcing them is the listener's and the
//! proxy's work. Invariant: every bound has an upper end, so that no configuration means "unbounded".

use std::time::Duration;

use super::reader::Section;
use super::units::{self, GIB, HOUR, KIB, MIB, MINUTE};

/// Bounds on what a client may cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Largest request body in bytes, unless a route says otherwise. Default 1 MiB; 1 B to 1 GiB.
    pub max_body: u64,
    /// Keys of a workspace tried for one request. Default 4; 1 to 16.
    pub candidate_secrets: usize,
    /// Header fields of one request. Default 100; 16 to 1000.
    pub headers: usize,
    /// Bytes of one head. Default 64 KiB; 8 KiB to 1 MiB.
    pub header_bytes: usize,
    /// Bytes of path and query. Default 8 KiB; 256 B to 60 KiB.
    pub target_bytes: usize,
    /// From accept to the end of the TLS handshake. Default 10 s; 10 ms to 1 min.
    pub handshake_timeout: Duration,
    /// From the first byte of a head to its last. Default 10 s; 10 ms to 5 min.
    pub header_timeout: Duration,
    /// A connection between two requests. Default 60 s; 10 ms to 1 h.
    pub idle_timeout: Duration,
    /// A client that reads nothing of its answer. Default 30 s; 10 ms to 1 h.
    pub send_timeout: Duration,
    /// Bytes read and dropped after an early answer, so that the client gets to read it. Default 16 MiB;
    /// 0 B to 1 GiB.
    pub linger_bytes: u64,
    /// Time for the same. Default 2 s; 0 s to 1 min.
    pub linger_time: Duration,
    /// A buffered body, from its first byte to its last. Default 30 s; 10 ms to 1 h.
    pub body_timeout: Duration,
    /// Between two reads of a body. Default 10 s; 10 ms to 10 min.
    pub body_idle_timeout: Duration,
    /// Bytes per second that a body must keep up. Default 500 B; 1 B to 1 GiB.
    pub body_min_rate: u64,
    /// Bytes of buffered bodies in flight, whole process. Default 64 MiB; 64 KiB to 64 GiB.
    pub body_budget: u64,
    /// Between two looks at the key of a stream that goes on. Default 30 s; 1 s to 1 min.
    pub recheck: Duration,
    /// A WebSocket on which nothing moves. Default 5 min; 100 ms to 24 h.
    pub websocket_idle_timeout: Duration,
    /// Client connections at once, whole process. Default 10000; 1 to 1000000.
    pub connections: usize,
    /// The same from one address. Default 2000; 1 to 1000000.
    pub connections_per_address: usize,
    /// Requests on one connection. Default 10000; 1 to 1000000000.
    pub requests_per_connection: u32,
    /// HTTP/2: streams open at once on one connection. Default 100; 1 to 10000.
    pub h2_streams: u32,
    /// HTTP/2: resets by the client at once, and again in each ten seconds. Default 100; 1 to 1000000.
    pub h2_resets: u32,
    /// HTTP/2: frames that bring no request on, likewise. Default 1000; 100 to 1000000.
    pub h2_control_frames: u32,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<LimitsConfig> {
    let short = Duration::from_millis(10);
    let none = Duration::ZERO;
    let mut section = root.section("limits");
    let max_body = section.required("max_body", units::bytes(1..=GIB));
    let candidate_secrets = section.required("candidate_secrets", units::number(1..=16));
    let headers = section.required("headers", units::number(16..=1000));
    let header_bytes = section.required("header_bytes", units::bytes(8 * KIB..=MIB));
    let target_bytes = section.required("target_bytes", units::bytes(256..=60 * KIB));
    let handshake_timeout = section.required("handshake_timeout", units::duration(short..=MINUTE));
    let header_timeout = section.required("header_timeout", units::duration(short..=MINUTE * 5));
    let idle_timeout = section.required("idle_timeout", units::duration(short..=HOUR));
    let send_timeout = section.required("send_timeout", units::duration(short..=HOUR));
    let linger_bytes = section.required("linger_bytes", units::bytes(0..=GIB));
    let linger_time = section.required("linger_time", units::duration(none..=MINUTE));
    let body_timeout = section.required("body_timeout", units::duration(short..=HOUR));
    let body_idle_timeout = section.required("body_idle_timeout", units::duration(short..=MINUTE * 10));
    let body_min_rate = section.required("body_min_rate", units::bytes(1..=GIB));
    let body_budget = section.required("body_budget", units::bytes(64 * KIB..=64 * GIB));
    let recheck = section.required("recheck", units::duration(Duration::from_secs(1)..=MINUTE));
    let tenth = Duration::from_millis(100);
    let websocket_idle_timeout =
        section.required("websocket_idle_timeout", units::duration(tenth..=HOUR * 24));
    let connections = section.required("connections", units::number(1..=1_000_000));
    let connections_per_address = section.required("connections_per_address", units::number(1..=1_000_000));
    let requests_per_connection =
        section.required("requests_per_connection", units::number(1..=1_000_000_000));
    let h2_streams = section.required("h2_streams", units::number(1..=10_000));
    let h2_resets = section.required("h2_resets", units::number(1..=1_000_000));
    let h2_control_frames = section.required("h2_control_frames", units::number(100..=1_000_000));
    section.finish();
    Some(LimitsConfig {
        max_body: max_body?,
        candidate_secrets: candidate_secrets?,
        headers: headers?,
        header_bytes: usize::try_from(header_bytes?).ok()?,
        target_bytes: usize::try_from(target_bytes?).ok()?,
        handshake_timeout: handshake_timeout?,
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        send_timeout: send_timeout?,
        linger_bytes: linger_bytes?,
        linger_time: linger_time?,
        body_timeout: body_timeout?,
        body_idle_timeout: body_idle_timeout?,
        body_min_rate: body_min_rate?,
        body_budget: body_budget?,
        recheck: recheck?,
        websocket_idle_timeout: websocket_idle_timeout?,
        connections: connections?,
        connections_per_address: connections_per_address?,
        requests_per_connection: requests_per_connection?,
        h2_streams: h2_streams?,
        h2_resets: h2_resets?,
        h2_control_frames: h2_control_frames?,
    })
}
