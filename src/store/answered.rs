//! Answers to admin requests that carried an `Idempotency-Key`, kept beside the change that they tell of.
//!
//! Not what an answer says: it is sealed (`seal/answers.rs`), and its id is a digest. Invariants: an answer is stored in
//! the one atomic step of its change, so that there is never one without the other; within [`KEPT_FOR`] an id has one
//! answer, and a second change under it is refused; when their number reaches [`KEPT`], further ones are refused, and
//! none is dropped before its time. Time is that of whoever asks, as for every record.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixMillis;

/// How long an answer is repeated.
pub const KEPT_FOR: Duration = Duration::from_secs(600);
/// Answers that a namespace keeps at a time: some tens of megabytes at most.
pub const KEPT: usize = 10_000;
/// Answers whose time is over that one commit removes.
pub(crate) const DROPPED_AT_ONCE: usize = 100;

/// Which answer: a digest over the admin and the `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnswerId(pub [u8; 32]);

/// An answer on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Which one.
    pub id: AnswerId,
    /// When the change was made.
    pub at: UnixMillis,
    /// What it says, sealed.
    pub sealed: Arc<[u8]>,
}

/// The latest time of an answer that counts no more at `now`.
#[must_use]
pub(crate) fn over_since(now: UnixMillis) -> UnixMillis {
    let kept = i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
    UnixMillis(now.0.saturating_sub(kept))
}
