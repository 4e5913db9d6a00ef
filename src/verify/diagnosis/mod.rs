//! What would explain a refusal, for the person who has to find out. Pure.
//!
//! Not a verdict, and not for senders: whoever can read it and send requests would have an oracle. What is tried is
//! `variations/`. Invariants: nothing found holds a secret, a signature that would be right, or a byte of the body; a
//! change is named only where the request verifies with it; the work is bounded by the size of the body and, with
//! [`Effort::Singles`], by a few hundred MACs.

pub mod variations;

#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

use super::offline::{Captured, Terms};
use crate::clock::UnixMillis;
use crate::credential::{CredentialFault, Extraction};
use crate::secret::Secret;
pub use variations::Effort;
use variations::{Hint, Kind};

/// Findings that are worth reading.
const MOST: usize = 5;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The header of the scheme is not there.
    HeaderMissing,
    /// Headers that are there look like it.
    HeaderAlike,
    /// The header is there and has not the form that it must have.
    Malformed,
    /// It reads in another encoding, or with another prefix or none.
    Encoding,
    /// The signed time is too far from ours.
    ClockSkew,
    /// It verifies with the secret that a rotation replaced, whose overlap is over.
    OverlapExpired,
    /// It verifies with the secret written otherwise.
    SecretForm,
    /// It verifies with another scheme.
    OtherScheme,
    /// It verifies with one rule of the scheme otherwise.
    SchemeRule,
    /// It verifies with another body: this one was changed on the way.
    BodyChanged,
    /// It verifies with another method, target or URL.
    TargetChanged,
    /// Nothing that is tried explains it.
    Unexplained,
}

/// One thing that would explain a refusal, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about.
    pub code: Code,
    /// The same in words.
    pub detail: String,
    /// With [`Code::ClockSkew`]: the signed time less ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
}

/// A refused request with what it is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Case<'c> {
    /// What it was judged by: the secrets are those that count.
    pub terms: Terms<'c>,
    /// The request; its body is empty where it is not known.
    pub request: Captured<'c>,
    /// Whether its body is known.
    pub has_body: bool,
    /// The secret that a rotation replaced, and when its overlap ended.
    pub expired: Option<(&'c Secret, UnixMillis)>,
}

/// What would explain the refusal, the most telling first.
#[must_use]
pub fn diagnose(case: &Case<'_>) -> Vec<Finding> {
    let scheme = case.terms.scheme;
    let mut findings = match scheme.extract(&case.request.head) {
        Extraction::Absent => missing(case),
        Extraction::Malformed(fault) => malformed(case, fault),
        Extraction::Present(credential) => {
            let skew = credential.timestamp().map(|signed| signed.seconds() - case.terms.now.seconds());
            let tolerance = case.terms.tolerance_seconds.or_else(|| scheme.tolerance_seconds());
            let skew = skew.filter(|skew| skew.unsigned_abs() > u64::from(tolerance.unwrap_or_default()));
            let skew = skew.map(|skew| clock_skew(skew, tolerance.unwrap_or_default()));
            let mut findings: Vec<Finding> = skew.into_iter().collect();
            if findings.is_empty() && case.has_body {
                findings = differing(case);
            }
            findings
        }
    };
    findings.truncate(MOST);
    findings
}

/// Names of headers that look as if they carried a signature or token, where the scheme's own are not there.
#[must_use]
pub fn alike(headers: &HeaderMap) -> Vec<&str> {
    let looks = |name: &&str| ["sign", "hmac", "token", "auth"].iter().any(|part| name.contains(part));
    headers.keys().map(HeaderName::as_str).filter(looks).collect()
}

fn finding(code: Code, detail: impl Into<String>) -> Finding {
    Finding { code, detail: detail.into(), seconds: None }
}

fn missing(case: &Case<'_>) -> Vec<Finding> {
    let headers = case.request.head.headers;
    let scheme = case.terms.scheme;
    let lacks: Vec<&str> = scheme
        .credential_headers()
        .iter()
        .filter(|name| !headers.contains_key(*name))
        .map(HeaderName::as_str)
        .collect();
    let detail = if lacks.is_empty() {
        "there is no signature of the scheme".to_owned()
    } else {
        format!("not there: {}", lacks.join(", "))
    };
    let mut findings = vec![finding(Code::HeaderMissing, detail)];
    let alike = alike(headers);
    if !alike.is_empty() {
        findings.push(finding(Code::HeaderAlike, format!("these look like it: {}", alike.join(", "))));
    }
    findings
}

fn malformed(case: &Case<'_>, fault: CredentialFault) -> Vec<Finding> {
    let scheme = case.terms.scheme;
    let mut detail = fault.to_string();
    if let Some(encoding) = scheme.encoding().filter(|_| matches!(fault, CredentialFault::Malformed(_))) {
        let before = Some(scheme.prefix()).filter(|prefix| !prefix.is_empty());
        let before = before.map(|prefix| format!(" after `{prefix}`")).unwrap_or_default();
        detail = format!("{detail}; the scheme's is in {encoding}{before}");
    }
    let mut findings = vec![finding(Code::Malformed, detail)];
    if matches!(fault, CredentialFault::Malformed(_)) {
        let readings = variations::readings(scheme, &case.request.head);
        findings
            .extend(readings.into_iter().map(|what| finding(Code::Encoding, format!("it reads as {what}"))));
    }
    findings
}

fn clock_skew(skew: i64, tolerance: u32) -> Finding {
    let (apart, side) = (skew.unsigned_abs(), if skew.is_negative() { "ago" } else { "ahead" });
    Finding {
        code: Code::ClockSkew,
        detail: format!("signed {apart} s {side}, and {tolerance} s are allowed"),
        seconds: Some(skew),
    }
}

/// What would have to differ for it to verify.
fn differing(case: &Case<'_>) -> Vec<Finding> {
    if let Some((secret, until)) = case.expired
        && variations::holds_but_for_time(
            &Terms { secrets: std::slice::from_ref(secret), ..case.terms },
            &case.request,
        )
    {
        let ago = case.terms.now.seconds().saturating_sub(until.seconds());
        let detail =
            format!("it verifies with the secret before the last rotation, whose overlap ended {ago} s ago");
        return vec![finding(Code::OverlapExpired, detail)];
    }
    let hints = variations::hints(&case.terms, &case.request, Effort::Singles);
    if hints.is_empty() {
        let detail =
            "most likely the secret is another one, or the body was changed in a way that is not tried";
        return vec![finding(Code::Unexplained, detail)];
    }
    hints
        .into_iter()
        .map(|Hint { kind, text }| {
            let code = match kind {
                Kind::Body => Code::BodyChanged,
                Kind::Secret => Code::SecretForm,
                Kind::Scheme => Code::OtherScheme,
                Kind::Rule => Code::SchemeRule,
                Kind::Head => Code::TargetChanged,
            };
            finding(code, format!("it verifies with {text}"))
        })
        .collect()
}
