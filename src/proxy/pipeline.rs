//! The whole way of one request, in one function: `Proxy::conduct`.
//!
//! Not a stage: it decides nothing that a stage decides. Invariants: checks run cheapest first; the body is
//! read only when everything that needs no body has passed; nothing reaches `upstream` but an `Admitted`; a request
//! is judged by one snapshot of the settings, from its head to its answer.

use std::pin::pin;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONNECTION};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use smallvec::SmallVec;

use super::answer::AnswerBody;
use super::body::{self, BodyFault, BodyLimits, Buffered, ForwardBody, Streamed};
use super::budget::Budget;
use super::handshake::{self, Opening, Settled};
use super::judge::{Judged, Judgement, judge};
use super::oversight::Overseer;
use super::path::Path;
use super::rehearsal::{self, Mark};
use super::rejection::{REQUEST_ID, Rejection};
use super::request_id::RequestId;
use super::route::{Found, Route};
use super::settings::{LiveSettings, Settings};
use super::via::Via;
use super::{head, headers, max_forwards, noting, websocket};
use crate::client::{Address, Client, Proto};
use crate::clock::{Clock, Moment};
use crate::credential::{Head, api_key};
use crate::deliveries::Deliveries;
use crate::guard::{self, Admitted};
use crate::keys::ring::KeyRing;
use crate::listener::{Handler, Peer, Waiting};
use crate::readiness::Readiness;
use crate::store::capture::Captures;
use crate::telemetry::decision::{Decision, Decisions};
use crate::upstream::{Outbound, Upstream};
use crate::verify::Facts;
use crate::verify::handshake::Answer;

/// What every runtime shares.
pub struct Shared {
    /// Routes, limits and whatever else may change while the process runs.
    pub settings: Arc<LiveSettings>,
    /// The mirror with its age.
    pub keys: Arc<KeyRing>,
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Body bytes in flight, process-wide.
    pub budget: Arc<Budget>,
    /// What we are called to the next hop.
    pub via: Via,
    /// Where secrets go that senders hand over in handshakes.
    pub captures: Captures,
    /// Where decisions are recorded.
    pub decisions: Arc<Decisions>,
    /// Whether the process is on its way out.
    pub readiness: Arc<Readiness>,
    /// Where requests on integrations leave what their deliveries are made of.
    pub deliveries: Deliveries,
}

/// One runtime's proxy: what is shared, and connections of its own.
#[derive(Clone)]
pub struct Proxy {
    pub(super) shared: Arc<Shared>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) overseer: Arc<Overseer>,
}

impl Handler for Proxy {
    type Body = AnswerBody;

    async fn handle(
        &self,
        head: &mut Parts,
        body: Incoming,
        peer: &Peer,
        waiting: Waiting<'_>,
    ) -> Response<AnswerBody> {
        let begun = self.shared.clock.moment();
        let id = RequestId::new(begun.wall);
        let version = head.version;
        let asks_to_switch = head.extensions.get::<OnUpgrade>().is_some();
        // Its own reference: a guard over an await would keep one of the few places that make loading cheap.
        let settings = self.shared.settings.load_full();
        let mut decision = Decision::new(id, peer.address);
        decision.mark = head.extensions.get::<Mark>().cloned();
        let conduct = self.conduct((head, body), (peer, waiting), begun, &settings, &id, &mut decision);
        let panicked = || {
            self.shared.decisions.record_panic();
            Err(Rejection::Internal)
        };
        let outcome = super::panics::caught(pin!(conduct), panicked).await;
        // While draining the port is about to close: the client should send nothing more on this connection.
        let mut ends = self.shared.readiness.is_draining();
        let mut response = outcome.unwrap_or_else(|rejection| {
            decision.refuse(&rejection);
            ends |= rejection.ends_connection();
            rejection.respond(&id, decision.reject_status)
        });
        // Nor where the rest of a body is not read, or the client may have gone on in another protocol (RFC 9931).
        ends |= matches!(response.body(), AnswerBody::Own(_)) && decision.body_pending;
        ends |= asks_to_switch;
        // A connection that does switch goes on.
        ends &= response.status() != StatusCode::SWITCHING_PROTOCOLS;
        end_connection(&mut response, version, ends);
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id.header());
        let ended = self.shared.clock.monotonic();
        let elapsed = ended.saturating_duration_since(begun.monotonic);
        self.shared.decisions.record(&decision, &settings.meters, response.status(), begun.wall, elapsed);
        let route = settings.meters.name(decision.route);
        noting::end(&self.shared, &mut decision, route, response.status(), ended);
        response
    }
}

impl Proxy {
    /// A proxy for one runtime.
    #[must_use]
    pub fn new(shared: Arc<Shared>, upstream: Upstream) -> Self {
        let overseer = Overseer {
            keys: Arc::clone(&shared.keys),
            clock: Arc::clone(&shared.clock),
            decisions: Arc::clone(&shared.decisions),
        };
        Self { shared, upstream: Arc::new(upstream), overseer: Arc::new(overseer) }
    }

    /// Route → candidates → credential → verify → admit → forward; a handshake ends on the way, answered.
    async fn conduct(
        &self,
        (parts, incoming): (&mut Parts, Incoming),
        (peer, waiting): (&Peer, Waiting<'_>),
        begun: Moment,
        settings: &Settings,
        id: &RequestId,
        decision: &mut Decision,
    ) -> Result<Response<AnswerBody>, Rejection> {
        decision.body_pending = !http_body::Body::is_end_stream(&incoming);
        settings.head_limits.check(parts)?;
        let client = settings.trusted_proxies.client(peer.address, spoken(peer), &parts.headers)?;
        decision.client = client.address();
        let head = head::check(parts)?;
        if self.shared.via.has_seen(&parts.headers) {
            return Err(Rejection::Loop);
        }
        let path = Path::parse(parts.uri.path(), settings.routes.takes_raw())?;
        let url = url(settings, parts);
        let facts = facts(parts, url.as_deref(), client.address(), begun);
        let keys = self.shared.keys.at(begun);
        let matched = settings.routes.find(&parts.method, &path);
        if let Some(passed_over) = matched.passed_over {
            let answer = handshake::passed_over(passed_over, keys, &facts, decision);
            if let Some(answer) = noting::head(&self.shared, answer, &facts, begun, id, decision)? {
                return Ok(answered(answer, decision));
            }
        }
        let (route, integration) = decided(matched.found, decision)?;
        let asked = websocket::asked(route, parts, decision.body_pending)?;

        let limits = settings.body_limits.at_most(route.max_body);
        let mut body;
        let admitted = match Admitted::by_policy(route) {
            Some(admitted) => {
                body::check_declared(&parts.headers, limits.max)?;
                decision.admit(&admitted, begun.wall);
                body = forwardable(incoming, limits);
                admitted
            }
            None => {
                let judged = judge(keys, route, integration, &facts, decision);
                let mut judged = match noting::head(&self.shared, judged, &facts, begun, id, decision)? {
                    Judgement::Credentials(judged) => judged,
                    Judgement::Handshake(opening) => {
                        // In a box, for it is rare and large: what every request carries along stays small.
                        return Box::pin(self.shake(opening, &facts, incoming, settings, id, decision)).await;
                    }
                };
                body::check_declared(&parts.headers, judged.max_body(route, limits.max))?;
                let keys = if judged.awaits_body() {
                    let read = pin!(self.read(&mut judged, incoming, route, limits, decision)).await?;
                    body = ForwardBody::Buffered(read);
                    // Time has passed while the body was read: revocation is judged by now.
                    self.shared.keys.at(self.shared.clock.moment())
                } else {
                    body = forwardable(incoming, limits);
                    keys
                };
                let credentials = noting::verdict(&self.shared, judged.finish(&body), &facts, decision)?;
                let admitted = guard::admit(credentials, route, keys)?;
                noting::admitted(&self.shared, &admitted, begun, decision);
                match handshake::settle(admitted, &facts, &body)? {
                    Settled::Handshake(answer) => return Ok(answered(answer, decision)),
                    Settled::Event(admitted) => admitted,
                }
            }
        };

        if let Some(answer) = max_forwards::spend(&mut parts.headers, head.max_forwards, admitted.route()) {
            decision.answer("OPTIONS that may go no further");
            return Ok(answer);
        }
        let opening = asked.and_then(|accept| accept.open(parts));
        let going = {
            let mut outbound = self.outbound(parts, &admitted, &head.host, &mut body, (&client, peer), id);
            self.send_up(admitted, &mut outbound, settings, waiting, opening.as_ref())
        };
        let forwarded = pin!(going).await;
        self.bring_back(forwarded, settings, opening)
    }
}

impl Proxy {
    /// Answers an unsigned handshake.
    async fn shake(
        &self,
        opening: Opening,
        facts: &Facts<'_>,
        incoming: Incoming,
        settings: &Settings,
        id: &RequestId,
        decision: &mut Decision,
    ) -> Result<Response<AnswerBody>, Rejection> {
        let answer = match opening {
            Opening::Challenge(answer) => answer,
            Opening::Secret(entry) => {
                let mut limits = settings.body_limits;
                limits.max = limits.max.min(handshake::LARGEST);
                let read = body::read(incoming, limits, self.shared.budget.share(facts.peer), |_| ()).await;
                let body = read.map_err(|fault| match fault {
                    BodyFault::TooLarge => Rejection::Absent,
                    fault => fault.into(),
                })?;
                decision.body_pending = false;
                handshake::take_secret(&entry, facts, &body, id, &self.shared.captures).await?
            }
        };
        Ok(answered(answer, decision))
    }

    /// Reads the body, because a signature covers it.
    async fn read(
        &self,
        judged: &mut Judged,
        incoming: Incoming,
        route: &Route,
        mut limits: BodyLimits,
        decision: &mut Decision,
    ) -> Result<Buffered, Rejection> {
        limits.max = judged.max_body(route, limits.max);
        let observe = |chunk: &[u8]| judged.verifications().for_each(|each| each.update(chunk));
        let share = self.shared.budget.share(decision.client);
        let body = body::read(incoming, limits, share, observe).await?;
        noting::body(&self.shared, &body, decision);
        decision.body_pending = false;
        Ok(body)
    }

    /// What goes up: the request without its credentials. It is taken out of `parts`.
    fn outbound<'a>(
        &'a self,
        parts: &mut Parts,
        admitted: &Admitted,
        host: &'a HeaderValue,
        body: &'a mut ForwardBody,
        (client, peer): (&'a Client, &'a Peer),
        id: &'a RequestId,
    ) -> Outbound<'a> {
        let takes_trailers = self.upstream.may_send_trailers() && headers::asks_for_trailers(&parts.headers);
        let doomed = credential_headers(admitted, &parts.headers);
        headers::strip_request(&mut parts.headers, &doomed);
        if parts.version == Version::HTTP_2 {
            headers::join_cookies(&mut parts.headers);
        }
        if parts.extensions.get::<Mark>().is_some() {
            rehearsal::tell(&mut parts.headers);
        }
        let target = std::mem::take(&mut parts.uri).into_parts().path_and_query;
        Outbound {
            method: std::mem::take(&mut parts.method),
            target: target.unwrap_or(PathAndQuery::from_static("/")),
            via: self.shared.via.value(parts.version),
            headers: std::mem::take(&mut parts.headers),
            host,
            client,
            tls: peer.tls.as_deref(),
            request_id: id,
            is_websocket: false,
            takes_trailers,
            body,
        }
    }
}

/// What the head says, and when it came from where.
fn facts<'a>(parts: &'a Parts, url: Option<&'a str>, peer: Address, begun: Moment) -> Facts<'a> {
    let head = Head { method: &parts.method, target: target(parts), headers: &parts.headers, url };
    Facts { head, peer, now: begun.wall }
}

/// The URL that the sender called, where one is configured.
fn url(settings: &Settings, parts: &Parts) -> Option<String> {
    let base = settings.public_url.as_deref()?;
    Some(format!("{}{}", base.trim_end_matches('/'), target(parts)))
}

/// What the connection is.
fn spoken(peer: &Peer) -> Proto {
    if peer.tls.is_some() { Proto::Https } else { Proto::Http }
}

/// The route that decides, with the integration that the path names.
fn decided<'t, 'p>(
    found: Found<'t, 'p>,
    decision: &mut Decision,
) -> Result<(&'t Arc<Route>, Option<&'p str>), Rejection> {
    match found {
        Found::Route { index, route, integration } => {
            decision.route = Some(index);
            Ok((route, integration))
        }
        Found::MethodNotAllowed(allowed) => Err(Rejection::MethodNotAllowed(allowed)),
        Found::NoRoute => Err(Rejection::NoRoute),
        Found::Ambiguous(fault) => Err(fault.into()),
    }
}

/// Tells an HTTP/1.1 client that the connection ends where it does. One of HTTP/1.0 gets no second answer
/// (RFC 9112 §9.3), and HTTP/2 has no such header.
fn end_connection(response: &mut Response<AnswerBody>, version: Version, ends: bool) {
    match version {
        Version::HTTP_10 => *response.version_mut() = Version::HTTP_10,
        Version::HTTP_11 if ends => {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
}

/// A handshake's answer; nothing is forwarded.
fn answered(answer: Answer, decision: &mut Decision) -> Response<AnswerBody> {
    decision.answer("handshake");
    handshake::respond(answer)
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
fn credential_headers(admitted: &Admitted, received: &http::HeaderMap) -> SmallVec<[HeaderName; 2]> {
    let mut names = SmallVec::new();
    let Some(credentials) = admitted.credentials() else { return names };
    for authentic in credentials.iter() {
        names.extend(authentic.credential_headers().iter().cloned());
    }
    if admitted.route().bearer && api_key::is_bearer(received) {
        names.push(AUTHORIZATION);
    }
    names
}
