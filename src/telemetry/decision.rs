//! One record of each decision: what was decided about a request, and why.
//!
//! Not the answer: the client learns none of this. Invariants: no header value, body byte, path or query of
//! the request is recorded; refusals are logged at a bounded rate, so that a flood of forgeries is counted
//! in full and written down in part; that a replaced value is still in use is logged once a minute for each
//! record.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use smallvec::SmallVec;

use super::metrics::{Metrics, Outcome, RouteMeters};
use super::reason::Reason;
use crate::client::Address;
use crate::clock::UnixMillis;
use crate::deliveries::{self, Draft, Ended};
use crate::guard::Admitted;
use crate::keys::Candidates;
use crate::keys::entry::{IntegrationEntry, KeyEntry, Which};
use crate::proxy::rehearsal::Mark;
use crate::proxy::rejection::Rejection;
use crate::proxy::request_id::RequestId;
use crate::proxy::route::CredentialKind;
use crate::verify::Subject;

/// Refusals written to the log per second; the rest is counted and summarised.
const LOGGED_PER_SECOND: u64 = 100;

/// Who the request could be from, as far as it was found.
#[derive(Debug)]
enum Who {
    Unknown,
    Key(Arc<KeyEntry>),
    Integration(Arc<IntegrationEntry>),
}

/// What is known of one request while it is on its way.
#[derive(Debug)]
pub struct Decision {
    id: RequestId,
    peer: Address,
    /// The client's address: the peer's, unless a trusted proxy says otherwise.
    pub client: Address,
    /// Its route's place in the table.
    pub route: Option<usize>,
    /// The kind of credential judged last.
    pub kind: Option<CredentialKind>,
    /// The status that its integration asks for in place of 401.
    pub reject_status: Option<StatusCode>,
    /// Whether there is a body that has not been read to its end.
    pub body_pending: bool,
    who: Who,
    rejection: Option<Rejection>,
    /// Which of a record's values each credential was, once admitted.
    verified: SmallVec<[(CredentialKind, Which); CredentialKind::ALL.len()]>,
    /// Records verified by a value that a rotation replaced, where that is to be logged.
    behind: Vec<Subject>,
    admitted: bool,
    answered: Option<&'static str>,
    /// What is noted for its delivery; `None` where there is to be none.
    pub draft: Option<Box<Draft>>,
    /// That it is a request of our own.
    pub mark: Option<Mark>,
}

/// Records decisions: counters in full, log lines at a bounded rate.
pub struct Decisions {
    metrics: Arc<Metrics>,
    second: AtomicI64,
    logged: AtomicU64,
    suppressed: AtomicU64,
}

impl Decision {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(id: RequestId, peer: Address) -> Self {
        Self {
            id,
            peer,
            client: peer,
            route: None,
            kind: None,
            reject_status: None,
            body_pending: false,
            who: Who::Unknown,
            rejection: None,
            verified: SmallVec::new(),
            behind: Vec::new(),
            admitted: false,
            answered: None,
            draft: None,
            mark: None,
        }
    }

    /// Who it could be from.
    pub fn note(&mut self, candidates: &Candidates) {
        self.who = match candidates {
            Candidates::ApiKey { entry, .. } => Who::Key(Arc::clone(entry)),
            Candidates::Signature { entries, .. } => match entries.first() {
                Some(entry) => Who::Key(Arc::clone(entry)),
                None => Who::Unknown,
            },
            Candidates::Integration(entry) => {
                let status = entry.record.reject_status.and_then(|code| StatusCode::from_u16(code).ok());
                self.reject_status = status;
                Who::Integration(Arc::clone(entry))
            }
        };
    }

    /// It is admitted: counts the use of each record that verified it.
    pub fn admit(&mut self, admitted: &Admitted, now: UnixMillis) {
        self.admitted = true;
        for authentic in admitted.credentials().into_iter().flat_map(|credentials| credentials.iter()) {
            let usage = match authentic.subject() {
                Subject::ApiKey(entry) | Subject::Signature(entry) => entry.usage(),
                Subject::Integration(entry) => &entry.usage,
            };
            match authentic.which() {
                Which::Current => usage.record_accepted(now),
                Which::Previous if usage.record_previous(now) => {
                    self.behind.push(authentic.subject().clone());
                }
                Which::Previous => {}
            }
            self.verified.push((authentic.kind(), authentic.which()));
            self.kind = Some(authentic.kind());
        }
    }

    /// It is answered here: a handshake, or `what` it was.
    pub fn answer(&mut self, what: &'static str) {
        self.answered = Some(what);
    }

    /// It is refused, or has no answer.
    pub fn refuse(&mut self, rejection: &Rejection) {
        if let Who::Integration(entry) = &self.who {
            entry.usage.record_refused();
        }
        self.rejection = Some(rejection.clone());
    }

    /// The integration that it is on, as far as it was found.
    #[must_use]
    pub fn integration(&self) -> Option<&Arc<IntegrationEntry>> {
        match &self.who {
            Who::Integration(entry) => Some(entry),
            Who::Unknown | Who::Key(_) => None,
        }
    }

    /// How it ended, for its delivery.
    #[must_use]
    pub fn ended(&self, route: &str, status: StatusCode, at: Instant) -> Ended {
        Ended {
            outcome: match self.outcome() {
                Outcome::Forwarded => deliveries::Outcome::Verified,
                Outcome::Answered => deliveries::Outcome::Answered,
                Outcome::Unavailable => deliveries::Outcome::Unavailable,
                _ if self.admitted => deliveries::Outcome::UpstreamFailed,
                _ => deliveries::Outcome::Refused,
            },
            verified: self.admitted,
            reason: self.rejection.as_ref().and_then(Rejection::reason).map(Reason::name),
            cause: self.rejection.as_ref().map(ToString::to_string),
            secret: self.secret(),
            route: route.to_owned(),
            status,
            at,
        }
    }

    /// The client's address where it is not the peer's.
    fn forwarded_client(&self) -> Option<Address> {
        (self.client != self.peer).then_some(self.client)
    }

    fn scheme(&self) -> &'static str {
        match (&self.who, self.kind) {
            (Who::Unknown, _) => "unknown",
            (_, Some(CredentialKind::ApiKey)) => "api-key",
            (Who::Key(entry), _) => entry.scheme.label(),
            (Who::Integration(entry), _) => entry.scheme.label(),
        }
    }

    /// Which value verified it; with several credentials, whether any was a previous one.
    fn secret(&self) -> Option<Which> {
        let any_previous = self.verified.iter().find(|(_, which)| *which == Which::Previous);
        any_previous.or_else(|| self.verified.first()).map(|(_, which)| *which)
    }

    fn outcome(&self) -> Outcome {
        let Some(rejection) = &self.rejection else {
            return if self.answered.is_some() { Outcome::Answered } else { Outcome::Forwarded };
        };
        match rejection.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Refused,
            StatusCode::SERVICE_UNAVAILABLE => Outcome::Unavailable,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Outcome::UpstreamFailed,
            StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Outcome::Limited,
            _ => Outcome::Malformed,
        }
    }
}

impl Decisions {
    /// Records into `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, second: AtomicI64::new(0), logged: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Counts a panic on a request's way. The request itself is recorded as what it became: a refusal.
    pub fn record_panic(&self) {
        self.metrics.panics.increment(1);
    }

    /// Counts a stream whose key is no longer good.
    pub fn record_cut(&self) {
        self.metrics.streams_cut.increment(1);
    }

    /// Records a decision. `routes` are those of the table that the request was judged by; `elapsed` runs from the
    /// head of the request to the head of its answer.
    pub fn record(
        &self,
        decision: &Decision,
        routes: &RouteMeters,
        status: StatusCode,
        now: UnixMillis,
        elapsed: Duration,
    ) {
        let route = routes.name(decision.route);
        routes.count(decision.route, decision.outcome(), elapsed.as_secs_f64());
        let reason = decision.rejection.as_ref().and_then(Rejection::reason);
        if let Some(kind) = decision.kind
            && (decision.admitted || reason.is_some())
        {
            let reason = if decision.admitted { None } else { reason };
            self.metrics.verification(kind, decision.scheme(), reason);
        }
        for (kind, which) in &decision.verified {
            self.metrics.verified(*kind, *which);
        }
        for subject in &decision.behind {
            log_behind(decision, route, subject);
        }
        if let Some(what) = decision.answered
            && self.may_log(now.seconds())
        {
            log_answered(decision, route, what);
        }
        let Some(rejection) = &decision.rejection else { return };
        if let Rejection::Upstream(error) = rejection {
            self.metrics.upstream_error(error.cause());
        }
        if self.may_log(now.seconds()) {
            log_refusal(decision, route, rejection, status);
        }
    }

    fn may_log(&self, second: i64) -> bool {
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.logged.store(0, Ordering::Relaxed);
            let suppressed = self.suppressed.swap(0, Ordering::Relaxed);
            if suppressed > 0 {
                tracing::info!(suppressed, "more requests were refused than are logged");
            }
        }
        if self.logged.fetch_add(1, Ordering::Relaxed) < LOGGED_PER_SECOND {
            return true;
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        false
    }
}

fn log_answered(decision: &Decision, route: &str, what: &'static str) {
    let integration = match &decision.who {
        Who::Integration(entry) => Some(entry.record.name.as_str()),
        Who::Unknown | Who::Key(_) => None,
    };
    tracing::info!(
        request = %decision.id,
        peer = %decision.peer,
        client = decision.forwarded_client().map(tracing::field::display),
        route,
        integration,
        secret = decision.secret().map(Which::name),
        "{what} answered"
    );
}

/// At most a line a minute for each record, so the bound on lines per second does not apply: this is how an
/// admin sees, over all sidecars, who has not switched yet.
fn log_behind(decision: &Decision, route: &str, subject: &Subject) {
    let (key, integration) = match subject {
        Subject::ApiKey(entry) | Subject::Signature(entry) => (Some(entry.record.meta.id), None),
        Subject::Integration(entry) => (None, Some(entry.record.name.as_str())),
    };
    tracing::info!(
        request = %decision.id,
        peer = %decision.peer,
        client = decision.forwarded_client().map(tracing::field::display),
        route,
        key = key.map(tracing::field::display),
        integration,
        secret = Which::Previous.name(),
        "verified by a value that was rotated away; its sender has not switched yet"
    );
}

fn log_refusal(decision: &Decision, route: &str, rejection: &Rejection, status: StatusCode) {
    let (key, integration) = match &decision.who {
        Who::Unknown => (None, None),
        Who::Key(entry) => (Some(entry.record.meta.id), None),
        Who::Integration(entry) => (None, Some(entry.record.name.as_str())),
    };
    tracing::info!(
        request = %decision.id,
        peer = %decision.peer,
        client = decision.forwarded_client().map(tracing::field::display),
        route,
        status = status.as_u16(),
        outcome = decision.outcome().name(),
        kind = decision.kind.map(CredentialKind::name),
        reason = rejection.reason().map(Reason::name),
        cause = %rejection,
        secret = decision.secret().map(Which::name),
        key = key.map(tracing::field::display),
        integration,
        "request refused"
    );
}
