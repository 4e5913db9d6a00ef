//! One connection to the application, for one request: sent, and sent again where that is safe.
//!
//! It keeps no connection: `pool` does. Invariants: a request is sent again when hyper gives it back, which it does only if
//! no byte of it was written; and once, on a new connection, if a pooled one ended without an answer, the method is
//! idempotent and there is no body (RFC 9110 §9.2.2, RFC 9112 §9.3.1). No other is: the application may have acted on it.

use std::pin::pin;

use http::{Request, Response};
use http_body::Body;

use super::body::{Outgoing, PooledBody};
use super::connect::ConnectError;
use super::interim::is_excess;
use super::link::Link;
use super::pool::Pool;
use crate::listener::BoxError;

/// One connection, for one request.
#[derive(Debug)]
pub struct Lease<B> {
    pub(super) pool: Pool<B>,
    pub(super) link: Link<B>,
    /// Whether it was opened for this request.
    pub(super) fresh: bool,
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
                        link.forget();
                        return Ok(response.map(|body| PooledBody::new(body, pool, link, sent)));
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
