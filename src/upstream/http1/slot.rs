//! What a connection and whoever uses it hand each other.
//!
//! Both run on one thread, as tasks of their own: so everything that came in one turn of the events is judged first, and then
//! written, which costs the kernel less than to do both for one request after the other (`link` says where it does not).
//! Invariants: one request at a time; an answer is told whole or with a fault, never left open: a connection that goes,
//! whatever the reason, says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;

use super::answer::Head;
use super::fault::{Fault, Unanswered};
use super::message::Message;
use super::switched::Switched;

#[derive(Debug)]
pub(super) struct Slot<B>(Mutex<State<B>>);

#[derive(Debug)]
struct State<B> {
    standing: Standing,
    request: Option<Box<Message<B>>>,
    answer: Option<Result<Answered, Unanswered<B>>>,
    /// The request that was sent last has one, taken or not.
    is_answered: bool,
    /// What has come of the answer's body and was not taken.
    chunks: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// How the answer's body ended.
    end: Option<Result<(), Fault>>,
    /// Nobody waits any more.
    is_given_up: bool,
    connection: Option<Waker>,
    waiting: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It takes a request.
    Ready,
    /// It has one.
    Busy,
    /// It never will again.
    Closed,
}

/// The head of an answer, and the connection itself where that speaks another protocol now.
#[derive(Debug)]
pub(in crate::upstream) struct Answered {
    pub(in crate::upstream) head: Head,
    pub(in crate::upstream) switched: Option<Box<Switched>>,
}

/// The beginning of an answer: nearly always all of it.
#[derive(Debug)]
pub(in crate::upstream) struct Arrived {
    pub(in crate::upstream) answered: Answered,
    pub(in crate::upstream) first: Option<Bytes>,
    /// There is no more than that.
    pub(in crate::upstream) is_over: bool,
    pub(in crate::upstream) is_ready: bool,
}

/// The next of an answer's body.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) piece: Option<Piece>,
    /// There is no more than that.
    pub(super) is_over: bool,
    pub(super) is_ready: bool,
}

#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// What a connection is to do.
pub(super) struct Orders<B> {
    pub(super) request: Option<Box<Message<B>>>,
    pub(super) is_given_up: bool,
    /// All that came was taken.
    pub(super) is_drained: bool,
}

/// What has come in one turn.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) answered: Option<Answered>,
    pub(super) chunks: VecDeque<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    /// The answer is whole. True: the connection takes another request.
    pub(super) over: Option<bool>,
}

impl Delivery {
    pub(super) fn is_empty(&self) -> bool {
        self.answered.is_none() && self.chunks.is_empty() && self.trailers.is_none() && self.over.is_none()
    }
}

impl<B> Slot<B> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            standing: Standing::Ready,
            request: None,
            answer: None,
            is_answered: false,
            chunks: VecDeque::new(),
            trailers: None,
            end: None,
            is_given_up: false,
            connection: None,
            waiting: None,
        })))
    }

    pub(super) fn is_ready(&self) -> bool {
        self.0.lock().standing == Standing::Ready
    }

    /// Gives a request to the connection; given back where it takes none. Its task, which is to be woken.
    pub(super) fn send(&self, request: Box<Message<B>>) -> Result<Option<Waker>, Unanswered<B>> {
        let mut state = self.0.lock();
        if state.standing != Standing::Ready {
            return Err(Unanswered { fault: Fault::Ended, request: Some(request), unsent: true });
        }
        state.standing = Standing::Busy;
        state.request = Some(request);
        (state.is_answered, state.end) = (false, None);
        Ok(state.connection.clone())
    }

    /// Waits for the answer to the request that was sent last.
    pub(super) fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<Result<Arrived, Unanswered<B>>> {
        let mut state = self.0.lock();
        let Some(answer) = state.answer.take() else {
            return state.wait(cx);
        };
        Poll::Ready(answer.map(|answered| {
            let first = state.chunks.pop_front();
            state.ask_for_more();
            let is_over = state.is_over();
            Arrived { answered, first, is_over, is_ready: state.standing == Standing::Ready }
        }))
    }

    /// Waits for more of its body.
    pub(super) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Result<Taken, Fault>> {
        let mut state = self.0.lock();
        let piece = match state.chunks.pop_front() {
            Some(chunk) => Some(Piece::Data(chunk)),
            None => state.trailers.take().map(Piece::Trailers),
        };
        if piece.is_none() {
            match state.end.take() {
                None => return state.wait(cx),
                Some(Err(fault)) => return Poll::Ready(Err(fault)),
                Some(Ok(())) => state.end = Some(Ok(())),
            }
        }
        let is_over = state.is_over();
        state.ask_for_more();
        Poll::Ready(Ok(Taken { piece, is_over, is_ready: state.standing == Standing::Ready }))
    }

    /// Nobody wants what comes on the connection any more.
    pub(super) fn give_up(&self) {
        let mut state = self.0.lock();
        state.is_given_up = true;
        wake(state.connection.as_ref());
    }

    /// What the connection is to do, which is woken when that changes. A request is taken where it `is_idle`.
    pub(super) fn orders(&self, cx: &Context<'_>, is_idle: bool) -> Orders<B> {
        let mut state = self.0.lock();
        register(&mut state.connection, cx);
        Orders {
            request: if is_idle { state.request.take() } else { None },
            is_given_up: state.is_given_up,
            is_drained: state.chunks.is_empty(),
        }
    }

    /// Hands over what has come.
    pub(super) fn deliver(&self, delivery: &mut Delivery) {
        let mut state = self.0.lock();
        if let Some(answered) = delivery.answered.take() {
            state.answer = Some(Ok(answered));
            state.is_answered = true;
        }
        state.chunks.append(&mut delivery.chunks);
        if let Some(trailers) = delivery.trailers.take() {
            state.trailers = Some(trailers);
        }
        if let Some(goes_on) = delivery.over.take() {
            state.end = Some(Ok(()));
            state.standing = if goes_on { Standing::Ready } else { Standing::Closed };
        }
        state.answer_waiting();
    }

    /// The connection goes. Whoever waits on it is told why, and given back a request that it had not begun, or what is
    /// left whole of one that it had.
    pub(super) fn close(&self, fault: Fault, begun: Option<Box<Message<B>>>) {
        let mut state = self.0.lock();
        let standing = std::mem::replace(&mut state.standing, Standing::Closed);
        if standing != Standing::Busy {
            return;
        }
        if state.is_answered {
            state.end = Some(Err(fault));
        } else {
            let (request, unsent) = match state.request.take() {
                Some(request) => (Some(request), true),
                None => (begun, false),
            };
            state.answer = Some(Err(Unanswered { fault, request, unsent }));
        }
        state.answer_waiting();
    }
}

impl<B> State<B> {
    /// Its waker is not kept: it would keep the memory of a task that may have ended.
    fn answer_waiting(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        register(&mut self.waiting, cx);
        Poll::Pending
    }

    /// The connection reads on once all was taken.
    fn ask_for_more(&self) {
        if self.end.is_none() && self.chunks.is_empty() {
            wake(self.connection.as_ref());
        }
    }

    /// Whether nothing more is to be taken.
    fn is_over(&self) -> bool {
        self.chunks.is_empty() && self.trailers.is_none() && matches!(self.end, Some(Ok(())))
    }
}

fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

fn wake(waker: Option<&Waker>) {
    if let Some(waker) = waker {
        waker.wake_by_ref();
    }
}
