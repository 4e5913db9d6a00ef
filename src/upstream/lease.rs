//! One exchange over one connection, and its second chance where that is safe.
//!
//! It keeps no connection: `pool` does. Invariants: a request is sent again where no byte of it was written; and once, on a
//! new connection, if a pooled one ended before anything of an answer came, the method is idempotent and there is no body
//! (RFC 9110 §9.2.2, RFC 9112 §9.3.1). No other is: the application may have acted on it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use super::body::PooledBody;
use super::connect::ConnectError;
use super::http1::{Arrived, Arriving, Fault, Link, Message, Unanswered};
use super::pool::Pool;
use crate::listener::BoxError;

/// One connection, for one request.
#[derive(Debug)]
pub struct Lease<B: Send + 'static> {
    pub(super) pool: Pool<B>,
    pub(super) link: Link<B>,
    /// Whether it was opened for this request.
    pub(super) fresh: bool,
    pub(super) since: Instant,
}

/// An answer whose body may still be on its way.
#[derive(Debug)]
pub struct Answer<B: Send + 'static> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields as they came.
    pub headers: HeaderMap,
    /// Its body.
    pub body: PooledBody<B>,
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
        /// Why.
        source: Fault,
        /// Whether the application cannot have seen any of it.
        unsent: bool,
    },
}

impl<B> Lease<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// When the connection was there to be used.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Sends a request and waits for the answer's head, however long that takes. A pooled connection that proves closed
    /// is replaced where the request may be sent again. When this future or the answer's body is dropped early, the
    /// connection closes.
    ///
    /// # Errors
    ///
    /// When the request may have been seen and has no answer, or a new connection did not help.
    pub async fn send(self, request: Box<Message<B>>) -> Result<Answer<B>, SendError> {
        let Self { pool, mut link, mut fresh, .. } = self;
        let Unanswered { mut fault, request: mut again, mut unsent } = match link.send(request).await {
            Ok(arrived) => return Ok(Answer::of(arrived, pool, link)),
            Err(unanswered) => unanswered,
        };
        // There is no third time on a new connection.
        while !fresh && let Some(request) = again {
            // What may have been seen goes to a connection that cannot be stale.
            let kept = if unsent { pool.take_idle(Instant::now()) } else { None };
            fresh = kept.is_none();
            link = match kept {
                Some(next) => next,
                None => pool.open().await?,
            };
            match link.send(request).await {
                Ok(arrived) => return Ok(Answer::of(arrived, pool, link)),
                Err(unanswered) => Unanswered { fault, request: again, unsent } = unanswered,
            }
        }
        Err(SendError::Exchange { source: fault, unsent })
    }
}

impl<B: Send + 'static> Answer<B> {
    fn of(mut arrived: Arrived, pool: Pool<B>, link: Link<B>) -> Self {
        let switched = arrived.answered.switched.take();
        let body = match switched {
            Some(connection) => PooledBody::switched(connection),
            None => PooledBody::alone(Arriving::new(&mut arrived, pool, link)),
        };
        let head = arrived.answered.head;
        Self { status: head.status, headers: head.headers, body }
    }
}
