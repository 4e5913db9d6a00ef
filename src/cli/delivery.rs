//! `delivery list` and `delivery get`: what became of webhooks, asked of a running sidecar.
//!
//! Not the deliveries (`deliveries/`). Invariant: what a sender wrote is escaped before it reaches a terminal.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::Exit;
use super::fleet::AskArgs;
use super::records::lookup::segment;
use super::records::{ended, print, show};

/// Deliveries of one page at most.
const PAGE: usize = 200;
const LISTED: [&str; 7] = ["at", "integration", "outcome", "reason", "status", "client", "id"];
const FIRST: [&str; 9] =
    ["id", "at", "integration", "outcome", "reason", "cause", "status", "secret", "scheme"];

const EXAMPLES: &str = "\
Examples:
  countersign delivery list --integration github --outcome refused
  countersign delivery list --since 2026-01-01T00:00:00Z --json | jq -r .items[].reason
  countersign delivery get 019b76da-a800-7029-b2ea-1d7881aca04e    the Countersign-Request-Id of an answer";

/// `delivery …`.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum DeliveryCommand {
    /// List them, newest first.
    List(ListArgs),
    /// Show one: its headers, its times, and why it was refused.
    Get(GetArgs),
}

/// `delivery list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only on this integration: its name, or its id where it is deleted.
    #[arg(long, value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// Only with this outcome: verified, refused, upstream_failed, answered or unavailable.
    #[arg(long, value_name = "OUTCOME")]
    pub outcome: Option<String>,
    /// Only refused for this reason: mismatch, absent, timestamp_old …
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// Only from this time on, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Deliveries at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `delivery get`.
#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// Its id: the Countersign-Request-Id of the answer that the sender got.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs it.
#[must_use]
pub fn run(command: &DeliveryCommand) -> Exit {
    ended(match command {
        DeliveryCommand::List(args) => list(args),
        DeliveryCommand::Get(args) => get(args),
    })
}

fn list(args: &ListArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let filters = [
        ("integration", &args.integration),
        ("outcome", &args.outcome),
        ("reason", &args.reason),
        ("since", &args.since),
    ];
    let given = filters.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let given: String = given.map(|(name, value)| format!("&{name}={}", segment(value))).collect();
    let (mut items, mut cursor) = (Vec::new(), String::new());
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    while items.len() < limit {
        let page = PAGE.min(limit - items.len());
        let page = remote.ask(Method::GET, &format!("/api/deliveries?limit={page}{given}{cursor}"), None)?;
        items.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={}", segment(next)),
            None => break,
        }
    }
    show(&args.ask, &json!({ "items": items }), |all| print::table(all, LISTED));
    Ok(())
}

fn get(args: &GetArgs) -> Result<(), Exit> {
    let path = format!("/api/deliveries/{}", segment(&args.id));
    let found = args.ask.remote.connect()?.ask(Method::GET, &path, None)?;
    show(&args.ask, &found, text);
    Ok(())
}

/// The fields, then the headers, then the diagnosis.
pub(super) fn text(delivery: &Value) -> String {
    let mut fields = delivery.clone();
    let rest = fields.as_object_mut().map(|fields| (fields.remove("headers"), fields.remove("diagnosis")));
    let (headers, diagnosis) = rest.unwrap_or_default();
    let mut parts = vec![print::record(&fields, &FIRST)];
    let headers: Vec<String> = headers
        .iter()
        .flat_map(|headers| headers.as_array().into_iter().flatten())
        .map(|header| {
            let text = |name: &str| header.get(name).and_then(Value::as_str).map(escaped);
            format!(
                "{}: {}",
                text("name").unwrap_or_default(),
                text("value").unwrap_or_else(|| "(hidden)".to_owned())
            )
        })
        .collect();
    if !headers.is_empty() {
        parts.push(headers.join("\n"));
    }
    if let Some(diagnosis) = diagnosis.filter(|diagnosis| !diagnosis.is_null()) {
        parts.push(self::diagnosis(&diagnosis));
    }
    parts.join("\n\n")
}

fn diagnosis(diagnosis: &Value) -> String {
    let findings = diagnosis.get("findings").and_then(Value::as_array);
    let findings: Vec<String> = findings
        .into_iter()
        .flatten()
        .map(|finding| {
            let text =
                |name: &str| finding.get(name).and_then(Value::as_str).map(escaped).unwrap_or_default();
            format!("diagnosis: {} ({})", text("detail"), text("code"))
        })
        .collect();
    if findings.is_empty() {
        let status = diagnosis.get("status").and_then(Value::as_str).unwrap_or_default();
        return format!("diagnosis: {status}");
    }
    findings.join("\n")
}

/// Control characters as escapes.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
