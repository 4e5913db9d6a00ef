//! `check`: judges a configuration offline and prints what would be in force. Not `serve`: nothing is
//! bound, opened or written. Invariant: it loads exactly as `serve` does, so both judge alike.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{CheckArgs, Exit};
use crate::admin::seed::{self, SeedFault, SeedSettings};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Fault, Faults, Loaded, StoreBackend, show_bytes, show_duration};
use crate::keys::scope::Scope;
use crate::proxy::route::{Route, Verify};
use crate::tls::MaterialFault;

/// Loads the configuration and prints it, or its faults.
#[must_use]
pub fn run(args: &CheckArgs) -> Exit {
    let sources = args.sources();
    if !args.json {
        return match super::load(&sources) {
            Ok(loaded) => match judged(&loaded.config) {
                Ok(seeded) => {
                    super::say(&text(&loaded, seeded.as_ref()));
                    Exit::Ok
                }
                Err(faults) => {
                    super::complain(&faults.listed());
                    Exit::Config
                }
            },
            Err(exit) => exit,
        };
    }
    let faults: Vec<Value> = match config::load(&sources) {
        Ok(loaded) => match judged(&loaded.config) {
            Ok(seeded) => {
                super::say(&object(&loaded, seeded.as_ref()).to_string());
                return Exit::Ok;
            }
            Err(faults) => faults.objects(),
        },
        Err(Faults(faults)) => faults.iter().map(fault).collect(),
    };
    super::say(&json!({ "ok": false, "faults": faults }).to_string());
    Exit::Config
}

/// What is wrong with files that a good configuration names.
enum FileFaults {
    Seed(Vec<SeedFault>),
    Certificate(MaterialFault),
}

impl FileFaults {
    fn listed(&self) -> String {
        match self {
            Self::Seed(faults) => listed(faults),
            Self::Certificate(fault) => fault.to_string(),
        }
    }

    fn objects(&self) -> Vec<Value> {
        match self {
            Self::Seed(faults) => faults.iter().map(seed_fault).collect(),
            Self::Certificate(fault) => vec![json!({
                "path": fault.option,
                "value": fault.path,
                "expected": fault.what,
                "hint": null,
                "source": null,
            })],
        }
    }
}

/// Judges certificates and keys as `serve` would, and the seed file.
fn judged(config: &Config) -> Result<Option<(SeedSettings, seed::Checked)>, FileFaults> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    app::judge_certificates(config, &clock).map_err(FileFaults::Certificate)?;
    seeded(config).map_err(FileFaults::Seed)
}

/// Judges the seed file, where there is one that this process would apply.
fn seeded(config: &Config) -> Result<Option<(SeedSettings, seed::Checked)>, Vec<SeedFault>> {
    let Some(settings) = SeedSettings::of(config) else { return Ok(None) };
    let checked = seed::check(&settings)?;
    Ok(Some((settings, checked)))
}

fn listed(faults: &[SeedFault]) -> String {
    let noun = if faults.len() == 1 { "fault" } else { "faults" };
    let lines: Vec<String> = faults.iter().map(|fault| format!("\n  {fault}")).collect();
    format!("{} {noun} in the seed file:{}", faults.len(), lines.concat())
}

/// For people.
fn text(loaded: &Loaded, seeded: Option<&(SeedSettings, seed::Checked)>) -> String {
    let config = &loaded.config;
    let role = config.role;
    let only = |is_bound: bool, place: String| if is_bound { place } else { "none".to_owned() };
    let traffic = |place: String| only(role.serves_traffic(), place);
    let mut lines = vec![
        "config ok".to_owned(),
        String::new(),
        format!("role      {}", role.name()),
        format!("listener  {}", traffic(config.listener.address.to_string())),
        format!("admin     {}", only(role.serves_admin(), config.admin.address.to_string())),
        format!("ops       {}", config.ops.address),
        format!("upstream  {}", traffic(config.upstream.target.to_string())),
        format!("store     {}", store(config)),
        format!("scope     {}", config.scope.as_ref().map_or_else(|| "everything".to_owned(), scope)),
        format!(
            "seed      {}",
            seeded.map_or_else(|| "none".to_owned(), |(seed, checked)| seed_text(seed, checked))
        ),
        String::new(),
        "routes, the first match decides:".to_owned(),
    ];
    let header = ["order", "name", "path", "methods", "verify", "require", "bearer", "max_body", "timeout"]
        .map(str::to_owned);
    let rows = config.routes.iter().enumerate().map(|(index, route)| row(config, index + 1, route));
    lines.extend(aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>()));
    if role.serves_admin() && !has_token(loaded) {
        lines.push(String::new());
        lines.push(
            "note: no admin token: `serve` needs COUNTERSIGN_ADMIN_TOKEN or admin.token_file".to_owned(),
        );
    }
    for path in seeded.iter().flat_map(|(_, checked)| &checked.absent) {
        lines.push(String::new());
        lines.push(format!("note: {} is not here, so this secret was not judged", path.display()));
    }
    lines.join("\n")
}

fn seed_text(seed: &SeedSettings, checked: &seed::Checked) -> String {
    let prune = if seed.prune { "on" } else { "off" };
    format!("{} ({} records, prune {prune})", seed.file.display(), checked.records)
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
fn object(loaded: &Loaded, seeded: Option<&(SeedSettings, seed::Checked)>) -> Value {
    let config = &loaded.config;
    let role = config.role;
    let routes: Vec<Value> = config
        .routes
        .iter()
        .enumerate()
        .map(|(index, route)| {
            json!({
                "order": index + 1,
                "name": route.name,
                "path": route.pattern.as_str(),
                "pathMode": if route.pattern.is_raw() { "raw" } else { "segments" },
                "methods": methods(route),
                "verify": verify(route).map_or_else(|| json!("none"), |kinds| json!(kinds)),
                "require": require(route),
                "bearer": route.bearer,
                "websocket": route.websocket,
                "maxBodyBytes": route.max_body.unwrap_or(config.limits.max_body),
                "timeoutMs": millis(route.timeout.unwrap_or(config.upstream.response_timeout)),
            })
        })
        .collect();
    json!({
        "ok": true,
        "role": role.name(),
        "listener": role.serves_traffic().then(|| config.listener.address.to_string()),
        "admin": role.serves_admin().then(|| config.admin.address.to_string()),
        "ops": config.ops.address.to_string(),
        "upstream": role.serves_traffic().then(|| config.upstream.target.to_string()),
        "store": store(config),
        "scope": config.scope.as_ref().map(|scope| {
            json!({ "workspaces": scope.workspaces, "integrations": scope.integrations })
        }),
        "seed": seeded.map(|(seed, checked)| {
            json!({
                "file": seed.file, "prune": seed.prune, "records": checked.records,
                "absentSecretFiles": checked.absent,
            })
        }),
        "adminToken": role.serves_admin() && has_token(loaded),
        "ignoredEnvironment": loaded.ignored_env,
        "warnings": loaded.warnings,
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

fn seed_fault(fault: &SeedFault) -> Value {
    json!({
        "path": fault.path,
        "value": null,
        "expected": fault.detail,
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

fn has_token(loaded: &Loaded) -> bool {
    loaded.admin_token.is_some() || loaded.config.admin.token_file.is_some()
}

fn scope(scope: &Scope) -> String {
    let workspaces = scope.workspaces.iter().map(|id| format!("workspace {id}"));
    let integrations = scope.integrations.iter().map(|name| format!("integration {name}"));
    workspaces.chain(integrations).collect::<Vec<_>>().join(", ")
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
