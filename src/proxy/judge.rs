//! What the head of a request decides about its credentials: locate → candidates → credential → check.
//!
//! Not the body's business, which is the pipeline's. Invariants: a credential that is present and wrong
//! refuses the request, whatever other credential there is; the next kind is tried only where one is absent; an
//! unsigned handshake that its integration enables is one before it is anything else.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::body::ForwardBody;
use super::handshake::{self, Opening};
use super::rejection::Rejection;
use super::route::{CredentialKind, Route, Verify};
use super::target_rule;
use crate::credential::extract::extract;
use crate::credential::{Extraction, api_key, signature};
use crate::keys::ring::KeysNow;
use crate::keys::{Candidates, Locator, LookupError};
use crate::telemetry::decision::Decision;
use crate::verify::{AuthenticSet, Checked, Facts, Verification, check};

/// What the head is.
#[derive(Debug)]
pub(super) enum Judgement {
    /// An unsigned handshake: no credential is asked for, and nothing is forwarded.
    Handshake(Opening),
    /// A request with credentials.
    Credentials(Judged),
}

/// What the head is, as far as one kind of credential goes.
enum Examined {
    Handshake(Opening),
    Checked(Checked),
}

/// What the head says of every credential that the route asks for, in the route's order.
#[derive(Debug)]
pub(super) struct Judged {
    checks: SmallVec<[Checked; 1]>,
    /// Whether a damaged key could have been the sender's: a mismatch is no verdict then.
    in_doubt: bool,
}

impl Judged {
    /// The largest body: what the route says, else the configured limit, which a scheme may raise because
    /// its sender is known to send more.
    pub(super) fn max_body(&self, route: &Route, limit: u64) -> u64 {
        if route.max_body.is_some() {
            return limit;
        }
        self.checks
            .iter()
            .filter_map(|checked| match checked {
                Checked::Complete(_) => None,
                Checked::AwaitsBody(verification) => verification.max_body(),
            })
            .fold(limit, u64::max)
    }

    /// What waits for the body, to be fed each part of it.
    pub(super) fn verifications(&mut self) -> impl Iterator<Item = &mut Verification> {
        self.checks.iter_mut().filter_map(|checked| match checked {
            Checked::Complete(_) => None,
            Checked::AwaitsBody(verification) => Some(&mut **verification),
        })
    }

    /// Whether anything waits for the body.
    pub(super) fn awaits_body(&self) -> bool {
        self.checks.iter().any(|checked| matches!(checked, Checked::AwaitsBody(_)))
    }

    fn needs_whole_body(&self) -> bool {
        self.checks.iter().any(|checked| match checked {
            Checked::Complete(_) => false,
            Checked::AwaitsBody(verification) => verification.needs_whole_body(),
        })
    }

    /// The verdict, once the body was fed. A verified body is not given up for others any more.
    pub(super) fn finish(self, body: &ForwardBody) -> Result<AuthenticSet, Rejection> {
        let whole = match body {
            ForwardBody::Buffered(buffered) if self.needs_whole_body() => buffered.whole(),
            _ => Cow::Borrowed(&[][..]),
        };
        let mut verified = SmallVec::new();
        for checked in self.checks {
            verified.push(match checked {
                Checked::Complete(authentic) => authentic,
                Checked::AwaitsBody(verification) => {
                    let authentic = verification
                        .finish(&whole)
                        .map_err(|refusal| doubted(refusal.into(), self.in_doubt))?;
                    target_rule::check_body(&authentic, body.held())?;
                    authentic
                }
            });
        }
        let credentials = AuthenticSet::of(verified)?;
        body.verified();
        Ok(credentials)
    }
}

/// Tries the kinds of credential in the route's order. The next is tried only where one is absent; with
/// `require = "all"` an absent one refuses.
pub(super) fn judge(
    keys: KeysNow<'_>,
    route: &Route,
    integration: Option<&str>,
    facts: &Facts<'_>,
    decision: &mut Decision,
) -> Result<Judgement, Rejection> {
    let Verify::Kinds { kinds, all } = &route.verify else { return Err(Rejection::Internal) };
    let mut judged = Judged { checks: SmallVec::new(), in_doubt: false };
    for kind in kinds {
        decision.kind = Some(*kind);
        match examine(keys, *kind, route, integration, facts, decision, &mut judged.in_doubt)? {
            Some(Examined::Handshake(opening)) => return Ok(Judgement::Handshake(opening)),
            Some(Examined::Checked(checked)) => judged.checks.push(checked),
            None if *all => return Err(Rejection::Absent),
            None => continue,
        }
        if !*all {
            break;
        }
    }
    if judged.checks.is_empty() { Err(Rejection::Absent) } else { Ok(Judgement::Credentials(judged)) }
}

/// One kind of credential, as far as the head decides; `None` where it is absent.
fn examine(
    keys: KeysNow<'_>,
    kind: CredentialKind,
    route: &Route,
    integration: Option<&str>,
    facts: &Facts<'_>,
    decision: &mut Decision,
    in_doubt: &mut bool,
) -> Result<Option<Examined>, Rejection> {
    let located = match kind {
        CredentialKind::ApiKey => api_key::extract(facts.head.headers, route.bearer).map(Locator::ApiKey),
        CredentialKind::Signature => signature::locate(facts.head.headers).map(Locator::Signature),
        CredentialKind::Integration => {
            Extraction::Present(Locator::Integration(integration.ok_or(Rejection::Internal)?))
        }
    };
    let Some(locator) = present(located)? else { return Ok(None) };
    let candidates = keys.find(&locator)?;
    decision.note(&candidates);
    if let Candidates::Integration(entry) = &candidates {
        if let Some(opening) = handshake::opening(entry, route, facts)? {
            return Ok(Some(Examined::Handshake(opening)));
        }
        if entry.scheme.needs_url() && facts.head.url.is_none() {
            return Err(Rejection::NoPublicUrl);
        }
    }
    let damaged = matches!(candidates, Candidates::Signature { damaged: true, .. });
    *in_doubt |= damaged;
    let extracted = present(extract(candidates, &facts.head)).map_err(|refusal| doubted(refusal, damaged))?;
    let Some(credential) = extracted else { return Ok(None) };
    let mut checked = check(credential, facts).map_err(|refusal| doubted(refusal.into(), damaged))?;
    if let Checked::AwaitsBody(verification) = &mut checked {
        target_rule::check_method(facts.head.method, verification)?;
    }
    Ok(Some(Examined::Checked(checked)))
}

/// A refusal that blames the sender, unless a damaged key could have been theirs: then it is our fault.
fn doubted(refusal: Rejection, in_doubt: bool) -> Rejection {
    if in_doubt { Rejection::Lookup(LookupError::Damaged) } else { refusal }
}

fn present<T>(extraction: Extraction<T>) -> Result<Option<T>, Rejection> {
    match extraction {
        Extraction::Absent => Ok(None),
        Extraction::Malformed(fault) => Err(Rejection::Credential(fault)),
        Extraction::Present(value) => Ok(Some(value)),
    }
}
