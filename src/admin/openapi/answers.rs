//! Answers: what is given, and every refusal.
//!
//! Invariant: an operation names each status that it can be answered with, those of the layers before it included.

use http::Method;
use serde_json::{Map, Value, json};

use super::links;
use super::operations::{DESCRIBED, Described, Gives, Takes};
use crate::admin::operations::{Operation, Permission};

/// Refusals: status, slug of the type, title, an example of the detail, when.
const REFUSALS: &[(u16, &str, &str, &str, &str)] = &[
    (
        400,
        "malformed",
        "Malformed request",
        "it is not JSON, at line 1 column 2",
        "Not JSON, a member named twice, a query that is not UTF-8, an Idempotency-Key that is none, not exactly one Host.",
    ),
    (
        401,
        "unauthenticated",
        "Admin token required",
        "send Authorization: Bearer <admin token>",
        "Not exactly one bearer token, or one that is nobody's.",
    ),
    (
        403,
        "forbidden",
        "Not allowed",
        "your role, auditor, may not do this; it takes platform-admin",
        "A role that may not, or a web page of another site.",
    ),
    (404, "not-found", "Not found", "there is no such workspace", "No such record."),
    (
        408,
        "timeout",
        "Body too slow",
        "the body did not arrive in time",
        "A body that takes longer than 30 s.",
    ),
    (
        409,
        "conflict",
        "Conflict",
        "another record has this name",
        "A name that is taken; a rotation inside the overlap of the last one, or at the same time as another; a record that was changed meanwhile, or is the seed file's.",
    ),
    (
        412,
        "changed",
        "Changed meanwhile",
        "the record is at revision 2; read it again before changing it",
        "If-Match names another revision.",
    ),
    (413, "too-large", "Body too large", "a body has at most 65536 bytes", "A body of more than 64 KiB."),
    (
        415,
        "media-type",
        "Unsupported media type",
        "send Content-Type: application/json",
        "Another Content-Type than application/json, or a Content-Encoding.",
    ),
    (
        421,
        "misdirected",
        "Another host",
        "this is not the host that Host names; a name is allowed by admin.hosts",
        "A Host that is not this port's.",
    ),
    (
        422,
        "invalid",
        "Fields are not valid",
        "one field is not as it should be; see errors",
        "Fields or parameters; errors names each. An Idempotency-Key that came with another request.",
    ),
    (
        429,
        "too-many-logins",
        "Too many wrong tokens",
        "too many wrong tokens came from this address; try again after Retry-After",
        "Too many wrong tokens from this address.",
    ),
    (
        503,
        "unavailable",
        "Not available",
        "the store has not been heard of lately; keys cannot be read or changed",
        "A fault of ours. Try again after Retry-After; a create or a rotation with the same Idempotency-Key.",
    ),
];

/// Headers of answers.
pub(super) fn headers() -> Value {
    let header = |words: &str| json!({ "description": words, "schema": { "type": "string" } });
    json!({
        "Countersign-Request-Id": header("Id of the request; an audit event names it."),
        "ETag": header("The record's revision, for If-Match."),
        "Location": header("Path of the record that was made."),
        "Link": header("The next page, where there is one: rel=\"next\" (RFC 8288)."),
        "Idempotency-Replayed": header("`true`: the answer to the same request, given before."),
        "Retry-After": header("Seconds."),
        "WWW-Authenticate": header("Bearer."),
    })
}

/// The refusals, by status.
pub(super) fn refusals() -> Map<String, Value> {
    let refusal = |(status, slug, title, detail, when): &(u16, &str, &str, &str, &str)| {
        let more: &[&str] = match status {
            401 => &["WWW-Authenticate"],
            429 | 503 => &["Retry-After"],
            _ => &[],
        };
        let mut example = json!({
            "type": format!("urn:countersign:problem:{slug}"), "title": title, "status": status, "detail": detail,
            "instance": "urn:uuid:019b76da-a800-7000-8000-00000000000a",
        });
        if let (422, Some(example)) = (status, example.as_object_mut()) {
            let fault = json!({ "pointer": "/name", "code": "required", "detail": "name is required" });
            example.insert("errors".to_owned(), json!([fault]));
        }
        let media = json!({ "schema": { "$ref": "#/components/schemas/Problem" }, "example": example });
        let stated = json!({
            "description": when, "headers": named(more), "content": { "application/problem+json": media },
        });
        (status.to_string(), stated)
    };
    REFUSALS.iter().map(refusal).collect()
}

/// The answers of an operation, by status.
pub(super) fn of(operation: &Operation, described: &Described, schemas: &Map<String, Value>) -> Value {
    let (status, mut answers) = (success(described.gives), Map::new());
    let mut given = given(described.gives, schemas);
    if let (Some(given), Some(links)) = (given.as_object_mut(), links::of(described, DESCRIBED)) {
        given.insert("links".to_owned(), links);
    }
    answers.insert(status.to_string(), given);
    for status in refused(operation, described) {
        answers.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{status}") }));
    }
    Value::Object(answers)
}

/// A body of this schema, with its example.
pub(super) fn media(name: &str, schemas: &Map<String, Value>) -> Value {
    let example = schemas.get(name).and_then(|schema| schema.pointer("/examples/0"));
    json!({ "schema": reference(name), "example": example })
}

fn success(gives: Gives) -> u16 {
    match gives {
        Gives::Made(_) => 201,
        Gives::Gone => 204,
        _ => 200,
    }
}

fn given(gives: Gives, schemas: &Map<String, Value>) -> Value {
    let json_of = |media: Value| json!({ "application/json": media });
    let (words, more, content): (&str, &[&str], Value) = match gives {
        Gives::Gone => return json!({ "description": "Gone.", "headers": named(&[]) }),
        Gives::Document(media) => ("The document.", &[], json!({ media: { "schema": {} } })),
        Gives::Page(names, _) => ("A page.", &["Link"], json_of(page(names, schemas))),
        Gives::Plain(name, _) | Gives::Done(name) => ("As it stands.", &[], json_of(media(name, schemas))),
        Gives::Record(name) => ("The record.", &["ETag"], json_of(media(name, schemas))),
        Gives::Changed(name) => ("The record, as it is now.", &["ETag"], json_of(media(name, schemas))),
        Gives::Rotated(name) => (
            "The record, and its new values this once.",
            &["ETag", "Idempotency-Replayed"],
            json_of(media(name, schemas)),
        ),
        Gives::Made(name) => (
            "It was made; secrets are shown this once.",
            &["ETag", "Location", "Idempotency-Replayed"],
            json_of(media(name, schemas)),
        ),
    };
    json!({ "description": words, "headers": named(more), "content": content })
}

/// A page of items of these schemas; of records, some may be damaged.
fn page(names: &[&str], schemas: &Map<String, Value>) -> Value {
    let damaged = (names.len() == 1).then_some("Damaged");
    let items: Vec<Value> = names.iter().copied().chain(damaged).map(reference).collect();
    let example = names.first().and_then(|name| schemas.get(*name)?.pointer("/examples/0"));
    json!({
        "schema": {
            "type": "object",
            "required": ["items", "nextCursor"],
            "properties": {
                "items": { "type": "array", "items": { "anyOf": items } },
                "nextCursor": { "type": ["string", "null"] },
            },
            "additionalProperties": false,
        },
        "example": { "items": [example], "nextCursor": null },
    })
}

fn refused(operation: &Operation, described: &Described) -> Vec<u16> {
    if operation.permission == Permission::Public {
        return vec![400, 421];
    }
    let mut refused = vec![400, 401, 403, 421, 422, 429, 503];
    if operation.path.contains('{') {
        refused.push(404);
    }
    if described.takes != Takes::Nothing {
        refused.extend([408, 413, 415]);
    }
    if operation.method != Method::GET || described.id == "verifyAuditEvents" {
        refused.push(409);
    }
    if matches!(described.gives, Gives::Changed(_) | Gives::Rotated(_) | Gives::Gone) {
        refused.push(412);
    }
    refused.sort_unstable();
    refused
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn named(headers: &[&str]) -> Value {
    let all = ["Countersign-Request-Id"].into_iter().chain(headers.iter().copied());
    all.map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })))
        .collect::<Map<String, Value>>()
        .into()
}
