//! The claim that binds where a request goes: the URL, its hash, or Atlassian's query string hash. Pure.
//!
//! Not a URL parser: the URL is the configured one with the target as received. Invariants: without the URL
//! nothing holds; what a canonical request leaves out is refused where it is ambiguous: a slash at the end of a
//! path (but not one that is all of it after the base path), a bare `&` in it. The order of query parameters is not
//! covered, nor how an escape is written.
//! Spec: MessageBird, "Verify HTTP requests" (`url_hash`); monday.com, "Authorization header" (`aud`);
//! Atlassian, "Query string hash" (`qsh`).

use data_encoding::HEXLOWER;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::claims::{Claims, says};
use crate::credential::Head;
use crate::verify::kind::target;
use crate::verify::scheme::Fields;

/// What RFC 3986 §2.3 does not reserve stays as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AddressForm {
    /// The URL.
    #[default]
    Plain,
    /// Its SHA-256 in hex.
    Sha256Hex,
    /// The SHA-256 in hex of Atlassian's canonical request: method, path and sorted query.
    Qsh,
}

/// A claim and what it must hold.
#[derive(Debug)]
pub(super) struct AddressRule {
    pub(super) claim: String,
    pub(super) form: AddressForm,
    /// What a canonical request leaves out at the front of the path; empty = nothing.
    pub(super) base_path: String,
    /// The query parameter that carries the token, which no canonical request contains.
    pub(super) token_parameter: Option<String>,
}

impl AddressRule {
    /// What the claim must hold for this request; `None` where that can't be said.
    pub(super) fn expected(&self, head: &Head<'_>) -> Option<String> {
        let hash = |text: &str| HEXLOWER.encode(&Sha256::digest(text));
        match self.form {
            AddressForm::Plain => head.url.map(str::to_owned),
            AddressForm::Sha256Hex => head.url.map(hash),
            AddressForm::Qsh => self.canonical_request(head).as_deref().map(hash),
        }
    }

    /// Whether the claim says so.
    pub(super) fn holds(&self, claims: &Claims, expected: &str) -> bool {
        says(claims, &self.claim, |said| match self.form {
            AddressForm::Plain => said == expected,
            AddressForm::Sha256Hex | AddressForm::Qsh => said.eq_ignore_ascii_case(expected),
        })
    }

    fn canonical_request(&self, head: &Head<'_>) -> Option<String> {
        let path = target::path(head.target).strip_prefix(self.base_path.as_str())?;
        let path = if path.is_empty() { "/" } else { path };
        let ambiguous = path.contains('&') || (path.len() > 1 && path.ends_with('/'));
        if ambiguous || !path.starts_with('/') {
            return None;
        }
        let query = self.canonical_query(target::query(head.target).unwrap_or_default())?;
        Some(format!("{}&{path}&{query}", head.method))
    }

    /// Names and values escaped anew and sorted; the values of a name that is repeated stand between commas.
    fn canonical_query(&self, query: &str) -> Option<String> {
        let token = self.token_parameter.as_deref();
        let kept: Vec<&str> = query
            .split('&')
            .filter(|pair| token.is_none_or(|token| pair.split('=').next() != Some(token)))
            .collect();
        let escape = |bytes: &[u8]| percent_encode(bytes, RESERVED).to_string();
        let kept = kept.join("&");
        let mut room = Vec::new();
        let fields = Fields::parse(kept.as_bytes(), &mut room)?;
        let mut pairs: Vec<(String, String)> =
            fields.pairs().iter().map(|(name, value)| (escape(name), escape(value))).collect();
        pairs.sort();
        let groups = pairs.chunk_by(|one, next| one.0 == next.0).map(|group| {
            let name = group.first().map_or("", |(name, _)| name);
            let values: Vec<&str> = group.iter().map(|(_, value)| value.as_str()).collect();
            format!("{name}={}", values.join(","))
        });
        Some(groups.collect::<Vec<_>>().join("&"))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::{AddressForm, AddressRule};
    use crate::credential::Head;

    fn canonical(method: Method, target: &str, base_path: &str) -> Option<String> {
        let rule = AddressRule {
            claim: "qsh".to_owned(),
            form: AddressForm::Qsh,
            base_path: base_path.to_owned(),
            token_parameter: Some("jwt".to_owned()),
        };
        let headers = HeaderMap::new();
        rule.canonical_request(&Head { method: &method, target, headers: &headers, url: None })
    }

    /// The first three are Atlassian's: the javadoc of `JwtConstants.Claims.QUERY_HASH` in com.atlassian.jwt
    /// 3.3.2, and "Query string hash".
    #[test]
    fn canonical_requests_are_atlassians() {
        for (method, target, expected) in [
            (
                Method::GET,
                "/path/to/service?zee_last=param&repeated=parameter%201&first=param&repeated=parameter+2",
                "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param",
            ),
            (Method::GET, "/?param=foo", "GET&/&param=foo"),
            (Method::POST, "/user", "POST&/user&"),
            (Method::GET, "/a?jwt=x.y.z&b=*~%2A&jwt=&c", "GET&/a&b=%2A~%2A&c="),
            (Method::GET, "/a%26b?%6Awt=1", "GET&/a%26b&jwt=1"),
        ] {
            assert_eq!(canonical(method, target, "").as_deref(), Some(expected), "{target}");
        }
    }

    #[test]
    fn what_a_canonical_request_would_hide_is_refused() {
        for target in ["/a/", "/a&b", "/a/?b", "/a?b=%", "/a?b=%zz"] {
            assert_eq!(canonical(Method::GET, target, ""), None, "{target}");
        }
    }

    #[test]
    fn a_base_path_is_left_out_and_must_be_there() {
        for (target, expected) in [
            ("/hooks/jira/event?x=1", Some("POST&/event&x=1")),
            ("/hooks/jira", Some("POST&/&")),
            ("/hooks/jira/", Some("POST&/&")),
            ("/hooks/jirafe", None),
            ("/event", None),
        ] {
            assert_eq!(canonical(Method::POST, target, "/hooks/jira").as_deref(), expected, "{target}");
        }
    }
}
