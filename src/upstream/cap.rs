//! How many connections to the application there may be at once, in the whole process.
//!
//! It opens none. Where all places are taken, unused connections of other threads give up theirs, and whoever needs
//! one waits a bounded time. Invariant: a place is given back when it is dropped, with the connection that it is of, whatever that
//! has become (a WebSocket).

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Something that keeps unused connections.
pub(super) trait Idle: Send + Sync {
    /// Closes one. Whether there was one.
    fn close_one(&self) -> bool;
}

/// One for the process.
pub struct Cap {
    places: Arc<Semaphore>,
    wait: Duration,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Weak<dyn Idle>>>,
}

/// The right to have one connection.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Cap {
    /// At most so many connections; who finds none free waits at most so long.
    #[must_use]
    pub fn new(connections: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            wait,
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
        })
    }

    /// Whether somebody waits for a place: an unused connection had better be closed than kept.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    pub(super) fn register(&self, idle: Weak<dyn Idle>) {
        self.idle.lock().push(idle);
    }

    /// A place, or `None` where none became free in time.
    pub(super) async fn place(&self) -> Option<Place> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(Place { _permit: permit });
        }
        let _waits = Waits::new(&self.waiting);
        self.close_one();
        let permit = timeout(self.wait, Arc::clone(&self.places).acquire_owned()).await.ok()?.ok()?;
        Some(Place { _permit: permit })
    }

    fn close_one(&self) {
        let pools: Vec<_> = self.idle.lock().iter().filter_map(Weak::upgrade).collect();
        let _closed = pools.iter().any(|pool| pool.close_one());
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
