//! The last step: an admitted request goes up, and its answer comes back.
//!
//! Not the pool, which is `upstream/`. Invariants: an answer leaves without what belongs to the hop behind us; a
//! connection changes its protocol only where client, route and application agree; an answer that goes on is overseen.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};

use super::answer::AnswerBody;
use super::oversight::{Overseer, Oversight};
use super::pipeline::Proxy;
use super::rejection::Rejection;
use super::settings::Settings;
use super::websocket::{self, Opening};
use super::{headers, tunnel};
use crate::guard::Admitted;
use crate::guard::tenure::Tenure;
use crate::listener::{Takeover, Waiting};
use crate::upstream::{Outbound, ResponseBody, UpstreamError};

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
    pub(super) fn send_up(
        &self,
        admitted: Admitted,
        mut outbound: Outbound,
        settings: &Settings,
        waiting: Waiting<'_>,
        opening: Option<&Opening>,
    ) -> impl Future<Output = Result<(Response<ResponseBody>, Admitted), UpstreamError>> {
        if opening.is_some() {
            websocket::set(&mut outbound.headers);
            outbound.is_websocket = true;
        }
        self.upstream.forward(admitted, outbound, settings.response_timeout, waiting)
    }

    /// Brings back what came of it, as soon as its head is there.
    pub(super) fn bring_back(
        &self,
        forwarded: Result<(Response<ResponseBody>, Admitted), UpstreamError>,
        settings: &Settings,
        opening: Option<Opening>,
    ) -> Result<Response<AnswerBody>, Rejection> {
        let (mut response, admitted) = forwarded.map_err(|error| self.as_leaving(error))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let oversight = self.oversight(admitted, settings);
            return switched(response, opening, oversight, settings.streams.websocket_idle);
        }
        headers::strip_response(response.headers_mut());
        let oversight = if response.body().is_whole() { None } else { self.oversight(admitted, settings) };
        Ok(response.map(|body| AnswerBody::upstream(body, oversight)))
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
    mut response: Response<ResponseBody>,
    opening: Option<Opening>,
    oversight: Option<Oversight>,
    idle: Duration,
) -> Result<Response<AnswerBody>, Rejection> {
    let agreed = opening.filter(|opening| opening.accept.is_given_by(response.status(), response.headers()));
    let application = response.body_mut().take_switched();
    let (Some(Opening { client, .. }), Some(application)) = (agreed, application) else {
        tracing::warn!("the upstream switched protocols to something that nobody asked for");
        return Err(UpstreamError::Broken.into());
    };
    headers::strip_response(response.headers_mut());
    websocket::set(response.headers_mut());
    let mut answer = response.map(|_none| AnswerBody::Own(None));
    Takeover::new(tunnel::run(client, application, oversight, idle)).attach(&mut answer);
    Ok(answer)
}
