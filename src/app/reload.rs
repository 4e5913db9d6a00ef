//! Takes a changed configuration into a running process: whole, or not at all.
//!
//! Not the reading of it (`config`), nor the watching of its file (`cli/serve.rs`). Invariants: a configuration with any
//! fault changes nothing; one that changes an option which needs a restart changes nothing either, and every such option
//! is named; requests and connections that are under way keep what they began with; no socket is closed.

use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use parking_lot::Mutex;

use super::mapping;
use crate::admin::Token;
use crate::config::{Config, Fingerprint, Loaded, is_live};
use crate::keys::ring::KeyRing;
use crate::listener::LiveTuning;
use crate::proxy::budget::Budget;
use crate::proxy::route::Table;
use crate::proxy::settings::LiveSettings;
use crate::readiness::Readiness;
use crate::secret::Secret;
use crate::telemetry::metrics::Metrics;
use crate::upstream::limits::Limits;

/// What became of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It says what is in force.
    Unchanged,
    /// It is in force; these options have changed.
    Applied(Vec<String>),
    /// What was in force still is; every reason.
    Refused(Vec<String>),
}

/// What a running process goes by and can be replaced.
pub(super) struct Live {
    pub(super) settings: Arc<LiveSettings>,
    pub(super) tuning: LiveTuning,
    pub(super) ring: Arc<KeyRing>,
    pub(super) budget: Arc<Budget>,
    pub(super) upstream: Arc<Limits>,
    pub(super) drain_delay: Mutex<Duration>,
    /// `None`: there is no admin port.
    pub(super) token: Option<Token>,
}

/// Replaces it.
pub struct Reloader {
    live: Live,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    /// Of what is in force.
    in_force: Mutex<Fingerprint>,
    outcomes: [Counter; 3],
}

impl Reloader {
    pub(super) fn new(live: Live, metrics: Arc<Metrics>, readiness: Arc<Readiness>) -> Self {
        let outcomes = metrics.reload_counters();
        Self { live, metrics, readiness, in_force: Mutex::default(), outcomes }
    }

    /// What the process was started with.
    pub fn begin_with(&self, loaded: &Loaded) {
        *self.in_force.lock() = loaded.fingerprint.clone();
    }

    /// Takes what was read, with the admin token, if there is nothing against it; else the reasons are told.
    pub fn take(&self, read: Result<(Loaded, Option<Secret>), Vec<String>>) -> Outcome {
        let outcome = match read {
            Ok((loaded, token)) => self.judge(&loaded, token),
            Err(reasons) => Outcome::Refused(reasons),
        };
        self.tell(&outcome);
        outcome
    }

    /// How long requests are still taken once the process is to end.
    pub(super) fn drain_delay(&self) -> Duration {
        *self.live.drain_delay.lock()
    }

    fn judge(&self, loaded: &Loaded, token: Option<Secret>) -> Outcome {
        let mut in_force = self.in_force.lock();
        let mut changes = in_force.changes(&loaded.fingerprint);
        let fixed = changes.iter().filter(|option| !is_live(option));
        let mut reasons: Vec<String> =
            fixed.map(|option| format!("{option}: a change of it needs a restart")).collect();
        let config = &loaded.config;
        match Table::new(config.routes.clone()) {
            Ok(routes) if reasons.is_empty() => {
                if !changes.is_empty() {
                    self.apply(config, routes);
                    *in_force = loaded.fingerprint.clone();
                }
                if self.live.token.as_ref().zip(token).is_some_and(|(live, token)| live.replace(token)) {
                    changes.push("the admin token".to_owned());
                }
                if changes.is_empty() { Outcome::Unchanged } else { Outcome::Applied(changes) }
            }
            Ok(_) => Outcome::Refused(reasons),
            Err(faults) => {
                reasons.extend(faults.iter().map(ToString::to_string));
                Outcome::Refused(reasons)
            }
        }
    }

    fn apply(&self, config: &Config, routes: Table) {
        self.live.settings.store(Arc::new(mapping::settings(config, routes, &self.metrics)));
        self.live.tuning.replace(mapping::listener(config));
        self.live.ring.set_candidate_secrets(config.limits.candidate_secrets);
        self.live.budget.set_capacity(config.limits.body_budget);
        self.live.upstream.set(mapping::pool(config));
        *self.live.drain_delay.lock() = config.drain.delay;
    }

    fn tell(&self, outcome: &Outcome) {
        let [applied, unchanged, refused] = &self.outcomes;
        let (count, faults) = match outcome {
            Outcome::Unchanged => {
                tracing::info!("the configuration says what is in force");
                (unchanged, Vec::new())
            }
            Outcome::Applied(changes) => {
                tracing::info!(changed = changes.join(", "), "a changed configuration is in force");
                (applied, Vec::new())
            }
            Outcome::Refused(reasons) => {
                for reason in reasons {
                    tracing::error!(reason, "the changed configuration was refused, and changes nothing");
                }
                (refused, reasons.clone())
            }
        };
        self.readiness.set_config_faults(faults);
        // Last: whoever sees it counted finds it said.
        count.increment(1);
    }
}
