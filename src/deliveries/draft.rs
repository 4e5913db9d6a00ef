//! What is noted of a request on its way: little, and nothing that takes time.
//!
//! Not what is stored: [`super::Delivery`] is made of it later, by another thread. Invariants: nothing of it keeps the
//! buffer of a connection alive but a body, and that within a budget of its own; a body that does not fit is not held,
//! and then has no digest.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Method;
use uuid::Uuid;

use super::headers::Headers;
use super::sample::Sample;
use crate::client::Address;
use crate::clock::Moment;
use crate::credential::Head;
use crate::keys::entry::IntegrationEntry;
use crate::proxy::body::Buffered;
use crate::proxy::budget::{Budget, Share};

/// Bytes of a path that are kept.
const LONGEST_PATH: usize = 512;
/// A body up to this, bytes, is copied, because a small piece keeps a large buffer alive.
const COPIED: u64 = 64 << 10;

/// A step on the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// Route, candidates, credential and time are judged: all that the head decides.
    Judged,
    /// The body is read.
    Read,
    /// It is verified and admitted.
    Verified,
}

impl Stage {
    /// How many there are.
    pub(super) const COUNT: usize = 3;
}

/// A request on an integration.
#[derive(Debug)]
pub struct Draft {
    pub(super) entry: Arc<IntegrationEntry>,
    pub(super) id: Uuid,
    pub(super) begun: Moment,
    pub(super) client: Address,
    pub(super) method: Method,
    pub(super) path: Box<str>,
    pub(super) has_query: bool,
    pub(super) headers: Headers,
    pub(super) body: Option<HeldBody>,
    pub(super) size: Option<u64>,
    pub(super) stages: [Option<Instant>; Stage::COUNT],
    /// What its refusal is diagnosed by; `None` where there is nothing to diagnose.
    pub(super) sample: Option<Sample>,
    pub(super) is_ours: bool,
}

/// A body that waits for its digest.
#[derive(Debug)]
pub(super) struct HeldBody {
    pub(super) chunks: Vec<Bytes>,
    _share: Share,
}

impl Draft {
    /// Of the head. `is_ours`: it is a request of our own.
    #[must_use]
    pub fn of(
        entry: &Arc<IntegrationEntry>,
        id: Uuid,
        begun: Moment,
        client: Address,
        head: &Head<'_>,
        is_ours: bool,
    ) -> Self {
        let (path, has_query) =
            head.target.split_once('?').map_or((head.target, false), |(path, _)| (path, true));
        let end = path.floor_char_boundary(LONGEST_PATH);
        Self {
            id,
            begun,
            client,
            method: head.method.clone(),
            path: path.get(..end).unwrap_or_default().into(),
            has_query,
            headers: Headers::of(head.headers, entry.scheme.credential_headers()),
            entry: Arc::clone(entry),
            body: None,
            size: None,
            stages: [None; Stage::COUNT],
            sample: None,
            is_ours,
        }
    }

    /// A step was reached.
    pub fn reach(&mut self, stage: Stage, at: Instant) {
        if let Some(reached) = self.stages.get_mut(stage as usize) {
            *reached = Some(at);
        }
    }

    /// The body, as it was read.
    pub(super) fn hold(&mut self, body: &Buffered, budget: &Arc<Budget>) {
        let size = body.len();
        self.size = Some(size);
        let Some(share) = budget.try_hold(size) else { return };
        let chunks = match body.gathered(COPIED) {
            Some(whole) => vec![Bytes::copy_from_slice(&whole)],
            None => body.chunks().cloned().collect(),
        };
        self.body = Some(HeldBody { chunks, _share: share });
    }
}
