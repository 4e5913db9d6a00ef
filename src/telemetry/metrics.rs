//! Every metric, in one table, and the handles that the request path holds.
//!
//! Not a push client: `/metrics` on the ops port renders what is here. Invariants: names and labels are those
//! of docs/metrics.md; a handle is made once and an increment is one atomic addition; nothing is global, so
//! two sidecars in one process (as in tests) do not mix.

use std::sync::OnceLock;

use hashbrown::HashMap;
use metrics::{Counter, Gauge, Histogram, Label};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::reason::Reason;
use crate::keys::alarms::{Alarm, Resync};
use crate::keys::entry::Which;
use crate::proxy::budget::Shed;
use crate::proxy::route::CredentialKind;
use crate::store::deliveries::Side;
use crate::verify::scheme;

/// Upper bounds of the duration histogram, seconds. A verified request costs tens of microseconds here; the
/// rest is the application's.
const DURATION_BUCKETS: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// How a request ended, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// The application answered.
    Forwarded,
    /// A handshake was answered; the application saw nothing.
    Answered,
    /// The credential was refused.
    Refused,
    /// The request was malformed, or no route takes it.
    Malformed,
    /// A limit was reached.
    Limited,
    /// A fault of ours.
    Unavailable,
    /// The application did not answer.
    UpstreamFailed,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Forwarded,
        Self::Answered,
        Self::Refused,
        Self::Malformed,
        Self::Limited,
        Self::Unavailable,
        Self::UpstreamFailed,
    ];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::UpstreamFailed => "upstream_failed",
        }
    }
}

/// Handles of one route.
struct RouteMeter {
    name: String,
    outcomes: [Counter; Outcome::ALL.len()],
    duration: Histogram,
}

/// Handles of every route of one table, in its order. A route that another table has too is counted on.
pub struct RouteMeters {
    routes: Vec<RouteMeter>,
    unrouted: RouteMeter,
}

/// Gauges that are set when `/metrics` is read.
pub struct Gauges {
    /// `countersign_keys_records{kind="workspace"}`
    pub workspaces: Gauge,
    /// `countersign_keys_records{kind="webhook-key"}`
    pub webhook_keys: Gauge,
    /// `countersign_keys_records{kind="integration"}`
    pub integrations: Gauge,
    /// `countersign_keys_records{kind="admin"}`
    pub admins: Gauge,
    /// `countersign_keys_records{kind="damaged"}`
    pub damaged: Gauge,
    /// `countersign_keys_staleness_seconds`
    pub staleness: Gauge,
    /// `countersign_keys_generation`
    pub generation: Gauge,
    /// `countersign_keys_resyncs_total{cause}`, in the order of [`Resync::ALL`].
    pub resyncs: [Counter; Resync::ALL.len()],
    /// `countersign_store_alarms_total{kind}`, in the order of [`Alarm::ALL`].
    pub alarms: [Counter; Alarm::ALL.len()],
    /// `countersign_body_bytes_in_flight`
    pub body_bytes: Gauge,
    /// `countersign_body_shed_total{cause}`, in the order of [`Shed::ALL`].
    pub shed: [Counter; Shed::ALL.len()],
    /// `countersign_listener_parse_errors_total`
    pub parse_errors: Counter,
    /// `countersign_listener_connections`
    pub connections: Gauge,
    /// `countersign_listener_refused_connections_total`
    pub refused_connections: Counter,
    /// `countersign_listener_refused_connections_by_address_total`
    pub refused_by_address: Counter,
    /// `countersign_listener_proxy_faults_total`
    pub proxy_faults: Counter,
    /// `countersign_listener_floods_total`
    pub floods: Counter,
    /// `countersign_admin_refused_total`
    pub admin_refused: Counter,
    /// `countersign_deliveries_total{side,result}`, in the order of [`Side::ALL`]; stored, dropped.
    pub deliveries: [[Counter; 2]; Side::ALL.len()],
}

/// Every metric of one sidecar.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// The place of each scheme in `verifications`.
    schemes: HashMap<&'static str, usize>,
    verifications: Vec<OnceLock<Counter>>,
    verified: [[Counter; Which::ALL.len()]; CredentialKind::ALL.len()],
    /// `countersign_panics_total`
    pub panics: Counter,
    /// `countersign_streams_cut_total`
    pub streams_cut: Counter,
    /// Gauges that are set when `/metrics` is read.
    pub gauges: Gauges,
}

/// Verified, beside the reasons of [`Reason`].
const VERIFIED: &str = "ok";
/// The label of a scheme that has none of its own.
const UNKNOWN: &str = "unknown";
const REASONS: usize = Reason::ALL.len() + 1;

impl Metrics {
    /// Every metric, at zero; those of routes come with [`Metrics::routes`].
    #[must_use]
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // The buckets are a constant list that is not empty, so the error cannot occur; without them the
        // histogram would be rendered as a summary.
        let recorder = match builder.set_buckets(&DURATION_BUCKETS) {
            Ok(builder) => builder.build_recorder(),
            Err(_) => PrometheusBuilder::new().build_recorder(),
        };
        let handle = recorder.handle();
        let labels =
            scheme::presets().map(|scheme| scheme.label()).chain([scheme::CUSTOM, "api-key", UNKNOWN]);
        let schemes: HashMap<_, _> = labels.enumerate().map(|(place, label)| (label, place)).collect();
        let verifications =
            (0..CredentialKind::ALL.len() * schemes.len() * REASONS).map(|_| OnceLock::new()).collect();
        let (verified, panics, streams_cut, gauges) = metrics::with_local_recorder(&recorder, || {
            super::describe::describe();
            let version = env!("CARGO_PKG_VERSION");
            metrics::gauge!("countersign_build_info", "version" => version).set(1.0);
            let verified = CredentialKind::ALL.map(|kind| {
                Which::ALL.map(|which| {
                    let (kind, secret) = (kind.name(), which.name());
                    metrics::counter!("countersign_verified_total", "kind" => kind, "secret" => secret)
                })
            });
            let panics = metrics::counter!("countersign_panics_total");
            let streams_cut = metrics::counter!("countersign_streams_cut_total");
            (verified, panics, streams_cut, Gauges::new())
        });
        Self { recorder, handle, schemes, verifications, verified, panics, streams_cut, gauges }
    }

    /// The handles of a table's routes, by name.
    #[must_use]
    pub fn routes(&self, names: &[String]) -> RouteMeters {
        metrics::with_local_recorder(&self.recorder, || RouteMeters {
            routes: names.iter().map(|name| RouteMeter::new(name)).collect(),
            unrouted: RouteMeter::new("none"),
        })
    }

    /// Counts a judged credential; `reason` is `None` where it was verified.
    pub fn verification(&self, kind: CredentialKind, scheme: &'static str, reason: Option<Reason>) {
        let kinds = CredentialKind::ALL;
        let kind_index = kinds.iter().position(|each| *each == kind).unwrap_or(0);
        let scheme_index =
            self.schemes.get(scheme).or_else(|| self.schemes.get(UNKNOWN)).copied().unwrap_or(0);
        let reason_index = reason.map_or(REASONS - 1, |reason| reason as usize);
        let cell = (kind_index * self.schemes.len() + scheme_index) * REASONS + reason_index;
        if let Some(cell) = self.verifications.get(cell) {
            let counter = cell.get_or_init(|| {
                self.counter(
                    "countersign_verifications_total",
                    vec![
                        Label::from_static_parts("kind", kind.name()),
                        Label::from_static_parts("scheme", scheme),
                        Label::from_static_parts("reason", reason.map_or(VERIFIED, Reason::name)),
                    ],
                )
            });
            counter.increment(1);
        }
    }

    /// Counts a verified credential by which of its record's values it was.
    pub fn verified(&self, kind: CredentialKind, which: Which) {
        let index = CredentialKind::ALL.iter().position(|each| *each == kind);
        let counters = index.and_then(|index| self.verified.get(index));
        if let Some(counter) = counters.and_then(|counters| counters.get(which as usize)) {
            counter.increment(1);
        }
    }

    /// Counts an answer that the upstream did not give.
    pub fn upstream_error(&self, cause: &'static str) {
        self.counter("countersign_upstream_errors_total", vec![Label::from_static_parts("cause", cause)])
            .increment(1);
    }

    /// The text of `/metrics` (Prometheus exposition format 0.0.4).
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds histogram samples into buckets. Must run every few seconds: samples pile up otherwise.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// `countersign_config_reloads_total`: applied, unchanged, refused.
    pub fn reload_counters(&self) -> [Counter; 3] {
        self.made(|| {
            metrics::describe_counter!(
                "countersign_config_reloads_total",
                "Configurations read while the process runs, by outcome: applied, unchanged, or refused whole."
            );
            ["applied", "unchanged", "refused"]
                .map(|outcome| metrics::counter!("countersign_config_reloads_total", "outcome" => outcome))
        })
    }

    /// What `make` makes with the macros of `metrics` is one of these.
    pub(super) fn made<T>(&self, make: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&self.recorder, make)
    }

    fn counter(&self, name: &'static str, labels: Vec<Label>) -> Counter {
        metrics::with_local_recorder(&self.recorder, || metrics::counter!(name, labels))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl RouteMeters {
    /// Counts a request that ended. `route` is its place in the table; `None` = it reached none.
    pub fn count(&self, route: Option<usize>, outcome: Outcome, seconds: f64) {
        let meter = self.meter(route);
        if let Some(counter) = meter.outcomes.get(outcome as usize) {
            counter.increment(1);
        }
        meter.duration.record(seconds);
    }

    /// A route's name; `none` where the request reached none.
    #[must_use]
    pub fn name(&self, route: Option<usize>) -> &str {
        &self.meter(route).name
    }

    fn meter(&self, route: Option<usize>) -> &RouteMeter {
        route.and_then(|index| self.routes.get(index)).unwrap_or(&self.unrouted)
    }
}

impl RouteMeter {
    fn new(route: &str) -> Self {
        let route = route.to_owned();
        let outcomes = Outcome::ALL.map(|outcome| {
            metrics::counter!("countersign_requests_total", "route" => route.clone(), "outcome" => outcome.name())
        });
        let duration = metrics::histogram!("countersign_request_duration_seconds", "route" => route.clone());
        Self { name: route, outcomes, duration }
    }
}

impl Gauges {
    fn new() -> Self {
        let records = |kind: &'static str| metrics::gauge!("countersign_keys_records", "kind" => kind);
        Self {
            workspaces: records("workspace"),
            webhook_keys: records("webhook-key"),
            integrations: records("integration"),
            admins: records("admin"),
            damaged: records("damaged"),
            staleness: metrics::gauge!("countersign_keys_staleness_seconds"),
            generation: metrics::gauge!("countersign_keys_generation"),
            resyncs: Resync::ALL
                .map(|cause| metrics::counter!("countersign_keys_resyncs_total", "cause" => cause.name())),
            alarms: Alarm::ALL
                .map(|kind| metrics::counter!("countersign_store_alarms_total", "kind" => kind.name())),
            body_bytes: metrics::gauge!("countersign_body_bytes_in_flight"),
            shed: Shed::ALL
                .map(|cause| metrics::counter!("countersign_body_shed_total", "cause" => cause.name())),
            parse_errors: metrics::counter!("countersign_listener_parse_errors_total"),
            connections: metrics::gauge!("countersign_listener_connections"),
            refused_connections: metrics::counter!("countersign_listener_refused_connections_total"),
            proxy_faults: metrics::counter!("countersign_listener_proxy_faults_total"),
            refused_by_address: metrics::counter!(
                "countersign_listener_refused_connections_by_address_total"
            ),
            floods: metrics::counter!("countersign_listener_floods_total"),
            admin_refused: metrics::counter!("countersign_admin_refused_total"),
            deliveries: Side::ALL.map(|side| {
                ["stored", "dropped"].map(|result| {
                    metrics::counter!("countersign_deliveries_total", "side" => side.name(), "result" => result)
                })
            }),
        }
    }
}
