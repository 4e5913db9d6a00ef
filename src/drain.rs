//! The signal to stop: one trigger, any number of watchers.
//!
//! Not a deadline: whoever waits for the work to end sets that. Invariant: once triggered it stays so, and
//! a trigger that is dropped counts as triggered, so that nobody waits for a component that is gone.

use tokio::sync::watch;

/// Starts the drain. Keep it alive as long as the process should run.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Learns of the drain. Cheap to clone; one per task.
#[derive(Debug, Clone)]
pub struct Watcher(watch::Receiver<bool>);

/// A trigger and its first watcher.
#[must_use]
pub fn channel() -> (Trigger, Watcher) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Watcher(receiver))
}

impl Trigger {
    /// Tells every watcher to stop. Further calls do nothing.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Another watcher.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        Watcher(self.0.subscribe())
    }
}

impl Watcher {
    /// Whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the drain begins; at once if it has.
    pub async fn draining(&mut self) {
        // An error means that the trigger is gone, which counts as triggered.
        let _gone = self.0.wait_for(|draining| *draining).await.is_err();
    }
}
