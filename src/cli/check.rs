//! `check`: judges a configuration offline and prints what would be in force. Not `serve`: nothing is
//! bound, opened or written. Invariant: it loads exactly as `serve` does, so both judge alike.

use serde_json::{Value, json};

use super::{CheckArgs, Exit};
use crate::config::{self, Config, Fault, Faults, Loaded, StoreBackend, show_bytes, show_duration};
use crate::proxy::route::{Route, Verify};

/// Loads the configuration and prints it, or its faults.
#[must_use]
pub fn run(args: &CheckArgs) -> Exit {
    let sources = args.config.sources();
    if !args.json {
        return match super::load(&sources) {
            Ok(loaded) => {
                super::say(&text(&loaded));
                Exit::Ok
            }
            Err(exit) => exit,
        };
    }
    match config::load(&sources) {
        Ok(loaded) => {
            super::say(&object(&loaded).to_string());
            Exit::Ok
        }
        Err(Faults(faults)) => {
            let faults: Vec<Value> = faults.iter().map(fault).collect();
            super::say(&json!({ "ok": false, "faults": faults }).to_string());
            Exit::Config
        }
    }
}

/// For people.
fn text(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let mut lines = vec![
        "config ok".to_owned(),
        String::new(),
        format!("listener  {}", config.listener.address),
        format!("admin     {}", config.admin.address),
        format!("ops       {}", config.ops.address),
        format!("upstream  {}", config.upstream.target),
        format!("store     {}", store(config)),
        String::new(),
        "routes, the first match decides:".to_owned(),
    ];
    let header = ["order", "name", "path", "methods", "verify", "require", "bearer", "max_body", "timeout"]
        .map(str::to_owned);
    let rows = config.routes.iter().enumerate().map(|(index, route)| row(config, index + 1, route));
    lines.extend(aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>()));
    if loaded.admin_token.is_none() && config.admin.token_file.is_none() {
        lines.push(String::new());
        lines.push(
            "note: no admin token: `serve` needs COUNTERSIGN_ADMIN_TOKEN or admin.token_file".to_owned(),
        );
    }
    lines.join("\n")
}

fn row(config: &Config, order: usize, route: &Route) -> [String; 9] {
    [
        order.to_string(),
        route.name.clone(),
        route.pattern.to_string(),
        methods(route).map_or_else(|| "any".to_owned(), |methods| methods.join(",")),
        verify(route).map_or_else(|| "none".to_owned(), |kinds| kinds.join(",")),
        require(route).unwrap_or("-").to_owned(),
        if route.bearer { "yes" } else { "no" }.to_owned(),
        show_bytes(route.max_body.unwrap_or(config.limits.max_body)),
        show_duration(route.timeout.unwrap_or(config.upstream.response_timeout)),
    ]
}

/// Columns as wide as their widest cell.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// For programs.
fn object(loaded: &Loaded) -> Value {
    let config = &loaded.config;
    let routes: Vec<Value> = config
        .routes
        .iter()
        .enumerate()
        .map(|(index, route)| {
            json!({
                "order": index + 1,
                "name": route.name,
                "path": route.pattern.as_str(),
                "methods": methods(route),
                "verify": verify(route).map_or_else(|| json!("none"), |kinds| json!(kinds)),
                "require": require(route),
                "bearer": route.bearer,
                "maxBodyBytes": route.max_body.unwrap_or(config.limits.max_body),
                "timeoutMs": millis(route.timeout.unwrap_or(config.upstream.response_timeout)),
            })
        })
        .collect();
    json!({
        "ok": true,
        "listener": config.listener.address.to_string(),
        "admin": config.admin.address.to_string(),
        "ops": config.ops.address.to_string(),
        "upstream": config.upstream.target.to_string(),
        "store": store(config),
        "adminToken": loaded.admin_token.is_some() || config.admin.token_file.is_some(),
        "ignoredEnvironment": loaded.ignored_env,
        "routes": routes,
    })
}

fn fault(fault: &Fault) -> Value {
    json!({
        "path": fault.path,
        "value": fault.value,
        "expected": fault.expected,
        "hint": fault.hint,
        "source": fault.source,
    })
}

fn store(config: &Config) -> String {
    let namespace = &config.store.namespace;
    match &config.store.backend {
        StoreBackend::Embedded { path } => format!("embedded {} (namespace {namespace})", path.display()),
        StoreBackend::Redis(redis) => format!("{redis} (namespace {namespace})"),
    }
}

fn methods(route: &Route) -> Option<Vec<&str>> {
    route.methods.as_ref().map(|methods| methods.iter().map(http::Method::as_str).collect())
}

fn verify(route: &Route) -> Option<Vec<&'static str>> {
    match &route.verify {
        Verify::None => None,
        Verify::Kinds { kinds, .. } => Some(kinds.iter().map(|kind| kind.name()).collect()),
    }
}

fn require(route: &Route) -> Option<&'static str> {
    match &route.verify {
        Verify::None => None,
        Verify::Kinds { all, .. } => Some(if *all { "all" } else { "any" }),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
