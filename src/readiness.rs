//! Whether this sidecar could verify a request right now, and if not, why.
//!
//! Not liveness: a process whose store is gone is alive and not ready. Invariant: ready only when every
//! condition holds; a condition nobody has reported does not hold.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// The conditions, each set by the component that knows.
#[derive(Debug, Default)]
pub struct Readiness {
    listening: AtomicBool,
    loaded: AtomicBool,
    draining: AtomicBool,
    store: Mutex<StoreHealth>,
    seed: Mutex<Option<SeedHealth>>,
    config: Mutex<Vec<String>>,
}

/// What became of the seed file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SeedHealth {
    /// Whether it was judged against the store once: applied, or refused.
    pub is_judged: bool,
    /// In words, the most important line first. No secrets.
    pub lines: Vec<String>,
}

/// What the store said last.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// The last error, if there was any.
    pub last_error: Option<String>,
    /// Whether it has not been heard of without an error since.
    pub failing: bool,
}

impl Readiness {
    /// The traffic, admin and ops sockets are bound and accepting.
    pub fn set_listening(&self) {
        self.listening.store(true, Ordering::Release);
    }

    /// The mirror holds the whole key set. Stays true: staleness is judged apart, by time.
    pub fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }

    /// The store failed, in words that say what to do and hold no secret.
    pub fn set_store_error(&self, error: String) {
        *self.store.lock() = StoreHealth { last_error: Some(error), failing: true };
    }

    /// The store was heard of without an error. The last error is kept, to be looked at later.
    pub fn set_store_well(&self) {
        self.store.lock().failing = false;
    }

    /// What the store said last.
    #[must_use]
    pub fn store(&self) -> StoreHealth {
        self.store.lock().clone()
    }

    /// What became of the seed file last; said first where there is one and it was not read yet.
    pub fn set_seed(&self, health: SeedHealth) {
        *self.seed.lock() = Some(health);
    }

    /// What became of the seed file last; `None` = there is none.
    #[must_use]
    pub fn seed(&self) -> Option<SeedHealth> {
        self.seed.lock().clone()
    }

    /// Why the configuration as it stands is not in force; empty = it is.
    pub fn set_config_faults(&self, faults: Vec<String>) {
        *self.config.lock() = faults;
    }

    /// The same, as it was said last.
    #[must_use]
    pub fn config_faults(&self) -> Vec<String> {
        self.config.lock().clone()
    }

    /// The process is on its way out: endpoints must stop sending here.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the process is on its way out.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether start-up is over: sockets bound and keys loaded once.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.listening.load(Ordering::Acquire) && self.loaded.load(Ordering::Acquire)
    }

    /// Whether the mirror was loaded once.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// The conditions that do not hold, as short phrases; empty = ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.listening.load(Ordering::Acquire) {
            missing.push("listeners are not up");
        }
        if !self.loaded.load(Ordering::Acquire) {
            missing.push("keys are not loaded");
        }
        if self.seed.lock().as_ref().is_some_and(|seed| !seed.is_judged) {
            missing.push("the seed file is not applied");
        }
        if self.draining.load(Ordering::Acquire) {
            missing.push("draining");
        }
        missing
    }
}
