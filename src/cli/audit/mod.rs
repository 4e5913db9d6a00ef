//! `audit list` and `audit verify`: the audit log of a running sidecar, or of a store that is read directly.
//!
//! Not the check itself (`store/audit/chain.rs`). Invariant: what could not be checked is never called whole: the exit
//! code is 0 only where every event was, up to the stored head, and a head that was asked for was found, or is known to
//! be among those that retention removed.

mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER_PERMISSIVE;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::remote::{Remote, RemoteArgs};
use super::{ConfigArgs, Exit, store};
use crate::config::Config;
use crate::store::AuditMac;
use crate::store::audit::chain;
use crate::store::open::{OpenError, open_to_verify};
use report::{Noted, Report};

/// Events of one piece of an offline check.
const PIECE: usize = 10_000;
/// Events of one page at most.
const PAGE: usize = 200;

const LIST_EXAMPLES: &str = "\
Examples:
  countersign audit list --limit 20
  countersign audit list --resource-id 0190163d-8694-739b-aea5-966c26f8ad91 --json | jq -r .items[].action
  countersign audit list --action webhook_key.deleted --since 2026-01-01T00:00:00Z";

const VERIFY_EXAMPLES: &str = "\
Examples:
  countersign audit verify --token-file admin-token
  countersign audit verify --head 5f0c… --events 4711           a head that the log of a sidecar noted earlier
  countersign audit verify --offline --config countersign.toml  no sidecar: reads the store itself

An embedded store is open in one process at a time: with --offline, stop its sidecar.";

/// `audit …`.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// List audit events, newest first.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Check that the audit log is what was written: nothing altered, removed, reordered or cut off.
    ///
    /// Goes through the whole log with the key-encryption keys, event by event, and names each that does not follow on
    /// the one before it. Where retention has removed events, it begins with the checkpoint that they left. That its end was cut off together with the store's own head shows only against a head that
    /// was noted elsewhere: sidecars write one to their log every minute. Exit code 0 only where everything holds.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
}

/// `audit list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Events at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Only about this kind: workspace, webhook-key, integration, namespace or store.
    #[arg(long, value_name = "KIND")]
    pub resource_type: Option<String>,
    /// Only about what has this id.
    #[arg(long, value_name = "ID")]
    pub resource_id: Option<String>,
    /// Only by this actor.
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Only of this action: `webhook_key.created`.
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Only from this time on, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only up to this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `audit verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// A head that was noted earlier, 64 hex characters: the log must still hold it.
    #[arg(long, value_name = "HEAD", value_parser = head)]
    pub head: Option<String>,
    /// The number of `events` that was noted with that head: tells whether retention has removed it since.
    #[arg(long, value_name = "N", requires = "head")]
    pub events: Option<u64>,
    /// Read the store that the configuration names, and ask no sidecar.
    #[arg(long, conflicts_with_all = ["url", "token_file"])]
    pub offline: bool,
    /// TOML file over the built-in defaults, for --offline.
    #[arg(long, value_name = "FILE", requires = "offline")]
    pub config: Option<PathBuf>,
    /// Whom to ask.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

fn head(text: &str) -> Result<String, &'static str> {
    match HEXLOWER_PERMISSIVE.decode(text.as_bytes()) {
        Ok(bytes) if bytes.len() == 32 => Ok(text.to_ascii_lowercase()),
        _ => Err("a head is 64 hex characters"),
    }
}

/// Runs one of them.
#[must_use]
pub fn run(command: &AuditCommand) -> Exit {
    let ended = match command {
        AuditCommand::List(args) => list(args),
        AuditCommand::Verify(args) => verify(args),
    };
    ended.unwrap_or_else(|exit| exit)
}

fn list(args: &ListArgs) -> Result<Exit, Exit> {
    let remote = args.remote.connect()?;
    let filters = [
        ("resourceType", &args.resource_type),
        ("resourceId", &args.resource_id),
        ("actor", &args.actor),
        ("action", &args.action),
        ("since", &args.since),
        ("until", &args.until),
    ];
    let given = filters.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let given: String = given
        .map(|(name, value)| format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    while items.len() < args.limit {
        let page = PAGE.min(args.limit - items.len());
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/api/audit-events?limit={page}{given}{after}");
        let answer = &remote.ask(Method::GET, &path, None)?;
        items.extend(answer["items"].as_array().into_iter().flatten().cloned());
        cursor = answer["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if args.json {
        super::say(&json!({ "items": items }).to_string());
    } else {
        let lines: Vec<String> = items.iter().map(line).collect();
        super::say(&lines.join("\n"));
    }
    Ok(Exit::Ok)
}

fn line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    if event["damaged"] == Value::Bool(true) {
        return format!(
            "{}  no readable event stands here; run `countersign audit verify`",
            text("position")
        );
    }
    format!(
        "{}  {}  {}  by {}  {}/{}  {}",
        text("at"),
        text("severity"),
        text("action"),
        text("actor"),
        text("resourceType"),
        text("resourceId"),
        event["metadata"]
    )
}

fn verify(args: &VerifyArgs) -> Result<Exit, Exit> {
    let mut report = Report::default();
    if args.offline {
        let sources = ConfigArgs { config: args.config.clone() }.sources();
        let loaded = super::load(&sources)?;
        offline(&loaded.config, args.head.as_deref(), &mut report).map_err(|error| {
            super::complain(&error.to_string());
            match &error {
                OpenError::Store(error) => store::exit_of(error, &loaded.config),
                _ => Exit::Failed,
            }
        })?;
    } else {
        ask(&args.remote.connect()?, args.head.as_deref(), &mut report)?;
    }
    let noted = args.head.as_deref().map(|head| Noted { head, events: args.events });
    Ok(report.finish(noted, args.json))
}

fn ask(remote: &Remote, head: Option<&str>, report: &mut Report) -> Result<(), Exit> {
    let head = head.map(|head| format!("head={head}&")).unwrap_or_default();
    let mut path = format!("/api/audit-events/verify?{head}");
    loop {
        let piece = &remote.ask(Method::GET, &path, None)?;
        report.take(piece);
        match piece["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/audit-events/verify?{head}cursor={cursor}"),
            None => return Ok(()),
        }
    }
}

fn offline(config: &Config, head: Option<&str>, report: &mut Report) -> Result<(), OpenError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (store, keyring) = open_to_verify(config)?;
    let side = (config.store.namespace.as_str(), &*keyring);
    let noted = head.and_then(|head| HEXLOWER_PERMISSIVE.decode(head.as_bytes()).ok());
    let noted = noted.and_then(|bytes| bytes.try_into().ok()).map(AuditMac);
    let mut from = None;
    loop {
        let piece = runtime.block_on(chain::walk(&*store, side, from, noted, PIECE))?;
        report.take(&json!(piece));
        match piece.next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}
