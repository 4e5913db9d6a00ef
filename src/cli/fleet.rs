//! `sidecars`, `keks list`, `keks rotate`, `migrate`: what concerns all sidecars of a namespace, asked of one of them.
//!
//! Not the work, which that one does. Invariant: a rotation is many short calls, so that it can be stopped at any
//! moment and begun again.

use std::io::{IsTerminal, Write};

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::Exit;
use super::remote::RemoteArgs;
use crate::config;

/// A question to a running sidecar.
#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// Whom to ask.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `keks rotate`.
#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    /// Id of the key that everything comes under: the keys.seal_with of every sidecar.
    #[arg(long, value_name = "ID", value_parser = config::kek_id)]
    pub to: String,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Prints the sidecars that live.
#[must_use]
pub fn sidecars(args: &AskArgs) -> Exit {
    asked(args, Method::GET, "/api/sidecars", |answer| {
        let lines = items(answer).iter().map(|sidecar| {
            let keks: Vec<&str> = items_of(&sidecar["keks"]).iter().filter_map(Value::as_str).collect();
            format!(
                "{}  {}  version {}  role {}  keks {}  seals with {}  heard of {:.0} s ago",
                text(&sidecar["id"]),
                text(&sidecar["host"]),
                text(&sidecar["version"]),
                text(&sidecar["role"]),
                keks.join(","),
                text(&sidecar["sealWith"]),
                sidecar["ageSeconds"].as_f64().unwrap_or_default(),
            )
        });
        lines.collect()
    })
}

/// Prints the KEKs of a sidecar and what is under each.
#[must_use]
pub fn keks(args: &AskArgs) -> Exit {
    asked(args, Method::GET, "/api/keks", |answer| {
        let mut lines: Vec<String> = items(answer).iter().map(kek).collect();
        lines.extend(damaged(&answer["damaged"]));
        lines
    })
}

/// Raises the schema of the store.
#[must_use]
pub fn migrate(args: &AskArgs) -> Exit {
    asked(args, Method::POST, "/api/store/migrate", |answer| {
        let (from, to) = (&answer["from"], &answer["to"]);
        vec![match answer["migrated"].as_bool() {
            Some(true) => format!("the store has schema {to} now; it had {from}"),
            _ => format!("nothing to migrate: the store has schema {to}"),
        }]
    })
}

/// Brings everything under one KEK.
#[must_use]
pub fn rotate(args: &RotateArgs) -> Exit {
    let remote = match args.ask.remote.connect() {
        Ok(remote) => remote,
        Err(exit) => return exit,
    };
    let body = json!({ "to": args.to });
    let (mut records, mut secrets) = (0, 0);
    loop {
        let answer = match remote.ask(Method::POST, "/api/keks/rotate", Some(&body)) {
            Ok(Value::Object(answer)) => answer,
            Ok(_) => {
                super::complain("the admin port gave no valid answer");
                return Exit::Failed;
            }
            Err(exit) => {
                if records > 0 {
                    super::complain(&format!("{records} records were re-sealed; the same command goes on"));
                }
                return exit;
            }
        };
        let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        records += count("records");
        secrets += count("secrets");
        progress(records, count("remaining"));
        if answer.get("done") == Some(&Value::Bool(true)) {
            let mut whole = answer;
            whole.insert("records".to_owned(), records.into());
            whole.insert("secrets".to_owned(), secrets.into());
            return finish(&Value::Object(whole), args.ask.json);
        }
    }
}

fn finish(answer: &Value, as_json: bool) -> Exit {
    if std::io::stderr().is_terminal() {
        let _ = writeln!(std::io::stderr());
    }
    super::say(&if as_json { answer.to_string() } else { rotated(answer) });
    if items_of(&answer["left"]).is_empty() { Exit::Ok } else { Exit::Failed }
}

fn rotated(answer: &Value) -> String {
    let to = text(&answer["to"]);
    let mut lines =
        vec![format!("{} records and {} secrets re-sealed under {to}", answer["records"], answer["secrets"])];
    lines.extend(items(answer).iter().map(kek));
    for id in items_of(&answer["unused"]) {
        let id = text(id);
        lines.push(format!(
            "nothing is sealed under {id} any more: its file can go, once it is kept for the audit log"
        ));
    }
    lines.extend(damaged(&answer["left"]));
    lines.join("\n")
}

fn kek(item: &Value) -> String {
    let notes = match (item["held"].as_bool(), item["seals"].as_bool()) {
        (_, Some(true)) => "  seals",
        (Some(false), _) => "  MISSING: not in keys.kek_dir",
        _ => "",
    };
    format!("{}  {} records  {} secrets{notes}", text(&item["id"]), item["records"], item["secrets"])
}

fn damaged(keys: &Value) -> Vec<String> {
    let name = |key: &Value| {
        format!(
            "damaged and left as it is: {}/{}; delete or restore it",
            text(&key["kind"]),
            text(&key["id"])
        )
    };
    items_of(keys).iter().map(name).collect()
}

/// One line that is written over, where somebody watches.
fn progress(records: u64, remaining: u64) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r{records} re-sealed, {remaining} to go ");
        let _ = terminal.flush();
    }
}

fn asked(args: &AskArgs, method: Method, path: &str, lines: impl FnOnce(&Value) -> Vec<String>) -> Exit {
    match args.remote.connect().and_then(|remote| remote.ask(method, path, None)) {
        Ok(answer) if args.json => super::say(&answer.to_string()),
        Ok(answer) => super::say(&lines(&answer).join("\n")),
        Err(exit) => return exit,
    }
    Exit::Ok
}

fn items(answer: &Value) -> &[Value] {
    items_of(&answer["items"])
}

fn items_of(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
