//! The ops port: health for the kubelet, metrics for Prometheus. No credentials, no record, no secret.
//!
//! Not for admins. Invariants: `/livez` and `/startupz` never wait for the store or the application;
//! `/readyz` says 200 only if this sidecar could verify a request now.
//!
//! | path | 200 when |
//! |---|---|
//! | `/livez` | the process answers |
//! | `/startupz` | the sockets are bound and the key set was loaded once |
//! | `/readyz` | started, keys fresh enough to judge by, not draining; `?verbose` says each |
//! | `/metrics` | always: Prometheus text |

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::admin::Refused;
use crate::clock::Clock;
use crate::deliveries::Deliveries;
use crate::drain::Watcher;
use crate::keys::alarms::{Alarm, Resync};
use crate::keys::ring::KeyRing;
use crate::listener::Connections;
use crate::proxy::budget::{Budget, Shed};
use crate::readiness::Readiness;
use crate::store::Store;
use crate::store::deliveries::Side;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::tls::TlsMeters;

/// Faults of a configuration that `/readyz?verbose` shows; the log has them all.
const SHOWN: usize = 20;

/// What the port reports on.
pub struct Ops {
    /// Conditions of readiness.
    pub readiness: Arc<Readiness>,
    /// The mirror with its age.
    pub keys: Arc<KeyRing>,
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// Connections of the traffic port.
    pub connections: Arc<Connections>,
    /// Body bytes in flight.
    pub budget: Arc<Budget>,
    /// The store, which says what it is and promises for `/readyz?verbose`.
    pub store: Arc<dyn Store>,
    /// Calls of the admin port without its token.
    pub refused: Arc<Refused>,
    /// Certificates and handshakes.
    pub tls: TlsMeters,
    /// The wall clock, for how long certificates are good.
    pub clock: Arc<dyn Clock>,
    /// Counts deliveries that were stored, and those that were not.
    pub deliveries: Deliveries,
}

/// Serves the port until the drain has ended: probes must be answered while requests finish.
///
/// # Errors
/// Where the socket fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    ops: Arc<Ops>,
    mut stop: Watcher,
) -> std::io::Result<()> {
    axum::serve(listener, router(ops)).with_graceful_shutdown(async move { stop.draining().await }).await
}

fn router(ops: Arc<Ops>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/startupz", get(startupz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

async fn startupz(State(ops): State<Arc<Ops>>) -> Response {
    if ops.readiness.is_started() { "ok\n".into_response() } else { unready("starting\n".to_owned()) }
}

async fn readyz(State(ops): State<Arc<Ops>>, RawQuery(query): RawQuery) -> Response {
    let health = ops.readiness.store();
    let mut missing: Vec<String> = ops.readiness.missing().into_iter().map(str::to_owned).collect();
    let stale = ops.readiness.is_loaded() && !ops.keys.is_available();
    if stale {
        missing.push("keys are older than keys.max_stale".to_owned());
    }
    if let Some(error) = health.last_error.as_ref().filter(|_| health.failing && !missing.is_empty()) {
        missing.push(error.clone());
    }
    let mut text = String::new();
    if query
        .as_deref()
        .is_some_and(|query| query.split('&').any(|part| part == "verbose" || part == "verbose=1"))
    {
        let counts = ops.keys.mirror().counts();
        let staleness = ops.keys.staleness().map_or_else(|| "never".to_owned(), |age| format!("{age:?} ago"));
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "store: {}\nlast contact with the store: {staleness}\nworkspaces: {}\nwebhook keys: {}\n\
             integrations: {}\nadmins: {}\ndamaged records: {}\n",
            ops.store.describe(),
            counts.workspaces,
            counts.webhook_keys,
            counts.integrations,
            counts.admins,
            counts.damaged,
        );
        if let Some(seed) = ops.readiness.seed() {
            let _infallible = writeln!(text, "seed file: {}", seed.lines.join("\n  "));
        }
        for fault in ops.readiness.config_faults().iter().take(SHOWN) {
            let _infallible =
                writeln!(text, "configuration NOT in force as it stands, the former one is: {fault}");
        }
        for fault in ops.tls.faults() {
            let _infallible =
                writeln!(text, "certificates NOT in force as they stand, the former ones are: {fault}");
        }
        if let Some(error) = &health.last_error {
            let when = if health.failing { "now" } else { "over since" };
            let _infallible = writeln!(text, "last error of the store ({when}): {error}");
        }
        if let Some((at, words)) = ops.keys.alarms().last() {
            let age = ops.keys.now().saturating_duration_since(at).as_secs();
            let _infallible = writeln!(text, "last alarm ({age} s ago): {words}");
        }
    }
    if missing.is_empty() {
        text.push_str("ok\n");
        return text.into_response();
    }
    for reason in missing {
        text.push_str("not ready: ");
        text.push_str(&reason);
        text.push('\n');
    }
    unready(text)
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    let counts = ops.keys.mirror().counts();
    let gauges = &ops.metrics.gauges;
    gauges.workspaces.set(float(counts.workspaces));
    gauges.webhook_keys.set(float(counts.webhook_keys));
    gauges.integrations.set(float(counts.integrations));
    gauges.admins.set(float(counts.admins));
    gauges.damaged.set(float(counts.damaged));
    gauges.staleness.set(ops.keys.staleness().map_or(-1.0, |age| age.as_secs_f64()));
    let alarms = ops.keys.alarms();
    gauges.generation.set(float(usize::try_from(alarms.generation()).unwrap_or(usize::MAX)));
    for (counter, cause) in gauges.resyncs.iter().zip(Resync::ALL) {
        counter.absolute(alarms.resyncs(cause));
    }
    for (counter, kind) in gauges.alarms.iter().zip(Alarm::ALL) {
        counter.absolute(alarms.raised(kind));
    }
    gauges.body_bytes.set(float(usize::try_from(ops.budget.used()).unwrap_or(usize::MAX)));
    for (counter, cause) in gauges.shed.iter().zip(Shed::ALL) {
        counter.absolute(ops.budget.shed(cause));
    }
    gauges.parse_errors.absolute(ops.connections.parse_errors());
    gauges.connections.set(float(ops.connections.open()));
    gauges.refused_connections.absolute(ops.connections.refused());
    gauges.proxy_faults.absolute(ops.connections.proxy_faults());
    gauges.refused_by_address.absolute(ops.connections.refused_by_address());
    gauges.floods.absolute(ops.connections.floods());
    gauges.admin_refused.absolute(ops.refused.total());
    ops.tls.update(&ops.connections, ops.clock.moment().wall.seconds());
    for (side, [stored, dropped]) in Side::ALL.into_iter().zip(&gauges.deliveries) {
        stored.absolute(ops.deliveries.stored(side));
        dropped.absolute(ops.deliveries.dropped(side));
    }
    let mut response = ops.metrics.render().into_response();
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn unready(text: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge beyond 2^53 is not read to the last unit")]
fn float(value: usize) -> f64 {
    value as f64
}
