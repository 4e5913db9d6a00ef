//! A clock that stands still, can hide time from the store's thread, and can fail in a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign::clock::{Clock, ManualClock, UnixMillis};
use parking_lot::Mutex;

/// The thread that hears of the store.
const STORE_THREAD: &str = "store-sync";
/// The threads that answer requests begin with this.
const TRAFFIC_THREADS: &str = "traffic-";

/// A clock for a whole sidecar.
pub(crate) struct TestClock {
    clock: ManualClock,
    /// Where monotonic time stands for the store's thread: what it hears of counts as heard of then.
    hushed: Mutex<Option<Instant>>,
    /// Readings of the wall clock that traffic threads may still make before one panics.
    wall_trap: Mutex<Option<u32>>,
    /// The same for monotonic time.
    monotonic_trap: Mutex<Option<u32>>,
    sprung: AtomicBool,
}

impl TestClock {
    pub(crate) fn at(now: UnixMillis) -> Self {
        Self {
            clock: ManualClock::at(now),
            hushed: Mutex::new(None),
            wall_trap: Mutex::new(None),
            monotonic_trap: Mutex::new(None),
            sprung: AtomicBool::new(false),
        }
    }

    /// Moves wall and monotonic time forward together.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Sets wall time alone.
    pub(crate) fn set_wall(&self, now: UnixMillis) {
        self.clock.set_wall(now);
    }

    /// From now on the store's thread believes that no time passes, so every contact of its is as old as this
    /// moment: to the rest of the sidecar the store has fallen silent.
    pub(crate) fn hush_the_store(&self) {
        *self.hushed.lock() = Some(self.clock.monotonic());
    }

    /// Ends it.
    pub(crate) fn let_the_store_speak(&self) {
        *self.hushed.lock() = None;
    }

    /// Makes the reading of the wall clock after `before` more by traffic threads panic, once.
    pub(crate) fn panic_at_wall(&self, before: u32) {
        *self.wall_trap.lock() = Some(before);
    }

    /// The same for monotonic time.
    pub(crate) fn panic_at_monotonic(&self, before: u32) {
        *self.monotonic_trap.lock() = Some(before);
    }

    /// Whether a reading has panicked.
    pub(crate) fn has_panicked(&self) -> bool {
        self.sprung.load(Ordering::SeqCst)
    }

    fn spring(&self, trap: &Mutex<Option<u32>>) {
        if !on_thread(TRAFFIC_THREADS) {
            return;
        }
        let mut left = trap.lock();
        match *left {
            None => {}
            Some(0) => {
                *left = None;
                drop(left);
                self.sprung.store(true, Ordering::SeqCst);
                panic!("on purpose: the test's clock fails in this request");
            }
            Some(more) => *left = Some(more - 1),
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        self.spring(&self.wall_trap);
        self.clock.now()
    }

    fn monotonic(&self) -> Instant {
        self.spring(&self.monotonic_trap);
        let hushed = *self.hushed.lock();
        match hushed {
            Some(then) if on_thread(STORE_THREAD) => then,
            _ => self.clock.monotonic(),
        }
    }
}

fn on_thread(prefix: &str) -> bool {
    std::thread::current().name().is_some_and(|name| name.starts_with(prefix))
}
