//! The judgement of one captured request: bytes in, verdict out. Pure.
//!
//! Not the way of live traffic: there is no record, so nothing is inactive, expired or of a wrong address, and
//! the proxy's target rule is not applied. Invariants: extraction, the time window and the MAC are those of
//! live traffic; every secret is tried to the end, whichever matches first; a secret that the scheme can't
//! use verifies nothing.

use subtle::Choice;

use super::Refusal;
use super::handshake::Handshake;
use super::kind::Finding;
use super::scheme::{Scheme, SignatureCredential};
use crate::clock::UnixMillis;
use crate::credential::{CredentialFault, Extraction, Head};
use crate::keys::entry::Which;
use crate::secret::Secret;

/// A request as it was captured.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'r> {
    /// Its head.
    pub head: Head<'r>,
    /// Its whole body, byte for byte.
    pub body: &'r [u8],
}

/// What a request is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'t> {
    /// The scheme.
    pub scheme: &'t Scheme,
    /// The secrets: the first is the current one, the others were before it.
    pub secrets: &'t [Secret],
    /// Wall time.
    pub now: UnixMillis,
    /// How far a signed time may be from now, where that is not what the scheme says.
    pub tolerance_seconds: Option<u32>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has no signature header of the scheme.
    #[error("the signature header is not there")]
    Absent,
    /// It has one that can't be used.
    #[error(transparent)]
    Credential(CredentialFault),
    /// It has one that does not hold.
    #[error(transparent)]
    Verify(Refusal),
}

/// Judges a request; says which secret it was signed with.
///
/// # Errors
/// The first reason to refuse it, in the order in which live traffic is judged.
pub fn judge(terms: &Terms<'_>, request: &Captured<'_>) -> Result<Which, Refused> {
    let credential = match terms.scheme.extract(&request.head) {
        Extraction::Absent => return Err(Refused::Absent),
        Extraction::Malformed(fault) => return Err(Refused::Credential(fault)),
        Extraction::Present(credential) => credential,
    };
    super::check_times(terms.scheme, terms.tolerance_seconds, credential.times(), terms.now)
        .map_err(Refused::Verify)?;
    if terms.scheme.requires_body() && request.body.is_empty() {
        return Err(Refused::Verify(Refusal::BodyEmpty));
    }
    if is_challenge(terms.scheme, request.body) {
        return Err(Refused::Verify(Refusal::Challenge));
    }
    match_secret(terms, request, &credential).map_err(Refused::Verify)
}

/// Whether the body could be a challenge of the scheme's handshake.
fn is_challenge(scheme: &Scheme, body: &[u8]) -> bool {
    scheme.handshake().and_then(Handshake::spotter).is_some_and(|mut spotter| {
        spotter.update(body);
        spotter.is_challenge()
    })
}

fn match_secret(
    terms: &Terms<'_>,
    request: &Captured<'_>,
    credential: &SignatureCredential,
) -> Result<Which, Refusal> {
    let mut findings: Vec<Finding> =
        terms.secrets.iter().map(|secret| attempt(terms.scheme, secret, request, credential)).collect();
    let tried: Vec<Choice> = findings.iter().map(|finding| finding.matched).collect();
    let (current, previous) = tried.split_first().ok_or(Refusal::Mismatch)?;
    let any = previous.iter().fold(Choice::from(0), |found, choice| found | *choice);
    let which = match (bool::from(*current), bool::from(any)) {
        (true, _) => Which::Current,
        (false, true) => Which::Previous,
        (false, false) => return Err(Refusal::Mismatch),
    };
    findings.retain(|finding| finding.matched.into());
    let times = findings.first().map(|finding| finding.times).unwrap_or_default();
    super::check_times(terms.scheme, terms.tolerance_seconds, times, terms.now)?;
    Ok(which)
}

fn attempt(
    scheme: &Scheme,
    secret: &Secret,
    request: &Captured<'_>,
    credential: &SignatureCredential,
) -> Finding {
    let Ok(key) = scheme.prepare(secret) else { return Finding::refused() };
    let mut attempt = scheme.begin(&key, &request.head, credential);
    attempt.update(request.body);
    attempt.finish(scheme, credential, request.body)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::{Captured, Refused, Terms, judge};
    use crate::clock::UnixMillis;
    use crate::credential::{CredentialFault, Head};
    use crate::keys::entry::Which;
    use crate::secret::Secret;
    use crate::verify::Refusal;
    use crate::verify::scheme::preset;
    use crate::verify::timestamp::TimestampFault;

    const SIGNED_AT: UnixMillis = UnixMillis(1_700_000_000_000);

    /// Signs with `slack`, then judges `body` after `seconds` by `secrets`.
    fn judged(secrets: &[&str], body: &[u8], seconds: i64, tolerance: Option<u32>) -> Result<Which, Refused> {
        let scheme = preset("slack").unwrap();
        let mut headers = HeaderMap::new();
        let head = Head { method: &Method::POST, target: "/", headers: &headers, url: None };
        let key = scheme.prepare(&Secret::from_text("right")).unwrap();
        let made = scheme.sign(&key, &head, &[b"body"], SIGNED_AT, None);
        headers.extend(made);
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::from_text(text)).collect();
        let terms = Terms {
            scheme,
            secrets: &secrets,
            now: SIGNED_AT.plus_seconds(seconds),
            tolerance_seconds: tolerance,
        };
        let head = Head { method: &Method::POST, target: "/", headers: &headers, url: None };
        judge(&terms, &Captured { head, body })
    }

    #[test]
    fn the_first_secret_is_current_and_the_others_are_previous() {
        assert_eq!(judged(&["right"], b"body", 0, None), Ok(Which::Current));
        assert_eq!(judged(&["wrong", "right"], b"body", 0, None), Ok(Which::Previous));
        assert_eq!(judged(&["", "right"], b"body", 0, None), Ok(Which::Previous));
        assert_eq!(judged(&["right", "right"], b"body", 0, None), Ok(Which::Current));
        assert_eq!(judged(&["wrong", "right", "right"], b"body", 0, None), Ok(Which::Previous));
    }

    #[test]
    fn nothing_verifies_without_a_secret() {
        let mismatch = Err(Refused::Verify(Refusal::Mismatch));
        assert_eq!(judged(&[], b"body", 0, None), mismatch);
        assert_eq!(judged(&[""], b"body", 0, None), mismatch);
        assert_eq!(judged(&["wrong"], b"body", 0, None), mismatch);
        assert_eq!(judged(&["right"], b"body\n", 0, None), mismatch);
    }

    #[test]
    fn the_window_is_the_schemes_unless_another_is_given() {
        let old = Err(Refused::Verify(Refusal::Timestamp(TimestampFault::Old)));
        assert_eq!(judged(&["right"], b"body", 300, None), Ok(Which::Current));
        assert_eq!(judged(&["right"], b"body", 301, None), old);
        assert_eq!(judged(&["right"], b"body", 301, Some(400)), Ok(Which::Current));
        assert_eq!(judged(&["wrong"], b"body", 301, None), old, "time is judged before the MAC");
    }

    #[test]
    fn absent_and_duplicate_are_told_apart() {
        let scheme = preset("github").unwrap();
        let secrets = [Secret::from_text("right")];
        let terms = Terms { scheme, secrets: &secrets, now: SIGNED_AT, tolerance_seconds: None };
        let mut headers = HeaderMap::new();
        let mut judged = |add: bool| {
            if add {
                let name = HeaderName::from_static("x-hub-signature-256");
                headers.append(name, HeaderValue::from_static("sha256=00"));
            }
            let head = Head { method: &Method::POST, target: "/", headers: &headers, url: None };
            judge(&terms, &Captured { head, body: b"" })
        };
        assert_eq!(judged(false), Err(Refused::Absent));
        assert!(matches!(judged(true), Err(Refused::Credential(CredentialFault::Malformed(_)))));
        assert!(matches!(judged(true), Err(Refused::Credential(CredentialFault::Duplicate(_)))));
    }
}
