//! The configuration's values as the stages take them. No logic, no defaults of its own.

use crate::config::{Config, UpstreamTarget};
use crate::listener::ListenerSettings;
use crate::proxy::body::BodyLimits;
use crate::proxy::route::Table;
use crate::proxy::settings::Settings;
use crate::telemetry::metrics::Metrics;
use crate::upstream::Upstream;
use crate::upstream::connect::Target;
use crate::upstream::pool::{Pool, PoolSettings};

/// What requests are judged by.
pub(super) fn settings(config: &Config, routes: Table, metrics: &Metrics) -> Settings {
    let route_names: Vec<String> = routes.routes().iter().map(|route| route.name.clone()).collect();
    Settings {
        meters: metrics.routes(&route_names),
        routes,
        route_names,
        body_limits: BodyLimits {
            max: config.limits.max_body,
            total: config.limits.body_timeout,
            idle: config.limits.body_idle_timeout,
        },
        response_timeout: config.upstream.response_timeout,
        public_url: config.listener.public_url.clone(),
        trusted_proxies: config.listener.trusted_proxies.clone(),
        candidate_secrets: config.limits.candidate_secrets,
    }
}

/// The traffic port's limits.
pub(super) fn listener(config: &Config) -> ListenerSettings {
    ListenerSettings {
        header_timeout: config.limits.header_timeout,
        idle_timeout: config.limits.idle_timeout,
        linger_bytes: config.limits.linger_bytes,
        linger_time: config.limits.linger_time,
        drain_timeout: config.drain.timeout,
        max_connections: config.limits.connections,
        ..ListenerSettings::default()
    }
}

/// One runtime's connections to the application.
pub(super) fn upstream(config: &Config) -> Upstream {
    let target = match &config.upstream.target {
        UpstreamTarget::Tcp { host, port } => Target::Tcp { host: host.clone(), port: *port },
        UpstreamTarget::Unix(path) => Target::Unix(path.clone()),
    };
    let settings = PoolSettings {
        connect_timeout: config.upstream.connect_timeout,
        idle_timeout: config.upstream.idle_timeout,
        max_idle: config.upstream.idle_connections,
    };
    Upstream::new(Pool::new(target, settings))
}
