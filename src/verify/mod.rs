//! Stage 5, verify: (credential, record, facts of the request, now) → [`Authentic`] or [`Refusal`]. Pure.
//!
//! Not policy: whether a verified request may use a route is `guard/`'s and the target rule is `proxy/`'s.
//! Invariants: no I/O and no clock, time is an argument; every secret that is tried is tried to the end, in
//! one pass over the body, and compared in constant time; [`Authentic`] can be made here only.
//!
//! The order, cheapest first: active, not expired, address allowed, timestamp within the window, and only
//! then the body.

pub mod diagnosis;
pub mod handshake;
pub mod kind;
pub mod mac;
pub mod offline;
pub mod scheme;
pub mod timestamp;

mod address;
mod authentic;
mod http_date;
mod pem;
#[cfg(test)]
mod tests;
mod verifier;

use smallvec::SmallVec;

use crate::client::Address;
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::credential::extract::{Credential, Signed};
use crate::keys::entry::{IntegrationEntry, Which};
use handshake::{Handshake, Spotter};
use kind::{Finding, Times};
use scheme::{Attempt, Scheme, SignatureCredential};
use timestamp::TimestampFault;

pub use authentic::{Authentic, AuthenticSet, Subject};

/// How far a signed timestamp may be from now where neither scheme nor record says: Standard Webhooks,
/// "Verifying webhook authenticity", and most senders' own libraries use 5 minutes.
pub const DEFAULT_TOLERANCE_SECONDS: u32 = 300;

/// What verification may know of the request besides its credential.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'h> {
    /// The head as it arrived.
    pub head: Head<'h>,
    /// The address of the caller.
    pub peer: Address,
    /// Wall time.
    pub now: UnixMillis,
}

/// Why a well-formed credential is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The record is disabled.
    #[error("the key or integration is not active")]
    Inactive,
    /// The record has expired.
    #[error("the key has expired")]
    Expired,
    /// The caller's address is not among those that may use it.
    #[error("the caller's address is not allowed")]
    Address,
    /// The signed timestamp is outside the window.
    #[error(transparent)]
    Timestamp(TimestampFault),
    /// The scheme does not accept an empty body.
    #[error("the body is empty")]
    BodyEmpty,
    /// No secret matches.
    #[error("no signature matches")]
    Mismatch,
    /// What the signature covers could be a challenge of the scheme's handshake: it may be our own MAC.
    #[error("what is signed could be a challenge of the scheme's handshake")]
    Challenge,
    /// `require = "all"`: the credentials are not of one workspace.
    #[error("the credentials are not of one workspace")]
    RequireFailed,
}

/// What the head alone decides.
#[derive(Debug)]
pub enum Checked {
    /// Verified: the credential does not cover the body.
    Complete(Authentic),
    /// Plausible: the body decides. In a box, because it is large and a request without one is moved as far.
    AwaitsBody(Box<Verification>),
}

/// Judges everything that needs no body.
///
/// # Errors
/// The first reason that holds for every record the credential could be good for.
pub fn check(credential: Credential, facts: &Facts<'_>) -> Result<Checked, Refusal> {
    match credential {
        Credential::ApiKey { entry, which } => {
            let record = &entry.record;
            usable(record.is_active, entry.is_expired(facts.now))?;
            address::check(record.allowed_cidrs(), facts.peer)?;
            Ok(Checked::Complete(Authentic::api_key(entry, which)))
        }
        Credential::Integration { entry, signature } => {
            let record = &entry.record;
            may_call(&entry, facts.peer)?;
            let tolerance = record.tolerance_seconds;
            check_times(&entry.scheme, tolerance, signature.times(), facts.now)?;
            let trial = Trial::new(Subject::Integration(entry), signature, tolerance, facts);
            Ok(Checked::AwaitsBody(Box::new(Verification::new(SmallVec::from_iter([trial]), facts.now))))
        }
        Credential::Signature(signed) => {
            let mut trials = SmallVec::new();
            let mut refusal = Refusal::Mismatch;
            for signed in signed {
                match check_signed(&signed, facts) {
                    Err(found) => refusal = found,
                    Ok(()) => {
                        let subject = Subject::Signature(signed.entry);
                        trials.push(Trial::new(subject, signed.signature, None, facts));
                    }
                }
            }
            if trials.is_empty() {
                Err(refusal)
            } else {
                Ok(Checked::AwaitsBody(Box::new(Verification::new(trials, facts.now))))
            }
        }
    }
}

/// Whether an integration takes requests of this caller at all.
///
/// # Errors
/// [`Refusal::Inactive`], [`Refusal::Address`].
pub fn may_call(entry: &IntegrationEntry, peer: Address) -> Result<(), Refusal> {
    usable(entry.record.is_active, false)?;
    address::check(entry.record.allowed_cidrs.as_deref(), peer)
}

/// A verification that waits for the body: feed it every chunk, then finish it.
#[derive(Debug)]
pub struct Verification {
    trials: SmallVec<[Trial; 1]>,
    length: u64,
    now: UnixMillis,
    /// Set where a body may be a challenge of the scheme's handshake, which is no event.
    spotter: Option<Spotter>,
}

/// One record's secrets, tried against one signature.
#[derive(Debug)]
struct Trial {
    subject: Subject,
    signature: SignatureCredential,
    tolerance: Option<u32>,
    current: Attempt,
    previous: Option<Attempt>,
}

impl Verification {
    fn new(trials: SmallVec<[Trial; 1]>, now: UnixMillis) -> Self {
        let handshake = trials.first().and_then(|trial| trial.subject.scheme().handshake());
        let spotter = handshake.and_then(Handshake::spotter);
        Self { trials, length: 0, now, spotter }
    }

    /// Drops the records whose scheme binds neither URL nor target; `false` where none is left.
    pub fn keep_target_bound(&mut self) -> bool {
        self.trials.retain(|trial| trial.subject.scheme().binds_target());
        !self.trials.is_empty()
    }

    /// The largest body that any of the schemes asks for, in bytes.
    #[must_use]
    pub fn max_body(&self) -> Option<u64> {
        self.trials.iter().filter_map(|trial| trial.subject.scheme().max_body()).max()
    }

    /// Feeds a part of the body, as it arrived.
    pub fn update(&mut self, chunk: &[u8]) {
        self.length = self.length.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if let Some(spotter) = &mut self.spotter {
            spotter.update(chunk);
        }
        for trial in &mut self.trials {
            trial.current.update(chunk);
            if let Some(previous) = &mut trial.previous {
                previous.update(chunk);
            }
        }
    }

    /// Whether [`Verification::finish`] needs the body in one piece.
    #[must_use]
    pub fn needs_whole_body(&self) -> bool {
        self.trials.iter().any(|trial| trial.subject.scheme().needs_whole_body())
    }

    /// The verdict, once the whole body was fed. `body` is all of it where
    /// [`Verification::needs_whole_body`], else it is not looked at.
    ///
    /// # Errors
    /// [`Refusal::BodyEmpty`] where every scheme refuses an empty body, [`Refusal::Challenge`] where the body could
    /// be a challenge, [`Refusal::Mismatch`] otherwise.
    pub fn finish(mut self, body: &[u8]) -> Result<Authentic, Refusal> {
        if self.length == 0 {
            self.trials.retain(|trial| !trial.subject.scheme().requires_body());
            if self.trials.is_empty() {
                return Err(Refusal::BodyEmpty);
            }
        }
        if self.spotter.is_some_and(|spotter| spotter.is_challenge()) {
            return Err(Refusal::Challenge);
        }
        let mut verdict = None;
        let mut refusal = Refusal::Mismatch;
        for trial in self.trials {
            // Every secret is judged before the first verdict is looked at.
            let current = trial.current.finish(trial.subject.scheme(), &trial.signature, body);
            let previous = match trial.previous {
                Some(attempt) => attempt.finish(trial.subject.scheme(), &trial.signature, body),
                None => Finding::refused(),
            };
            let any = current.matched | previous.matched;
            if bool::from(any) && verdict.is_none() {
                let is_current = bool::from(current.matched);
                let (which, finding) =
                    if is_current { (Which::Current, current) } else { (Which::Previous, previous) };
                match check_times(trial.subject.scheme(), trial.tolerance, finding.times, self.now) {
                    Ok(()) => {
                        verdict = Some(Authentic::signed(trial.subject, which, trial.signature, finding));
                    }
                    Err(found) => refusal = found,
                }
            }
        }
        verdict.ok_or(refusal)
    }
}

impl Trial {
    fn new(
        subject: Subject,
        signature: SignatureCredential,
        tolerance: Option<u32>,
        facts: &Facts<'_>,
    ) -> Self {
        let scheme = subject.scheme();
        let current = scheme.begin(subject.secret(), &facts.head, &signature);
        let previous = subject
            .previous_secret()
            .filter(|previous| facts.now < previous.until)
            .map(|previous| scheme.begin(&previous.key, &facts.head, &signature));
        Self { current, previous, subject, signature, tolerance }
    }
}

fn check_signed(signed: &Signed, facts: &Facts<'_>) -> Result<(), Refusal> {
    let record = &signed.entry.record;
    usable(record.is_active, signed.entry.is_expired(facts.now))?;
    address::check(record.allowed_cidrs(), facts.peer)?;
    check_times(&signed.entry.scheme, None, signed.signature.times(), facts.now)
}

fn usable(is_active: bool, is_expired: bool) -> Result<(), Refusal> {
    if !is_active {
        return Err(Refusal::Inactive);
    }
    if is_expired { Err(Refusal::Expired) } else { Ok(()) }
}

/// Judges the times that a signature covers.
fn check_times(
    scheme: &Scheme,
    tolerance: Option<u32>,
    times: Times,
    now: UnixMillis,
) -> Result<(), Refusal> {
    if times.not_before.is_some_and(|from| now < from) {
        return Err(Refusal::Timestamp(TimestampFault::Future));
    }
    if times.expires.is_some_and(|until| now >= until) {
        return Err(Refusal::Timestamp(TimestampFault::Old));
    }
    let Some(signed) = times.at else { return Ok(()) };
    let tolerance = tolerance.or_else(|| scheme.tolerance_seconds()).unwrap_or(DEFAULT_TOLERANCE_SECONDS);
    timestamp::check(signed, now, tolerance).map_err(Refusal::Timestamp)
}
