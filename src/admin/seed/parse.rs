//! From the text of a seed file to JSON values, and the lines that they stand on.
//!
//! Not the rules of any entry. TOML or JSON, by the file's extension. Invariants: JSON that names a member twice is
//! refused, as TOML is anyway; a message of a parser is given without the line that it quotes, which may hold a
//! secret. Lines are known for TOML written with `[[…]]`; JSON has them for syntax errors alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};
use toml::Spanned;

use super::fault::SeedFault;
use crate::admin::body;

/// Reads the text.
pub(super) fn value(file: &Path, text: &str) -> Result<Value, SeedFault> {
    if file.extension().is_some_and(|extension| extension == "json") {
        return body::strict(text.as_bytes()).map_err(|error| {
            let what = if error.is_data() { "an object names one member twice" } else { "is not JSON" };
            fault(file, Some(error.line()), what.to_owned())
        });
    }
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        fault(file, line, format!("is not TOML: {}", error.message().replace('\n', ", ")))
    })?;
    Ok(json(toml::Value::Table(table)))
}

fn fault(file: &Path, line: Option<usize>, detail: String) -> SeedFault {
    SeedFault { source: place(file, line), path: String::new(), detail, hint: None }
}

/// The file, with the line where that is known.
pub(super) fn place(file: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", file.display()),
        None => file.display().to_string(),
    }
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Number(number.into()),
        // What is no number in JSON is a fault of whichever field it stands in.
        toml::Value::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect()),
        toml::Value::Table(members) => Value::Object(
            members.into_iter().map(|(name, member)| (name, json(member))).collect::<Map<_, _>>(),
        ),
    }
}

/// The lines of the members of one entry.
type Members = BTreeMap<Spanned<String>, IgnoredAny>;

/// Where the entries' members stand; empty where that cannot be told.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<String, Vec<BTreeMap<String, usize>>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spans {
    #[serde(default)]
    workspaces: Vec<Members>,
    #[serde(default)]
    webhook_keys: Vec<Members>,
    #[serde(default)]
    integrations: Vec<Members>,
}

impl Lines {
    /// The lines of a TOML text that was read before.
    pub(super) fn of(file: &Path, text: &str) -> Self {
        if file.extension().is_some_and(|extension| extension == "json") {
            return Self::default();
        }
        let Ok(spans) = toml::from_str::<Spans>(text) else { return Self::default() };
        // Where each line ends, so that a long file is walked once and not for every member.
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let lines = |entries: Vec<Members>| -> Vec<BTreeMap<String, usize>> {
            let members = |members: Members| {
                members
                    .into_keys()
                    .map(|name| {
                        let start = name.span().start;
                        let line = ends.partition_point(|end| *end < start) + 1;
                        (name.into_inner(), line)
                    })
                    .collect()
            };
            entries.into_iter().map(members).collect()
        };
        Self(BTreeMap::from([
            ("workspaces".to_owned(), lines(spans.workspaces)),
            ("webhookKeys".to_owned(), lines(spans.webhook_keys)),
            ("integrations".to_owned(), lines(spans.integrations)),
        ]))
    }

    /// The line of a member of an entry, or else of the entry's first.
    pub(super) fn find(&self, list: &str, index: usize, member: &str) -> Option<usize> {
        let entry = self.0.get(list)?.get(index)?;
        entry.get(member).or_else(|| entry.values().min()).copied()
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
