//! The usual mistakes, tried one by one and two by two: what would have to differ for the request to verify.
//!
//! Not a verdict: what verifies here only hints at where the fault is. Invariants: time is not judged, so that
//! an old capture can be examined; the work is bounded by the size of the body; nothing found is a secret.

mod body;
mod head;
mod scheme;
mod secret;

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

/// Something that may have been otherwise when the request was signed; the first of each kind is as it is.
struct Change<T> {
    /// What would be otherwise, as in "it verifies with …"; `None` where nothing is.
    what: Option<String>,
    value: T,
}

impl<T> Change<T> {
    fn none(value: T) -> Self {
        Self { what: None, value }
    }

    fn to(what: impl Into<String>, value: T) -> Self {
        Self { what: Some(what.into()), value }
    }
}

/// Whether the signature holds, whatever the time.
pub(super) fn holds_but_for_time(terms: &Terms<'_>, request: &Captured<'_>) -> bool {
    terms.secrets.iter().any(|secret| holds(terms.scheme, secret, request, terms))
}

/// The unit under which the signed time is within the window, if the scheme's own is not.
pub(super) fn other_unit(terms: &Terms<'_>, request: &Captured<'_>) -> Option<&'static str> {
    scheme::units(terms.scheme).into_iter().find_map(|(unit, scheme)| {
        judge(&Terms { scheme: &scheme, ..*terms }, request).ok()?;
        Some(unit)
    })
}

/// What would have to differ; nothing where no mistake that is known explains the refusal.
pub(super) fn hints(terms: &Terms<'_>, request: &Captured<'_>) -> Vec<String> {
    let length = request.body.len();
    let most = usize::from(length <= MOST_FOR_ANY) + usize::from(length <= MOST_FOR_PAIRS);
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
                        let changes: Vec<&str> = changes.into_iter().filter_map(Option::as_deref).collect();
                        if changes.len() != wanted || found.len() == MOST_HINTS {
                            continue;
                        }
                        let tried = Captured { head: head.value.of(&request.head), body: &body.value };
                        let scheme = scheme.value.as_ref().unwrap_or(terms.scheme);
                        if holds(scheme, &secret.value, &tried, terms) {
                            found.push(changes.join(", and "));
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
