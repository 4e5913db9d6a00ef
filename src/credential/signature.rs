//! Workspace signatures: which key a signed request says that it was signed with. Pure.
//!
//! Not the signature itself: that is read by the scheme of each candidate key (`verify/scheme`). Invariants:
//! absent means that there is no `X-Webhook-Signature` line at all; every header here occurs at most once;
//! ids are hyphenated UUIDs and nothing else, so that one id has one spelling but for its case.
//! Spec: DESIGN §2, RFC 9562 §4.

use http::{HeaderMap, HeaderName};
use uuid::Uuid;

use super::grammar::{Line, one_line};
use super::{CredentialFault, Extraction};

/// Carries the signature.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");
/// Carries the signed time of a `signed-request`.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("x-webhook-timestamp");
/// Names the workspace whose keys may have signed.
pub const WORKSPACE: HeaderName = HeaderName::from_static("x-workspace-id");
/// Names the one key that signed.
pub const KEY_ID: HeaderName = HeaderName::from_static("x-webhook-key-id");

/// Where to look for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureLocator {
    /// The workspace that the request claims.
    pub workspace: Uuid,
    /// The key that it claims, where it names one.
    pub key: Option<Uuid>,
}

/// Reads whose keys the request claims to be signed with.
#[must_use]
pub fn locate(headers: &HeaderMap) -> Extraction<SignatureLocator> {
    if one_line(headers, &[SIGNATURE]) == Line::None {
        return Extraction::Absent;
    }
    match read(headers) {
        Ok(locator) => Extraction::Present(locator),
        Err(fault) => Extraction::Malformed(fault),
    }
}

fn read(headers: &HeaderMap) -> Result<SignatureLocator, CredentialFault> {
    if one_line(headers, &[SIGNATURE]) == Line::Many {
        return Err(CredentialFault::Duplicate("X-Webhook-Signature"));
    }
    let workspace = match one_line(headers, &[WORKSPACE]) {
        Line::Many => return Err(CredentialFault::Duplicate("X-Workspace-ID")),
        Line::None => return Err(CredentialFault::Malformed("X-Workspace-ID is missing")),
        Line::One(value) => {
            hyphenated(value).ok_or(CredentialFault::Malformed("X-Workspace-ID is not a hyphenated UUID"))?
        }
    };
    let key = match one_line(headers, &[KEY_ID]) {
        Line::Many => return Err(CredentialFault::Duplicate("X-Webhook-Key-Id")),
        Line::None => None,
        Line::One(value) => Some(
            hyphenated(value)
                .ok_or(CredentialFault::Malformed("X-Webhook-Key-Id is not a hyphenated UUID"))?,
        ),
    };
    Ok(SignatureLocator { workspace, key })
}

/// The hyphenated form is the only one of 36 characters that the parser knows.
fn hyphenated(value: &[u8]) -> Option<Uuid> {
    if value.len() != uuid::fmt::Hyphenated::LENGTH {
        return None;
    }
    Uuid::try_parse_ascii(value).ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use uuid::Uuid;

    use super::{SignatureLocator, locate};
    use crate::credential::{CredentialFault, Extraction};

    const WORKSPACE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const KEY: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

    fn found(lines: &[(&'static str, &str)]) -> Extraction<SignatureLocator> {
        let headers: HeaderMap = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        locate(&headers)
    }

    #[test]
    fn workspace_and_key_are_found() {
        let workspace = Uuid::try_parse(WORKSPACE).unwrap();
        assert_eq!(
            found(&[("x-webhook-signature", "v1=00"), ("x-workspace-id", WORKSPACE)]),
            Extraction::Present(SignatureLocator { workspace, key: None })
        );
        assert_eq!(
            found(&[
                ("x-webhook-signature", "v1=00"),
                ("x-workspace-id", &WORKSPACE.to_uppercase()),
                ("x-webhook-key-id", KEY),
            ]),
            Extraction::Present(SignatureLocator { workspace, key: Some(Uuid::try_parse(KEY).unwrap()) })
        );
    }

    #[test]
    fn only_a_request_without_a_signature_header_is_absent() {
        assert_eq!(found(&[("x-workspace-id", WORKSPACE), ("x-webhook-key-id", KEY)]), Extraction::Absent);
        assert!(matches!(found(&[("x-webhook-signature", "")]), Extraction::Malformed(_)));
    }

    #[test]
    fn a_header_that_occurs_twice_is_a_duplicate() {
        for twice in ["x-webhook-signature", "x-workspace-id", "x-webhook-key-id"] {
            let lines = [
                ("x-webhook-signature", "v1=00"),
                ("x-workspace-id", WORKSPACE),
                ("x-webhook-key-id", KEY),
                (twice, KEY),
            ];
            let fault = found(&lines);
            assert!(
                matches!(fault, Extraction::Malformed(CredentialFault::Duplicate(_))),
                "{twice}: {fault:?}"
            );
        }
    }

    #[test]
    fn only_hyphenated_uuids_name_a_workspace_or_key() {
        let simple = WORKSPACE.replace('-', "");
        let urn = format!("urn:uuid:{WORKSPACE}");
        let braced = format!("{{{WORKSPACE}}}");
        for value in ["", "acme", &simple, &urn, &braced, "01890a5d-ac96-774b-bcce-b302099a805g"] {
            let sent = ("x-webhook-signature", "v1=00");
            let workspace = found(&[sent, ("x-workspace-id", value)]);
            assert!(matches!(workspace, Extraction::Malformed(CredentialFault::Malformed(_))), "{value}");
            let key = found(&[sent, ("x-workspace-id", WORKSPACE), ("x-webhook-key-id", value)]);
            assert!(matches!(key, Extraction::Malformed(CredentialFault::Malformed(_))), "{value}");
        }
    }
}
