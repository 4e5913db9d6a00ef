//! The pipeline behind an admin port that has no sidecar.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::ManualClock;
use countersign::deliveries::Deliveries;
use countersign::keys::ring::KeyRing;
use countersign::proxy::budget::Budget;
use countersign::proxy::pipeline::Shared;
use countersign::proxy::rehearsal::Rehearsal;
use countersign::proxy::settings::LiveSettings;
use countersign::proxy::via::Via;
use countersign::store::capture::captures;
use countersign::store::writer::Writer;
use countersign::telemetry::decision::Decisions;
use countersign::telemetry::metrics::Metrics;
use countersign::upstream::Upstream;
use countersign::upstream::connect::Target;
use countersign::upstream::limits::{Limits, PoolSettings};
use countersign::upstream::pool::Pool;

/// The way of requests to an application that is not there.
pub(crate) fn rehearsal(
    settings: &Arc<LiveSettings>,
    ring: &Arc<KeyRing>,
    writer: &Arc<Writer>,
    clock: Arc<ManualClock>,
) -> Rehearsal {
    let shared = Shared {
        settings: Arc::clone(settings),
        keys: Arc::clone(ring),
        clock,
        budget: Budget::new(1 << 20),
        via: Via::new(1),
        captures: captures(Arc::clone(writer)).0,
        decisions: Arc::new(Decisions::new(Arc::new(Metrics::new()))),
        readiness: Arc::default(),
        deliveries: Deliveries::channel(true).0,
    };
    let (connect_timeout, idle_timeout) = (Duration::from_secs(1), Duration::from_secs(1));
    let target = Target::Tcp { host: "127.0.0.1".to_owned(), port: 9 };
    let pool = Pool::new(
        target,
        Limits::new(PoolSettings { connect_timeout, idle_timeout, max_idle: 1, ..PoolSettings::default() }),
    );
    Rehearsal::new(Arc::new(shared), Upstream::new(pool))
}
