//! The routes of a config file, each checked by itself; `cross.rs` checks them against each other.
//!
//! Not the matching (`proxy/route`). Invariants: `verify` has no default, so that nothing is open by
//! omission; a faulty route keeps its index, so that faults name the place in the file.

use std::time::Duration;

use figment::value::Value;
use http::Method;

use super::fault::Expected;
use super::reader::{Raw, Reader, Section};
use super::units::{self, GIB, HOUR};
use crate::proxy::route::{CredentialKind, Pattern, Route, Verify};

const VERIFY: &str = "\"none\", or a list of \"integration\", \"signature\", \"api-key\"";

/// Reads every route; gives the usable ones with their places in the list.
pub(super) fn check(reader: &Reader, root: &mut Section<'_>) -> Vec<(usize, Route)> {
    let Some(value) = root.take("routes") else { return Vec::new() };
    let Value::Array(_, items) = value else {
        reader.judge("routes", &value, |_| -> Result<(), Expected> {
            Err(Expected::new("a list of tables, [[routes]]").hint("routes are set in the config file only"))
        });
        return Vec::new();
    };
    if items.is_empty() {
        reader.fault(
            "routes",
            "at least one route",
            Some("without routes, every request gets 404".to_owned()),
        );
    }
    let routes = items.into_iter().enumerate();
    routes.filter_map(|(index, item)| Some((index, route(reader, index, item)?))).collect()
}

fn route(reader: &Reader, index: usize, item: Value) -> Option<Route> {
    let mut section = Section::of(reader, format!("routes[{index}]"), Some(item));
    let name = section.required("name", units::name);
    let raw = section.optional("path_mode", units::word(&[("segments", false), ("raw", true)]));
    let raw = raw.unwrap_or(false);
    let pattern = section.required("path", |text| pattern(text, raw));
    let methods = methods(reader, &mut section);
    let kinds = kinds(reader, &mut section);
    let require = section.optional("require", units::word(&[("any", false), ("all", true)]));
    let bearer = section.optional("bearer", units::boolean);
    let max_body = section.optional("max_body", units::bytes(1..=GIB));
    let websocket = section.optional("websocket", units::boolean);
    let timeout = section.optional("timeout", units::duration(Duration::from_millis(10)..=HOUR));
    let places = ["path", "require", "bearer"].map(|key| section.place(key));
    section.finish();

    let [path_place, require_place, bearer_place] = places;
    let (pattern, kinds) = (pattern?, kinds?);
    let takes = |kind| kinds.contains(&kind);
    if takes(CredentialKind::Integration) && !pattern.has_integration() {
        let expected = "\"{integration}\" as a segment, because the route verifies \"integration\"";
        reader.fault(&path_place, expected, None);
    }
    if require == Some(true) && kinds.len() < 2 {
        reader.fault(&require_place, "\"any\", because there is at most one kind to require", None);
    }
    if bearer == Some(true) && !takes(CredentialKind::ApiKey) {
        reader.fault(&bearer_place, "false, because the route does not verify \"api-key\"", None);
    }
    let verify = match kinds.is_empty() {
        true => Verify::None,
        false => Verify::Kinds { kinds, all: require.unwrap_or(false) },
    };
    Some(Route {
        name: name?,
        pattern,
        methods: methods?,
        verify,
        bearer: bearer.unwrap_or(false),
        max_body,
        timeout,
        websocket: websocket.unwrap_or(false),
    })
}

fn pattern(text: &Raw<'_>, raw: bool) -> Result<Pattern, Expected> {
    let text = text.text().unwrap_or_default();
    let parsed = if raw { Pattern::parse_raw(text) } else { Pattern::parse(text) };
    parsed.map_err(|fault| Expected::new(fault.to_string()))
}

/// The methods: `Some(None)` = every one, `None` = faulty.
fn methods(reader: &Reader, section: &mut Section<'_>) -> Option<Option<Vec<Method>>> {
    let Some(value) = section.take("methods") else { return Some(None) };
    let place = section.place("methods");
    let methods =
        reader.judge_list(&place, &value, "a list of methods, such as [\"GET\", \"POST\"]", method)?;
    distinct(reader, &place, &methods)?;
    if methods.is_empty() {
        reader.fault(
            &place,
            "at least one method",
            Some("leave the option out to take every one".to_owned()),
        );
        return None;
    }
    Some(Some(methods))
}

fn method(raw: &Raw<'_>) -> Result<Method, Expected> {
    let text = raw.text().unwrap_or_default();
    let expected = || Expected::new("a method in upper case, such as \"POST\"");
    if matches!(text, "CONNECT" | "TRACE") {
        return Err(Expected::new("a method other than CONNECT and TRACE, which are always refused"));
    }
    // Methods are case-sensitive (RFC 9110 §9.1): `post` would match nothing that anybody sends.
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(expected().hint(format!("did you mean \"{}\"?", text.to_ascii_uppercase())));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| expected())
}

/// The kinds of credential; empty = `"none"`, `None` = faulty.
fn kinds(reader: &Reader, section: &mut Section<'_>) -> Option<Vec<CredentialKind>> {
    let Some(value) = section.take("verify") else {
        section.missing("verify");
        return None;
    };
    let place = section.place("verify");
    if let Some(text) = value.as_str().filter(|text| !text.trim_start().starts_with('[')) {
        let hint = CredentialKind::from_name(text).map(|kind| format!("write [\"{}\"]", kind.name()));
        return reader.judge(&place, &value, |_| match (text, &hint) {
            ("none", _) => Ok(Vec::new()),
            (_, Some(hint)) => Err(Expected::new(VERIFY).hint(hint.clone())),
            _ => Err(Expected::new(VERIFY)),
        });
    }
    let kinds = reader.judge_list(&place, &value, VERIFY, kind)?;
    distinct(reader, &place, &kinds)?;
    if kinds.is_empty() {
        reader.fault(&place, VERIFY, Some("an open route says verify = \"none\"".to_owned()));
        return None;
    }
    Some(kinds)
}

fn kind(raw: &Raw<'_>) -> Result<CredentialKind, Expected> {
    if raw.text() == Some("none") {
        let hint = "\"none\" stands alone: verify = \"none\"";
        return Err(Expected::new("\"integration\", \"signature\" or \"api-key\"").hint(hint));
    }
    units::word(&[
        ("integration", CredentialKind::Integration),
        ("signature", CredentialKind::Signature),
        ("api-key", CredentialKind::ApiKey),
    ])(raw)
}

/// Records the first item that occurs twice.
fn distinct<T: PartialEq>(reader: &Reader, place: &str, items: &[T]) -> Option<()> {
    let again =
        items.iter().enumerate().find(|(index, item)| items.iter().take(*index).any(|one| one == *item));
    match again {
        Some((index, _)) => {
            reader.fault(&format!("{place}[{index}]"), "each item once", None);
            None
        }
        None => Some(()),
    }
}
