//! A panic in one request is that request's 503 and nobody else's business.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// The future panicked; the panic hook has logged where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panicked;

/// Runs a future and turns its panic into an error. The future is not polled again afterwards, so whatever
/// state it broke is only dropped. Pinned by the caller: taken by value it would be copied, and it is large.
pub(super) fn caught<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
) -> impl Future<Output = Result<T, Panicked>> {
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(_panic) => Poll::Ready(Err(Panicked)),
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::{Panicked, caught};

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        assert_eq!(caught(pin!(async { 7 })).await, Ok(7));
        let panics = async |really: bool| {
            tokio::task::yield_now().await;
            assert!(!really, "on purpose");
        };
        assert_eq!(caught(pin!(panics(true))).await, Err(Panicked));
    }
}
