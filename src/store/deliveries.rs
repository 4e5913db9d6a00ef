//! Where deliveries are kept: a list of the verified and a list of the others for each integration.
//!
//! Not records: no request is judged by them, they never enter the change log, and one that is lost is lost. Invariants:
//! a list holds at most so many, the newest; the two lists of an integration never displace each other's, nor those of
//! another integration; what is older than [`RETENTION`] goes with a later write; ids are UUIDv7, and lists are in
//! their order.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::StoreFuture;
use super::uses::Counted;
use crate::clock::UnixMillis;

/// How long deliveries are kept at most: those of deleted integrations go then.
pub const RETENTION: Duration = Duration::from_secs(30 * 86400);

/// Which of the two lists of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// What was verified, whatever the application said.
    Verified,
    /// What was not.
    Refused,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Verified, Self::Refused];

    /// The stable name, as metrics have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Refused => "refused",
        }
    }
}

/// A delivery on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Of which integration.
    pub integration: Uuid,
    /// Into which of its lists.
    pub side: Side,
    /// Its id: UUIDv7 of the request.
    pub id: Uuid,
    /// JSON.
    pub json: Arc<[u8]>,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this integration; `None` = of any.
    pub integration: Option<Uuid>,
    /// Of this list; `None` = of both.
    pub side: Option<Side>,
    /// Before this one; `None` = from the newest on.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: usize,
}

/// Deliveries with their ids, newest first.
pub type Found = Vec<(Uuid, Arc<[u8]>)>;

/// The part of a store that keeps deliveries.
pub trait Deliveries: Send + Sync {
    /// Keeps these, and of each list no more than `most`. `now`: wall time, for [`RETENTION`].
    ///
    /// # Errors
    /// Where the store cannot be written; some may be kept.
    fn keep_deliveries<'a>(
        &'a self,
        batch: &'a [Kept],
        most: u32,
        now: UnixMillis,
    ) -> StoreFuture<'a, Counted>;

    /// Newest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn deliveries(&self, wanted: Wanted) -> StoreFuture<'_, Found>;

    /// The one with this id, if it is kept.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn delivery(&self, id: Uuid) -> StoreFuture<'_, Option<Arc<[u8]>>>;
}

/// The wall time in an id; 0 where it has none.
#[must_use]
pub fn millis_of(id: Uuid) -> u64 {
    let [a, b, c, d, e, f, ..] = id.into_bytes();
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// The least id of that time.
#[must_use]
pub fn first_id_at(at: UnixMillis) -> Uuid {
    let millis = u64::try_from(at.0).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}

/// From when on deliveries are kept.
#[must_use]
pub fn cutoff(now: UnixMillis) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(i64::try_from(RETENTION.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::{first_id_at, millis_of};
    use crate::clock::UnixMillis;

    #[test]
    fn an_id_says_when() {
        let at = UnixMillis(1_767_225_600_123);
        assert_eq!(millis_of(first_id_at(at)), 1_767_225_600_123);
        assert_eq!(millis_of(uuid::Uuid::max()), (1 << 48) - 1);
    }
}
