//! Faults between options, which no section can see alone: ports, key files, sizes, routes.

use std::net::{IpAddr, SocketAddr};

use super::limits::LimitsConfig;
use super::ports::{AdminConfig, ListenerConfig, OpsConfig};
use super::reader::Reader;
use super::role::Role;
use super::seed::SeedConfig;
use super::store::{KeysConfig, StoreBackend, StoreConfig};
use super::units::show_bytes;
use super::upstream::{UpstreamConfig, UpstreamTarget};
use crate::keys::scope::Scope;
use crate::listener::Place;
use crate::proxy::route::{Route, TableFault, faults};

/// Each port that the role binds is bound once, and the upstream is none of them.
pub(super) fn ports(
    reader: &Reader,
    role: Role,
    listener: &ListenerConfig,
    admin: &AdminConfig,
    ops: &OpsConfig,
    upstream: Option<&UpstreamConfig>,
) {
    let ours = [
        ("listener.address", listener.address.tcp(), role.serves_traffic()),
        ("admin.address", Some(admin.address), role.serves_admin()),
        ("ops.address", Some(ops.address), true),
    ];
    let ours = ours.into_iter().filter(|(.., bound)| *bound);
    let ours: Vec<_> = ours.filter_map(|(path, at, _)| Some((path, at?))).collect();
    for (index, (path, address)) in ours.iter().enumerate() {
        for (other, taken) in ours.iter().take(index) {
            if collide(*address, *taken) {
                reader.fault(path, format!("a port of its own; {other} is {taken}"), None);
            }
        }
    }
    if !role.serves_traffic() {
        return;
    }
    let (host, port) = match upstream.map(|upstream| &upstream.target) {
        Some(UpstreamTarget::Tcp { host, port, .. }) => (host, port),
        Some(UpstreamTarget::Unix(application)) => {
            if matches!(&listener.address, Place::Unix { path, .. } if path == application) {
                let expected = format!(
                    "the application's socket, not our own: listener.address is {}",
                    listener.address
                );
                reader.fault("upstream.url", expected, None);
            }
            return;
        }
        None => return,
    };
    for (path, address) in ours {
        if address.port() == *port && is_this_machine(host, address.ip()) {
            let expected = format!("the application's address, not our own: {path} is {address}");
            reader.fault("upstream.url", expected, None);
        }
    }
}

/// Whoever reads the way to the admin port reads its tokens and every secret that it makes.
pub(super) fn admin(reader: &Reader, admin: &AdminConfig) {
    let open = admin.tls.is_none() && !admin.insecure;
    if open && !admin.address.ip().to_canonical().is_loopback() {
        let hint = "without TLS, tokens and new secrets go over the network in the clear; where that is meant \
                    (a private network, a proxy with TLS in front), set admin.insecure = true; or set [admin.tls]";
        reader.fault("admin.address", "a loopback address", Some(hint.to_owned()));
    }
}

/// Whether the second bind would fail, or hide the first. Port 0 is a new port each time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && overlap
}

/// Whether connecting to `host` reaches a socket of ours bound to `bound`, as far as names tell.
fn is_this_machine(host: &str, bound: IpAddr) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip == bound || ip.is_unspecified() || (bound.is_unspecified() && ip.is_loopback()),
        Err(_) => host.eq_ignore_ascii_case("localhost") && (bound.is_unspecified() || bound.is_loopback()),
    }
}

/// Sealing with a key needs the directory that holds it, and a directory needs to say which key seals. What
/// several sidecars share is sealed with keys that they share.
pub(super) fn keys(reader: &Reader, keys: &KeysConfig, store: Option<&StoreConfig>) {
    let shared = store.is_some_and(|store| matches!(store.backend, StoreBackend::Redis(_)));
    if shared && keys.kek_dir.is_none() {
        let hint = "store.kind is \"redis\", whose secrets every sidecar opens with the same keys; make one \
                    with `countersign keks new`";
        reader.fault("keys.kek_dir", "a directory of key files", Some(hint.to_owned()));
    }
    match (&keys.kek_dir, &keys.seal_with) {
        (None, Some(_)) => reader.fault("keys.seal_with", "keys.kek_dir to be set as well", None),
        (Some(_), None) => {
            let hint = "the id of one of its files, which seals new secrets";
            reader.fault("keys.kek_dir", "keys.seal_with to be set as well", Some(hint.to_owned()));
        }
        _ => {}
    }
}

/// Whoever holds a part of the key set cannot tell whether a name is free in the rest.
pub(super) fn seed(reader: &Reader, seed: &SeedConfig, scope: Option<&Scope>) {
    if seed.file.is_some() && scope.is_some() {
        let hint =
            "a process that serves everything applies the file; role = \"admin\" is one without traffic";
        reader.fault("seed.file", "no [scope] beside it", Some(hint.to_owned()));
    }
}

/// A body that is buffered must fit into the budget of all of them.
pub(super) fn limits(reader: &Reader, limits: &LimitsConfig, routes: &[(usize, Route)]) {
    let budget = show_bytes(limits.body_budget);
    let expected = format!("at most limits.body_budget, which is {budget}");
    if limits.max_body > limits.body_budget {
        reader.fault("limits.max_body", expected.clone(), None);
    }
    for (index, route) in routes {
        if route.verify.may_buffer() && route.max_body.is_some_and(|max| max > limits.body_budget) {
            reader.fault(&format!("routes[{index}].max_body"), expected.clone(), None);
        }
    }
}

/// A WebSocket takes a connection of HTTP/1.1 for itself.
pub(super) fn websockets(reader: &Reader, upstream: &UpstreamConfig, routes: &[(usize, Route)]) {
    for (index, route) in routes.iter().filter(|(_, route)| upstream.http2 && route.websocket) {
        let hint = format!(
            "route \"{}\" would have no way to the application; take another process for one of the two",
            route.name
        );
        reader.fault(&format!("routes[{index}].websocket"), "false with upstream.http2", Some(hint));
    }
}

/// Names are unique, and every route can be reached.
pub(super) fn routes(reader: &Reader, routes: &[(usize, Route)]) {
    let list: Vec<Route> = routes.iter().map(|(_, route)| route.clone()).collect();
    let place = |at: usize| routes.get(at).map_or(at, |(index, _)| *index);
    let named = |at: usize| {
        let name = routes.get(at).map_or("", |(_, route)| route.name.as_str());
        format!("routes[{}] \"{name}\"", place(at))
    };
    for fault in faults(&list) {
        match fault {
            TableFault::DuplicateName { index, first } => {
                let path = format!("routes[{}].name", place(index));
                reader.fault(&path, format!("a name of its own; {} has it", named(first)), None);
            }
            TableFault::Shadowed { index, by } => {
                let path = format!("routes[{}].path", place(index));
                let by: Vec<String> = by.into_iter().map(named).collect();
                let expected =
                    format!("requests that no earlier route takes; {} takes all", by.join(" with "));
                let hint = "the first match in file order decides; move this route up".to_owned();
                reader.fault(&path, expected, Some(hint));
            }
        }
    }
}
