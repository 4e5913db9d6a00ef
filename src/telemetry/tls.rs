//! Metrics of TLS: when certificates expire, what became of changed files, handshakes that came to nothing.
//!
//! Set when `/metrics` is read. Invariant: labels are options, places in the configuration and closed lists.

use std::sync::Arc;

use metrics::{Counter, Gauge};

use super::metrics::Metrics;
use crate::listener::{Connections, HandshakeFailure};
use crate::tls::Follow;

/// Handles of everything under TLS.
pub struct TlsMeters {
    ports: Vec<Port>,
    failures: [Counter; HandshakeFailure::ALL.len()],
}

struct Port {
    follow: Arc<dyn Follow>,
    expiries: Vec<Gauge>,
    applied: Counter,
    refused: Counter,
}

impl TlsMeters {
    /// Of what is followed.
    #[must_use]
    pub fn new(metrics: &Metrics, followed: Vec<Arc<dyn Follow>>) -> Self {
        metrics.made(|| {
            describe();
            let failures = HandshakeFailure::ALL.map(|cause| {
                metrics::counter!("countersign_tls_handshake_failures_total", "cause" => cause.name())
            });
            Self { ports: followed.into_iter().map(Port::new).collect(), failures }
        })
    }

    /// Takes what there is to be told as of `now`, Unix seconds.
    pub fn update(&self, connections: &Connections, now: i64) {
        for (counter, cause) in self.failures.iter().zip(HandshakeFailure::ALL) {
            counter.absolute(connections.handshake_failures(cause));
        }
        for port in &self.ports {
            for expiry in port.follow.expiries() {
                if let Some(gauge) = port.expiries.get(expiry.place) {
                    gauge.set(seconds(expiry.at.saturating_sub(now)));
                }
            }
            let (applied, refused) = port.follow.counts();
            port.applied.absolute(applied);
            port.refused.absolute(refused);
        }
    }

    /// What is wrong with files that are not in force as they stand.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        self.ports.iter().filter_map(|port| Some(port.follow.fault()?.to_string()))
    }
}

impl Port {
    fn new(follow: Arc<dyn Follow>) -> Self {
        let section = follow.section();
        let expiries = follow.expiries().into_iter().map(|expiry| {
            let place = expiry.place.to_string();
            metrics::gauge!("countersign_tls_certificate_expiry_seconds", "section" => section, "certificate" => place)
        });
        let reloads = |outcome: &'static str| metrics::counter!("countersign_tls_reloads_total", "section" => section, "outcome" => outcome);
        Self {
            expiries: expiries.collect(),
            applied: reloads("applied"),
            refused: reloads("refused"),
            follow,
        }
    }
}

fn describe() {
    metrics::describe_gauge!(
        "countersign_tls_certificate_expiry_seconds",
        metrics::Unit::Seconds,
        "Until a certificate in force expires; negative = it has. By section and place in the configuration."
    );
    metrics::describe_counter!(
        "countersign_tls_reloads_total",
        "Changed files of TLS, by section and outcome: applied, or refused while the former ones stay in force."
    );
    metrics::describe_counter!(
        "countersign_tls_handshake_failures_total",
        "TLS handshakes on the traffic port that came to nothing, by cause."
    );
}

#[expect(clippy::cast_precision_loss, reason = "a gauge beyond 2^53 is not read to the last unit")]
fn seconds(value: i64) -> f64 {
    value as f64
}
