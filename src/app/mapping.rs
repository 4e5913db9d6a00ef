//! The configuration's values as the stages take them. No logic, no defaults of its own.

use std::sync::Arc;

use crate::config::{Config, UpstreamTarget};
use crate::listener::ListenerSettings;
use crate::proxy::body::BodyLimits;
use crate::proxy::forward::StreamLimits;
use crate::proxy::route::Table;
use crate::proxy::settings::Settings;
use crate::proxy::size::HeadLimits;
use crate::telemetry::metrics::Metrics;
use crate::upstream::Upstream;
use crate::upstream::connect::{Dialer, Target};
use crate::upstream::limits::{Limits, PoolSettings};
use crate::upstream::pool::Pool;

/// What requests are judged by.
pub(super) fn settings(config: &Config, routes: Table, metrics: &Metrics) -> Settings {
    let route_names: Vec<String> = routes.routes().iter().map(|route| route.name.clone()).collect();
    Settings {
        meters: metrics.routes(&route_names),
        routes,
        route_names,
        head_limits: HeadLimits { fields: config.limits.headers, target: config.limits.target_bytes },
        body_limits: BodyLimits {
            max: config.limits.max_body,
            total: config.limits.body_timeout,
            idle: config.limits.body_idle_timeout,
            min_rate: config.limits.body_min_rate,
        },
        response_timeout: config.upstream.response_timeout,
        streams: StreamLimits {
            recheck: config.limits.recheck,
            websocket_idle: config.limits.websocket_idle_timeout,
        },
        public_url: config.listener.public_url.clone(),
        trusted_proxies: config.listener.trusted_proxies.clone(),
        candidate_secrets: config.limits.candidate_secrets,
    }
}

/// The traffic port's limits.
pub(super) fn listener(config: &Config) -> ListenerSettings {
    ListenerSettings {
        handshake_timeout: config.limits.handshake_timeout,
        header_timeout: config.limits.header_timeout,
        idle_timeout: config.limits.idle_timeout,
        send_timeout: config.limits.send_timeout,
        linger_bytes: config.limits.linger_bytes,
        linger_time: config.limits.linger_time,
        drain_timeout: config.drain.timeout,
        max_connections: config.limits.connections,
        max_connections_per_address: config.limits.connections_per_address,
        trusted_proxies: config.listener.trusted_proxies.clone(),
        proxy_protocol: config.listener.proxy_protocol,
        max_requests: config.limits.requests_per_connection,
        max_headers: config.limits.headers,
        max_header_bytes: config.limits.header_bytes,
        h2_max_streams: config.limits.h2_streams,
        h2_resets: config.limits.h2_resets,
        h2_control_frames: config.limits.h2_control_frames,
        ..ListenerSettings::default()
    }
}

/// What bounds the connections to the application.
pub(super) fn pool(config: &Config) -> PoolSettings {
    PoolSettings {
        connect_timeout: config.upstream.connect_timeout,
        idle_timeout: config.upstream.idle_timeout,
        max_idle: config.upstream.idle_connections,
        connections: config.upstream.connections,
        wait: config.upstream.connection_wait,
    }
}

/// One runtime's connections to the application.
pub(super) fn upstream(config: &Config, dialer: Option<Dialer>, limits: Arc<Limits>) -> Upstream {
    let target = match &config.upstream.target {
        UpstreamTarget::Tcp { host, port, .. } => Target::Tcp { host: host.clone(), port: *port },
        UpstreamTarget::Unix(path) => Target::Unix(path.clone()),
    };
    if config.upstream.http2 {
        return Upstream::over_http2(target, dialer, limits);
    }
    Upstream::new(match dialer {
        Some(dialer) => Pool::under_tls(target, dialer, limits),
        None => Pool::new(target, limits),
    })
}
