//! Configuration: layers of text in, one checked [`Config`] out, or every fault at once.
//!
//! Not a live object: nothing here is validated again later, and nothing outside reads the environment.
//! The way: `layers` (defaults < file < environment < flags) → `reader` (take a key, parse it, collect the
//! fault) → one file per section → `cross` (what no section can judge alone). Invariants: pure but for
//! reading the one file; an option that exists is documented in `config/default.toml`; an unknown key is a
//! fault; a [`Config`] in hand is usable as it stands.

mod audit;
mod cross;
mod deliveries;
mod drain;
pub mod env;
mod fault;
mod fingerprint;
mod layers;
mod limits;
mod log;
mod ports;
mod reader;
mod redis;
mod role;
mod routes;
mod seed;
mod socket;
mod store;
mod store_url;
mod tls;
mod units;
mod upstream;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use audit::AuditConfig;
pub use deliveries::DeliveriesConfig;
pub use drain::DrainConfig;
pub use fault::{Fault, Faults};
pub use fingerprint::{Fingerprint, LIVE, is_live};
pub use limits::LimitsConfig;
pub use log::{LogConfig, LogFormat};
pub use ports::{AdminConfig, ListenerConfig, OpsConfig};
pub use redis::{RedisConfig, RedisDurability, RedisTls};
pub use role::Role;
pub use seed::SeedConfig;
pub use store::{InitPolicy, KeysConfig, StoreBackend, StoreConfig, kek_id};
pub use store_url::{ServerAddress, Topology};
pub use units::{show_bytes, show_duration};
pub use upstream::{UpstreamConfig, UpstreamTarget, UpstreamTls};

use crate::keys::scope::Scope;
use crate::proxy::route::Route;
use crate::secret::Secret;
use reader::Reader;

/// Where a configuration comes from. The embedded defaults lie below all of these.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// The environment, an argument so that tests need none; [`env::process`] gives the real one.
    pub env: BTreeMap<String, String>,
    /// Options from flags: the option's path (`upstream.url`) and its text. The last one wins.
    pub overrides: Vec<(String, String)>,
}

/// A configuration and what came with it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Every option, checked.
    pub config: Config,
    /// Variables named `COUNTERSIGN_…` that mean nothing: to be warned about, once.
    pub ignored_env: Vec<String>,
    /// What is set and has no effect in this role: to be shown, once.
    pub warnings: Vec<String>,
    /// `COUNTERSIGN_ADMIN_TOKEN`, where it is set.
    pub admin_token: Option<Secret>,
    /// What every option was set to, to tell what a later reading changes.
    pub fingerprint: Fingerprint,
}

/// Every option, checked. `config/default.toml` says what each is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Which ports there are. Default all.
    pub role: Role,
    /// Which part of the key set is held; `None`, the default, is all of it.
    pub scope: Option<Scope>,
    /// The traffic port.
    pub listener: ListenerConfig,
    /// The admin port.
    pub admin: AdminConfig,
    /// The health and metrics port.
    pub ops: OpsConfig,
    /// The application.
    pub upstream: UpstreamConfig,
    /// Where records live.
    pub store: StoreConfig,
    /// The mirror of the keys, and what opens them.
    pub keys: KeysConfig,
    /// Records that a file declares.
    pub seed: SeedConfig,
    /// Bounds on what a client may cause.
    pub limits: LimitsConfig,
    /// The way out.
    pub drain: DrainConfig,
    /// What is kept of the audit log.
    pub audit: AuditConfig,
    /// What is kept of attempts on integrations.
    pub deliveries: DeliveriesConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// In the order in which they are tried; unique names, none hidden by earlier ones.
    pub routes: Vec<Route>,
}

/// Reads and checks every source.
///
/// # Errors
/// Every fault of every source at once. Nothing was bound, opened or written.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    let stack = layers::stack(sources);
    let reader = Reader::new(stack.figment);
    let config = check(&reader, stack.complete, stack.admin_token.is_some());
    let mut faults = stack.faults;
    let (warnings, fingerprint) = (reader.warnings(), reader.fingerprint());
    faults.extend(reader.finish().0);
    match config {
        Some(config) if faults.is_empty() => {
            let (ignored_env, admin_token) = (stack.ignored_env, stack.admin_token);
            Ok(Loaded { config, ignored_env, warnings, admin_token, fingerprint })
        }
        None if faults.is_empty() => Err(Faults(vec![incomplete()])),
        _ => Err(Faults(faults)),
    }
}

/// The path of every option that exists, `routes[].name` for one of each route.
#[must_use]
pub fn options() -> Vec<String> {
    let reader = Reader::new(layers::stack(&Sources::default()).figment);
    let _ = check(&reader, true, false);
    let mut options = reader.finish().1;
    options.sort();
    options.dedup();
    options
}

/// The embedded defaults, as TOML with comments.
#[must_use]
pub fn defaults() -> &'static str {
    layers::DEFAULTS
}

/// Reads every section before giving up on any.
fn check(reader: &Reader, complete: bool, token: bool) -> Option<Config> {
    let mut root = reader.root();
    let role = role::role(&mut root);
    let scope = role::scope(reader, &mut root);
    let listener = ports::listener(reader, &mut root);
    let admin = ports::admin(reader, &mut root);
    let ops = ports::ops(&mut root);
    let upstream = upstream::check(&mut root);
    let mut store = store::check(&mut root);
    let keys = store::keys(&mut root);
    let mut seed = seed::check(&mut root);
    let limits = limits::check(&mut root);
    let drain = drain::check(&mut root);
    let audit = audit::check(&mut root);
    let deliveries = deliveries::check(&mut root);
    let log = log::check(&mut root);
    let routes = routes::check(reader, &mut root);
    root.finish();
    if complete {
        if let (Some(listener), Some(admin), Some(ops)) = (&listener, &admin, &ops) {
            cross::ports(reader, role.unwrap_or(Role::All), listener, admin, ops, upstream.as_ref());
        }
        if let Some(admin) = admin.as_ref().filter(|_| role.unwrap_or(Role::All).serves_admin()) {
            cross::admin(reader, admin);
        }
        if let Some(keys) = &keys {
            cross::keys(reader, keys, store.as_ref());
        }
        if let Some(limits) = &limits {
            cross::limits(reader, limits, &routes);
        }
        cross::routes(reader, &routes);
        if let Some(upstream) = &upstream {
            cross::websockets(reader, upstream, &routes);
        }
        if let (Some(seed), Some(scope)) = (&seed, &scope) {
            cross::seed(reader, seed, scope.as_ref());
        }
        if let Some(role) = role {
            role::apply(reader, role, token, store.as_mut(), seed.as_mut());
        }
    }
    Some(Config {
        role: role?,
        scope: scope?,
        listener: listener?,
        admin: admin?,
        ops: ops?,
        upstream: upstream?,
        store: store?,
        keys: keys?,
        seed: seed?,
        limits: limits?,
        drain: drain?,
        audit: audit?,
        deliveries: deliveries?,
        log: log?,
        routes: routes.into_iter().map(|(_, route)| route).collect(),
    })
}

/// The defaults lack an option that a check requires: a fault of this program, not of its operator.
fn incomplete() -> Fault {
    Fault {
        path: "default.toml".to_owned(),
        value: None,
        expected: "a default for every option".to_owned(),
        hint: Some("this is a defect of Countersign".to_owned()),
        source: Some("default".to_owned()),
    }
}
