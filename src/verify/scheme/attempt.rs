//! One secret tried on one request: bytes in, a constant-time verdict out. Pure.
//!
//! Not a decision: times, addresses and expiry are judged elsewhere. Invariants: several attempts share one
//! pass over the body; every candidate is compared, whichever matches first; an attempt whose key belongs to
//! another kind of scheme, or whose signed bytes can't be completed, fails.

use std::fmt;

use smallvec::SmallVec;
use subtle::{Choice, ConstantTimeEq};

use super::Scheme;
use super::extract::SignatureCredential;
use super::key::{Keyed, VerifyKey};
use super::template::{Facts, Template, render};
use super::whole::Whole;
use crate::credential::Head;
use crate::verify::kind::{Finding, KindAttempt, Times};
use crate::verify::mac::{Mac, MacKey, Tag};

/// A verification in progress.
pub struct Attempt(State);

enum State {
    Mac { mac: Box<Mac>, body: bool, tail: SmallVec<[u8; 32]> },
    Token(Tag),
    Whole(Box<Whole>),
    Kind(Box<dyn KindAttempt>),
    Several(Vec<Attempt>),
    Failed,
}

impl Scheme {
    /// Begins to verify a request with one key: absorbs what comes before the body.
    #[must_use]
    pub fn begin(&self, key: &VerifyKey, head: &Head<'_>, credential: &SignatureCredential) -> Attempt {
        Attempt(match (&key.0, &credential.evidence, &self.template) {
            (Keyed::Several(keys), ..) => {
                State::Several(keys.iter().map(|key| self.begin(key, head, credential)).collect())
            }
            (Keyed::Kind { key, .. }, Some(evidence), _) => {
                key.begin(head, evidence).map_or(State::Failed, State::Kind)
            }
            (keyed, None, _) if self.whole => Whole::begin(self, keyed, head, credential)
                .map_or(State::Failed, |whole| State::Whole(Box::new(whole))),
            (keyed @ Keyed::Mac { key, .. }, None, Some(template)) => {
                let facts = Facts::of(head, credential, keyed.secret());
                State::begin(key, template, &facts).unwrap_or(State::Failed)
            }
            (Keyed::Token { digest, .. }, None, None) => State::Token(Tag::clone(digest)),
            _ => State::Failed,
        })
    }
}

impl State {
    fn begin(key: &MacKey, template: &Template, facts: &Facts<'_>) -> Option<Self> {
        let mut mac = Box::new(key.begin());
        let mut tail = SmallVec::new();
        render(&template.before, facts, |bytes| mac.update(bytes))?;
        render(&template.after, facts, |bytes| tail.extend_from_slice(bytes))?;
        Some(Self::Mac { mac, body: template.body, tail })
    }
}

impl Attempt {
    /// Absorbs the next bytes of the body, as they arrived.
    pub fn update(&mut self, chunk: &[u8]) {
        match &mut self.0 {
            State::Mac { mac, body: true, .. } => mac.update(chunk),
            State::Kind(attempt) => attempt.update(chunk),
            State::Several(attempts) => attempts.iter_mut().for_each(|attempt| attempt.update(chunk)),
            _ => {}
        }
    }

    /// Whether one of the candidates is the signature of what was absorbed, and what else the body told.
    ///
    /// `scheme` is the one that began it. `body` is the whole body where [`Scheme::needs_whole_body`], else
    /// it is not looked at.
    #[must_use]
    pub fn finish(self, scheme: &Scheme, credential: &SignatureCredential, body: &[u8]) -> Finding {
        let binds_body = match self.0 {
            State::Kind(attempt) => return attempt.finish(body),
            State::Whole(whole) => return whole.finish(scheme, credential, body),
            State::Several(attempts) => {
                let findings = attempts.into_iter().map(|attempt| attempt.finish(scheme, credential, body));
                return findings.fold(Finding::refused(), either);
            }
            State::Mac { body, .. } => body,
            State::Token(_) | State::Failed => false,
        };
        let Some(tag) = self.tag(scheme, body) else { return Finding::refused() };
        let any = credential.tags.iter().fold(Choice::from(0), |found, tried| found | tag.ct_eq(tried));
        Finding::of(any, binds_body)
    }

    /// The tag that a sender with this key would send; of the first key where there are several.
    pub(super) fn tag(self, scheme: &Scheme, body: &[u8]) -> Option<Tag> {
        match self.0 {
            State::Mac { mut mac, tail, .. } => {
                mac.update(&tail);
                Some(mac.finish())
            }
            State::Token(digest) => Some(digest),
            State::Whole(whole) => whole.first_tag(scheme, body),
            State::Several(attempts) => attempts.into_iter().next()?.tag(scheme, body),
            State::Kind(_) | State::Failed => None,
        }
    }
}

/// Of two keys tried on one request. Which of them matched is no branch: time and id are told by the request,
/// so that whoever tells them tells the same.
fn either(one: Finding, other: Finding) -> Finding {
    let binds = |finding: &Finding| finding.binds_body & bool::from(finding.matched);
    Finding {
        matched: one.matched | other.matched,
        binds_body: binds(&one) | binds(&other),
        times: Times {
            at: one.times.at.or(other.times.at),
            not_before: one.times.not_before.or(other.times.not_before),
            expires: one.times.expires.or(other.times.expires),
        },
        id: one.id.or(other.id),
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt([redacted])")
    }
}
