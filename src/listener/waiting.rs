//! What a handler may say of the client that waits for its answer.
//!
//! Invariant: it lives no longer than the request.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, timeout_at};

use super::activity::{Activity, InFlight};

/// A client that waits.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'a> {
    activity: Option<&'a Activity>,
    /// Its handler runs in the task of its connection, whose timer can wake it.
    is_alone: bool,
}

impl<'a> Waiting<'a> {
    pub(super) fn on(in_flight: &'a InFlight, is_alone: bool) -> Self {
        Self { activity: Some(in_flight.activity()), is_alone }
    }

    /// Whoever asks from within, over no connection.
    #[must_use]
    pub fn within() -> Self {
        Self { activity: None, is_alone: false }
    }

    /// Waits for `future`, until `end` at most. `None`: it was not ready by then. Over HTTP/1 the connection's own timer
    /// sees to it, which is set anyway: to set one for each request and to take it back locks the runtime's timers twice.
    pub async fn until<T>(&self, end: Instant, mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let Some(activity) = self.activity.filter(|_| self.is_alone) else {
            return timeout_at(end, future).await.ok();
        };
        let mut is_asked = false;
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if !is_asked => {
                is_asked = true;
                activity.wake_at(end);
                Poll::Pending
            }
            Poll::Pending if Instant::now() < end => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// The answer takes its time: from now on the handler is dropped if the client of an HTTP/1 connection leaves. One
    /// of HTTP/2 says so itself.
    pub fn is_long(&self) {
        if let Some(activity) = self.activity {
            activity.watch();
        }
    }
}
