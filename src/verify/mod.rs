//! Stage 5, verify: (credential, record, facts of the request, now) → [`Authentic`] or [`Refusal`]. Pure.
//!
//! Not policy: whether a verified request may use a route is `guard/`'s and the target rule is `proxy/`'s.
//! Invariants: no I/O and no clock, time is an argument; every secret that is tried is tried to the end, in
//! one pass over the body, and compared in constant time; [`Authentic`] can be made here only.
//!
//! The order, cheapest first: active, not expired, address allowed, timestamp within the window, and only
//! then the body.

pub mod mac;
pub mod offline;
pub mod scheme;
pub mod timestamp;

mod address;
mod authentic;

use std::net::IpAddr;

use smallvec::SmallVec;
use subtle::Choice;

use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::credential::extract::{Credential, Signed};
use crate::keys::entry::Which;
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
    pub peer: IpAddr,
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
    /// `require = "all"`: the credentials are not of one workspace.
    #[error("the credentials are not of one workspace")]
    RequireFailed,
}

/// What the head alone decides.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per credential, moved once; a box would be an allocation a request"
)]
pub enum Checked {
    /// Verified: the credential does not cover the body.
    Complete(Authentic),
    /// Plausible: the body decides.
    AwaitsBody(Verification),
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
            address::check(record.allowed_cidrs.as_deref(), facts.peer)?;
            Ok(Checked::Complete(Authentic::api_key(entry, which)))
        }
        Credential::Integration { entry, signature } => {
            let record = &entry.record;
            usable(record.is_active, false)?;
            address::check(record.allowed_cidrs.as_deref(), facts.peer)?;
            check_time(&entry.scheme, record.tolerance_seconds, &signature, facts.now)?;
            let trial = Trial::new(Subject::Integration(entry), signature, facts);
            Ok(Checked::AwaitsBody(Verification { trials: SmallVec::from_iter([trial]), length: 0 }))
        }
        Credential::Signature(signed) => {
            let mut trials = SmallVec::new();
            let mut refusal = Refusal::Mismatch;
            for signed in signed {
                match check_signed(&signed, facts) {
                    Err(found) => refusal = found,
                    Ok(()) => {
                        trials.push(Trial::new(Subject::Signature(signed.entry), signed.signature, facts));
                    }
                }
            }
            if trials.is_empty() {
                Err(refusal)
            } else {
                Ok(Checked::AwaitsBody(Verification { trials, length: 0 }))
            }
        }
    }
}

/// A verification that waits for the body: feed it every chunk, then finish it.
#[derive(Debug)]
pub struct Verification {
    trials: SmallVec<[Trial; 1]>,
    length: u64,
}

/// One record's secrets, tried against one signature.
#[derive(Debug)]
struct Trial {
    subject: Subject,
    signature: SignatureCredential,
    current: Attempt,
    previous: Option<Attempt>,
}

impl Verification {
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
        for trial in &mut self.trials {
            trial.current.update(chunk);
            if let Some(previous) = &mut trial.previous {
                previous.update(chunk);
            }
        }
    }

    /// The verdict, once the whole body was fed.
    ///
    /// # Errors
    /// [`Refusal::BodyEmpty`] where every scheme refuses an empty body, [`Refusal::Mismatch`] otherwise.
    pub fn finish(mut self) -> Result<Authentic, Refusal> {
        if self.length == 0 {
            self.trials.retain(|trial| !trial.subject.scheme().requires_body());
            if self.trials.is_empty() {
                return Err(Refusal::BodyEmpty);
            }
        }
        let mut verdict = None;
        for trial in self.trials {
            // Every secret is judged before the first verdict is looked at.
            let current = trial.current.finish(&trial.signature);
            let previous = match trial.previous {
                Some(attempt) => attempt.finish(&trial.signature),
                None => Choice::from(0),
            };
            let any = current | previous;
            if bool::from(any) && verdict.is_none() {
                let which = if bool::from(current) { Which::Current } else { Which::Previous };
                verdict = Some(Authentic::signed(trial.subject, which, trial.signature));
            }
        }
        verdict.ok_or(Refusal::Mismatch)
    }
}

impl Trial {
    fn new(subject: Subject, signature: SignatureCredential, facts: &Facts<'_>) -> Self {
        let scheme = subject.scheme();
        let current = scheme.begin(subject.secret(), &facts.head, &signature);
        let previous = subject
            .previous_secret()
            .filter(|previous| facts.now < previous.until)
            .map(|previous| scheme.begin(&previous.key, &facts.head, &signature));
        Self { current, previous, subject, signature }
    }
}

fn check_signed(signed: &Signed, facts: &Facts<'_>) -> Result<(), Refusal> {
    let record = &signed.entry.record;
    usable(record.is_active, signed.entry.is_expired(facts.now))?;
    address::check(record.allowed_cidrs.as_deref(), facts.peer)?;
    check_time(&signed.entry.scheme, None, &signed.signature, facts.now)
}

fn usable(is_active: bool, is_expired: bool) -> Result<(), Refusal> {
    if !is_active {
        return Err(Refusal::Inactive);
    }
    if is_expired { Err(Refusal::Expired) } else { Ok(()) }
}

fn check_time(
    scheme: &Scheme,
    tolerance: Option<u32>,
    signature: &SignatureCredential,
    now: UnixMillis,
) -> Result<(), Refusal> {
    let Some(signed) = signature.timestamp() else { return Ok(()) };
    let tolerance = tolerance.or_else(|| scheme.tolerance_seconds()).unwrap_or(DEFAULT_TOLERANCE_SECONDS);
    timestamp::check(signed, now, tolerance).map_err(Refusal::Timestamp)
}
