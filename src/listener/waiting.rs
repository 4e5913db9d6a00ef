//! What a handler may say of the client that waits for its answer.
//!
//! Invariant: it lives no longer than the request.

use super::activity::Activity;

/// A client that waits.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'a>(Option<&'a Activity>);

impl<'a> Waiting<'a> {
    pub(super) fn on(activity: &'a Activity) -> Self {
        Self(Some(activity))
    }

    /// Whoever asks from within, over no connection.
    #[must_use]
    pub fn within() -> Self {
        Self(None)
    }

    /// The answer takes its time: from now on the handler is dropped if the client of an HTTP/1 connection leaves. One
    /// of HTTP/2 says so itself.
    pub fn is_long(&self) {
        if let Some(activity) = self.0 {
            activity.watch();
        }
    }
}
