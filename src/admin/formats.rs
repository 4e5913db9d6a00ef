//! The rules of single values: names, times, address ranges, numbers.
//!
//! Not which record has which field. Pure: a JSON value in, a checked value or what is wrong with it out.
//! Invariant: no text repeats the value. Times are RFC 3339, in UTC with milliseconds when written.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::client;
use crate::clock::UnixMillis;

/// Entries of a list of addresses or routes.
const ENTRIES: usize = 256;
/// Characters of a name for people.
const NAME: usize = 120;

/// What is wrong with a value, or with a part of it.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Pointer below the field: empty, or `/0`.
    pub(super) at: String,
    /// From a closed set: `type`, `format`, `range`, `unknown`, `empty` …
    pub(super) code: &'static str,
    /// For people.
    pub(super) detail: String,
}

/// A checked value, or every fault of it.
pub(super) type Checked<T> = Result<T, Vec<Wrong>>;

/// One fault of the whole value.
pub(super) fn wrong<T>(code: &'static str, detail: impl Into<String>) -> Checked<T> {
    Err(vec![Wrong { at: String::new(), code, detail: detail.into() }])
}

/// `true` or `false`.
pub(super) fn boolean(value: Value) -> Checked<bool> {
    value.as_bool().map_or_else(|| wrong("type", "must be true or false"), Ok)
}

/// Any text.
pub(super) fn text(value: Value) -> Checked<String> {
    match value {
        Value::String(text) => Ok(text),
        _ => wrong("type", "must be a string"),
    }
}

/// A whole number of a range.
pub(super) fn integer(range: RangeInclusive<u32>) -> impl FnOnce(Value) -> Checked<u32> {
    move |value| {
        let (low, high) = (range.start(), range.end());
        let Value::Number(number) = value else { return wrong("type", "must be a whole number") };
        if number.is_f64() {
            return wrong("type", "must be a whole number");
        }
        match number.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) if range.contains(&number) => Ok(number),
            _ => wrong("range", format!("must be from {low} to {high}")),
        }
    }
}

/// A name for people: trimmed, NFC, 1 to 120 characters, no control characters.
pub(super) fn display_name(value: Value) -> Checked<String> {
    let name: String = text(value)?.trim().nfc().collect();
    match name.chars().count() {
        0 => wrong("empty", "must have at least one character besides spaces"),
        count if count > NAME => wrong("range", format!("must have at most {NAME} characters")),
        _ if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) => {
            wrong("format", "must not contain control characters or line breaks")
        }
        _ => Ok(name),
    }
}

/// A name that can stand in a path: `[a-z0-9][a-z0-9_-]{0,62}`, and no id.
pub(super) fn path_name(value: Value) -> Checked<String> {
    let name = text(value)?;
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if !first || !rest || name.len() > 63 {
        return wrong("format", "must be 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit");
    }
    if id(&name).is_some() {
        return wrong("format", "must not have the form of an id: paths take either");
    }
    Ok(name)
}

/// The id in a text of the usual form; the other forms that UUIDs have are not ids here.
pub(super) fn id(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

/// An id as a field.
pub(super) fn id_field(value: Value) -> Checked<Uuid> {
    id(&text(value)?).map_or_else(|| wrong("format", "must be a UUID"), Ok)
}

/// Ids of other records; `instead` is what to send for none.
pub(super) fn ids(instead: &'static str) -> impl FnOnce(Value) -> Checked<BTreeSet<Uuid>> {
    move |value| {
        let parse = |text: String| id(&text).map_or_else(|| wrong("format", "must be a UUID"), Ok);
        list(value, instead, parse).map(BTreeSet::from_iter)
    }
}

/// One of a closed set of words.
pub(super) fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl FnOnce(Value) -> Checked<T> {
    move |value| {
        let text = text(value)?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                wrong("unknown", format!("must be one of {}", words.join(", ")))
            }
        }
    }
}

/// A time, RFC 3339.
pub(super) fn time(value: Value) -> Checked<UnixMillis> {
    let parsed = OffsetDateTime::parse(&text(value)?, &Rfc3339).ok();
    let millis = parsed.and_then(|time| i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
    match millis {
        Some(millis) => Ok(UnixMillis(millis)),
        None => wrong("format", "must be a time as in RFC 3339: 2030-01-31T12:00:00Z"),
    }
}

/// Address ranges or single addresses; an empty list would admit nobody and is refused.
pub(super) fn address_ranges(value: Value) -> Checked<Vec<IpNet>> {
    let mut ranges = list(value, "null to allow every address", |text| match client::network(&text) {
        Some(range) => Ok(range),
        None => wrong("format", "must be an address or a CIDR range: 192.0.2.0/24, 2001:db8::1"),
    })?;
    ranges.sort_unstable();
    ranges.dedup();
    Ok(ranges)
}

/// Names out of those that exist.
pub(super) fn names_of(existing: &[String]) -> impl FnOnce(Value) -> Checked<Vec<String>> + '_ {
    move |value| {
        let mut names = list(value, "null to allow every route", |name| {
            if existing.contains(&name) {
                return Ok(name);
            }
            wrong("unknown", format!("must be one of the configured routes: {}", existing.join(", ")))
        })?;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

fn list<T>(value: Value, instead: &str, mut parse: impl FnMut(String) -> Checked<T>) -> Checked<Vec<T>> {
    let Value::Array(items) = value else { return wrong("type", "must be a list of strings") };
    if items.is_empty() {
        return wrong("empty", format!("must not be empty; send {instead}"));
    }
    if items.len() > ENTRIES {
        return wrong("range", format!("must have at most {ENTRIES} entries"));
    }
    let mut parsed = Vec::with_capacity(items.len());
    let mut wrongs = Vec::new();
    for (place, item) in items.into_iter().enumerate() {
        match text(item).and_then(&mut parse) {
            Ok(item) => parsed.push(item),
            Err(found) => wrongs.extend(
                found.into_iter().map(|wrong| Wrong { at: format!("/{place}{}", wrong.at), ..wrong }),
            ),
        }
    }
    if wrongs.is_empty() { Ok(parsed) } else { Err(wrongs) }
}

/// A time as answers show it: UTC, milliseconds, `Z`.
pub(super) fn shown_time(time: UnixMillis) -> String {
    time.rfc3339()
}
