//! What a request is judged by that may change while the process runs, as one immutable snapshot.
//!
//! Not the configuration, of which this is the part that one request needs (`app` makes it). Invariants: a request
//! loads the snapshot once and keeps it to its end, so that no request is judged by two; a snapshot is complete in
//! itself: places in its table are places in its meters, and nothing of another one is indexed by them.

use std::time::Duration;

use arc_swap::ArcSwap;

use super::body::BodyLimits;
use super::forward::StreamLimits;
use super::route::{CredentialKind, Table};
use super::size::HeadLimits;
use crate::client::TrustedProxies;
use crate::telemetry::metrics::RouteMeters;

/// Where the snapshot in force is found. One for the process.
pub type LiveSettings = ArcSwap<Settings>;

/// One snapshot.
pub struct Settings {
    /// Routes, in file order.
    pub routes: Table,
    /// Names of these routes, in the same order: what a key may be confined to.
    pub route_names: Vec<String>,
    /// Metrics of these routes, in the same order.
    pub meters: RouteMeters,
    /// What bounds a head.
    pub head_limits: HeadLimits,
    /// What bounds a body where a route does not say otherwise.
    pub body_limits: BodyLimits,
    /// How long the upstream may take to answer where a route does not say otherwise.
    pub response_timeout: Duration,
    /// How long streams go unseen.
    pub streams: StreamLimits,
    /// The URL prefix that senders call, for schemes that sign the URL.
    pub public_url: Option<String>,
    /// Whose word about a client is believed.
    pub trusted_proxies: TrustedProxies,
    /// `limits.candidate_secrets`, for whoever makes keys. Requests are bounded by the key ring's own.
    pub candidate_secrets: usize,
}

impl Settings {
    /// Path of the first route that takes integrations, with `{integration}` to replace: what URLs are made of.
    #[must_use]
    pub fn integration_path(&self) -> Option<&str> {
        let mut routes = self.routes.routes().iter();
        let route = routes.find(|route| route.verify.takes(CredentialKind::Integration))?;
        Some(route.pattern.as_str())
    }
}
