//! One budget of body bytes in flight for the whole process.
//!
//! Not a per-request limit (`limits.max_body` is). Invariant: the sum of all shares never exceeds the
//! capacity; a share is given back when it is dropped, on whatever way the request ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The budget, in bytes.
#[derive(Debug)]
pub struct Budget {
    capacity: u64,
    used: AtomicU64,
}

/// What one request holds of it.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    held: u64,
}

/// The budget has not that much left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    /// A budget of `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self { capacity, used: AtomicU64::new(0) })
    }

    /// Bytes in flight.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// A share of nothing, to be charged as bytes arrive.
    #[must_use]
    pub fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), held: 0 }
    }
}

impl Share {
    /// Charges `bytes` more.
    ///
    /// # Errors
    /// [`Exhausted`]; the share is unchanged then.
    pub fn charge(&mut self, bytes: u64) -> Result<(), Exhausted> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.budget.capacity);
        self.budget.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits).map_err(|_| Exhausted)?;
        self.held = self.held.saturating_add(bytes);
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Exhausted};

    #[test]
    fn shares_never_exceed_the_capacity_and_come_back_on_drop() {
        let budget = Budget::new(10);
        let mut one = budget.share();
        let mut two = budget.share();
        assert_eq!(one.charge(6), Ok(()));
        assert_eq!(two.charge(5), Err(Exhausted));
        assert_eq!(two.charge(4), Ok(()));
        assert_eq!(one.charge(u64::MAX), Err(Exhausted));
        drop(one);
        assert_eq!(budget.used(), 4);
        drop(two);
        assert_eq!(budget.used(), 0);
    }
}
