//! The layers of a configuration, and their order: defaults < file < environment < command line.
//!
//! Not the meaning of any option. Invariants: a later layer wins key by key, lists are replaced as a
//! whole (so a file's routes replace the default ones); each value remembers which layer gave it; a file
//! that cannot be read or parsed is a fault with its line and column, and the other layers are still read.

use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::fault::Fault;
use super::{Sources, env};
use crate::secret::Secret;

/// The defaults: every option with its unit, default, bounds and reason.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The source of what nobody set.
pub(super) const DEFAULT: &str = "default";

/// Metadata name of layers whose values are all text, so that numbers and lists are parsed out of it.
pub(super) const TEXTUAL: &str = "text";

/// The layers on top of each other.
pub(super) struct Stack {
    pub(super) figment: Figment,
    pub(super) faults: Vec<Fault>,
    pub(super) ignored_env: Vec<String>,
    pub(super) admin_token: Option<Secret>,
    /// Whether every layer could be read: otherwise an option that is missing may stand in the one that
    /// could not.
    pub(super) complete: bool,
}

/// One layer, already parsed.
struct Layer {
    metadata: Metadata,
    dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

/// Reads every source.
pub(super) fn stack(sources: &Sources) -> Stack {
    let mut faults = Vec::new();
    let mut complete = true;
    let mut figment = Figment::new();
    let mut files = vec![toml_layer(DEFAULT, DEFAULTS)];
    if let Some(path) = &sources.file {
        files.push(file_layer(path));
    }
    for layer in files {
        match layer {
            Ok(layer) => figment = figment.merge(layer),
            Err(fault) => {
                complete = false;
                faults.push(fault);
            }
        }
    }
    let sorted = env::sort(&sources.env);
    for (name, path, value) in sorted.options {
        figment = figment.merge(text_layer(format!("environment variable {name}"), &path, value));
    }
    for (option, value) in &sources.overrides {
        let path: Vec<String> = option.split('.').map(str::to_owned).collect();
        figment = figment.merge(text_layer(flag(option), &path, value.clone()));
    }
    faults.extend(sorted.faults);
    Stack { figment, faults, ignored_env: sorted.ignored, admin_token: sorted.admin_token, complete }
}

/// The flag that overrides an option.
fn flag(option: &str) -> String {
    match option {
        "upstream.url" => "--upstream".to_owned(),
        "listener.address" => "--listener".to_owned(),
        "admin.address" => "--admin".to_owned(),
        "ops.address" => "--ops".to_owned(),
        "role" => "--role".to_owned(),
        _ => "command line".to_owned(),
    }
}

fn file_layer(path: &Path) -> Result<Layer, Fault> {
    let source = path.display().to_string();
    let text = std::fs::read(path).map_err(|error| Fault {
        path: source.clone(),
        value: None,
        expected: "a configuration file that can be read".to_owned(),
        hint: Some(error.to_string()),
        source: Some("--config".to_owned()),
    })?;
    let text = String::from_utf8(text).map_err(|_| Fault {
        path: source.clone(),
        value: None,
        expected: "TOML, which is UTF-8".to_owned(),
        hint: None,
        source: Some("--config".to_owned()),
    })?;
    toml_layer(&source, &text)
}

fn toml_layer(source: &str, text: &str) -> Result<Layer, Fault> {
    let fault = |path: String, hint: String| Fault {
        path,
        value: None,
        expected: "valid TOML".to_owned(),
        hint: Some(hint),
        source: None,
    };
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let (line, column) = position(text, error.span().map_or(text.len(), |span| span.start));
        // The message, not the error's own form: that one repeats the line, which may hold a secret.
        fault(format!("{source}:{line}:{column}"), error.message().replace('\n', ", "))
    })?;
    let value = Value::serialize(table).map_err(|error| fault(source.to_owned(), error.to_string()))?;
    let dict = value.into_dict().unwrap_or_default();
    Ok(Layer { metadata: Metadata::from("file", source), dict })
}

/// Line and column, from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before: String = text.char_indices().take_while(|(at, _)| *at < offset).map(|(_, c)| c).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// A layer that says one thing, as text.
fn text_layer(source: String, path: &[String], text: String) -> Layer {
    let nested = path
        .iter()
        .rev()
        .fold(Value::from(text), |inner, key| Value::from(Dict::from([(key.clone(), inner)])));
    Layer { metadata: Metadata::from(TEXTUAL, source), dict: nested.into_dict().unwrap_or_default() }
}
