//! A connection of HTTP/1.1 to the application, driven by the request that uses it.
//!
//! hyper wants a connection polled beside whoever waits for what comes on it. A task of its own would cost each request
//! several switches between two tasks; here the task of the request polls both. It keeps no connection and chooses none:
//! `pool` does. Invariants:
//! - what happens on a connection wakes the task that uses it, and the pool's keeper while none does;
//! - what happens while it is polled is looked at in that poll, so that no task wakes itself for nothing;
//! - one that goes on without its user (a body still going up beside its answer, a change of protocol, an exchange that
//!   was given up) goes on as a task: nothing waits for a client to read.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::body::Outgoing;
use super::cap::Place;
use super::connect::Stream;
use super::held::Held;
use super::interim::{Awaited, Exchanges};
use super::written::Record;
use crate::listener::BoxError;

pub(super) type Sender<B> = SendRequest<Outgoing<B>>;

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// One connection.
#[derive(Debug)]
pub(super) struct Link<B> {
    sender: Sender<B>,
    awaited: Awaited,
    written: Record,
    driver: Driver,
}

/// What polls it.
struct Driver {
    /// `None`: it has ended, or goes on as a task.
    connection: Option<Connection>,
    bell: Arc<Bell>,
    waker: Waker,
}

impl<B> Link<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Begins to speak HTTP on a new connection. While nobody uses it, what happens on it is told to `keeper`.
    ///
    /// # Errors
    ///
    /// hyper's, of a connection that has ended already.
    pub(super) async fn over(
        stream: Stream,
        place: Place,
        builder: &http1::Builder,
        keeper: Arc<Notify>,
    ) -> hyper::Result<Self> {
        let (awaited, written) = (Awaited::default(), Record::default());
        let held = Held::new(stream, Exchanges::new(place, Arc::clone(&awaited), Arc::clone(&written)));
        let (sender, connection) = builder.handshake(TokioIo::new(held)).await?;
        let bell = Arc::new(Bell { state: AtomicU8::new(QUIET), user: Mutex::new(None), keeper });
        let waker = Waker::from(Arc::clone(&bell));
        let connection: Connection = Box::pin(connection.with_upgrades());
        Ok(Self { sender, awaited, written, driver: Driver { connection: Some(connection), bell, waker } })
    }

    /// Sends a request and waits for the head of its answer. `repeatable`: [`Self::repeat`] gives it once more.
    ///
    /// # Errors
    ///
    /// hyper's, with the request where no byte of it was written.
    pub(super) fn send(
        &mut self,
        request: Request<Outgoing<B>>,
        repeatable: bool,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing<B>>>>> {
        let Self { sender, awaited, written, driver } = self;
        awaited.store(true, Ordering::Relaxed);
        written.begin(&request, repeatable);
        // Handing it over rings; the connection is polled next in any case.
        driver.bell.listen();
        let answer = sender.try_send_request(request);
        async move {
            let mut answer = pin!(answer);
            std::future::poll_fn(|cx| driver.poll(cx, |cx| answer.as_mut().poll(cx))).await
        }
    }

    /// The request that was sent last, if it was repeatable and a byte of it may have been written.
    pub(super) fn repeat(&self, body: Outgoing<B>) -> Option<Request<Outgoing<B>>> {
        self.written.request(body)
    }

    /// Waits until the exchange is over, as hyper sees it.
    ///
    /// # Errors
    ///
    /// When the connection has ended.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        let Self { sender, driver, .. } = self;
        std::future::poll_fn(|cx| driver.poll(cx, |cx| sender.poll_ready(cx))).await
    }
}

impl<B> Link<B> {
    /// Polls something that comes of the connection, and the connection for it.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.driver.poll(cx, wanted)
    }

    /// Whether a request may be sent: the connection stands, and nothing came that nobody asked for.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether some of the request waits still for the application to read.
    pub(super) fn is_stuck(&self) -> bool {
        self.written.is_stuck()
    }

    /// Nobody uses it for now.
    pub(super) fn rest(&self) {
        self.written.forget();
        drop(self.driver.bell.user.lock().take());
    }

    /// Looks at what has happened on one that nobody uses. Whether it can be used still.
    pub(super) fn look(&mut self) -> bool {
        let driver = &mut self.driver;
        driver.bell.listen();
        driver.go_on();
        if driver.bell.has_rung() {
            driver.bell.keeper.notify_one();
        }
        self.sender.is_ready()
    }

    /// Lets it go on as a task; what is returned keeps it open for the exchange that it is in.
    pub(super) fn apart(self) -> Sender<B> {
        let Self { sender, driver, .. } = self;
        drop(driver);
        sender
    }
}

impl Driver {
    /// Asks once more after the connection was polled: what was wanted may have come.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.bell.answer_to(cx.waker());
        self.bell.listen();
        let mut found = wanted(&mut Context::from_waker(&self.waker));
        if found.is_pending() {
            self.go_on();
            found = wanted(&mut Context::from_waker(&self.waker));
        }
        // Rung since the connection was polled: it has more to say. What has used up the budget of the task rings later,
        // when tokio has taken note of that.
        if self.bell.has_rung() && found.is_pending() {
            cx.waker().wake_by_ref();
        }
        found
    }

    fn go_on(&mut self) {
        // Taken out meanwhile: one that panics is not polled again.
        let Some(mut connection) = self.connection.take() else { return };
        match connection.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => self.connection = Some(connection),
            Poll::Ready(ended) => note(ended),
        }
    }
}

impl Drop for Driver {
    /// An exchange that is given up ends in order: hyper tells the application, as far as HTTP/1.1 can.
    fn drop(&mut self) {
        if let (Some(connection), Ok(runtime)) = (self.connection.take(), Handle::try_current()) {
            runtime.spawn(async move { note(connection.await) });
        }
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("stands", &self.connection.is_some()).finish_non_exhaustive()
    }
}

fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection to the application ended");
    }
}

/// Nobody polls the connection just now.
const QUIET: u8 = 0;
/// It is being polled.
const POLLED: u8 = 1;
/// The same, and something has happened meanwhile.
const RUNG: u8 = 2;

/// Whom to wake when something happens on a connection.
struct Bell {
    state: AtomicU8,
    user: Mutex<Option<Waker>>,
    keeper: Arc<Notify>,
}

impl Bell {
    fn answer_to(&self, user: &Waker) {
        let mut known = self.user.lock();
        if !known.as_ref().is_some_and(|known| known.will_wake(user)) {
            *known = Some(user.clone());
        }
    }

    /// From now on what happens is looked at by whoever polls.
    fn listen(&self) {
        self.state.store(POLLED, Ordering::Release);
    }

    /// Ends [`Self::listen`]: whether something has happened.
    fn has_rung(&self) -> bool {
        self.state.swap(QUIET, Ordering::AcqRel) == RUNG
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.compare_exchange(POLLED, RUNG, Ordering::AcqRel, Ordering::Acquire) != Err(QUIET) {
            return;
        }
        match &*self.user.lock() {
            Some(user) => user.wake_by_ref(),
            None => self.keeper.notify_one(),
        }
    }
}
