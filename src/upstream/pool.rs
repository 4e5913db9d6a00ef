//! Connections to the application, kept open between requests (HTTP/1.1, RFC 9112 §9.3).
//!
//! One pool per runtime: a connection stays on the runtime that opened it. Whoever uses a connection polls it (`link`);
//! a keeper looks after those that nobody uses. The pool changes no request and bounds no time but connecting and
//! idleness. Invariants:
//! - A connection is reused only when the request was sent whole *before* the response began, and the
//!   response ended where its framing says. hyper then reports ready; stray bytes and a close end it.
//! - A request is sent again when hyper gives it back, which it does only if no byte of it was written; and once, on a
//!   new connection, if a pooled one ended without an answer, the method is idempotent and there is no body (RFC 9110
//!   §9.2.2, RFC 9112 §9.3.1). No other is: the application may have acted on it.
//! - The lock is never held across an await.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::client::conn::http1;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio::time::timeout;

use super::body::Outgoing;
use super::body::PooledBody;
use super::cap;
use super::connect::ConnectError;
use super::connect::Dialer;
use super::connect::Target;
use super::connect::connect;
use super::interim::is_excess;
use super::limits::Limits;
use super::link::Link;
use crate::listener::BoxError;

/// Header fields of one response.
const MAX_HEADERS: usize = 100;

/// Bytes of a response's head.
const MAX_HEAD: usize = 64 * 1024;

/// Bytes buffered for one connection, each way. Most bodies that were read whole then go up in one write,
/// with their head: what is queued are the chunks that are held anyway.
const MAX_BUFFERED: usize = 256 * 1024;

/// How long hyper may take to notice that an exchange is over. Longer means that something is not.
const SETTLE: Duration = Duration::from_millis(100);

/// The connections of one runtime to one application. Cheap to clone.
#[derive(Debug)]
pub struct Pool<B>(Arc<Inner<B>>);

impl<B> Clone for Pool<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Inner<B> {
    target: Target,
    dialer: Option<Dialer>,
    limits: Arc<Limits>,
    builder: http1::Builder,
    /// The last one put back is the first one used; so the front is the oldest.
    idle: Mutex<Vec<Idle<B>>>,
    /// Told when something happens on one of them.
    keeper: Arc<Notify>,
    is_kept: AtomicBool,
}

#[derive(Debug)]
struct Idle<B> {
    link: Link<B>,
    since: Instant,
}

impl<B> Drop for Inner<B> {
    fn drop(&mut self) {
        self.keeper.notify_one();
    }
}

impl<B: Send + 'static> cap::Idle for Inner<B> {
    fn close_one(&self) -> bool {
        let mut idle = self.idle.lock();
        if idle.is_empty() {
            return false;
        }
        drop(idle.remove(0));
        true
    }
}

impl<B: Send + 'static> Pool<B> {
    /// A pool without connections.
    #[must_use]
    pub fn new(target: Target, limits: Arc<Limits>) -> Self {
        Self::over(target, None, limits)
    }

    /// The same under TLS.
    #[must_use]
    pub fn under_tls(target: Target, dialer: Dialer, limits: Arc<Limits>) -> Self {
        Self::over(target, Some(dialer), limits)
    }

    fn over(target: Target, dialer: Option<Dialer>, limits: Arc<Limits>) -> Self {
        let mut builder = http1::Builder::new();
        builder.max_headers(MAX_HEADERS).max_header_size(MAX_HEAD).max_buf_size(MAX_BUFFERED);
        let inner = Arc::new(Inner {
            target,
            dialer,
            limits,
            builder,
            idle: Mutex::default(),
            keeper: Arc::default(),
            is_kept: AtomicBool::new(false),
        });
        let idle: Weak<dyn cap::Idle> = Arc::<Inner<B>>::downgrade(&inner);
        inner.limits.cap.register(idle);
        Self(inner)
    }

    /// Unused connections held now, closed ones that were not noticed yet included.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.0.idle.lock().len()
    }

    /// Takes back a connection whose exchange is over.
    pub(super) fn put_back(&self, link: Link<B>) {
        if self.0.limits.cap.is_short() {
            return;
        }
        link.rest();
        let now = Instant::now();
        let mut idle = self.0.idle.lock();
        self.purge(&mut idle, now);
        if idle.len() < self.0.limits.max_idle() {
            idle.push(Idle { link, since: now });
        }
    }

    fn take_idle(&self) -> Option<Link<B>> {
        let mut idle = self.0.idle.lock();
        self.purge(&mut idle, Instant::now());
        // A connection that hyper found closed, or that received bytes nobody asked for, is not ready.
        std::iter::from_fn(|| idle.pop()).map(|idle| idle.link).find(Link::is_ready)
    }

    fn purge(&self, idle: &mut Vec<Idle<B>>, now: Instant) {
        let limit = self.0.limits.idle_timeout();
        let fresh = idle.partition_point(|idle| now.saturating_duration_since(idle.since) >= limit);
        drop(idle.drain(..fresh));
    }

    /// Looks after unused connections: one that the application has closed is closed here too.
    fn keep(&self) {
        if self.0.is_kept.swap(true, Ordering::Relaxed) {
            return;
        }
        let (pool, keeper) = (Arc::downgrade(&self.0), Arc::clone(&self.0.keeper));
        tokio::spawn(async move {
            loop {
                keeper.notified().await;
                let Some(pool) = pool.upgrade() else { return };
                pool.idle.lock().retain_mut(|idle| idle.link.look());
            }
        });
    }
}

impl<B> Pool<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// A connection for one request: the one used last, or a new one.
    ///
    /// # Errors
    ///
    /// When a new one was needed and the application did not take it in time.
    pub async fn checkout(&self) -> Result<Lease<B>, ConnectError> {
        if let Some(link) = self.take_idle() {
            return Ok(Lease { pool: self.clone(), link, fresh: false });
        }
        let link = self.open().await?;
        Ok(Lease { pool: self.clone(), link, fresh: true })
    }

    /// Boxed, so that connecting, which is rare and large, takes no room in what every request carries along.
    fn open(&self) -> Pin<Box<dyn Future<Output = Result<Link<B>, ConnectError>> + Send + '_>> {
        Box::pin(async move {
            let place = self.0.limits.cap.place().await.ok_or(ConnectError::Busy)?;
            let stream =
                connect(&self.0.target, self.0.dialer.as_ref(), self.0.limits.connect_timeout()).await?;
            self.keep();
            let keeper = Arc::clone(&self.0.keeper);
            Link::over(stream, place, &self.0.builder, keeper).await.map_err(ConnectError::Handshake)
        })
    }

    /// Takes back a connection whose response has ended, once hyper agrees that the exchange is over.
    pub(super) fn settle(&self, mut link: Link<B>) {
        if link.is_ready() {
            return self.put_back(link);
        }
        if link.is_closed() {
            return;
        }
        let pool = self.clone();
        tokio::spawn(async move {
            if let Ok(Ok(())) = timeout(SETTLE, link.ready()).await {
                pool.put_back(link);
            }
        });
    }
}

/// One connection, for one request.
#[derive(Debug)]
pub struct Lease<B> {
    pool: Pool<B>,
    link: Link<B>,
    fresh: bool,
}

/// The request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A pooled connection had closed and no new one could be had. Nothing was sent.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection failed. `unsent`: no byte of the request was written.
    #[error("the exchange with the application failed: {source}")]
    Exchange {
        /// What hyper said.
        source: hyper::Error,
        /// Whether the application cannot have seen any of it.
        unsent: bool,
    },
}

impl<B> Lease<B>
where
    B: Body + Default + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Sends `request` (origin-form target, with `Host`) and waits for the response's head, however long
    /// that takes. A pooled connection that proves closed is replaced where the request may be sent again.
    /// When this future or the response body is dropped early, the connection closes.
    ///
    /// # Errors
    ///
    /// When the request may have been seen and has no answer, or a new connection did not help.
    pub fn send(
        self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<PooledBody<B>>, SendError>> {
        let Self { pool, mut link, mut fresh } = self;
        let mut repeatable = !fresh && is_repeatable(&request);
        let (parts, body) = request.into_parts();
        let (body, mut sent) = Outgoing::new(body);
        let mut request = Request::from_parts(parts, body);
        async move {
            loop {
                // Pinned where it is made: awaited as a value it would be copied first, request and all.
                let answered = pin!(link.send(request, repeatable)).await;
                let mut error = match answered {
                    Ok(response) => {
                        // A body that still goes up, or another protocol, does not wait for who reads the answer.
                        let goes_on =
                            !sent.is_whole() || response.status() == StatusCode::SWITCHING_PROTOCOLS;
                        return Ok(response.map(|body| match goes_on {
                            false => PooledBody::new(body, pool, link),
                            true => PooledBody::apart(body, link.apart()),
                        }));
                    }
                    Err(error) => error,
                };
                let message = error.take_message();
                let unsent = message.is_some();
                let again = match message {
                    Some(request) => (!fresh).then_some(request),
                    // There is no third time.
                    None if std::mem::take(&mut repeatable) && is_without_answer(error.error()) => {
                        let (body, nothing) = Outgoing::new(B::default());
                        sent = nothing;
                        link.repeat(body)
                    }
                    None => None,
                };
                let Some(again) = again else {
                    return Err(SendError::Exchange { source: error.into_error(), unsent });
                };
                request = again;
                // What may have been seen goes to a connection that cannot be stale.
                let kept = if unsent { pool.take_idle() } else { None };
                match kept {
                    Some(next) => link = next,
                    None => {
                        link = pool.open().await?;
                        fresh = true;
                    }
                }
            }
        }
    }
}

/// Whether doing it twice is doing it once, and nothing of it is used up by trying.
fn is_repeatable(request: &Request<impl Body>) -> bool {
    request.method().is_idempotent() && request.body().is_end_stream()
}

/// Whether the connection ended before an answer, and not because of one that is none.
fn is_without_answer(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user() && !is_excess(error)
}
