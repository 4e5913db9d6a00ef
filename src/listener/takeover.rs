//! A connection that goes on as something else than HTTP, once its answer is sent (RFC 9110 §7.8).
//!
//! Not a protocol: the handler brings the work, here it is only run. Invariant: it runs in the connection's own task,
//! so that the connection keeps its place among those that are open, and the drain waits for it and then cuts it.

use std::pin::Pin;
use std::sync::Arc;

use http::Response;
use parking_lot::Mutex;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What becomes of a connection after `101 Switching Protocols`.
#[derive(Clone)]
pub struct Takeover(Arc<Mutex<Option<Work>>>);

impl std::fmt::Debug for Takeover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Takeover").finish_non_exhaustive()
    }
}

impl Takeover {
    /// `work` ends when the connection does.
    #[must_use]
    pub fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::pin(work)))))
    }

    /// Puts it where the listener finds it.
    pub fn attach<B>(self, response: &mut Response<B>) {
        response.extensions_mut().insert(self);
    }

    /// Does the work, once.
    pub(super) async fn run(&self) {
        let work = self.0.lock().take();
        if let Some(work) = work {
            work.await;
        }
    }
}
