//! One connection of HTTP/1.1 to the application: it writes a request and reads its answer, one after the other, and
//! watches for the end in between. A task of its own sees to it; whoever sends may begin in its place.
//!
//! It keeps no connection and repeats nothing. Invariants: another request is taken only if the one before was written whole
//! before its answer ended, the answer ended where its framing says, and no byte came that nobody asked for (RFC 9112
//! §9.2, §9.3); no more of an answer is read than was taken; whoever waits is told of every end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::answer::Head;
use super::exchange::{Exchange, Progress, Reading, Sending};
use super::fault::{Fault, Unanswered};
use super::message::Message;
use super::slot::{Answered, Arrived, Slot, Taken};
use super::switched::Switched;
use crate::listener::BoxError;
use crate::upstream::cap::Place;
use crate::upstream::connect::Stream;

/// Bytes that one read may bring at first, and at most: a read that fills its room doubles the next.
const ROOM: usize = 8 * 1024;
const MOST_ROOM: usize = 128 * 1024;

/// A read is not worth its call with less.
const LEAST_ROOM: usize = 1024;

/// What the farewell of TLS may take.
const FAREWELL: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Connection<B> {
    /// `None` once it speaks another protocol, or is closed.
    stream: Option<Stream>,
    place: Option<Place>,
    slot: Slot<B>,
    buffer: BytesMut,
    room: usize,
    exchange: Option<Exchange<B>>,
    /// A read of this turn has found nothing more: the next that comes wakes the task.
    is_dry: bool,
    /// It has ended in the hands of another than its task.
    ended: Option<Ended>,
}

/// Why a task ends. `None`: nothing is wrong.
type Ended = Option<Fault>;

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(stream: Stream, place: Place) -> Self {
        Self {
            stream: Some(stream),
            place: Some(place),
            slot: Slot::new(),
            buffer: BytesMut::new(),
            room: ROOM,
            exchange: None,
            is_dry: false,
            ended: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Some(ended) = self.ended.take() {
            return Poll::Ready(ended);
        }
        self.is_dry = false;
        // A request that waits is given back where the connection has ended.
        if self.exchange.is_none()
            && let Poll::Ready(ended) = self.watch(cx)
        {
            return Poll::Ready(ended);
        }
        let orders = self.slot.orders(cx, self.exchange.is_none());
        if orders.is_given_up {
            return Poll::Ready(None);
        }
        if let Some(request) = orders.request {
            self.exchange = Some(Exchange::of(request));
            // From its beginning again, mostly: that is still in the cache.
            self.buffer.reserve(self.room);
        }
        if self.exchange.is_none() {
            return Poll::Pending;
        }
        let turn = self.turn(cx, orders.is_drained);
        self.slot.tell();
        match ready!(turn) {
            // Whoever sends the next request wakes the task.
            Ok(true) => self.watch(cx),
            Ok(false) => Poll::Ready(None),
            Err(fault) => Poll::Ready(Some(fault)),
        }
    }

    /// Whatever comes between two exchanges is an end.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.fill(cx).map(Result::err)
    }

    /// Writes and reads as far as it goes. Ready: the exchange is over, and whether another may follow.
    fn turn(&mut self, cx: &mut Context<'_>, is_drained: bool) -> Poll<Result<bool, Fault>> {
        self.write(cx)?;
        // What was delivered before has to be taken first.
        if is_drained {
            ready!(self.read(cx))?;
            return self.finish().map(Ok);
        }
        Poll::Pending
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let (Some(exchange), Some(stream)) = (&mut self.exchange, &mut self.stream) else { return Ok(()) };
        let (Sending::Going, Some(upload)) = (&exchange.sending, &mut exchange.upload) else { return Ok(()) };
        match upload.poll(stream, cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => exchange.sent(),
            // An application that wants no more may have answered all the same.
            Poll::Ready(Err(Fault::Io(error))) => exchange.sending = Sending::Failed(error),
            Poll::Ready(Err(fault)) => return Err(fault),
        }
        Ok(())
    }

    /// Reads to the end of the answer.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            let Some(exchange) = &mut self.exchange else { return Poll::Ready(Ok(())) };
            let progress = exchange.take(&mut self.buffer, self.slot.delivery())?;
            match progress {
                Progress::Over => return Poll::Ready(Ok(())),
                Progress::Switched(head) => {
                    self.switch(head);
                    return Poll::Ready(Ok(()));
                }
                // The first of it is worth telling at once.
                Progress::Enough => return Poll::Pending,
                Progress::More if self.is_dry => return Poll::Pending,
                Progress::More => {}
            }
            if ready!(self.fill(cx))? == 0 {
                return Poll::Ready(self.at_end());
            }
            if let Some(exchange) = &mut self.exchange {
                exchange.is_begun = true;
            }
        }
    }

    /// The connection has ended amid an answer, or as its end.
    fn at_end(&mut self) -> Result<(), Fault> {
        let Some(exchange) = &mut self.exchange else { return Ok(()) };
        if let Reading::Close = exchange.reading {
            (exchange.reading, exchange.is_last) = (Reading::Over, true);
            return Ok(());
        }
        Err(match std::mem::replace(&mut exchange.sending, Sending::Done) {
            Sending::Failed(error) => Fault::Io(error),
            Sending::Going | Sending::Done => Fault::Ended,
        })
    }

    /// The answer is whole. Ready: so is the request, and whether another exchange may follow.
    fn finish(&mut self) -> Poll<bool> {
        if let Some(exchange) = &mut self.exchange
            && matches!(exchange.sending, Sending::Going)
        {
            // What is left of it goes up until nobody wants the answer any more.
            exchange.is_last = true;
            self.slot.delivery().over = Some(false);
            return Poll::Pending;
        }
        let is_clean = self.exchange.as_ref().is_some_and(|exchange| {
            matches!((&exchange.sending, &exchange.reading), (Sending::Done, Reading::Over))
                && !exchange.is_last
        });
        self.exchange = None;
        let goes_on = is_clean && self.buffer.is_empty() && self.stream.is_some();
        self.room = ROOM;
        if self.buffer.capacity() > MOST_ROOM / 2 {
            self.buffer = BytesMut::new();
        }
        self.slot.delivery().over = Some(goes_on);
        Poll::Ready(goes_on)
    }

    /// Hands the connection itself over.
    fn switch(&mut self, head: Head) {
        let (stream, place) = (self.stream.take(), self.place.take());
        let before = self.buffer.split().freeze();
        let switched =
            stream.zip(place).map(|(stream, place)| Box::new(Switched::new(stream, before, place)));
        self.slot.delivery().answered = Some(Answered { head, switched });
    }

    /// Reads once. 0: it has ended.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
        if self.buffer.capacity() - self.buffer.len() < LEAST_ROOM {
            self.buffer.reserve(self.room);
        }
        let read = pin!(stream.read_buf(&mut self.buffer)).poll(cx);
        self.is_dry = read.is_pending();
        let read = ready!(read).map_err(Fault::Io)?;
        if self.buffer.capacity() == self.buffer.len() {
            self.room = (self.room * 2).min(MOST_ROOM);
        }
        Poll::Ready(Ok(read))
    }
}

impl<B> Connection<B> {
    /// Nobody wants what comes any more. Between two exchanges that is the end, at once: whoever needs a connection in
    /// its place shall not have to wait for its task. Nothing is unsent then, so the farewell of TLS is not kept waiting.
    fn give_up(&mut self) {
        if self.exchange.is_none() {
            if let Some(mut stream) = self.stream.take() {
                let _farewell = Pin::new(&mut stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
            }
            self.place = None;
        }
        self.slot.give_up();
    }

    /// Tells whoever waits, and gives away what is left.
    fn close(&mut self, fault: Fault) -> (Option<Stream>, Option<Place>) {
        let begun = self.exchange.take().and_then(|exchange| exchange.into_repeatable(&fault));
        self.slot.close(fault, begun);
        (self.stream.take(), self.place.take())
    }
}

/// A connection, shared by its task and whoever sends over it, which are on one thread, and whoever closes it unused,
/// which may be on any (`cap::Idle`).
#[derive(Debug)]
pub(super) struct Shared<B>(Mutex<Connection<B>>);

impl<B> Shared<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(stream: Stream, place: Place) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Connection::new(stream, place))))
    }

    /// Serves until the connection ends, or nobody wants it.
    pub(super) async fn run(self: Arc<Self>) {
        let serving = Serving(self);
        let ended = poll_fn(|cx| serving.0.0.lock().poll(cx)).await;
        if let Some(fault) = &ended {
            tracing::debug!(%fault, "a connection to the application has ended");
        }
        let (stream, _place) = serving.0.0.lock().close(ended.unwrap_or(Fault::Ended));
        if let Some(mut stream) = stream {
            let _farewell = timeout(FAREWELL, stream.shutdown()).await;
        }
    }

    /// Sends a request; it is given back where the connection takes none. `at_once`: by whoever calls, as far as it goes,
    /// in the place of the connection's task.
    pub(super) fn send(
        &self,
        request: Box<Message<B>>,
        at_once: bool,
        cx: &Context<'_>,
    ) -> Result<(), Unanswered<B>> {
        let mut connection = self.0.lock();
        connection.slot.send(request, cx)?;
        match connection.slot.task() {
            Some(task) if at_once => {
                let task = task.clone();
                if let Poll::Ready(ended) = connection.poll(&mut Context::from_waker(&task)) {
                    connection.ended = Some(ended);
                    task.wake();
                }
            }
            Some(task) => task.wake_by_ref(),
            // Its first turn is still to come.
            None => {}
        }
        Ok(())
    }
}

impl<B> Shared<B> {
    /// Waits for the answer to the request that was sent last.
    pub(super) fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<Result<Arrived, Unanswered<B>>> {
        self.0.lock().slot.poll_answer(cx)
    }

    /// Waits for more of its body.
    pub(super) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Result<Taken, Fault>> {
        self.0.lock().slot.poll_body(cx)
    }

    /// Whether it takes a request now.
    pub(super) fn is_ready(&self) -> bool {
        self.0.lock().slot.is_ready()
    }

    /// Nobody wants what comes on the connection any more.
    pub(super) fn give_up(&self) {
        self.0.lock().give_up();
    }
}

/// The task. Whatever ends it, its thread, say, whoever waits is told.
struct Serving<B>(Arc<Shared<B>>);

impl<B> Drop for Serving<B> {
    fn drop(&mut self) {
        self.0.0.lock().close(Fault::Ended);
    }
}
