//! What is wrong with a configuration, in words for the operator who wrote it.
//!
//! Not an error that a caller handles case by case: every fault ends the start. Invariants: faults are
//! collected, never returned one at a time; a shown value is short and carries no password; the value of
//! an unknown key is not shown at all, because it may be a secret in the wrong place.

use std::fmt;

use figment::value::Value;

/// The longest value that a fault repeats, in characters.
const SHOWN: usize = 60;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `routes[2].verify[0]`, `limits.max_body`, or `config.toml:3:14` for a syntax error.
    pub path: String,
    /// What stands there, shortened and masked; `None` where nothing does or it is not to be shown.
    pub value: Option<String>,
    /// What was expected instead.
    pub expected: String,
    /// How to put it right, where that is known.
    pub hint: Option<String>,
    /// Who said so: `config.toml`, `environment variable COUNTERSIGN_…`, `--upstream`, `default`.
    pub source: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": expected {}", self.expected)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        Ok(())
    }
}

/// Everything that is wrong. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        write!(f, "{count} {noun} in the configuration:")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// What a value should have been; becomes a [`Fault`] once its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) text: String,
    pub(super) hint: Option<String>,
}

impl Expected {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A value as a fault may show it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{:?}", shortened(&masked(text))),
        Value::Char(_, character) => format!("{character:?}"),
        Value::Bool(_, value) => value.to_string(),
        Value::Num(_, number) => number
            .to_i128()
            .map(|integer| integer.to_string())
            .or_else(|| number.to_f64().map(|float| float.to_string()))
            .unwrap_or_else(|| "a number".to_owned()),
        Value::Dict(..) => "a table".to_owned(),
        Value::Array(..) => "a list".to_owned(),
        Value::Empty(..) => "nothing".to_owned(),
    }
}

/// Hides what may be a password: everything between a scheme and the last `@`, and any query.
fn masked(text: &str) -> String {
    let (scheme, rest) = text.find("://").map_or(("", text), |at| text.split_at(at + 3));
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("***@", rest));
    match rest.split_once('?') {
        Some((rest, query)) if !query.is_empty() && !scheme.is_empty() => format!("{scheme}{user}{rest}?***"),
        _ => format!("{scheme}{user}{rest}"),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain("...".chars()).collect()
}

/// The candidate that a slip of the hand most likely meant.
pub(super) fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let within = if word.len() <= 3 { 1 } else { 2 };
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= within)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insertions, deletions and substitutions; `-` and `_` count as equal.
fn distance(from: &str, to: &str) -> usize {
    let normal = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    let (from, to) = (normal(from), normal(to));
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(to.chars()) {
            let above = *cell;
            let substituted = diagonal + usize::from(left != right);
            *cell = substituted.min(above + 1).min(before + 1);
            diagonal = above;
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{closest, distance, masked};

    #[test]
    fn passwords_in_urls_are_not_repeated() {
        assert_eq!(masked("http://user:p@ss/w@host/a?token=x"), "http://***@host/a?***");
        assert_eq!(masked("user:pw@host"), "***@host");
        assert_eq!(masked("http://host:80"), "http://host:80");
    }

    #[test]
    fn a_slip_of_the_hand_is_recognised() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(closest("adress", ["address", "threads"].into_iter()), Some("address"));
        assert_eq!(closest("max-body", ["max_body"].into_iter()), Some("max_body"));
        assert_eq!(closest("colour", ["address"].into_iter()), None);
    }
}
