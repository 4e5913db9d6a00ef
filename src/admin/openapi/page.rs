//! `/docs`: the description as one page of HTML.
//!
//! Not a second description: every word is of the document. Invariants: the page loads nothing and runs nothing, which
//! its own Content-Security-Policy says too (CSP Level 3 §2.3.1, a hash of the one style); all text is escaped.

use std::fmt::Write as _;

use data_encoding::BASE64;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");

/// The page and the policy that it is served under.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) policy: String,
}

impl Page {
    /// Of this document.
    pub(super) fn of(document: &Value) -> Self {
        let hash = BASE64.encode(&Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let mut html = String::new();
        let title = text(document, "/info/title");
        let _ = write!(
            html,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
             <body><main><h1>{title}</h1><p>{}</p><p>Version {}. The same for programs: \
             <a href=\"openapi.json\">openapi.json</a>.</p>",
            text(document, "/info/description"),
            text(document, "/info/version"),
        );
        contents(&mut html, document);
        for tag in items(document, "/tags") {
            section(&mut html, document, tag);
        }
        html.push_str("<h2 id=\"refusals\">Refusals</h2><dl>");
        for (status, refusal) in members(document, "/components/responses") {
            let _ = write!(html, "<dt>{}</dt><dd>{}</dd>", escaped(status), text(refusal, "/description"));
        }
        html.push_str("</dl><h2 id=\"schemas\">Schemas</h2>");
        for (name, schema) in members(document, "/components/schemas") {
            described_schema(&mut html, name, schema);
        }
        html.push_str("</main></body></html>\n");
        Self { html, policy }
    }
}

/// Each operation of a section: path, method, what is said.
fn of_tag<'d>(
    document: &'d Value,
    tag: &'d Value,
) -> impl Iterator<Item = (&'d String, &'d String, &'d Value)> {
    let all = members(document, "/paths").flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, stated)| (path, method, stated))
    });
    all.filter(move |(_, _, stated)| stated.pointer("/tags/0") == tag.pointer("/name"))
}

fn contents(html: &mut String, document: &Value) {
    html.push_str("<nav>");
    for tag in items(document, "/tags") {
        let _ = write!(html, "<h2>{}</h2><ul>", text(tag, "/name"));
        for (path, method, stated) in of_tag(document, tag) {
            let _ = write!(
                html,
                "<li><a href=\"#{}\">{}</a> <code>{} {}</code></li>",
                text(stated, "/operationId"),
                text(stated, "/summary"),
                method.to_uppercase(),
                escaped(path)
            );
        }
        html.push_str("</ul>");
    }
    html.push_str(
        "<h2><a href=\"#refusals\">Refusals</a></h2><h2><a href=\"#schemas\">Schemas</a></h2></nav>",
    );
}

fn section(html: &mut String, document: &Value, tag: &Value) {
    let _ = write!(html, "<h2>{}</h2><p>{}</p>", text(tag, "/name"), text(tag, "/description"));
    for (path, method, stated) in of_tag(document, tag) {
        let _ = write!(
            html,
            "<section id=\"{}\"><h3>{}</h3><p><code class=\"at\">{} {}</code></p><p>{}</p>",
            text(stated, "/operationId"),
            text(stated, "/summary"),
            method.to_uppercase(),
            escaped(path),
            text(stated, "/description")
        );
        parameters(html, document, stated);
        if let Some(body) = stated.pointer("/requestBody") {
            let need =
                if body.get("required") == Some(&Value::Bool(true)) { "" } else { " (may be left out)" };
            let _ = write!(html, "<h4>Body{need}</h4>");
            media(html, body);
        }
        answers(html, stated);
        html.push_str("</section>");
    }
}

fn parameters(html: &mut String, document: &Value, stated: &Value) {
    let mut named = items(stated, "/parameters")
        .filter_map(|one| document.pointer(one.get("$ref")?.as_str()?.strip_prefix('#')?))
        .peekable();
    if named.peek().is_none() {
        return;
    }
    html.push_str("<h4>Parameters</h4><dl>");
    for one in named {
        let (name, place) = (text(one, "/name"), text(one, "/in"));
        let _ = write!(html, "<dt><code>{name}</code> in {place}</dt><dd>{}</dd>", text(one, "/description"));
    }
    html.push_str("</dl>");
}

fn answers(html: &mut String, stated: &Value) {
    let mut refused = Vec::new();
    for (status, answer) in members(stated, "/responses") {
        if answer.get("$ref").is_some() {
            refused.push(escaped(status));
            continue;
        }
        let _ = write!(html, "<h4>{} {}</h4>", escaped(status), text(answer, "/description"));
        let headers: Vec<String> = members(answer, "/headers").map(|(name, _)| escaped(name)).collect();
        let _ = write!(html, "<p>Headers: <code>{}</code></p>", headers.join("</code>, <code>"));
        media(html, answer);
    }
    if !refused.is_empty() {
        let _ = write!(html, "<p>Refusals: <a href=\"#refusals\">{}</a></p>", refused.join(", "));
    }
}

/// The schemas of a body by name, and its example.
fn media(html: &mut String, body: &Value) {
    for (_, media) in members(body, "/content") {
        let mut names = Vec::new();
        names_in(media.get("schema"), &mut names);
        if !names.is_empty() {
            let links: Vec<String> =
                names.iter().map(|name| format!("<a href=\"#schema-{name}\">{name}</a>")).collect();
            let _ = write!(html, "<p>{}</p>", links.join(", "));
        }
        if let Some(example) = media.get("example").filter(|example| !example.is_null()) {
            let _ = write!(html, "<pre>{}</pre>", escaped(&format!("{example:#}")));
        }
    }
}

fn names_in(schema: Option<&Value>, names: &mut Vec<String>) {
    match schema {
        Some(Value::Object(members)) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                names.extend(name.rsplit('/').next().map(escaped));
            }
            members.values().for_each(|member| names_in(Some(member), names));
        }
        Some(Value::Array(items)) => items.iter().for_each(|item| names_in(Some(item), names)),
        _ => {}
    }
}

fn described_schema(html: &mut String, name: &str, schema: &Value) {
    let name = escaped(name);
    let words = text(schema, "/description");
    let _ = write!(html, "<section id=\"schema-{name}\"><h3>{name}</h3><p>{words}</p><dl>");
    let required: Vec<&str> = items(schema, "/required").filter_map(Value::as_str).collect();
    for (field, stated) in members(schema, "/properties") {
        let need = if required.contains(&field.as_str()) { ", always" } else { "" };
        let _ = write!(
            html,
            "<dt><code>{}</code> {}{need}</dt><dd>{}</dd>",
            escaped(field),
            kind(stated),
            text(stated, "/description")
        );
    }
    html.push_str("</dl></section>");
}

/// The type of a field, in words.
fn kind(stated: &Value) -> String {
    let mut names = Vec::new();
    names_in(Some(stated), &mut names);
    let words = match stated.get("type") {
        Some(Value::String(word)) => word.clone(),
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => names.join(" or "),
    };
    let limits: Vec<String> = ["enum", "default", "minimum", "maximum", "pattern"]
        .into_iter()
        .filter_map(|word| Some(format!(", {word} {}", stated.get(word)?)))
        .collect();
    escaped(&format!("{words}{}", limits.concat()))
}

fn text(value: &Value, pointer: &str) -> String {
    escaped(value.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
}

fn items<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn members<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
