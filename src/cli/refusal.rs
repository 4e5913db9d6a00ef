//! A refusal of the admin port (RFC 9457) in the words of the command line: each fault beside the flag that it is
//! about, and what to do next.
//!
//! Not the refusal itself (`admin/problem.rs`). Invariant: nothing of a secret is in it, because nothing of one is in
//! the answer.

use http::StatusCode;
use serde_json::Value;

/// The problem of a token that opens nothing, which the admin port alone gives.
const UNAUTHENTICATED: &str = "urn:countersign:problem:unauthenticated";

/// Which flag sets a field of a body, or a parameter of a query.
const FLAGS: [(&str, &str); 34] = [
    ("name", "name"),
    ("allowedCidrs", "--cidr"),
    ("routes", "--route"),
    ("expiresAt", "--expires-at"),
    ("requireKeyId", "--require-key-id"),
    ("scheme", "--scheme"),
    ("type", "--type"),
    ("webhookSecret", "--secret-file"),
    ("workspaceId", "--workspace"),
    ("toleranceSeconds", "--tolerance"),
    ("deduplicationWindowMinutes", "--dedup-window"),
    ("rejectStatus", "--reject-status"),
    ("handshake", "--handshake"),
    ("handshake/verifyToken", "--verify-token-file"),
    ("signatureHeader", "--signature-header"),
    ("signatureAlgorithm", "--signature-algorithm"),
    ("signatureFormat", "--signature-format"),
    ("signaturePrefix", "--signature-prefix"),
    ("isActive", "--active"),
    ("what", "--what"),
    ("overlapSeconds", "--overlap"),
    ("force", "--force"),
    ("to", "--to"),
    ("role", "--role"),
    ("workspaces", "--workspace"),
    ("integration", "--integration"),
    ("outcome", "--outcome"),
    ("reason", "--reason"),
    ("since", "--since"),
    ("until", "--until"),
    ("actor", "--actor"),
    ("action", "--action"),
    ("resourceType", "--resource-type"),
    ("resourceId", "--resource-id"),
];

/// Characters of a fault's text above which it lists more than anybody reads here.
const LONG: usize = 400;

/// What it says.
pub(super) fn text(status: StatusCode, body: &Value, token_from: &str) -> String {
    let detail = word(body, "detail");
    let faults = body.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut lines = match faults {
        // One fault that says what the whole says.
        [fault] if word(fault, "detail") == detail || status == StatusCode::UNPROCESSABLE_ENTITY => {
            vec![format!("{}: {}", status.as_u16(), line(fault))]
        }
        faults => {
            let lines = faults.iter().map(|fault| format!("  {}", line(fault)));
            let head = detail.trim_end_matches("; see errors");
            std::iter::once(format!("{}: {head}", status.as_u16())).chain(lines).collect()
        }
    };
    let is_problem = body.get("type").is_some_and(Value::is_string);
    if !is_problem || status == StatusCode::UNAUTHORIZED && word(body, "type") != UNAUTHENTICATED {
        let line = "This is no answer of an admin port, which --url (COUNTERSIGN_CLI_URL) must name.";
        let head = lines.into_iter().next().unwrap_or_default();
        return format!("{}\n{line}", head.trim_end_matches([':', ' ']));
    }
    lines.extend(next(status, faults, token_from));
    lines.join("\n")
}

/// A fault, after the flag that it is about.
fn line(fault: &Value) -> String {
    let detail = match word(fault, "detail") {
        // A list of every preset.
        detail if detail.len() > LONG && word(fault, "code") == "unknown" => {
            "is not known; `countersign schemes` lists those that are"
        }
        detail => detail,
    };
    let place = match word(fault, "pointer") {
        "" => word(fault, "parameter"),
        pointer => pointer,
    };
    match flag(place) {
        Some(flag) => format!("{flag}: {detail}"),
        None if place.is_empty() => detail.to_owned(),
        None => format!("{place}: {detail}"),
    }
}

/// The flag of a pointer or a parameter: of the place itself, or of the field that it is in.
fn flag(pointer: &str) -> Option<&'static str> {
    let place = pointer.strip_prefix('/').unwrap_or(pointer);
    let of = |name: &str| FLAGS.iter().find(|(field, _)| *field == name).map(|(_, flag)| *flag);
    of(place).or_else(|| of(place.split('/').next()?))
}

/// What to do about it, where that is not said already.
fn next(status: StatusCode, faults: &[Value], token_from: &str) -> Option<String> {
    let code = faults.first().map_or("", |fault| word(fault, "code"));
    match (status.as_u16(), code) {
        (401, _) => Some(format!("The token is from {token_from}: this sidecar has another one.")),
        (409, "overlap") => Some(
            "Next: `retire-previous` of this record ends the former values, and so does this command with --force."
                .to_owned(),
        ),
        (409, "taken") => Some("Next: choose another name, or look at `list`.".to_owned()),
        (412, _) => Some("Next: `get` it again and give its revision as --if-match.".to_owned()),
        _ => None,
    }
}

fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::text;

    #[test]
    fn a_fault_stands_beside_its_flag() {
        let body = json!({"type": "urn:x", "detail": "2 fields are not as they should be; see errors", "errors": [
            {"pointer": "/allowedCidrs/0", "code": "format", "detail": "must be an address"},
            {"pointer": "/handshake/verifyToken", "code": "required", "detail": "is needed"},
        ]});
        assert_eq!(
            text(StatusCode::UNPROCESSABLE_ENTITY, &body, ""),
            "422: 2 fields are not as they should be\n  --cidr: must be an address\n  --verify-token-file: is needed"
        );
    }

    #[test]
    fn what_is_said_once_is_not_said_twice() {
        let fault = json!({"pointer": "/name", "code": "taken", "detail": "is taken"});
        let body = json!({"type": "urn:x", "detail": "is taken", "errors": [fault]});
        assert!(text(StatusCode::CONFLICT, &body, "").starts_with("409: name: is taken\nNext: "));
        let known = format!("must be one of {}", "another, ".repeat(100));
        let body =
            json!({"type": "urn:x", "errors": [{"pointer": "/type", "code": "unknown", "detail": known}]});
        assert!(text(StatusCode::UNPROCESSABLE_ENTITY, &body, "").ends_with("lists those that are"));
        let body = json!({"type": "urn:x", "detail": "there is none"});
        assert_eq!(text(StatusCode::NOT_FOUND, &body, ""), "404: there is none");
        let fault = json!({"parameter": "since", "code": "format", "detail": "must be a time"});
        let body =
            json!({"type": "urn:x", "detail": "a parameter is not as it should be", "errors": [fault]});
        assert_eq!(text(StatusCode::UNPROCESSABLE_ENTITY, &body, ""), "422: --since: must be a time");
    }

    #[test]
    fn an_answer_of_another_port_is_told_from_that_of_an_admin_port() {
        let body = json!({"type": "about:blank", "detail": "no credential"});
        let said = text(StatusCode::UNAUTHORIZED, &body, "a file");
        assert!(said.starts_with("401: no credential\nThis is no answer of an admin port"), "{said}");
        assert!(text(StatusCode::NOT_FOUND, &json!(null), "").starts_with("404\nThis is no answer"));
        let body = json!({"type": super::UNAUTHENTICATED, "detail": "send"});
        let said = text(StatusCode::UNAUTHORIZED, &body, "a file");
        assert_eq!(said, "401: send\nThe token is from a file: this sidecar has another one.");
    }
}
