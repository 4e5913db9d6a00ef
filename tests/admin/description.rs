//! `/openapi.json` and `/docs`: public, complete, and true of what the port answers.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::admin_port::Port;
use crate::support::described::Description;

async fn public(port: &Port, path: &str) -> crate::support::admin_port::Answer {
    port.send(Request::get(path).body(Body::empty()).unwrap()).await
}

/// What the port gives out of itself, to whoever asks.
pub(super) async fn description(port: &Port) -> Description {
    let answer = public(port, "/openapi.json").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    Description { document: answer.json }
}

#[tokio::test]
async fn the_description_is_public_and_of_openapi_3_1() {
    let port = Port::unloaded(false).await;
    let description = description(&port).await;
    assert_eq!(description.document["openapi"], "3.1.0");
    for public_one in ["GET /openapi.json", "GET /docs"] {
        assert_eq!(description.stated(public_one)["security"], json!([]));
    }
    for operation in description.operations() {
        let stated = description.stated(&operation);
        let answers = stated["responses"].as_object().unwrap();
        if stated.get("security").is_none() {
            for status in ["401", "403", "429", "503"] {
                assert!(answers.contains_key(status), "{operation}: {status}");
            }
            assert!(!stated["x-roles"].as_array().unwrap().is_empty(), "{operation}");
        }
        for part in ["operationId", "summary", "description"] {
            assert!(stated[part].as_str().is_some_and(|words| !words.is_empty()), "{operation}: {part}");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_parameter_of_a_path_is_stated() {
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let port = Port::unloaded(false).await;
    let description = description(&port).await;
    let mut found = Vec::new();
    references(&description.document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.document.pointer(pointer).is_some(), "{reference}");
    }
    let linked =
        &description.stated("POST /api/workspaces/{workspace}/webhook-keys")["responses"]["201"]["links"];
    let rotate = &linked["rotateWorkspaceWebhookKey"]["parameters"];
    assert_eq!(rotate, &json!({ "workspace": "$request.path.workspace", "key": "$response.body#/id" }));
    assert_eq!(linked["rotateWebhookKey"]["parameters"], json!({ "key": "$response.body#/id" }));
    for operation in description.operations() {
        let stated = description.stated(&operation)["parameters"].as_array().unwrap();
        let stated: Vec<&str> = stated
            .iter()
            .map(|parameter| description.resolved(parameter))
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let named = operation.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(stated, named.collect::<Vec<_>>(), "{operation}");
    }
}

#[tokio::test]
async fn every_example_is_one() {
    let port = Port::unloaded(false).await;
    let description = description(&port).await;
    let schemas = description.document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 25);
    for (name, schema) in schemas {
        let examples = schema["examples"].as_array().unwrap_or_else(|| panic!("{name} has no example"));
        examples.iter().for_each(|example| description.check(name, schema, example));
    }
    let mut checked = 0;
    for operation in description.operations() {
        let stated = description.stated(&operation);
        let answers = stated["responses"].as_object().unwrap().values();
        for part in answers.chain(stated.get("requestBody")) {
            let part = description.resolved(part);
            for media in part["content"].as_object().into_iter().flat_map(serde_json::Map::values) {
                if let Some(example) = media.get("example").filter(|example| !example.is_null()) {
                    description.check(&operation, &media["schema"], example);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 200, "{checked}");
}

#[tokio::test]
async fn the_page_is_made_of_the_description_and_needs_nothing_else() {
    let port = Port::unloaded(false).await;
    let description = description(&port).await;
    let page = public(&port, "/docs").await;
    assert_eq!(page.status, 200);
    for operation in description.operations() {
        let stated = description.stated(&operation);
        let (_, path) = operation.split_once(' ').unwrap();
        let summary = stated["summary"].as_str().unwrap();
        let id = format!("id=\"{}\"", stated["operationId"].as_str().unwrap());
        for part in [path, summary, &id] {
            assert!(page.text.contains(part), "{operation}: {part}");
        }
    }
    for outside in ["<script", "<link", "<img", "src=", "http://", "https://", "style=", "onclick"] {
        let examples = page.text.replace("https://hooks.example.com", "");
        assert!(!examples.contains(outside), "{outside}");
    }
    let style = page.text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let hash = data_encoding::BASE64.encode(digest.as_ref());
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
}
