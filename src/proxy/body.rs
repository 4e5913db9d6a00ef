//! Request bodies: read whole where a signature covers them, streamed where none does.
//!
//! Not a decoder: bytes are verified and forwarded as they arrived, never decompressed or re-encoded
//! (RFC 9110 §7.7). Invariants: a declared length over the limit is refused before a byte is read; a buffered
//! body is kept as the chunks that arrived, hashed once, charged to the process-wide budget until it is
//! forwarded; trailers go nowhere; a body that stalls or drips ends.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, timeout_at};

use super::budget::Share;

/// What bounds a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Largest body, bytes.
    pub max: u64,
    /// Longest time for a whole buffered body.
    pub total: Duration,
    /// Longest time between two reads of any body.
    pub idle: Duration,
    /// Bytes per second that any body must keep up on average, once `idle` has passed. Not 0.
    pub min_rate: u64,
}

impl BodyLimits {
    /// The same with what a route says of the largest body.
    #[must_use]
    pub fn at_most(self, max: Option<u64>) -> Self {
        Self { max: max.unwrap_or(self.max), ..self }
    }

    /// How long a body may have been waited for of which so many bytes have come.
    fn patience(&self, received: u64) -> Duration {
        let millis = received.saturating_mul(1000) / self.min_rate.max(1);
        self.idle.saturating_add(Duration::from_millis(millis))
    }
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the limit.
    #[error("the body is over the limit")]
    TooLarge,
    /// Too slow as a whole, or stalled.
    #[error("the body is too slow")]
    TooSlow,
    /// The process holds as many body bytes as it may.
    #[error("too many body bytes are in flight")]
    OverBudget,
    /// The client went away or broke the framing.
    #[error("the body was cut short")]
    Broken,
}

/// A body read whole, as the chunks that arrived.
#[derive(Debug)]
pub struct Buffered {
    chunks: VecDeque<Bytes>,
    length: u64,
    /// Held until the last chunk has been taken by the upstream connection.
    share: Share,
}

/// Refuses a declared length over the limit, before anything is read.
///
/// # Errors
/// [`BodyFault::TooLarge`].
pub fn check_declared(headers: &HeaderMap, max: u64) -> Result<(), BodyFault> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max) { Err(BodyFault::TooLarge) } else { Ok(()) }
}

/// Reads a body whole, giving each chunk to `observe` as it arrives.
///
/// # Errors
/// See [`BodyFault`]; the body may be read in part then.
pub async fn read(
    mut body: Incoming,
    limits: BodyLimits,
    mut share: Share,
    mut observe: impl FnMut(&[u8]),
) -> Result<Buffered, BodyFault> {
    let begun = Instant::now();
    let mut chunks = Chunks::default();
    // Not the client's fault: the time in which its bytes waited for room.
    let mut held_up = Duration::ZERO;
    loop {
        let now = Instant::now();
        let whole = begun + limits.total.min(limits.patience(chunks.length)).saturating_add(held_up);
        let next = whole.min(now + limits.idle);
        let frame = tokio::select! {
            biased;
            frame = timeout_at(next, body.frame()) => frame.map_err(|_| BodyFault::TooSlow)?,
            () = share.given_up() => return Err(BodyFault::OverBudget),
        };
        let Some(frame) = frame else { break };
        let Ok(chunk) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
        if chunk.is_empty() {
            continue;
        }
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if chunks.length.saturating_add(bytes) > limits.max {
            return Err(BodyFault::TooLarge);
        }
        if let Some(charge) = share.charge(bytes, body.is_end_stream()) {
            let waits = Instant::now();
            charge.await.map_err(|_| BodyFault::OverBudget)?;
            held_up = held_up.saturating_add(waits.elapsed());
        }
        observe(&chunk);
        chunks.push(chunk);
    }
    let Chunks { chunks, length, .. } = chunks.finish();
    Ok(Buffered { chunks, length, share })
}

/// A chunk below this is copied together with its neighbours: each chunk has a cost of its own, and a client may
/// send a byte at a time.
const SMALL_CHUNK: usize = 1024;

/// The chunks of a body, as they arrive.
#[derive(Default)]
struct Chunks {
    chunks: VecDeque<Bytes>,
    length: u64,
    /// Small chunks since the last large one.
    small: BytesMut,
}

impl Chunks {
    fn push(&mut self, chunk: Bytes) {
        self.length = self.length.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        // The first stays as it is: most bodies come in one.
        if chunk.len() < SMALL_CHUNK && !self.chunks.is_empty() {
            self.small.extend_from_slice(&chunk);
        } else {
            self.gather();
            self.chunks.push_back(chunk);
        }
    }

    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push_back(self.small.split().freeze());
        }
    }

    fn finish(mut self) -> Self {
        self.gather();
        self
    }
}

impl Buffered {
    /// The body is verified: it is not given up for others any more.
    pub fn verified(&self) {
        self.share.verified();
    }

    /// Bytes that it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The chunks that arrived.
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        self.chunks.iter()
    }

    /// All of it in one piece: a copy where it came in several. Not to be held across an await, for a copy is not
    /// charged to the budget: so there is one for each thread at most.
    #[must_use]
    pub fn whole(&self) -> Cow<'_, [u8]> {
        match (self.chunks.front(), self.chunks.len()) {
            (None, _) => Cow::Borrowed(&[]),
            (Some(only), 1) => Cow::Borrowed(only),
            _ => {
                let mut whole = Vec::with_capacity(self.chunks.iter().map(Bytes::len).sum());
                self.chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
                Cow::Owned(whole)
            }
        }
    }

    /// The same; `None` where it has more than `most` bytes.
    #[must_use]
    pub fn gathered(&self, most: u64) -> Option<Cow<'_, [u8]>> {
        (self.length <= most).then(|| self.whole())
    }
}

/// A body on its way upstream.
#[derive(Debug, Default)]
pub enum ForwardBody {
    /// None at all.
    #[default]
    Empty,
    /// Read whole and verified.
    Buffered(Buffered),
    /// Passed through as it arrives, within limits.
    Streamed(Streamed),
}

impl ForwardBody {
    /// Bytes that are held; 0 for a body that is not buffered.
    #[must_use]
    pub fn held(&self) -> u64 {
        match self {
            Self::Buffered(buffered) => buffered.length,
            Self::Empty | Self::Streamed(_) => 0,
        }
    }

    /// Its credential is verified: a body that is held is not given up for others any more.
    pub fn verified(&self) {
        if let Self::Buffered(buffered) = self {
            buffered.verified();
        }
    }

    /// Where to see that it moves; `None` where all of it is here already.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        match self {
            Self::Streamed(streamed) => Some(streamed.progress.clone()),
            Self::Empty | Self::Buffered(_) => None,
        }
    }
}

/// When a streamed body last moved: whoever waits for the answer waits on while it does.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    /// When it last moved.
    #[must_use]
    pub fn last(&self) -> Instant {
        *self.0.lock()
    }
}

/// A body that is passed through.
#[derive(Debug)]
pub struct Streamed {
    body: Incoming,
    progress: Progress,
    limits: BodyLimits,
    received: u64,
    /// How long the client was waited for; not how long the upstream was.
    waited: Duration,
    /// Since when, and until when. Set when a read has to wait, so that a body that is there already costs no
    /// timer.
    stall: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Streamed {
    /// Passes `body` through within `limits`; [`BodyLimits::total`] does not apply.
    #[must_use]
    pub fn new(body: Incoming, limits: BodyLimits) -> Self {
        let progress = Progress(Arc::new(Mutex::new(Instant::now())));
        Self { body, progress, limits, received: 0, waited: Duration::ZERO, stall: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                let left = self.limits.patience(self.received).saturating_sub(self.waited);
                let patience = self.limits.idle.min(left);
                let (_, stall) = self.stall.get_or_insert_with(|| {
                    let now = Instant::now();
                    (now, Box::pin(tokio::time::sleep_until(now + patience)))
                });
                return stall.as_mut().poll(cx).map(|()| Some(Err(BodyFault::TooSlow)));
            };
            let now = Instant::now();
            if let Some((since, _)) = self.stall.take() {
                self.waited = self.waited.saturating_add(now.saturating_duration_since(since));
            }
            *self.progress.0.lock() = now;
            return Poll::Ready(match frame {
                None => None,
                Some(Err(_)) => Some(Err(BodyFault::Broken)),
                Some(Ok(frame)) => match frame.into_data() {
                    // Trailers are not forwarded: the upstream must not merge them into headers.
                    Err(_trailers) => continue,
                    Ok(chunk) => {
                        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                        self.received = self.received.saturating_add(bytes);
                        if self.received > self.limits.max {
                            Some(Err(BodyFault::TooLarge))
                        } else {
                            Some(Ok(Frame::data(chunk)))
                        }
                    }
                },
            });
        }
    }
}

impl Body for ForwardBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Buffered(buffered) => Poll::Ready(buffered.chunks.pop_front().map(|chunk| {
                let bytes = u64::try_from(chunk.remaining()).unwrap_or(u64::MAX);
                buffered.length = buffered.length.saturating_sub(bytes);
                Ok(Frame::data(chunk))
            })),
            Self::Streamed(streamed) => streamed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Buffered(buffered) => buffered.chunks.is_empty(),
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Buffered(buffered) => SizeHint::with_exact(buffered.length),
            Self::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}
