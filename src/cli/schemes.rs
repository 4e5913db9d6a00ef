//! `schemes`: lists the presets, shows one, or checks a scheme of one's own. Offline.
//!
//! Invariant: `--check` loads a file as an integration's scheme is loaded, and names every fault with its line.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::check::aligned;
use super::inputs;
use super::{Exit, say};
use crate::verify::scheme::spec::Proof;
use crate::verify::scheme::{Scheme, SchemeSpec, SchemeSummary, preset, presets};

/// Columns of a terminal, for text that is broken between words.
const WIDTH: usize = 80;

/// `schemes --help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  countersign schemes                        every sender that is known
  countersign schemes stripe                 the scheme, and what to paste where
  countersign schemes --check acme.toml      every fault of a scheme of your own
  countersign schemes --json | jq -r '.items[].name'";

/// `schemes`.
#[derive(Debug, Clone, Default, Args)]
pub struct SchemesArgs {
    /// Show this preset.
    #[arg(value_name = "NAME", conflicts_with = "check")]
    pub name: Option<String>,
    /// Check a scheme of your own.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Lists, shows or checks.
#[must_use]
pub fn run(args: &SchemesArgs) -> Exit {
    let ended = match (&args.check, &args.name) {
        (Some(file), _) => {
            let name = file.to_string_lossy().into_owned();
            inputs::scheme_file(&name).map(|scheme| show(&scheme, args.json, true))
        }
        (None, Some(name)) => match preset(name) {
            Some(scheme) => Ok(show(scheme, args.json, false)),
            None => Err(inputs::no_preset(name, "`--check FILE` checks a scheme of your own")),
        },
        (None, None) => Ok(list(args.json)),
    };
    ended.unwrap_or_else(|fault| fault.report())
}

fn list(as_json: bool) -> Exit {
    if as_json {
        let items: Vec<_> = presets().map(|scheme| scheme.summary()).collect();
        say(&json!({ "items": items }).to_string());
        return Exit::Ok;
    }
    let header = ["name", "algorithm", "binds", "proof"].map(str::to_owned);
    let rows = presets().map(|scheme| {
        let one = scheme.summary();
        let proof = one.proof.map_or("-", Proof::name);
        [one.name, one.algorithm, &binds(&one), proof].map(str::to_owned)
    });
    let lines = aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    say(&lines.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join("\n"));
    Exit::Ok
}

/// What every signature covers, in words.
fn binds(one: &SchemeSummary<'_>) -> String {
    let parts = [
        ("body", one.binds_body),
        ("time", one.binds_timestamp),
        ("id", one.binds_id),
        ("target", one.binds_target),
    ];
    let bound: Vec<&str> = parts.into_iter().filter_map(|(part, binds)| binds.then_some(part)).collect();
    if bound.is_empty() { "-".to_owned() } else { bound.join(" ") }
}

fn show(scheme: &Scheme, as_json: bool, checked: bool) -> Exit {
    let detail = scheme.detail();
    if as_json {
        let mut value = serde_json::to_value(&detail).unwrap_or_default();
        if let (true, Value::Object(map)) = (checked, &mut value) {
            map.insert("ok".to_owned(), Value::Bool(true));
        }
        say(&value.to_string());
        return Exit::Ok;
    }
    let one = &detail.summary;
    let mut lines = Vec::new();
    if checked {
        lines.push("scheme ok".to_owned());
    }
    let mut add = |what: &str, text: &str| lines.extend(wrapped(what, text));
    add("name", one.name);
    for (what, text) in [
        ("sender", one.title),
        ("docs", detail.documentation),
        ("proof", one.proof.map(Proof::name)),
        ("setup", detail.setup),
    ] {
        if let Some(text) = text {
            add(what, text);
        }
    }
    add("signature", &one.header);
    add("binds", &binds(one));
    if one.needs_public_url {
        add("needs", "listener.public_url");
    }
    lines.push(String::new());
    // What stands above is not said again.
    let scheme =
        SchemeSpec { title: None, documentation: None, proof: None, setup: None, ..detail.scheme.clone() };
    lines.push(toml::to_string(&scheme).unwrap_or_default());
    say(lines.join("\n").trim_end());
    Exit::Ok
}

/// A line of the head, its text broken between words where it is too long.
fn wrapped(what: &str, text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{:<10} {word}", if lines.is_empty() { what } else { "" })),
        }
    }
    lines
}
