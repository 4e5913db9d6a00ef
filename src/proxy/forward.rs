//! The last step: an admitted request goes up, and its answer comes back.
//!
//! Not the pool, which is `upstream/`. Invariants: an answer leaves without what belongs to the hop behind us; a
//! connection changes its protocol only where client, route and application agree; an answer that goes on is overseen.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};

use super::answer::AnswerBody;
use super::body::ForwardBody;
use super::oversight::{Overseer, Oversight};
use super::pipeline::Proxy;
use super::rejection::Rejection;
use super::settings::Settings;
use super::websocket::{self, Opening};
use super::{headers, tunnel};
use crate::guard::Admitted;
use crate::guard::tenure::Tenure;
use crate::listener::{Takeover, Waiting};
use crate::upstream::{self, Outbound, UpstreamError};

type UpstreamAnswer = upstream::Answer<ForwardBody>;

/// How long streams go unseen.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// Between two looks at the key of a stream.
    pub recheck: Duration,
    /// A WebSocket on which nothing moves.
    pub websocket_idle: Duration,
}

impl Proxy {
    /// Sends a request up. What goes up is written before anything waits, so that nothing large is kept or moved while it
    /// does.
    pub(super) fn send_up<'u>(
        &'u self,
        admitted: Admitted,
        outbound: &mut Outbound<'_>,
        settings: &Settings,
        waiting: Waiting<'u>,
        opening: Option<&Opening>,
    ) -> impl Future<Output = Result<(UpstreamAnswer, Admitted), UpstreamError>> + use<'u> {
        if opening.is_some() {
            websocket::set(&mut outbound.headers);
            outbound.is_websocket = true;
        }
        self.upstream.forward(admitted, outbound, settings.response_timeout, waiting)
    }

    /// Brings back what came of it, as soon as its head is there.
    #[inline]
    pub(super) fn bring_back(
        &self,
        forwarded: Result<(UpstreamAnswer, Admitted), UpstreamError>,
        settings: &Settings,
        opening: Option<Opening>,
    ) -> Result<Response<AnswerBody>, Rejection> {
        let (mut answer, admitted) = forwarded.map_err(|error| self.as_leaving(error))?;
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            let oversight = self.oversight(admitted, settings);
            return switched(answer, opening, oversight, settings.streams.websocket_idle);
        }
        let oversight = if answer.body.is_whole() { None } else { self.oversight(admitted, settings) };
        headers::strip_response(&mut answer.headers);
        Ok(response(answer.status, answer.headers, AnswerBody::upstream(answer.body, oversight)))
    }

    fn oversight(&self, admitted: Admitted, settings: &Settings) -> Option<Oversight> {
        let overseer: &Arc<Overseer> = &self.overseer;
        Some(Oversight::new(Tenure::of(admitted)?, Arc::clone(overseer), settings.streams.recheck))
    }

    /// An application that is gone before us is not one that fails: sidecars end after what they stand before.
    fn as_leaving(&self, error: UpstreamError) -> UpstreamError {
        match error {
            UpstreamError::Connect if self.shared.readiness.is_draining() => UpstreamError::Gone,
            error => error,
        }
    }
}

/// The application speaks another protocol from here on: the one that was asked for, or what follows is nobody's.
fn switched(
    mut answer: UpstreamAnswer,
    opening: Option<Opening>,
    oversight: Option<Oversight>,
    idle: Duration,
) -> Result<Response<AnswerBody>, Rejection> {
    let agreed = opening.filter(|opening| opening.accept.is_given_by(answer.status, &answer.headers));
    let application = answer.body.take_switched();
    let (Some(Opening { client, .. }), Some(application)) = (agreed, application) else {
        tracing::warn!("the upstream switched protocols to something that nobody asked for");
        return Err(UpstreamError::Broken.into());
    };
    headers::strip_response(&mut answer.headers);
    websocket::set(&mut answer.headers);
    let mut response = response(answer.status, answer.headers, AnswerBody::Own(None));
    Takeover::new(tunnel::run(client, application, oversight, idle)).attach(&mut response);
    Ok(response)
}

/// What the client is told: in the version of its own hop, not of the one behind us (RFC 9110 §2.5).
fn response(status: StatusCode, headers: HeaderMap, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
