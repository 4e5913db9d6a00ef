//! Connections to the application, kept open between requests (HTTP/1.1, RFC 9112 §9.3).
//!
//! One pool per runtime: a connection's task stays on the runtime that opened it. The pool changes no
//! request and bounds no time but connecting and idleness. Invariants: a connection is kept and used again only while it
//! says that it is ready (`http1`); the lock is never held across an await.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http_body::Body;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::cap;
use super::connect::ConnectError;
use super::connect::Dialer;
use super::connect::Target;
use super::connect::connect;
use super::http1::Link;
use super::lease::Lease;
use super::limits::Limits;
use crate::listener::BoxError;

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
    /// The last one put back is the first one used; so the front is the oldest.
    idle: Mutex<Vec<Idle<B>>>,
}

#[derive(Debug)]
struct Idle<B> {
    link: Link<B>,
    since: Instant,
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
        let inner = Arc::new(Inner { target, dialer, limits, idle: Mutex::default() });
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
        let now = Instant::now();
        let mut idle = self.0.idle.lock();
        self.purge(&mut idle, now);
        if idle.len() < self.0.limits.max_idle() {
            idle.push(Idle { link, since: now });
        }
    }

    pub(super) fn take_idle(&self, now: Instant) -> Option<Link<B>> {
        let mut idle = self.0.idle.lock();
        self.purge(&mut idle, now);
        // One that has closed, or received bytes nobody asked for, is not ready.
        std::iter::from_fn(|| idle.pop()).map(|idle| idle.link).find(Link::is_ready)
    }

    fn purge(&self, idle: &mut Vec<Idle<B>>, now: Instant) {
        let limit = self.0.limits.idle_timeout();
        // Mostly none is, and the first says so.
        let old = idle.iter().take_while(|idle| now.saturating_duration_since(idle.since) >= limit).count();
        let surplus = idle.len().saturating_sub(self.0.limits.max_idle());
        drop(idle.drain(..old.max(surplus)));
    }
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// A connection for one request: the one used last, or a new one.
    ///
    /// # Errors
    ///
    /// When a new one was needed and the application did not take it in time.
    pub async fn checkout(&self) -> Result<Lease<B>, ConnectError> {
        let now = Instant::now();
        if let Some(link) = self.take_idle(now) {
            return Ok(Lease { pool: self.clone(), link, fresh: false, since: now });
        }
        let link = self.open().await?;
        Ok(Lease { pool: self.clone(), link, fresh: true, since: Instant::now() })
    }

    /// Boxed, so that connecting, which is rare and large, takes no room in what every request carries along.
    pub(super) fn open(&self) -> Pin<Box<dyn Future<Output = Result<Link<B>, ConnectError>> + Send + '_>> {
        Box::pin(async move {
            let place = self.0.limits.cap.place().await.ok_or(ConnectError::Busy)?;
            let stream =
                connect(&self.0.target, self.0.dialer.as_ref(), self.0.limits.connect_timeout()).await?;
            Ok(Link::over(stream, place))
        })
    }
}
