//! From what a person types to the id that a path takes, and lists that have several pages.
//!
//! Invariants: what has the form of an id is one; a name is looked up among all, and two of one name are a question
//! back, never a guess; whatever is typed stays within its segment of the path.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::cli::remote::Remote;
use crate::cli::{Exit, complain};

/// Records of one page; the most that the port gives.
const PAGE: usize = 200;
/// Everything but what names and ids consist of. A dot is encoded, so that `..` is no step up.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// A text as one segment of a path, or one value of a query.
pub(in crate::cli) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Every page of a list, as one: `{"items": […], "nextCursor": null}`.
pub(in crate::cli) fn list(remote: &Remote, path: &str, filter: &str) -> Result<Value, Exit> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = remote.ask(Method::GET, &format!("{path}?limit={PAGE}{filter}{cursor}"), None)?;
        items.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={}", segment(next)),
            None => return Ok(json!({ "items": items, "nextCursor": null })),
        }
    }
}

/// The id of a workspace.
pub(in crate::cli) fn workspace(remote: &Remote, named: &str) -> Result<String, Exit> {
    if let Some(id) = id(named) {
        return Ok(id);
    }
    let all = list(remote, "/api/workspaces", "")?;
    let found = all.get("items").and_then(Value::as_array).into_iter().flatten();
    let found = found.filter(|item| is_named(item, named)).filter_map(id_of).collect();
    one(found, &format!("workspace `{named}`"), "`countersign workspace list` shows them all")
}

/// The id of an admin.
pub(in crate::cli) fn admin(remote: &Remote, named: &str) -> Result<String, Exit> {
    if let Some(id) = id(named) {
        return Ok(id);
    }
    let all = list(remote, "/api/admins", "")?;
    let found = all.get("items").and_then(Value::as_array).into_iter().flatten();
    let found = found.filter(|item| is_named(item, named)).filter_map(id_of).collect();
    one(found, &format!("admin `{named}`"), "`countersign admin list` shows them all")
}

/// The id of a webhook key, of this workspace or of any.
pub(in crate::cli) fn key(remote: &Remote, named: &str, within: Option<&str>) -> Result<String, Exit> {
    if let Some(id) = id(named) {
        return Ok(id);
    }
    let workspaces = match within {
        Some(workspace) => vec![self::workspace(remote, workspace)?],
        None => {
            let all = list(remote, "/api/workspaces", "")?;
            all.get("items").and_then(Value::as_array).into_iter().flatten().filter_map(id_of).collect()
        }
    };
    let mut found = Vec::new();
    for workspace in workspaces {
        let keys = list(remote, &format!("/api/workspaces/{}/webhook-keys", segment(&workspace)), "")?;
        let keys = keys.get("items").and_then(Value::as_array).into_iter().flatten();
        found.extend(keys.filter(|item| is_named(item, named)).filter_map(id_of));
    }
    let hint = "`countersign key list --workspace W` shows those of a workspace";
    one(found, &format!("webhook key `{named}`"), hint)
}

fn one(mut found: Vec<String>, what: &str, hint: &str) -> Result<String, Exit> {
    match (found.pop(), found.is_empty()) {
        (Some(id), true) => Ok(id),
        (Some(last), false) => {
            found.push(last);
            complain(&format!("there is more than one {what}; name it by its id:\n  {}", found.join("\n  ")));
            Err(Exit::Failed)
        }
        (None, _) => {
            complain(&format!("there is no {what}; {hint}"));
            Err(Exit::Failed)
        }
    }
}

fn is_named(item: &Value, name: &str) -> bool {
    let name: String = name.trim().nfc().collect();
    item.get("name").and_then(Value::as_str) == Some(name.as_str())
}

fn id_of(item: &Value) -> Option<String> {
    item.get("id").and_then(Value::as_str).map(str::to_owned)
}

/// The id that this is, where it is one.
fn id(text: &str) -> Option<String> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten().map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn what_is_typed_stays_in_its_segment() {
        assert_eq!(segment("pagerduty-prod_1"), "pagerduty-prod_1");
        assert_eq!(segment("../keks?x=ü"), "%2E%2E%2Fkeks%3Fx%3D%C3%BC");
    }
}
