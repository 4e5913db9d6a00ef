//! A request body on its way over a connection that carries others: it can be taken back, and called off.
//!
//! hyper owns what it is given, and tells neither why a body failed nor whether it was begun. Invariants: what was handed
//! over in part and cannot be had again is never given back; a body whose exchange is over is not read on, and its
//! stream is reset with CANCEL (RFC 9113 §7), which says nothing of a fault.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Reason;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

use crate::proxy::body::{BodyFault, ForwardBody};

/// A buffered body of no more bytes than this can be had again until its answer has begun. Most bodies of senders are
/// smaller; a larger one's room is given back as soon as it was handed over.
const KEPT: u64 = 64 * 1024;

/// One body, for whoever waits for the answer.
#[derive(Debug, Clone)]
pub(super) struct Upload(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// `None` once it was taken back, or handed over and not kept.
    body: Option<ForwardBody>,
    keeps: bool,
    /// What was handed over, where it is kept.
    handed: Vec<Bytes>,
    /// Whether something was handed over that is not.
    spent: bool,
    whole: bool,
    over: bool,
    fault: Option<BodyFault>,
    waker: Option<Waker>,
}

impl Upload {
    /// The body for hyper, and the hold on it; there is none where there is no body, which costs no allocation.
    pub(super) fn new(body: ForwardBody) -> (Uploading, Option<Self>) {
        if body.is_end_stream() {
            return (Uploading(None), None);
        }
        let keeps = body.held() > 0 && body.held() <= KEPT;
        let state = State {
            body: Some(body),
            keeps,
            handed: Vec::new(),
            spent: false,
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
    pub(super) fn take_back(&self) -> Option<ForwardBody> {
        let mut state = self.0.lock();
        if state.spent || state.fault.is_some() {
            return None;
        }
        let handed = std::mem::take(&mut state.handed);
        let mut body = state.body.take()?;
        body.put_back(handed).then_some(body)
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
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.whole = frame.is_none() || body.is_end_stream();
        let frame = match frame {
            Some(Ok(frame)) => {
                match frame.data_ref() {
                    Some(chunk) if self.keeps => self.handed.push(chunk.clone()),
                    _ => self.spent = true,
                }
                Some(Ok(frame))
            }
            Some(Err(fault)) => {
                self.fault = Some(fault);
                Some(Err(Reason::CANCEL.into()))
            }
            None => None,
        };
        if self.whole && self.spent {
            self.body = None;
        }
        Poll::Ready(frame)
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
            !state.over && state.body.as_ref().is_none_or(Body::is_end_stream)
        })
    }

    fn size_hint(&self) -> SizeHint {
        let nothing = SizeHint::with_exact(0);
        match &self.0 {
            Some(upload) => upload.0.lock().body.as_ref().map_or(nothing, Body::size_hint),
            None => nothing,
        }
    }
}
