//! What every option was set to, to tell which of them a later reading of the configuration changes.
//!
//! Not the values: a digest of each, so that no secret is kept. Invariant: an option that is not in [`LIVE`] needs a
//! restart, so a new one does until somebody says otherwise.

use std::collections::BTreeMap;

use figment::value::Value;
use sha2::{Digest, Sha256};

/// Options that a running process takes: names, or what comes before a dot or an index.
pub const LIVE: [&str; 35] = [
    "routes",
    "listener.public_url",
    "listener.trusted_proxies",
    "listener.proxy_protocol",
    "upstream.response_timeout",
    "upstream.connect_timeout",
    "upstream.idle_timeout",
    "upstream.connections",
    "upstream.connection_wait",
    "upstream.idle_connections",
    "drain.delay",
    "drain.timeout",
    "limits.max_body",
    "limits.candidate_secrets",
    "limits.headers",
    "limits.header_bytes",
    "limits.target_bytes",
    "limits.handshake_timeout",
    "limits.header_timeout",
    "limits.idle_timeout",
    "limits.send_timeout",
    "limits.linger_bytes",
    "limits.linger_time",
    "limits.body_timeout",
    "limits.body_idle_timeout",
    "limits.body_min_rate",
    "limits.body_budget",
    "limits.recheck",
    "limits.websocket_idle_timeout",
    "limits.connections",
    "limits.connections_per_address",
    "limits.requests_per_connection",
    "limits.h2_streams",
    "limits.h2_resets",
    "limits.h2_control_frames",
];

/// Digests of what was set, by option.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<String, [u8; 32]>);

impl Fingerprint {
    pub(super) fn new(options: impl Iterator<Item = (String, [u8; 32])>) -> Self {
        Self(options.collect())
    }

    /// The options that differ, each once, without indices.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let mut changes: Vec<String> = self
            .0
            .keys()
            .chain(other.0.keys())
            .filter(|option| self.0.get(*option) != other.0.get(*option))
            .map(|option| option.split('[').next().unwrap_or_default().to_owned())
            .collect();
        changes.sort();
        changes.dedup();
        changes
    }
}

/// Whether a running process takes a change of this option.
#[must_use]
pub fn is_live(option: &str) -> bool {
    LIVE.contains(&option)
}

/// The digest of one value; tables and lists are what their options are.
pub(super) fn digest(value: &Value) -> Option<[u8; 32]> {
    let text = match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, character) => character.to_string(),
        Value::Bool(_, value) => value.to_string(),
        Value::Num(_, number) => number.to_i128().map_or_else(
            || number.to_f64().map(|number| number.to_string()).unwrap_or_default(),
            |integer| integer.to_string(),
        ),
        Value::Dict(..) | Value::Array(..) | Value::Empty(..) => return None,
    };
    Some(Sha256::digest(text.as_bytes()).into())
}
