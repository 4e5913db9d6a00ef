//! Records as text: a table of many, lines of one, and secrets that are shown once.
//!
//! Fields have the names that the API gives them. The same text on a terminal and in a pipe; for programs there is
//! `--json`. Invariant: secrets stand apart, after everything else, on standard output; the note about them goes to
//! standard error.

use serde_json::{Map, Value};

use crate::cli::check::aligned;

/// Fields that are shown once.
const SECRETS: [&str; 4] = ["apiKey", "secret", "webhookSecret", "token"];

/// A table of records, one a line.
pub(in crate::cli) fn table<const N: usize>(list: &Value, columns: [&str; N]) -> String {
    let row = |item: &Value| columns.map(|column| of(item, column));
    let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
    let rows: Vec<[String; N]> = std::iter::once(columns.map(str::to_owned)).chain(items.map(row)).collect();
    flush(&aligned(&rows))
}

/// The fields of a record, one a line: these first, then the rest, without secrets.
pub(in crate::cli) fn record(record: &Value, first: &[&str]) -> String {
    let nothing = Map::new();
    let fields = record.as_object().unwrap_or(&nothing);
    let ahead = first.iter().copied().filter(|name| fields.contains_key(*name));
    let rest = fields.keys().map(String::as_str).filter(|name| !first.contains(name));
    let shown = |name: &&str| !SECRETS.contains(name) && *name != "warning";
    let rows: Vec<[String; 2]> =
        ahead.chain(rest).filter(shown).map(|name| [name.to_owned(), of(record, name)]).collect();
    flush(&aligned(&rows))
}

/// These fields of a record, where they are set, one a line: enough to see what a change came to.
pub(in crate::cli) fn brief(record: &Value, fields: &[&str]) -> String {
    let set = fields.iter().copied().filter(|name| record.get(*name).is_some_and(|value| !value.is_null()));
    let rows: Vec<[String; 2]> = set.map(|name| [name.to_owned(), of(record, name)]).collect();
    flush(&aligned(&rows))
}

/// The secrets of an answer, one a line; empty where there are none.
pub(in crate::cli) fn secrets(answer: &Value) -> String {
    let rows: Vec<[String; 2]> = SECRETS
        .into_iter()
        .filter_map(|name| Some([name.to_owned(), answer.get(name)?.as_str()?.to_owned()]))
        .collect();
    flush(&aligned(&rows))
}

/// The note of an answer, for standard error.
pub(in crate::cli) fn note(answer: &Value) {
    if let Some(warning) = answer.get("warning").and_then(Value::as_str) {
        crate::cli::complain(warning);
    }
}

/// Without the indentation that other commands give their tables.
fn flush(lines: &[String]) -> String {
    lines.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join("\n")
}

fn of(record: &Value, name: &str) -> String {
    match (record.get(name), record.get("damaged")) {
        (None, Some(Value::Bool(true))) if name == "name" => "(damaged)".to_owned(),
        (value, _) => cell(value.unwrap_or(&Value::Null)),
    }
}

/// A value as one word or a few.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(fields) => {
            let said = fields.iter().filter(|(_, value)| !value.is_null());
            said.map(|(name, value)| format!("{name}={}", cell(value))).collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{brief, record, secrets, table};

    #[test]
    fn columns_are_aligned_and_what_is_absent_is_a_dash() {
        let list = json!({"items": [
            {"id": "1", "name": "long name", "isActive": true},
            {"id": "22", "damaged": true},
        ]});
        let text = "id  name       isActive\n1   long name  yes\n22  (damaged)  -";
        assert_eq!(table(&list, ["id", "name", "isActive"]), text);
    }

    #[test]
    fn secrets_stand_apart() {
        let answer = json!({"name": "n", "id": "1", "secret": "s3cret", "warning": "once",
            "previous": {"until": "t", "lastUsedAt": null}, "routes": ["a", "b"]});
        assert_eq!(record(&answer, &["id"]), "id        1\nname      n\nprevious  until=t\nroutes    a,b");
        assert_eq!(brief(&answer, &["id", "expiresAt", "name"]), "id    1\nname  n");
        assert_eq!(secrets(&answer), "secret  s3cret");
    }
}
