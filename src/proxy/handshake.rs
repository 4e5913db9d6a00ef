//! Handshakes of integrations that have them enabled: answered here, never forwarded.
//!
//! Not their rules, which are `verify/handshake`'s. Invariants: nothing here can forward; where a handshake is
//! signed as events are, it is looked at only once it is admitted, and the [`Admitted`] of one that is answered
//! is gone; an unsigned one is answered only on a route that the integration alone opens; an integration that is
//! disabled, or does not take the caller's address, answers nothing.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, Response};

use super::answer::AnswerBody;
use super::body::{Buffered, ForwardBody};
use super::rejection::Rejection;
use super::request_id::RequestId;
use super::route::{CredentialKind, PassedOver, Route, Verify};
use crate::guard::Admitted;
use crate::keys::entry::IntegrationEntry;
use crate::keys::ring::KeysNow;
use crate::keys::{Candidates, Locator, LookupError};
use crate::store::capture::Captures;
use crate::telemetry::decision::Decision;
use crate::verify::handshake::{Answer, Shape};
use crate::verify::{Facts, Subject, may_call};

/// The largest body of a handshake, bytes. Theirs have a few hundred.
pub(super) const LARGEST: u64 = 16 * 1024;

/// An unsigned handshake, as the head tells.
#[derive(Debug)]
pub(super) enum Opening {
    /// A challenge, and the answer to it.
    Challenge(Answer),
    /// The sender may hand over its secret: the body tells.
    Secret(Arc<IntegrationEntry>),
}

/// A verified request.
#[derive(Debug)]
pub(super) enum Settled {
    /// A handshake, and the answer to it.
    Handshake(Answer),
    /// An event, to be forwarded.
    Event(Admitted),
}

/// Whether the head is that of an unsigned handshake.
pub(super) fn opening(
    entry: &Arc<IntegrationEntry>,
    route: &Route,
    facts: &Facts<'_>,
) -> Result<Option<Opening>, Rejection> {
    let (Some(handshake), Some(asked)) = (entry.scheme.handshake(), entry.asked(&facts.head, facts.now))
    else {
        return Ok(None);
    };
    match handshake.shape() {
        Shape::SignedPost => Ok(None),
        Shape::Get if !opens_alone(route) => Ok(None),
        Shape::Get => {
            let Some(answer) = handshake.by_get(&asked).transpose() else { return Ok(None) };
            may_call(entry, facts.peer)?;
            if handshake.needs_url() && facts.head.url.is_none() {
                return Err(Rejection::NoPublicUrl);
            }
            Ok(Some(Opening::Challenge(answer?)))
        }
        Shape::Secret => {
            let may = takes_nothing_else(route)
                && entry.awaits_secret(facts.now)
                && handshake.may_offer(&entry.scheme, &facts.head);
            if !may {
                return Ok(None);
            }
            may_call(entry, facts.peer)?;
            Ok(Some(Opening::Secret(Arc::clone(entry))))
        }
    }
}

/// A challenge by GET that no route decides because of its method: one at the path of a route that would take
/// the integration's POST is answered all the same.
pub(super) fn passed_over(
    passed_over: PassedOver<'_, '_>,
    keys: KeysNow<'_>,
    facts: &Facts<'_>,
    decision: &mut Decision,
) -> Result<Option<Answer>, Rejection> {
    if facts.head.method != Method::GET {
        return Ok(None);
    }
    let PassedOver { index, route, integration } = passed_over;
    let candidates = match keys.find(&Locator::Integration(integration)) {
        Ok(candidates) => candidates,
        // It may be a challenge: a sender that got a 4xx would drop the webhook.
        Err(LookupError::Unavailable) => return Err(LookupError::Unavailable.into()),
        Err(LookupError::Unknown | LookupError::Damaged) => return Ok(None),
    };
    let Candidates::Integration(entry) = &candidates else { return Ok(None) };
    let opening = opening(entry, route, facts);
    if !matches!(opening, Ok(None)) {
        decision.route = Some(index);
        decision.kind = Some(CredentialKind::Integration);
        decision.note(&candidates);
    }
    match opening? {
        Some(Opening::Challenge(answer)) => Ok(Some(answer)),
        Some(Opening::Secret(_)) | None => Ok(None),
    }
}

/// Tells a handshake from an event, both verified and admitted.
pub(super) fn settle(
    admitted: Admitted,
    facts: &Facts<'_>,
    body: &ForwardBody,
) -> Result<Settled, Rejection> {
    let credentials = admitted.credentials();
    let integration = credentials.and_then(|credentials| {
        credentials.iter().find_map(|authentic| match authentic.subject() {
            Subject::Integration(entry) => Some(entry),
            Subject::ApiKey(_) | Subject::Signature(_) => None,
        })
    });
    let (Some(entry), ForwardBody::Buffered(buffered)) = (integration, body) else {
        return Ok(Settled::Event(admitted));
    };
    let asked = entry.asked(&facts.head, facts.now);
    let (Some(handshake), Some(asked)) = (entry.scheme.handshake(), asked) else {
        return Ok(Settled::Event(admitted));
    };
    if handshake.shape() != Shape::SignedPost {
        return Ok(Settled::Event(admitted));
    }
    let Some(whole) = buffered.gathered(LARGEST) else { return Ok(Settled::Event(admitted)) };
    match handshake.by_signed_post(&asked, &whole)? {
        Some(answer) => Ok(Settled::Handshake(answer)),
        None => Ok(Settled::Event(admitted)),
    }
}

/// Takes the secret that a request hands over: kept first, answered then.
pub(super) async fn take_secret(
    entry: &IntegrationEntry,
    facts: &Facts<'_>,
    body: &Buffered,
    id: &RequestId,
    captures: &Captures,
) -> Result<Answer, Rejection> {
    let handshake = entry.scheme.handshake().ok_or(Rejection::Internal)?;
    // Too large for a handshake: an unsigned request like any other.
    let whole = body.gathered(LARGEST).ok_or(Rejection::Absent)?;
    let offer = handshake.offered(&entry.scheme, &facts.head, &whole)?.ok_or(Rejection::Absent)?;
    captures.keep(entry.record.meta.id, offer.secret, id.uuid()).await?;
    Ok(offer.answer)
}

/// The answer as a response. Never stored, and never taken for anything but what its type says.
pub(super) fn respond(answer: Answer) -> Response<AnswerBody> {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(content_type) = answer.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.extend(answer.header);
    let mut response = Response::new(AnswerBody::Own(Some(answer.body.into())));
    *response.headers_mut() = headers;
    response
}

/// Whether integrations are all that the route takes: the body of an unsigned POST is read as a handshake's only
/// where it can be nothing else.
fn takes_nothing_else(route: &Route) -> bool {
    matches!(&route.verify, Verify::Kinds { kinds, .. } if kinds.as_slice() == [CredentialKind::Integration])
}

/// Whether an integration's credential is all that the route asks for: an unsigned handshake has no other.
fn opens_alone(route: &Route) -> bool {
    matches!(&route.verify, Verify::Kinds { kinds, all: false } if kinds.contains(&CredentialKind::Integration))
}
