//! Parameters: in the path, in the query, in headers.

use serde_json::{Map, Value, json};

use super::operations::Gives;
use crate::deliveries::Outcome;

/// All of them, by the names under which they are referred to.
pub(super) fn all() -> Map<String, Value> {
    let id = json!({ "type": "string", "format": "uuid" });
    let text = json!({ "type": "string" });
    let time = json!({ "type": "string", "format": "date-time" });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 });
    let key = json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" });
    let head = json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" });
    let outcome = json!({ "type": "string", "enum": Outcome::ALL.map(Outcome::name) });
    let parameters = [
        ("workspace", "path", &id, "Id of a workspace."),
        ("key", "path", &id, "Id of a webhook key."),
        ("integration", "path", &text, "Id or name of an integration."),
        ("admin", "path", &id, "Id of an admin."),
        ("scheme", "path", &text, "Name of a preset."),
        (
            "delivery",
            "path",
            &id,
            "Id of a delivery: the Countersign-Request-Id of the answer that the sender got.",
        ),
        ("outcome", "query", &outcome, "With this outcome only."),
        ("reason", "query", &text, "Refused for this reason only: `mismatch`, `absent` …"),
        (
            "integration.query",
            "query",
            &text,
            "On this integration only: its name, or its id where it is deleted.",
        ),
        ("limit", "query", &limit, "Items of a page at most."),
        ("cursor", "query", &text, "nextCursor of the page before."),
        ("workspaceId", "query", &id, "Of this workspace only."),
        ("resourceType", "query", &text, "About this kind only: `workspace`, `webhook-key` …"),
        ("resourceId", "query", &id, "About this record only."),
        ("actor", "query", &text, "By this actor only: a name, or an admin's id."),
        ("action", "query", &text, "This action only: `integration.created` …"),
        ("since", "query", &time, "Not before this time."),
        ("until", "query", &time, "Not after this time."),
        ("head", "query", &head, "A head that was noted earlier, to be looked for."),
        ("If-Match", "header", &text, "ETag of the record as it was seen; 412 where it is another by now."),
        (
            "Idempotency-Key",
            "header",
            &key,
            "New for each request. The same request with the same key, within ten minutes, is made once and answered again.",
        ),
    ];
    let parameter = |(name, place, schema, words): (&str, &str, &Value, &str)| {
        // What is a parameter of paths too has another name here.
        let own = name.strip_suffix(".query").unwrap_or(name);
        let stated = json!({
            "name": own, "in": place, "required": place == "path", "description": words, "schema": schema,
        });
        (name.to_owned(), stated)
    };
    parameters.into_iter().map(parameter).collect()
}

/// Those of an operation.
pub(super) fn of(path: &str, gives: Gives) -> Vec<Value> {
    let named = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let more: &[&[&str]] = match gives {
        Gives::Page(_, filters) => &[&["limit", "cursor"], filters],
        Gives::Plain(_, parameters) => &[parameters],
        Gives::Changed(_) | Gives::Gone => &[&["If-Match"]],
        Gives::Rotated(_) => &[&["If-Match", "Idempotency-Key"]],
        Gives::Made(_) => &[&["Idempotency-Key"]],
        Gives::Record(_) | Gives::Done(_) | Gives::Document(_) => &[],
    };
    let names = named.chain(more.iter().copied().flatten().copied());
    names.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })).collect()
}
