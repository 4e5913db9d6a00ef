//! The body of an answer: one of our own, or the upstream's as it streams back.
//!
//! Not a rewriter: an upstream's body passes through unchanged. Its trailers do too, but for what is not theirs to say.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::headers;
use super::oversight::Oversight;
use crate::listener::BoxError;
use crate::upstream::ResponseBody;

/// Frames that pass before an answer that never paused counts as a stream too, and between two looks at its timer.
const UNSEEN: u8 = 32;

/// What goes back to the client.
#[derive(Debug)]
pub enum AnswerBody {
    /// Text of our own, sent in one piece; `None` once sent.
    Own(Option<Bytes>),
    /// The upstream's.
    Upstream(Overseen),
}

/// The upstream's body, and the key that it goes on by.
#[derive(Debug)]
pub struct Overseen {
    body: ResponseBody,
    /// `None` where nothing can be revoked, or nothing goes on, as mostly: so it is in a box.
    oversight: Option<Box<Oversight>>,
    frames: u8,
}

impl AnswerBody {
    /// The upstream's body; with `oversight` it is cut when its key is no longer good.
    pub(super) fn upstream(body: ResponseBody, oversight: Option<Oversight>) -> Self {
        Self::Upstream(Overseen { body, oversight: oversight.map(Box::new), frames: 0 })
    }
}

impl Overseen {
    /// An answer that is there at once, as most are, makes no timer and looks at none.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.frames = self.frames.wrapping_add(1);
        let looks = frame.is_pending() || self.frames.is_multiple_of(UNSEEN);
        if looks
            && let Some(oversight) = &mut self.oversight
            && let Poll::Ready(over) = oversight.poll_over(cx)
        {
            return Poll::Ready(Some(Err(over.into())));
        }
        match frame {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(Some(Ok(stripped(frame)))),
            frame => frame.map_err(Into::into),
        }
    }
}

/// Trailers without what is not theirs to say.
fn stripped(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::strip_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Upstream(overseen) => overseen.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Upstream(overseen) => overseen.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(
                bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(0)),
            ),
            Self::Upstream(overseen) => overseen.body.size_hint(),
        }
    }
}
