//! `schemes`: lists the presets, shows one, or checks a scheme of one's own. Offline.
//!
//! Invariant: `--check` loads a file as an integration's scheme is loaded, and names every fault with its line.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::check::aligned;
use super::inputs::{self, InputFault};
use super::{Exit, say};
use crate::verify::scheme::spec::Proof;
use crate::verify::scheme::{Scheme, preset, presets};

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
            None => Err(InputFault::usage(format!(
                "there is no preset `{name}`; `countersign schemes` lists them, `--check FILE` checks your own"
            ))),
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
    let header = ["name", "signature", "algorithm", "body", "timestamp", "id", "proof"].map(str::to_owned);
    let rows = presets().map(|scheme| {
        let one = scheme.summary();
        let yes = |binds: bool| if binds { "yes" } else { "-" }.to_owned();
        [
            one.name.to_owned(),
            one.header.clone(),
            one.algorithm.to_owned(),
            yes(one.binds_body),
            yes(one.binds_timestamp),
            yes(one.binds_id),
            one.proof.map_or("-", Proof::name).to_owned(),
        ]
    });
    say(&aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>()).join("\n"));
    Exit::Ok
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
    let mut binds: Vec<&str> = [
        ("body", one.binds_body),
        ("timestamp", one.binds_timestamp),
        ("id", one.binds_id),
        ("target", one.binds_target),
    ]
    .into_iter()
    .filter_map(|(what, binds)| binds.then_some(what))
    .collect();
    if binds.is_empty() {
        binds.push("nothing");
    }
    let mut lines = Vec::new();
    if checked {
        lines.push("scheme ok".to_owned());
    }
    let mut add = |what: &str, text: &str| lines.push(format!("{what:<10} {text}"));
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
    add("binds", &binds.join(", "));
    if one.needs_public_url {
        add("needs", "listener.public_url");
    }
    lines.push(String::new());
    lines.push(toml::to_string(detail.scheme).unwrap_or_default());
    say(lines.join("\n").trim_end());
    Exit::Ok
}
