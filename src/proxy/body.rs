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

use bytes::{Buf, Bytes};
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
}

impl BodyLimits {
    /// The same with what a route says of the largest body.
    #[must_use]
    pub fn at_most(self, max: Option<u64>) -> Self {
        Self { max: max.unwrap_or(self.max), ..self }
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
    _share: Share,
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
    let end = Instant::now() + limits.total;
    let mut chunks = VecDeque::new();
    let mut length = 0_u64;
    loop {
        let next = end.min(Instant::now() + limits.idle);
        let frame = timeout_at(next, body.frame()).await.map_err(|_| BodyFault::TooSlow)?;
        let Some(frame) = frame else { break };
        let Ok(chunk) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
        if chunk.is_empty() {
            continue;
        }
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        length = length.saturating_add(bytes);
        if length > limits.max {
            return Err(BodyFault::TooLarge);
        }
        share.charge(bytes).map_err(|_| BodyFault::OverBudget)?;
        observe(&chunk);
        chunks.push_back(chunk);
    }
    Ok(Buffered { chunks, length, _share: share })
}

impl Buffered {
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
#[derive(Debug)]
pub enum ForwardBody {
    /// None at all.
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
    left: u64,
    idle: Duration,
    /// Set when a read has to wait, so that a body that is there already costs no timer.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Streamed {
    /// Passes `body` through within `limits`; [`BodyLimits::total`] does not apply.
    #[must_use]
    pub fn new(body: Incoming, limits: BodyLimits) -> Self {
        let progress = Progress(Arc::new(Mutex::new(Instant::now())));
        Self { body, progress, left: limits.max, idle: limits.idle, stall: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                let idle = self.idle;
                let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
                return stall.as_mut().poll(cx).map(|()| Some(Err(BodyFault::TooSlow)));
            };
            self.stall = None;
            *self.progress.0.lock() = Instant::now();
            return Poll::Ready(match frame {
                None => None,
                Some(Err(_)) => Some(Err(BodyFault::Broken)),
                Some(Ok(frame)) => match frame.into_data() {
                    // Trailers are not forwarded: the upstream must not merge them into headers.
                    Err(_trailers) => continue,
                    Ok(chunk) => {
                        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                        match self.left.checked_sub(bytes) {
                            None => Some(Err(BodyFault::TooLarge)),
                            Some(left) => {
                                self.left = left;
                                Some(Ok(Frame::data(chunk)))
                            }
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
