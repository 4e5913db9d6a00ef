//! The whole way of one request, in one function: `Proxy::conduct`.
//!
//! Not a stage: it decides nothing that a stage decides. Invariants: checks run cheapest first; the body is
//! read only when everything that needs no body has passed; nothing reaches `upstream` but an `Admitted`.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONNECTION};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use smallvec::SmallVec;

use super::answer::AnswerBody;
use super::body::{self, BodyLimits, ForwardBody, Streamed};
use super::budget::Budget;
use super::judge::{Judged, judge};
use super::path::CheckedPath;
use super::rejection::{REQUEST_ID, Rejection};
use super::request_id::RequestId;
use super::route::{Found, Route, Table};
use super::{head, headers};
use crate::clock::{Clock, Moment};
use crate::credential::{Head, api_key};
use crate::guard::{self, Admitted};
use crate::keys::ring::KeyRing;
use crate::listener::Handler;
use crate::telemetry::decision::{Decision, Decisions};
use crate::upstream::{Outbound, Upstream};
use crate::verify::{AuthenticSet, Facts};

/// What every runtime shares.
pub struct Shared {
    /// Routes, in file order.
    pub routes: Table,
    /// The mirror with its age.
    pub keys: Arc<KeyRing>,
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Body bytes in flight, process-wide.
    pub budget: Arc<Budget>,
    /// What bounds a body where a route does not say otherwise.
    pub body_limits: BodyLimits,
    /// The URL prefix that senders call, for schemes that sign the URL.
    pub public_url: Option<String>,
    /// Where decisions are recorded.
    pub decisions: Arc<Decisions>,
}

/// One runtime's proxy: what is shared, and connections of its own.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
    upstream: Arc<Upstream>,
}

impl Handler for Proxy {
    type Body = AnswerBody;

    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<AnswerBody> {
        let begun = self.shared.clock.moment();
        let id = RequestId::new(begun.wall);
        let is_http1 = request.version() < Version::HTTP_2;
        let mut decision = Decision::new(id.clone(), peer.ip());
        let conduct = self.conduct(request, peer.ip(), begun, &id, &mut decision);
        let outcome = super::panics::caught(pin!(conduct)).await.unwrap_or(Err(Rejection::Internal));
        let mut response = match outcome {
            Ok(response) => response,
            Err(rejection) => {
                decision.refuse(&rejection);
                let mut answer = rejection.respond(&id, decision.reject_status);
                if decision.body_pending && is_http1 {
                    // The rest of the body is not read: tell the client that the connection ends.
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                answer
            }
        };
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id.header());
        let elapsed = self.shared.clock.monotonic().saturating_duration_since(begun.monotonic);
        self.shared.decisions.record(&decision, response.status(), begun.wall, elapsed);
        response
    }
}

impl Proxy {
    /// A proxy for one runtime.
    #[must_use]
    pub fn new(shared: Arc<Shared>, upstream: Upstream) -> Self {
        Self { shared, upstream: Arc::new(upstream) }
    }

    /// Route → candidates → credential → verify → admit → forward.
    async fn conduct(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        begun: Moment,
        id: &RequestId,
        decision: &mut Decision,
    ) -> Result<Response<AnswerBody>, Rejection> {
        let (parts, incoming) = request.into_parts();
        decision.body_pending = !http_body::Body::is_end_stream(&incoming);
        let head = head::check(&parts)?;
        let path = CheckedPath::parse(parts.uri.path())?;
        let (route, integration) = match self.shared.routes.find(&parts.method, &path) {
            Found::Route { index, route, integration } => {
                decision.route = Some(index);
                (route, integration)
            }
            Found::MethodNotAllowed(allowed) => return Err(Rejection::MethodNotAllowed(allowed)),
            Found::NoRoute => return Err(Rejection::NoRoute),
        };

        let mut limits = self.shared.body_limits;
        limits.max = route.max_body.unwrap_or(limits.max);

        let (admitted, body, credential_headers) = match Admitted::by_policy(route) {
            Some(admitted) => {
                body::check_declared(&parts.headers, limits.max)?;
                (admitted, forwardable(incoming, limits), SmallVec::new())
            }
            None => {
                let url = self.url(&parts);
                let target = target(&parts);
                let facts = Facts {
                    head: Head {
                        method: &parts.method,
                        target,
                        headers: &parts.headers,
                        url: url.as_deref(),
                    },
                    peer,
                    now: begun.wall,
                };
                let judged = judge(self.shared.keys.at(begun), route, integration, &facts, decision)?;
                body::check_declared(&parts.headers, judged.max_body(route, limits.max))?;
                let awaits_body = judged.awaits_body();
                let (credentials, body) =
                    self.read_and_verify(judged, incoming, route, limits, decision).await?;
                let doomed = credential_headers(&credentials, route, &parts.headers);
                // Revocation is judged by now: where a body was read, time has passed.
                let now = if awaits_body { self.shared.clock.moment() } else { begun };
                let admitted = guard::admit(credentials, route, self.shared.keys.at(now))?;
                (admitted, body, doomed)
            }
        };
        decision.admit(&admitted, begun.wall);

        let mut header_map = parts.headers;
        headers::strip_request(&mut header_map, &credential_headers);
        if parts.version == Version::HTTP_2 {
            headers::join_cookies(&mut header_map);
        }
        let target = parts.uri.into_parts().path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        let outbound = Outbound {
            method: parts.method,
            target,
            version: parts.version,
            headers: header_map,
            host: head.host,
            peer,
            request_id: id.clone(),
            body,
        };
        let mut response = self.upstream.forward(admitted, outbound).await?;
        headers::strip_response(response.headers_mut());
        Ok(response.map(AnswerBody::Upstream))
    }
}

impl Proxy {
    /// Reads the body where a signature covers it, and finishes what waits for it.
    async fn read_and_verify(
        &self,
        mut judged: Judged,
        incoming: Incoming,
        route: &Route,
        mut limits: BodyLimits,
        decision: &mut Decision,
    ) -> Result<(AuthenticSet, ForwardBody), Rejection> {
        let body = if judged.awaits_body() {
            limits.max = judged.max_body(route, limits.max);
            let observe = |chunk: &[u8]| judged.verifications().for_each(|each| each.update(chunk));
            let share = self.shared.budget.share();
            let buffered = body::read(incoming, limits, share, observe).await?;
            decision.body_pending = false;
            ForwardBody::Buffered(buffered)
        } else {
            forwardable(incoming, limits)
        };
        let credentials = judged.finish(body.held())?;
        Ok((credentials, body))
    }

    /// The URL that the sender called, where one is configured.
    fn url(&self, parts: &Parts) -> Option<String> {
        let base = self.shared.public_url.as_deref()?;
        Some(format!("{}{}", base.trim_end_matches('/'), target(parts)))
    }
}

/// Path and query as received.
fn target(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

fn forwardable(incoming: Incoming, limits: BodyLimits) -> ForwardBody {
    if http_body::Body::is_end_stream(&incoming) {
        ForwardBody::Empty
    } else {
        ForwardBody::Streamed(Streamed::new(incoming, limits))
    }
}

/// The headers that carried what was verified. Where the route reads bearer tokens, an API key in one takes its
/// `Authorization` with it, even beside a signature that decided; any other is the application's own.
fn credential_headers(
    credentials: &AuthenticSet,
    route: &Route,
    received: &http::HeaderMap,
) -> SmallVec<[HeaderName; 4]> {
    let mut names = SmallVec::new();
    for authentic in credentials.iter() {
        names.extend(authentic.credential_headers().iter().cloned());
    }
    if route.bearer && api_key::is_bearer(received) {
        names.push(AUTHORIZATION);
    }
    names
}
