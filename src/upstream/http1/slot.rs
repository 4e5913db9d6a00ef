//! What a connection and whoever uses it hand each other. It lies in the connection, under its one lock.
//!
//! Both run on one thread, as tasks of their own: so everything that came in one turn of the events is judged first, and then
//! written, which costs the kernel less than to do both for one request after the other (`link` says where it does not).
//! Invariants: one request at a time; an answer is told whole or with a fault, never left open: a connection that goes,
//! whatever the reason, says so.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;

use super::answer::Head;
use super::fault::{Fault, Unanswered};
use super::message::Message;
use super::switched::Switched;

#[derive(Debug)]
pub(super) struct Slot<B> {
    standing: Standing,
    request: Option<Box<Message<B>>>,
    /// The request that was sent last has an answer, taken or not.
    is_answered: bool,
    /// It has none.
    failure: Option<Unanswered<B>>,
    delivery: Delivery,
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

/// What has come and was not taken.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) answered: Option<Answered>,
    pub(super) chunks: VecDeque<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    /// The answer is whole. True: the connection takes another request.
    pub(super) over: Option<bool>,
}

impl<B> Slot<B> {
    pub(super) fn new() -> Self {
        Self {
            standing: Standing::Ready,
            request: None,
            is_answered: false,
            failure: None,
            delivery: Delivery::default(),
            end: None,
            is_given_up: false,
            connection: None,
            waiting: None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.standing == Standing::Ready
    }

    /// Gives a request to the connection, whose task is to be woken; given back where it takes none. Whoever sends is woken
    /// when there is an answer.
    pub(super) fn send(&mut self, request: Box<Message<B>>, cx: &Context<'_>) -> Result<(), Unanswered<B>> {
        if self.standing != Standing::Ready {
            return Err(Unanswered { fault: Fault::Ended, request: Some(request), unsent: true });
        }
        self.standing = Standing::Busy;
        self.request = Some(request);
        (self.is_answered, self.end) = (false, None);
        register(&mut self.waiting, cx);
        Ok(())
    }

    /// The connection's task; `None` before its first turn.
    pub(super) fn task(&self) -> Option<&Waker> {
        self.connection.as_ref()
    }

    /// Waits for the answer to the request that was sent last.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrived, Unanswered<B>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        let Some(answered) = self.delivery.answered.take() else {
            return self.wait(cx);
        };
        let first = self.delivery.chunks.pop_front();
        self.ask_for_more();
        let (is_over, is_ready) = (self.is_over(), self.is_ready());
        Poll::Ready(Ok(Arrived { answered, first, is_over, is_ready }))
    }

    /// Waits for more of its body.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Taken, Fault>> {
        let piece = match self.delivery.chunks.pop_front() {
            Some(chunk) => Some(Piece::Data(chunk)),
            None => self.delivery.trailers.take().map(Piece::Trailers),
        };
        if piece.is_none() {
            match self.end.take() {
                None => return self.wait(cx),
                Some(Err(fault)) => return Poll::Ready(Err(fault)),
                Some(Ok(())) => self.end = Some(Ok(())),
            }
        }
        let is_over = self.is_over();
        self.ask_for_more();
        Poll::Ready(Ok(Taken { piece, is_over, is_ready: self.is_ready() }))
    }

    /// Nobody wants what comes on the connection any more.
    pub(super) fn give_up(&mut self) {
        self.is_given_up = true;
        wake(self.connection.as_ref());
    }

    /// What the connection is to do, which is woken when that changes. A request is taken where it `is_idle`.
    pub(super) fn orders(&mut self, cx: &Context<'_>, is_idle: bool) -> Orders<B> {
        register(&mut self.connection, cx);
        Orders {
            request: if is_idle { self.request.take() } else { None },
            is_given_up: self.is_given_up,
            is_drained: self.delivery.chunks.is_empty(),
        }
    }

    /// Where the connection puts what comes.
    pub(super) fn delivery(&mut self) -> &mut Delivery {
        &mut self.delivery
    }

    /// Whoever waits is told what has come, if anything has.
    pub(super) fn tell(&mut self) {
        let Delivery { answered, chunks, trailers, over } = &mut self.delivery;
        self.is_answered |= answered.is_some();
        let over = over.take();
        if let Some(goes_on) = over {
            self.end = Some(Ok(()));
            self.standing = if goes_on { Standing::Ready } else { Standing::Closed };
        }
        if answered.is_some() || !chunks.is_empty() || trailers.is_some() || over.is_some() {
            self.answer_waiting();
        }
    }

    /// The connection goes. Whoever waits on it is told why, and given back a request that it had not begun, or what is
    /// left whole of one that it had.
    pub(super) fn close(&mut self, fault: Fault, begun: Option<Box<Message<B>>>) {
        let standing = std::mem::replace(&mut self.standing, Standing::Closed);
        if standing != Standing::Busy {
            return;
        }
        if self.is_answered {
            self.end = Some(Err(fault));
        } else {
            let (request, unsent) = match self.request.take() {
                Some(request) => (Some(request), true),
                None => (begun, false),
            };
            self.failure = Some(Unanswered { fault, request, unsent });
        }
        self.answer_waiting();
    }

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
        if self.end.is_none() && self.delivery.chunks.is_empty() {
            wake(self.connection.as_ref());
        }
    }

    /// Whether nothing more is to be taken.
    fn is_over(&self) -> bool {
        let Delivery { chunks, trailers, .. } = &self.delivery;
        chunks.is_empty() && trailers.is_none() && matches!(self.end, Some(Ok(())))
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
