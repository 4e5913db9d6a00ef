//! Calls of known admins that their role does not allow: each an event of the audit log.
//!
//! Not calls of strangers, which are counted (`refused.rs`). Invariants: an admin who asks for what is not allowed makes
//! at most [`EVENTS`] events a minute, and the next one says how many were left out, so that no token of little right
//! fills the log or keeps writers waiting; the refusal stands whether its event was stored or not.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;
use uuid::Uuid;

use super::AdminState;
use super::change;
use super::operations::Operation;
use super::rights::Rights;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, RecordKey};
use crate::store::writer::{Actor, Plan, Severity};

/// Events of one admin a minute.
const EVENTS: u32 = 30;
/// A minute.
const WINDOW: Duration = Duration::from_secs(60);

/// What each admin has asked for in vain lately. As large as the number of admins at most.
#[derive(Debug, Default)]
pub struct Denied {
    windows: Mutex<HashMap<Uuid, Window>>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    events: u32,
    left_out: u64,
}

impl Denied {
    /// Makes the event, unless there were too many.
    pub(super) async fn note(
        &self,
        state: &AdminState,
        actor: &Actor,
        rights: &Rights,
        operation: &'static Operation,
    ) {
        let Some(id) = actor.admin else { return };
        let Some(left_out) = self.admit(id, state.ring.now()) else { return };
        let metadata = json!({
            "method": operation.method.as_str(), "path": operation.path, "role": rights.role().name(),
            "leftOut": left_out,
        });
        let key = RecordKey { kind: Kind::Admin, id };
        let plan = |_: &Mirror| {
            let event = change::event("call.refused", Severity::Normal, key, metadata.clone());
            Ok::<_, ()>(Plan { edits: Vec::new(), requires: Vec::new(), event, output: () })
        };
        if let Err(error) = state.writer.write(actor, plan).await {
            let why = error.to_string();
            tracing::error!(admin = actor.name, why, "a refused call of an admin is not in the audit log");
        }
    }

    /// How many were left out before this one; `None` where this one is, too.
    fn admit(&self, admin: Uuid, now: Instant) -> Option<u64> {
        let mut windows = self.windows.lock();
        let window = windows.entry(admin).or_insert(Window { since: now, events: 0, left_out: 0 });
        if now.saturating_duration_since(window.since) >= WINDOW {
            (window.since, window.events) = (now, 0);
        }
        if window.events >= EVENTS {
            window.left_out = window.left_out.saturating_add(1);
            return None;
        }
        window.events += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::{Denied, EVENTS};
    use crate::clock::{Clock, ManualClock, UnixMillis};

    #[test]
    fn what_is_left_out_is_told_with_the_next() {
        let (denied, clock) = (Denied::default(), ManualClock::at(UnixMillis(0)));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for _ in 0..EVENTS {
            assert_eq!(denied.admit(one, clock.monotonic()), Some(0));
        }
        assert_eq!(denied.admit(one, clock.monotonic()), None);
        assert_eq!(denied.admit(one, clock.monotonic()), None);
        assert_eq!(denied.admit(other, clock.monotonic()), Some(0));
        clock.advance(Duration::from_secs(60));
        assert_eq!(denied.admit(one, clock.monotonic()), Some(2));
        assert_eq!(denied.admit(one, clock.monotonic()), Some(0));
    }
}
