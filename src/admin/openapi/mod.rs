//! The description of the API: `/openapi.json` (OpenAPI 3.1), and `/docs`, made of the same document.
//!
//! Not the API: what an operation does, and who may ask, is said where it is made. Assembled once, from the table of
//! operations, the table of what they take and give (`operations.rs`) and the schemas (`schemas/`). Invariants: every
//! operation of the router is in it; nothing of this sidecar's state is, so that it can be public; the page loads
//! nothing and runs nothing.

mod answers;
mod links;
mod operations;
mod page;
mod parameters;
mod schemas;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::operations::{OPERATIONS, Operation, Permission};
use crate::keys::record::AdminRole;
use operations::{Described, Takes, described};

static DOCUMENT: LazyLock<Value> = LazyLock::new(assembled);
static JSON: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
static PAGE: LazyLock<page::Page> = LazyLock::new(|| page::Page::of(&DOCUMENT));

/// What a reader should know first.
const DESCRIPTION: &str = "Workspaces, webhook keys, integrations and admins of Countersign. Bodies are one JSON object of at most \
    64 KiB; members that are not listed, or occur twice, are refused. Refusals are problem details (RFC 9457) that name \
    every fault at once. Records carry an ETag; send it as If-Match with a change. Send an Idempotency-Key with a create or a \
    rotation, and the same request again where its outcome is unknown. A secret is in the answer that made it and nowhere \
    else.";

/// `GET /openapi.json`
pub(super) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], JSON.as_str()).into_response()
}

/// `GET /docs`
pub(super) async fn docs() -> Response {
    let page = &*PAGE;
    let mut response = ([(CONTENT_TYPE, "text/html; charset=utf-8")], page.html.as_str()).into_response();
    if let Ok(policy) = HeaderValue::from_str(&page.policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn assembled() -> Value {
    let schemas = schemas::all();
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        // A test compares the tables.
        let Some(described) = described(operation.method.as_str(), operation.path) else { continue };
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            let method = operation.method.as_str().to_ascii_lowercase();
            path.insert(method, stated(operation, described, &schemas));
        }
    }
    let tags: Vec<Value> = operations::TAGS
        .iter()
        .filter(|(.., words)| !words.is_empty())
        .map(|(_, name, words)| json!({ "name": name, "description": words }))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An admin's token." },
            },
            "parameters": parameters::all(),
            "headers": answers::headers(),
            "responses": answers::refusals(),
            "schemas": schemas,
        },
    })
}

fn stated(operation: &Operation, described: &Described, schemas: &Map<String, Value>) -> Value {
    let tag = operations::TAGS.iter().find(|(path, ..)| operation.path.starts_with(path));
    let who = who(operation.permission);
    let roles: &[AdminRole] = match operation.permission {
        Permission::Public => &[],
        permission => permission.roles(),
    };
    let mut stated = json!({
        "operationId": described.id,
        "tags": tag.map(|(_, name, _)| *name).into_iter().collect::<Vec<_>>(),
        "summary": described.summary,
        "description": format!("For {who}."),
        "x-roles": roles,
        "parameters": parameters::of(operation.path, described.gives),
        "responses": answers::of(operation, described, schemas),
    });
    let body = |name: &str, required: bool| {
        let content = json!({ "application/json": answers::media(name, schemas) });
        json!({ "required": required, "content": content })
    };
    if let Some(stated) = stated.as_object_mut() {
        match described.takes {
            Takes::Nothing => {}
            Takes::Fields(name) => drop(stated.insert("requestBody".to_owned(), body(name, true))),
            Takes::MayHave(name) => drop(stated.insert("requestBody".to_owned(), body(name, false))),
        }
        if operation.permission == Permission::Public {
            stated.insert("security".to_owned(), json!([]));
        }
    }
    stated
}

/// Who may ask, in words.
fn who(permission: Permission) -> &'static str {
    match permission {
        Permission::Public => "everybody, without a token",
        Permission::Admin => "every admin",
        Permission::ReadKeys => "every admin; one of workspaces sees those alone",
        Permission::ChangeKeys => "platform admins, and admins of the workspace",
        Permission::Oversee => "platform admins and auditors",
        Permission::Manage => "platform admins",
    }
}
