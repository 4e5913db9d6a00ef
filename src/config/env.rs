//! The environment: the only file that reads it, and the rules by which its names mean something.
//!
//! Not the parser of the values. Invariants: only names with `__` after the prefix are options, so the
//! service-link variables that Kubernetes puts into every pod (`COUNTERSIGN_SERVICE_HOST`,
//! `COUNTERSIGN_PORT_8080_TCP_ADDR`) can never change or break the configuration; the names without `__`
//! that mean something are a closed list.

use std::collections::BTreeMap;

use super::fault::Fault;
use crate::secret::Secret;

/// What every name begins with.
const PREFIX: &str = "COUNTERSIGN_";

/// The bearer token of the admin port.
const ADMIN_TOKEN: &str = "COUNTERSIGN_ADMIN_TOKEN";

/// For commands that ask a running sidecar: where its admin port is.
pub const CLI_URL: &str = "COUNTERSIGN_CLI_URL";
/// For the same: the file with the admin token.
pub const CLI_TOKEN_FILE: &str = "COUNTERSIGN_CLI_TOKEN_FILE";
/// Names without `__` that other commands read.
const COMMANDS: [&str; 2] = [CLI_URL, CLI_TOKEN_FILE];

/// This process's variables that begin with `COUNTERSIGN_`. Bytes that are not UTF-8 become U+FFFD, which
/// no option accepts.
#[must_use]
pub fn process() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// The admin token, where the environment has a usable one.
#[must_use]
pub fn admin_token(env: &BTreeMap<String, String>) -> Option<Secret> {
    env.get(ADMIN_TOKEN).and_then(|text| token(text))
}

/// The environment, sorted by what its names mean.
#[derive(Default)]
pub(super) struct Sorted {
    /// Options: the variable's name, the path of the option, the text.
    pub(super) options: Vec<(String, Vec<String>, String)>,
    /// Names that begin with the prefix and mean nothing.
    pub(super) ignored: Vec<String>,
    pub(super) admin_token: Option<Secret>,
    pub(super) faults: Vec<Fault>,
}

/// Sorts an environment; names without the prefix are nobody's business.
pub(super) fn sort(env: &BTreeMap<String, String>) -> Sorted {
    let mut sorted = Sorted::default();
    for (name, value) in env {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if name == ADMIN_TOKEN {
            match token(value) {
                Some(token) => sorted.admin_token = Some(token),
                None => sorted.faults.push(unusable_token()),
            }
        } else if rest.contains("__") {
            let path = rest.split("__").map(str::to_ascii_lowercase).collect();
            sorted.options.push((name.clone(), path, value.clone()));
        } else if !COMMANDS.contains(&name.as_str()) {
            sorted.ignored.push(name.clone());
        }
    }
    sorted
}

/// A token that a client can send in a header: visible ASCII. One final line break is dropped, because
/// `$(cat file)` and mounted secrets differ in it.
fn token(text: &str) -> Option<Secret> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    usable.then(|| Secret::from_text(text))
}

fn unusable_token() -> Fault {
    Fault {
        path: ADMIN_TOKEN.to_owned(),
        value: None,
        expected: "a token of visible ASCII characters, not empty".to_owned(),
        hint: Some("make one with `openssl rand -hex 32`, or unset the variable".to_owned()),
        source: Some(format!("environment variable {ADMIN_TOKEN}")),
    }
}
