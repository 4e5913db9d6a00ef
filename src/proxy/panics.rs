//! A panic in one request is that request's 503 and nobody else's business.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// Runs a future; where it panics, `otherwise` comes of it, and the panic hook has logged where. The future is not polled
/// again afterwards, so whatever state it broke is only dropped. Pinned by the caller: taken by value it would be copied,
/// and it is large.
pub(super) fn caught<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
    mut otherwise: impl FnMut() -> T,
) -> impl Future<Output = T> {
    std::future::poll_fn(move |cx| {
        // Not returned through `catch_unwind`, which would copy it on its way.
        let mut polled = Poll::Pending;
        match catch_unwind(AssertUnwindSafe(|| polled = future.as_mut().poll(cx))) {
            Ok(()) => polled,
            Err(_panic) => Poll::Ready(otherwise()),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::caught;

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        assert_eq!(caught(pin!(async { 7 }), || 0).await, 7);
        let panics = async |really: bool| {
            tokio::task::yield_now().await;
            assert!(!really, "on purpose");
            7
        };
        assert_eq!(caught(pin!(panics(true)), || 0).await, 0);
    }
}
