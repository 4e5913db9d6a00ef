//! One exchange over a connection that carries others, and when it is begun again.
//!
//! RFC 9113 §8.7: what was refused (REFUSED_STREAM), or lies beyond the last stream of a GOAWAY, was not processed.
//! Invariant: a request goes out a second time only if the application provably did nothing with it, or if it is
//! idempotent, has no body and its connection ended without an answer (RFC 9110 §9.2.2); and never a third time.

use std::error::Error as StdError;
use std::sync::Arc;

use h2::Reason;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;

use super::line::{Line, Seat};
use super::upload::{Upload, Uploading, Whole};
use super::{ConnectError, Multiplex};
use crate::proxy::body::{BodyFault, ForwardBody};
use crate::upstream::body::PooledBody;
use crate::upstream::lease::Answer;

/// How many connections may prove closed before a request has left the process.
const MOST_UNSENT: u8 = 3;

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::upstream) enum Fault {
    /// No connection could be had to begin again on.
    #[error(transparent)]
    Connect(#[from] Arc<ConnectError>),
    /// The request's body ended it.
    #[error(transparent)]
    Body(BodyFault),
    /// The stream or the connection failed.
    #[error("the exchange with the application failed: {0}")]
    Exchange(#[source] hyper::Error),
}

/// What is known of a request that has no answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It did not leave the process.
    Unsent,
    /// The application says that it did nothing with it; on this connection it does nothing with others either.
    GoneAway,
    /// The application says that it did nothing with it.
    Refused,
    /// The connection ended.
    Broken,
    /// Anything else: it may have been acted on.
    Failed,
}

/// A connection as it was when a request was given to it.
pub(in crate::upstream) struct Trust {
    line: Arc<Line>,
    heard: u64,
}

impl Multiplex {
    /// What a request is about to go by.
    pub(in crate::upstream) fn trust(seat: &Seat) -> Trust {
        let line = Arc::clone(seat.line());
        Trust { heard: line.heard(), line }
    }

    /// A request had no answer in time: a connection on which nothing at all has come since may be dead.
    pub(in crate::upstream) fn doubt(&self, trust: &Trust) {
        if trust.line.heard() == trust.heard {
            self.retire(&trust.line);
        }
    }

    /// Sends a request from its seat and waits for the answer's head, however long that takes. When this future or the
    /// answer's body is dropped early, the stream is reset.
    pub(in crate::upstream) async fn send(
        &self,
        mut seat: Seat,
        request: Request<ForwardBody>,
    ) -> Result<Answer<ForwardBody>, Fault> {
        let (parts, body) = request.into_parts();
        let has_body = !body.is_end_stream();
        let mut body = Whole::from(body);
        let (mut unsent, mut again) = (MOST_UNSENT, true);
        loop {
            let (uploading, upload) = Upload::new(body);
            seat.carry(upload.clone());
            let (fate, error) = match exchange(&seat, parts.clone(), uploading).await {
                Ok(answer) => {
                    seat.line().prove();
                    upload.iter().for_each(Upload::settle);
                    let (head, body) = answer.into_parts();
                    let body = PooledBody::among(body, seat);
                    return Ok(Answer { status: head.status, headers: head.headers, body });
                }
                Err(failed) => failed,
            };
            if let Some(fault) = upload.as_ref().and_then(Upload::fault) {
                return Err(Fault::Body(fault));
            }
            if matches!(fate, Fate::Unsent | Fate::GoneAway | Fate::Broken) {
                self.retire(seat.line());
            }
            let may = match fate {
                Fate::Unsent => unsent > 0,
                Fate::GoneAway | Fate::Refused => again,
                Fate::Broken => {
                    let is_harmless = parts.method.is_idempotent() && !has_body;
                    again && is_harmless && seat.line().is_proven() && !seat.line().has_excess()
                }
                Fate::Failed => false,
            };
            let whole = match &upload {
                Some(upload) => upload.take_back(),
                None => Some(Whole::from(ForwardBody::Empty)),
            };
            let (true, Some(whole), Some(place)) = (may, whole, seat.into_place()) else {
                return Err(Fault::Exchange(error));
            };
            if fate == Fate::Unsent {
                unsent -= 1;
            } else {
                again = false;
            }
            body = whole;
            seat = self.seat_with(place).await?;
        }
    }
}

async fn exchange(
    seat: &Seat,
    parts: Parts,
    body: Uploading,
) -> Result<Response<hyper::body::Incoming>, (Fate, hyper::Error)> {
    let mut sender = seat.line().sender();
    match sender.try_send_request(Request::from_parts(parts, body)).await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let unsent = error.message().is_some();
            let error = error.into_error();
            Err((if unsent { Fate::Unsent } else { fate(&error) }, error))
        }
    }
}

fn fate(error: &hyper::Error) -> Fate {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return match error.reason() {
                _ if error.is_go_away() && error.is_remote() => Fate::GoneAway,
                Some(Reason::REFUSED_STREAM) if error.is_reset() && error.is_remote() => Fate::Refused,
                _ if error.is_io() => Fate::Broken,
                _ => Fate::Failed,
            };
        }
        source = error.source();
    }
    if error.is_closed() || error.is_canceled() || source_is_io(error) { Fate::Broken } else { Fate::Failed }
}

/// hyper takes the fault of a socket out of what h2 says of it.
fn source_is_io(error: &hyper::Error) -> bool {
    error.source().is_some_and(|source| source.is::<std::io::Error>())
}
