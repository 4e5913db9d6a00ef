//! A request body on its way over a connection that carries others: it can be taken back, and called off.
//!
//! hyper owns what it is given, and tells neither why a body failed nor whether it was begun. Invariants: what was handed
//! over in part and cannot be had again is never given back; a body whose exchange is over is not read on, and its
//! stream is reset with CANCEL (RFC 9113 §7), which says nothing of a fault.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Reason;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

use crate::proxy::body::{BodyFault, ForwardBody};

/// Bytes of a body that are kept until its answer has begun, so that it can be sent again. Most bodies of senders are
/// smaller; of a larger one nothing is kept beyond that, and a buffered one's room is given back once it was handed over.
const KEPT: usize = 64 * 1024;

/// One body, for whoever waits for the answer.
#[derive(Debug, Clone)]
pub(super) struct Upload(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// `None` once it was taken back, or handed over and not kept.
    body: Option<ForwardBody>,
    /// What was read from it before, and comes first.
    again: VecDeque<Bytes>,
    handed: Handed,
    whole: bool,
    over: bool,
    fault: Option<BodyFault>,
    waker: Option<Waker>,
}

impl Upload {
    /// The body for hyper, and the hold on it; there is none where there is no body, which costs no allocation.
    pub(super) fn new(Whole { body, again }: Whole) -> (Uploading, Option<Self>) {
        if body.is_end_stream() && again.is_empty() {
            return (Uploading(None), None);
        }
        // What would not be kept to its end need not be kept at all.
        let is_large = body.size_hint().lower() > u64::try_from(KEPT).unwrap_or(u64::MAX);
        let kept = Handed::Kept { chunks: VecDeque::new(), length: 0 };
        let state = State {
            body: Some(body),
            again,
            handed: if is_large { Handed::Spent } else { kept },
            whole: false,
            over: false,
            fault: None,
            waker: None,
        };
        let upload = Self(Arc::new(Mutex::new(state)));
        (Uploading(Some(upload.clone())), Some(upload))
    }

    /// What ended the body, if something did.
    pub(super) fn fault(&self) -> Option<BodyFault> {
        self.0.lock().fault
    }

    /// All of the body, unless a part of it is gone.
    pub(super) fn take_back(&self) -> Option<Whole> {
        let mut state = self.0.lock();
        let Handed::Kept { chunks, .. } = &mut state.handed else { return None };
        let mut again = std::mem::take(chunks);
        again.append(&mut state.again);
        Some(Whole { body: state.body.take()?, again })
    }

    /// The answer has begun: it will not be sent again.
    pub(super) fn settle(&self) {
        let mut state = self.0.lock();
        state.handed = Handed::Spent;
        if state.whole {
            state.body = None;
        }
    }

    /// Nobody needs the rest.
    pub(super) fn call_off(&self) {
        let mut state = self.0.lock();
        state.over = !state.whole;
        state.body = None;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl State {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.over {
            return Poll::Ready(Some(Err(Reason::CANCEL.into())));
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Some(chunk) = self.again.pop_front() {
            self.handed.note(&chunk);
            self.whole = self.again.is_empty() && body.is_end_stream();
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.whole = frame.is_none() || body.is_end_stream();
        let frame = match frame {
            Some(Ok(frame)) => {
                match frame.data_ref() {
                    Some(chunk) => self.handed.note(chunk),
                    None => self.handed = Handed::Spent,
                }
                Some(Ok(frame))
            }
            Some(Err(fault)) => {
                self.fault = Some(fault);
                Some(Err(Reason::CANCEL.into()))
            }
            None => None,
        };
        if self.whole && matches!(self.handed, Handed::Spent) {
            self.body = None;
        }
        Poll::Ready(frame)
    }
}

/// What was handed over.
#[derive(Debug)]
enum Handed {
    /// All of it.
    Kept { chunks: VecDeque<Bytes>, length: usize },
    /// More than is kept.
    Spent,
}

impl Handed {
    fn note(&mut self, chunk: &Bytes) {
        if let Self::Kept { chunks, length } = self {
            *length = length.saturating_add(chunk.len());
            chunks.push_back(chunk.clone());
            if *length > KEPT {
                *self = Self::Spent;
            }
        }
    }
}

/// A body that can be sent from its beginning.
pub(super) struct Whole {
    body: ForwardBody,
    again: VecDeque<Bytes>,
}

impl From<ForwardBody> for Whole {
    fn from(body: ForwardBody) -> Self {
        Self { body, again: VecDeque::new() }
    }
}

/// The same body, for hyper.
#[derive(Debug)]
pub(super) struct Uploading(Option<Upload>);

impl Body for Uploading {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match &self.0 {
            Some(upload) => upload.0.lock().poll(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| {
            let state = upload.0.lock();
            !state.over && state.again.is_empty() && state.body.as_ref().is_none_or(Body::is_end_stream)
        })
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            // The head says what it says; this is for nothing else.
            Some(_) => SizeHint::new(),
            None => SizeHint::with_exact(0),
        }
    }
}
