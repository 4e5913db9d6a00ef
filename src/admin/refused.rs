//! Calls of the admin port that were refused for want of the token: counted, and told of in the log.
//!
//! Not who is refused (`auth.rs`). Invariant: however many there are, the log has one line a minute of them, the first
//! at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Between two lines.
const PERIOD: Duration = Duration::from_secs(60);

/// The count, for the ops port and the log.
#[derive(Debug, Default)]
pub struct Refused {
    total: AtomicU64,
    news: Notify,
}

impl Refused {
    /// How many there were since the start.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.news.notify_one();
    }

    /// Tells of them. Runs for ever.
    pub async fn tell(&self) {
        let mut told = 0;
        loop {
            self.news.notified().await;
            let total = self.total();
            if total > told {
                tracing::warn!(
                    target: "audit", refused = total - told, total, "admin calls without the token were refused"
                );
                told = total;
                tokio::time::sleep(PERIOD).await;
            }
        }
    }
}
