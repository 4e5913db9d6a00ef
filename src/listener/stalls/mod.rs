//! HTTP/2 streams of whose answer the client takes nothing: they are reset, and the connection goes on.
//!
//! A client bounds what it takes of each stream by a window (RFC 9113 §5.2), which it need never open. Output of the
//! connection as a whole that nobody reads is `deadline`'s business. hyper asks for the next piece of an answer only
//! when it is rid of the one before, so a stream is stalled from the time that it got a piece until it asks again.
//! Invariants: waiting for the application is no stall; a stream that is not stalled has no timer; pieces are at most
//! [`PIECE`] bytes, so that a slow client is not taken for one that has stopped.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Sleep, sleep};

/// What a client has to take within the time limit, in bytes: what HTTP/2 sends in one frame anyway.
const PIECE: usize = 16 * 1024;

/// What became of a stream's answer while the stream was polled.
#[derive(Clone, Copy)]
enum Asked {
    /// hyper did not ask for more.
    No,
    /// It got a piece.
    Given,
    /// The application has none yet.
    Nothing,
}

thread_local! {
    /// Of the stream that is polled on this thread now: the two know nothing else of each other.
    static ASKED: Cell<Asked> = const { Cell::new(Asked::No) };
}

/// Spawns the streams of a connection, each with its patience.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    patience: Duration,
}

impl Streams {
    /// A client may take nothing for so long.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        drop(tokio::spawn(Patient { stream, patience: self.patience, stall: None }));
    }
}

pin_project_lite::pin_project! {
    /// A stream that ends when its client has taken nothing for too long. What is dropped unfinished is reset.
    struct Patient<F> {
        #[pin]
        stream: F,
        patience: Duration,
        stall: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Patient<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        ASKED.set(Asked::No);
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match ASKED.get() {
            Asked::Nothing => *this.stall = None,
            Asked::Given => *this.stall = Some(Box::pin(sleep(*this.patience))),
            Asked::No => {}
        }
        let Some(stall) = this.stall else { return Poll::Pending };
        ready!(stall.as_mut().poll(cx));
        tracing::debug!("a stream is reset, for its client takes nothing of the answer");
        Poll::Ready(())
    }
}

pin_project_lite::pin_project! {
    /// An answer in pieces, which tells the stream that it belongs to when it is asked for one.
    #[derive(Debug)]
    pub(super) struct Pieces<B> {
        #[pin]
        body: B,
        rest: Bytes,
    }
}

impl<B> Pieces<B> {
    pub(super) fn of(body: B) -> Self {
        Self { body, rest: Bytes::new() }
    }
}

impl<B: Body<Data = Bytes>> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            let Poll::Ready(frame) = this.body.poll_frame(cx) else {
                ASKED.set(Asked::Nothing);
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => *this.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        ASKED.set(Asked::Given);
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let coming = self.body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = coming.upper().and_then(|upper| upper.checked_add(held)) {
            hint.set_upper(upper);
        }
        hint.set_lower(coming.lower().saturating_add(held).min(hint.upper().unwrap_or(u64::MAX)));
        hint
    }
}

#[cfg(test)]
mod tests;
