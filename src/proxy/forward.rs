//! The last step: an admitted request goes up, and its answer comes back.
//!
//! Not the pool, which is `upstream/`. Invariant: an answer leaves without what belongs to the hop behind us.

use std::pin::pin;
use std::time::Duration;

use http::Response;

use super::answer::AnswerBody;
use super::headers;
use super::pipeline::Proxy;
use super::rejection::Rejection;
use crate::guard::Admitted;
use crate::upstream::{Outbound, UpstreamError};

impl Proxy {
    /// Sends a request up and returns the answer as soon as its head is there.
    pub(super) async fn send_on(
        &self,
        admitted: Admitted,
        outbound: Outbound,
        response_timeout: Duration,
    ) -> Result<Response<AnswerBody>, Rejection> {
        let forwarded = pin!(self.upstream.forward(admitted, outbound, response_timeout)).await;
        let mut response = forwarded.map_err(|error| self.as_leaving(error))?;
        headers::strip_response(response.headers_mut());
        Ok(response.map(AnswerBody::Upstream))
    }

    /// An application that is gone before us is not one that fails: sidecars end after what they stand before.
    fn as_leaving(&self, error: UpstreamError) -> UpstreamError {
        match error {
            UpstreamError::Connect if self.shared.readiness.is_draining() => UpstreamError::Gone,
            error => error,
        }
    }
}
