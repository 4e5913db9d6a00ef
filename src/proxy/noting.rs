//! What the way of a request notes for its delivery.
//!
//! Not the delivery, which another thread makes (`deliveries/`). Invariants: nothing is noted of a request that is on no
//! integration, and no clock is read for it; nothing here changes what becomes of a request.

use std::time::Instant;

use http::StatusCode;

use super::body::Buffered;
use super::pipeline::Shared;
use super::rejection::Rejection;
use super::request_id::RequestId;
use crate::clock::Moment;
use crate::deliveries::{Delivery, Draft, Stage};
use crate::guard::Admitted;
use crate::store::deliveries::Side;
use crate::telemetry::decision::Decision;
use crate::verify::{Facts, Refusal};

/// What the head decided, which is given back.
pub(super) fn head<T>(
    shared: &Shared,
    judged: Result<T, Rejection>,
    facts: &Facts<'_>,
    begun: Moment,
    id: &RequestId,
    decision: &mut Decision,
) -> Result<T, Rejection> {
    let Some(entry) = decision.integration() else { return judged };
    let side = if judged.is_err() { Side::Refused } else { Side::Verified };
    let (deliveries, client, is_ours) = (&shared.deliveries, decision.client, decision.mark.is_some());
    let worth = is_ours || deliveries.has_room(side);
    let draft = worth.then(|| Draft::of(entry, id.uuid(), begun, client, &facts.head, is_ours));
    decision.draft = draft.map(|mut draft| {
        draft.reach(Stage::Judged, shared.clock.monotonic());
        Box::new(draft)
    });
    verdict(shared, judged, facts, decision)
}

/// A verdict, which is given back.
pub(super) fn verdict<T>(
    shared: &Shared,
    judged: Result<T, Rejection>,
    facts: &Facts<'_>,
    decision: &mut Decision,
) -> Result<T, Rejection> {
    if let (Err(rejection), Some(draft)) = (&judged, &mut decision.draft)
        && is_puzzling(rejection)
    {
        shared.deliveries.sample(draft, &facts.head);
    }
    judged
}

/// Whether the reason alone leaves a person who did nothing wrong at a loss.
fn is_puzzling(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::Absent
            | Rejection::Credential(_)
            | Rejection::Verify(Refusal::Mismatch | Refusal::Timestamp(_))
    )
}

/// The body, just read.
pub(super) fn body(shared: &Shared, body: &Buffered, decision: &mut Decision) {
    if let Some(draft) = &mut decision.draft {
        draft.reach(Stage::Read, shared.clock.monotonic());
        shared.deliveries.hold(draft, body);
    }
}

/// It is admitted.
pub(super) fn admitted(shared: &Shared, admitted: &Admitted, begun: Moment, decision: &mut Decision) {
    decision.admit(admitted, begun.wall);
    if let Some(draft) = &mut decision.draft {
        draft.reach(Stage::Verified, shared.clock.monotonic());
    }
}

/// It has ended.
pub(super) fn end(shared: &Shared, decision: &mut Decision, route: &str, status: StatusCode, at: Instant) {
    if decision.integration().is_some() {
        let ended = decision.ended(route, status, at);
        if let (Some(mark), Some(draft)) = (&decision.mark, &decision.draft) {
            mark.leave(Delivery::of(draft, &ended, None));
        }
        shared.deliveries.leave(decision.draft.take(), ended);
    }
}
