//! One secret tried on one request: bytes in, a constant-time verdict out. Pure.
//!
//! Not a decision: times, addresses and expiry are judged elsewhere. Invariants: several attempts share one
//! pass over the body; every candidate is compared, whichever matches first; an attempt whose key belongs to
//! another kind of scheme, or whose signed bytes can't be completed, fails.

use smallvec::SmallVec;
use subtle::{Choice, ConstantTimeEq};

use super::Scheme;
use super::extract::SignatureCredential;
use super::key::{Keyed, VerifyKey};
use super::template::{Facts, Template, render};
use crate::credential::Head;
use crate::verify::mac::{Mac, MacKey, Tag};

/// A verification in progress.
#[derive(Debug)]
pub struct Attempt(State);

#[derive(Debug)]
enum State {
    Mac { mac: Box<Mac>, body: bool, tail: SmallVec<[u8; 32]> },
    Token(Tag),
    Failed,
}

impl Scheme {
    /// Begins to verify a request with one key: absorbs what comes before the body.
    #[must_use]
    pub fn begin(&self, key: &VerifyKey, head: &Head<'_>, credential: &SignatureCredential) -> Attempt {
        let facts = Facts {
            head,
            timestamp: credential.timestamp.as_ref().map(|signed| signed.text.as_slice()),
            id: credential.id.as_ref().map(|id| id.0.as_slice()),
        };
        Attempt(match (&key.0, &self.template) {
            (Keyed::Mac(key), Some(template)) => State::begin(key, template, &facts).unwrap_or(State::Failed),
            (Keyed::Token { digest, .. }, None) => State::Token(digest.clone()),
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
        if let State::Mac { mac, body: true, .. } = &mut self.0 {
            mac.update(chunk);
        }
    }

    /// Whether one of the candidates is the signature of what was absorbed.
    #[must_use]
    pub fn finish(self, credential: &SignatureCredential) -> Choice {
        let Some(tag) = self.tag() else { return Choice::from(0) };
        credential.tags.iter().fold(Choice::from(0), |found, candidate| found | tag.ct_eq(candidate))
    }

    pub(super) fn tag(self) -> Option<Tag> {
        match self.0 {
            State::Mac { mut mac, tail, .. } => {
                mac.update(&tail);
                Some(mac.finish())
            }
            State::Token(digest) => Some(digest),
            State::Failed => None,
        }
    }
}
