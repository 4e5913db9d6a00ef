//! The usual mistakes, tried one by one and two by two: what would have to differ for the request to verify.
//!
//! Not a verdict: what verifies here only hints at where the fault is. Invariants: time is not judged, so that
//! an old capture can be examined; the work is bounded by the size of the body; nothing found is a secret.

mod body;
mod head;
mod scheme;
mod secret;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::credential::{Extraction, Head};
use crate::secret::Secret;
use crate::verify::offline::{Captured, Terms, judge};
use crate::verify::scheme::Scheme;

/// Beyond this, bytes, mistakes are not tried at all.
const MOST_FOR_ANY: usize = 8 << 20;
/// Beyond this, bytes, they are not tried two by two.
const MOST_FOR_PAIRS: usize = 128 << 10;
/// Hints that are worth reading.
const MOST_HINTS: usize = 3;

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// One change at a time: a few hundred MACs at most.
    Singles,
    /// Two at a time as well: some thousand. For a person who waits, not for what a stranger can cause.
    Pairs,
}

/// What would have been otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body.
    Body,
    /// How the secret is written.
    Secret,
    /// The scheme as a whole.
    Scheme,
    /// One rule of the scheme.
    Rule,
    /// Method, target or URL.
    Head,
}

/// What would have to differ for the request to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What the first of it is about.
    pub kind: Kind,
    /// In words, as in "it verifies with …".
    pub text: String,
}

/// Something that may have been otherwise when the request was signed; the first of each list is as it is.
struct Change<T> {
    /// What would be otherwise; `None` where nothing is.
    what: Option<(Kind, String)>,
    value: T,
}

impl<T> Change<T> {
    fn none(value: T) -> Self {
        Self { what: None, value }
    }

    fn to(kind: Kind, what: impl Into<String>, value: T) -> Self {
        Self { what: Some((kind, what.into())), value }
    }
}

/// Whether the signature holds, whatever the time.
#[must_use]
pub fn holds_but_for_time(terms: &Terms<'_>, request: &Captured<'_>) -> bool {
    terms.secrets.iter().any(|secret| holds(terms.scheme, secret, request, terms))
}

/// The unit under which the signed time is within the window, if the scheme's own is not.
#[must_use]
pub fn other_unit(terms: &Terms<'_>, request: &Captured<'_>) -> Option<&'static str> {
    scheme::units(terms.scheme).into_iter().find_map(|(unit, scheme)| {
        judge(&Terms { scheme: &scheme, ..*terms }, request).ok()?;
        Some(unit)
    })
}

/// What is otherwise about a header that has not the form of the scheme's, where it has another that is near.
#[must_use]
pub fn readings(scheme: &Scheme, head: &Head<'_>) -> Vec<String> {
    let reads = |scheme: &Scheme| matches!(scheme.extract(head), Extraction::Present(_));
    scheme::readings(scheme).into_iter().filter(|(_, scheme)| reads(scheme)).map(|(what, _)| what).collect()
}

/// What would have to differ; nothing where no mistake that is known explains the refusal.
#[must_use]
pub fn hints(terms: &Terms<'_>, request: &Captured<'_>, effort: Effort) -> Vec<Hint> {
    let length = request.body.len();
    let pairs = effort == Effort::Pairs && length <= MOST_FOR_PAIRS;
    let most = usize::from(length <= MOST_FOR_ANY) + usize::from(pairs);
    let bodies = body::changes(request.body);
    let secrets = secret::changes(terms.secrets);
    let schemes = scheme::changes(terms.scheme);
    let heads = head::changes(terms.scheme, &request.head);
    for wanted in 1..=most {
        let mut found = Vec::new();
        for body in &bodies {
            for secret in &secrets {
                for scheme in &schemes {
                    for head in &heads {
                        let changes = [&body.what, &secret.what, &scheme.what, &head.what];
                        let changes: Vec<&(Kind, String)> = changes.into_iter().flatten().collect();
                        if changes.len() != wanted || found.len() == MOST_HINTS {
                            continue;
                        }
                        let tried = Captured { head: head.value.of(&request.head), body: &body.value };
                        let scheme = scheme.value.as_deref().unwrap_or(terms.scheme);
                        if let Some((kind, _)) = changes.first()
                            && holds(scheme, &secret.value, &tried, terms)
                        {
                            let texts: Vec<&str> = changes.iter().map(|(_, text)| text.as_str()).collect();
                            found.push(Hint { kind: *kind, text: texts.join(", and ") });
                        }
                    }
                }
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn holds(scheme: &Scheme, secret: &Secret, request: &Captured<'_>, terms: &Terms<'_>) -> bool {
    let Extraction::Present(credential) = scheme.extract(&request.head) else { return false };
    let now = credential.timestamp().unwrap_or(terms.now);
    let secrets = std::slice::from_ref(secret);
    judge(&Terms { scheme, secrets, now, tolerance_seconds: terms.tolerance_seconds }, request).is_ok()
}

type Bytes<'b> = Cow<'b, [u8]>;

/// What of a head may have been otherwise.
#[derive(Default)]
struct HeadChange {
    method: Option<http::Method>,
    target: Option<String>,
    url: Option<String>,
}

impl HeadChange {
    fn of<'h>(&'h self, head: &Head<'h>) -> Head<'h> {
        Head {
            method: self.method.as_ref().unwrap_or(head.method),
            target: self.target.as_deref().unwrap_or(head.target),
            headers: head.headers,
            url: self.url.as_deref().or(head.url),
        }
    }
}
