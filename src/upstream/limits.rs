//! The limits of the connections to the application, which may change while they are used.
//!
//! It measures and opens nothing. Invariants: one for the process, so that a change reaches every thread; each value
//! stands alone, and whoever asks gets the one in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::cap::Cap;

/// The values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// For looking up the name and connecting, all addresses together. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a connection may stay unused and still be used again. Default 30 s: below what
    /// applications usually keep, so that they seldom close first.
    pub idle_timeout: Duration,
    /// Unused connections kept, of each thread. Default 64.
    pub max_idle: usize,
    /// Connections at once, of the whole process; with HTTP/2, requests. Default: as many as there are.
    pub connections: usize,
    /// How long a request waits for one. Default: not at all.
    pub wait: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            max_idle: 64,
            connections: usize::MAX,
            wait: Duration::ZERO,
        }
    }
}

/// The limits in force.
#[derive(Debug)]
pub struct Limits {
    /// Milliseconds, as the next.
    connect_timeout: AtomicU64,
    idle_timeout: AtomicU64,
    max_idle: AtomicUsize,
    pub(super) cap: Arc<Cap>,
}

impl Limits {
    /// With these values, until they are changed.
    #[must_use]
    pub fn new(settings: PoolSettings) -> Arc<Self> {
        Arc::new(Self {
            connect_timeout: AtomicU64::new(millis(settings.connect_timeout)),
            idle_timeout: AtomicU64::new(millis(settings.idle_timeout)),
            max_idle: AtomicUsize::new(settings.max_idle),
            cap: Cap::new(settings.connections, settings.wait),
        })
    }

    /// Changes them. Connections that are in use are not touched.
    pub fn set(&self, settings: PoolSettings) {
        self.connect_timeout.store(millis(settings.connect_timeout), Ordering::Relaxed);
        self.idle_timeout.store(millis(settings.idle_timeout), Ordering::Relaxed);
        self.max_idle.store(settings.max_idle, Ordering::Relaxed);
        self.cap.set(settings.connections, settings.wait);
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout.load(Ordering::Relaxed))
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout.load(Ordering::Relaxed))
    }

    pub(super) fn max_idle(&self) -> usize {
        self.max_idle.load(Ordering::Relaxed)
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
