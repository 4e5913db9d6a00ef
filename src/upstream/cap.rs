//! How many connections to the application there may be at once, in the whole process.
//!
//! It opens none. Where all places are taken, unused connections of other threads give up theirs, and whoever needs
//! one waits a bounded time. Both bounds may change while it is used. Invariant: a place is given back when it is dropped,
//! with the connection that it is of, whatever that has become (a WebSocket); where there are fewer places than before,
//! those given back go first.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::limits::millis;

/// Something that keeps unused connections.
pub(super) trait Idle: Send + Sync {
    /// Closes one. Whether there was one.
    fn close_one(&self) -> bool;
}

/// One for the process.
pub(super) struct Cap {
    places: Arc<Semaphore>,
    /// How many there are to be.
    size: Mutex<usize>,
    /// Places that are taken and will not be given again. Changed while `size` is locked.
    surplus: AtomicUsize,
    /// Milliseconds.
    wait: AtomicU64,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Weak<dyn Idle>>>,
}

/// The right to have one connection.
#[derive(Debug)]
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    cap: Arc<Cap>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.cap.surplus.load(Ordering::Relaxed) == 0 {
            return;
        }
        let _size = self.cap.size.lock();
        let surplus = self.cap.surplus.load(Ordering::Relaxed);
        if let (Some(less), Some(permit)) = (surplus.checked_sub(1), self.permit.take()) {
            self.cap.surplus.store(less, Ordering::Relaxed);
            permit.forget();
        }
    }
}

impl Cap {
    /// At most so many connections; who finds none free waits at most so long.
    pub(super) fn new(connections: usize, wait: Duration) -> Arc<Self> {
        let places = connections.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places)),
            size: Mutex::new(places),
            surplus: AtomicUsize::new(0),
            wait: AtomicU64::new(millis(wait)),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
        })
    }

    /// Changes both bounds. Connections that are in use stay so.
    pub(super) fn set(&self, connections: usize, wait: Duration) {
        self.wait.store(millis(wait), Ordering::Relaxed);
        let surplus = self.resize(connections.min(Semaphore::MAX_PERMITS));
        // No more than that, and not until there is no surplus: places that are given back meanwhile count too.
        let _closed = (0..surplus).take_while(|_| self.close_one()).count();
    }

    /// How many places too many are taken now.
    fn resize(&self, places: usize) -> usize {
        let mut size = self.size.lock();
        let mut surplus = self.surplus.load(Ordering::Relaxed);
        if let Some(fewer) = size.checked_sub(places) {
            surplus += fewer - self.places.forget_permits(fewer);
        } else {
            let more = places - *size;
            // A place that would have gone with its connection stays.
            let kept = more.min(surplus);
            surplus -= kept;
            self.places.add_permits(more - kept);
        }
        *size = places;
        self.surplus.store(surplus, Ordering::Relaxed);
        surplus
    }

    /// Whether somebody waits for a place, or too many are taken: an unused connection had better be closed than kept.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.surplus.load(Ordering::Relaxed) > 0
    }

    pub(super) fn register(&self, idle: Weak<dyn Idle>) {
        self.idle.lock().push(idle);
    }

    /// A place, or `None` where none became free in time.
    pub(super) async fn place(self: &Arc<Self>) -> Option<Place> {
        let place = |permit| Place { permit: Some(permit), cap: Arc::clone(self) };
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place(permit));
        }
        let _waits = Waits::new(&self.waiting);
        let _closed = self.close_one();
        let wait = Duration::from_millis(self.wait.load(Ordering::Relaxed));
        let permit = timeout(wait, Arc::clone(&self.places).acquire_owned()).await.ok()?.ok()?;
        Some(place(permit))
    }

    /// Closes an unused connection. Whether there was one.
    fn close_one(&self) -> bool {
        let pools: Vec<_> = self.idle.lock().iter().filter_map(Weak::upgrade).collect();
        pools.iter().any(|pool| pool.close_one())
    }
}

impl std::fmt::Debug for Cap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cap").field("free", &self.places.available_permits()).finish_non_exhaustive()
    }
}

/// Counts one that waits, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places that can be had at once.
    async fn taken(cap: &Arc<Cap>) -> Vec<Place> {
        let mut places = Vec::new();
        while let Some(place) = cap.place().await {
            places.push(place);
        }
        places
    }

    #[tokio::test]
    async fn fewer_places_take_none_from_who_has_one_and_more_are_there_at_once() {
        let cap = Cap::new(3, Duration::ZERO);
        let mut held = taken(&cap).await;
        assert_eq!(held.len(), 3);
        cap.set(1, Duration::ZERO);
        // Two of three go with their connections; only then is there a place again.
        for left in [2, 1] {
            held.pop();
            assert_eq!(held.len(), left);
            assert!(cap.place().await.is_none(), "{left} are taken");
        }
        held.pop();
        assert_eq!(taken(&cap).await.len(), 1);
        cap.set(4, Duration::ZERO);
        assert_eq!(taken(&cap).await.len(), 4);
        // Down and up again while all are taken: none is lost, none is made.
        let held = taken(&cap).await;
        cap.set(1, Duration::ZERO);
        cap.set(3, Duration::ZERO);
        drop(held);
        assert_eq!(taken(&cap).await.len(), 3);
    }
}
