//! What each metric is, in a line, as `/metrics` says it (docs/metrics.md says more).
//!
//! Not their values (`metrics.rs`). Invariant: every metric stands here once, by kind.

use metrics::Unit::{Bytes, Count, Seconds};

const COUNTERS: [(&str, &str); 16] = [
    ("countersign_requests_total", "Requests that ended, by route and outcome."),
    (
        "countersign_verifications_total",
        "Credentials judged, by kind, scheme and reason; reason \"ok\" = verified.",
    ),
    (
        "countersign_verified_total",
        "Credentials verified, by kind and by which of the record's values: current or previous.",
    ),
    ("countersign_streams_cut_total", "Streams that were cut because their key was no longer good."),
    ("countersign_panics_total", "Requests that a defect of ours ended, with 503."),
    ("countersign_upstream_errors_total", "Requests without an answer, by cause."),
    ("countersign_keys_resyncs_total", "Key sets read whole, by cause."),
    (
        "countersign_store_alarms_total",
        "What waiting does not cure in the store, by kind; see docs/metrics.md.",
    ),
    ("countersign_listener_parse_errors_total", "Connections that ended because what they sent is not HTTP."),
    (
        "countersign_listener_proxy_faults_total",
        "Connections closed for lack of a good PROXY header of a trusted proxy.",
    ),
    (
        "countersign_listener_refused_connections_total",
        "Connections closed at once because limits.connections was reached.",
    ),
    (
        "countersign_listener_refused_connections_by_address_total",
        "Connections closed at once because limits.connections_per_address was reached.",
    ),
    (
        "countersign_body_shed_total",
        "Bodies refused or given up because limits.body_budget was short, by cause.",
    ),
    (
        "countersign_listener_floods_total",
        "HTTP/2 connections closed because their frames were beyond the limits.",
    ),
    ("countersign_admin_refused_total", "Calls of the admin port without its token."),
    (
        "countersign_deliveries_total",
        "Attempts on integrations, verified or refused, whose delivery was stored or dropped.",
    ),
];

const GAUGES: [(&str, metrics::Unit, &str); 6] = [
    ("countersign_keys_records", Count, "Records held in memory, by kind."),
    ("countersign_keys_staleness_seconds", Seconds, "Time since the store was last heard of; -1 = never."),
    ("countersign_keys_generation", Count, "Key sets swapped in whole since the start."),
    ("countersign_body_bytes_in_flight", Bytes, "Buffered request body bytes held now."),
    ("countersign_listener_connections", Count, "Open connections on the traffic port."),
    ("countersign_build_info", Count, "Always 1; the version is a label."),
];

pub(super) fn describe() {
    for (name, text) in COUNTERS {
        metrics::describe_counter!(name, text);
    }
    for (name, unit, text) in GAUGES {
        metrics::describe_gauge!(name, unit, text);
    }
    metrics::describe_histogram!(
        "countersign_request_duration_seconds",
        Seconds,
        "Time from the head of a request to the head of its answer."
    );
}
