//! `/api/deliveries` and `/api/integrations/{id}/deliveries`: what became of attempts on integrations.
//!
//! Not their making (`deliveries/`). Invariants: read from the store, so every sidecar's are shown; one request reads a
//! bounded number, however few of them a filter takes; the deliveries of a deleted integration stay, and are found by
//! its id.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::AdminState;
use super::conditional::Call;
use super::formats;
use super::integrations;
use super::page::{self, Page};
use super::problem::{Fault, Problem};
use crate::clock::UnixMillis;
use crate::deliveries::{Delivery, Outcome};
use crate::store::StoreError;
use crate::store::deliveries::{Side, Wanted};
use crate::telemetry::reason::Reason;

/// Deliveries that one request reads at most.
const READ: usize = 2000;
/// Deliveries that are read at a time where a filter may take few.
const BATCH: usize = 250;

const INTEGRATION: &str = "integration";
const OUTCOME: &str = "outcome";
const REASON: &str = "reason";
const SINCE: &str = "since";

/// What is asked for.
#[derive(Default)]
struct Filter {
    integration: Option<Uuid>,
    outcome: Option<Outcome>,
    reason: Option<Reason>,
    since: Option<UnixMillis>,
}

/// `GET /api/deliveries`
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let page = Page::of(query.as_deref(), &[INTEGRATION, OUTCOME, REASON, SINCE])?;
    let mut filter = Filter::of(&page)?;
    filter.integration = page.filter(INTEGRATION).map(|named| id_of(&state, named)).transpose()?;
    answer(&state, &page, &filter).await
}

/// `GET /api/integrations/{integration}/deliveries`
pub(super) async fn list_of(
    State(state): State<Arc<AdminState>>,
    Path(named): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let page = Page::of(query.as_deref(), &[OUTCOME, REASON, SINCE])?;
    let mut filter = Filter::of(&page)?;
    filter.integration = Some(integrations::id_of(state.writer.mirror(), &named)?);
    answer(&state, &page, &filter).await
}

/// `GET /api/deliveries/{delivery}`
pub(super) async fn get(
    State(state): State<Arc<AdminState>>,
    _: Call,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("there is no such delivery, or not any more");
    let id = formats::id(&id).ok_or_else(unknown)?;
    let json = state.writer.store().delivery(id).await.map_err(|error| unreadable(&error))?;
    let delivery: Option<Delivery> = json.and_then(|json| serde_json::from_slice(&json).ok());
    Ok(axum::Json(shown(&delivery.ok_or_else(unknown)?)).into_response())
}

async fn answer(state: &AdminState, page: &Page, filter: &Filter) -> Result<Response, Problem> {
    let (mut items, mut before, mut read) = (Vec::new(), page.after, 0);
    let limit = if filter.takes_few() { BATCH } else { page.limit + 1 };
    let next = loop {
        let wanted = Wanted { integration: filter.integration, side: filter.side(), before, limit };
        let found = state.writer.store().deliveries(wanted).await.map_err(|error| unreadable(&error))?;
        let (ended, mut over) = (found.len() < limit, false);
        let mut taken = 0;
        for (id, json) in &found {
            if items.len() == page.limit {
                break;
            }
            (before, taken) = (Some(*id), taken + 1);
            let Ok(delivery) = serde_json::from_slice::<Delivery>(json) else { continue };
            over = filter.since.is_some_and(|since| delivery.at < since);
            if over {
                break;
            }
            if filter.takes(&delivery) {
                items.push(shown(&delivery));
            }
        }
        read += found.len();
        if over || (ended && taken == found.len()) {
            break None;
        }
        if items.len() == page.limit || read >= READ {
            break before;
        }
    };
    let next = next.map(|id| BASE64URL_NOPAD.encode(id.as_bytes()));
    Ok(page::answer(&items, next))
}

impl Filter {
    fn of(page: &Page) -> Result<Self, Problem> {
        let mut faults = Vec::new();
        let mut word = |name: &'static str, known: bool, all: &[&str]| {
            if page.filter(name).is_some() && !known {
                let detail = format!("must be one of {}", all.join(", "));
                faults.push(Fault::parameter(name, "unknown", detail));
            }
        };
        let outcome = page.filter(OUTCOME);
        let outcome =
            outcome.and_then(|name| Outcome::ALL.into_iter().find(|outcome| outcome.name() == name));
        word(OUTCOME, outcome.is_some(), &Outcome::ALL.map(Outcome::name));
        let reason = page.filter(REASON);
        let reason = reason.and_then(|name| Reason::ALL.into_iter().find(|reason| reason.name() == name));
        word(REASON, reason.is_some(), &Reason::ALL.map(Reason::name));
        let since = match page.filter(SINCE).map(|text| formats::time(Value::String(text.to_owned()))) {
            Some(Ok(since)) => Some(since),
            Some(Err(wrong)) => {
                let wrong = wrong.into_iter();
                faults.extend(wrong.map(|wrong| Fault::parameter(SINCE, wrong.code, wrong.detail)));
                None
            }
            None => None,
        };
        let filter = Self { integration: None, outcome, reason, since };
        if faults.is_empty() { Ok(filter) } else { Err(Problem::invalid(faults)) }
    }

    /// The one list that has every delivery of the outcome, where there is one.
    fn side(&self) -> Option<Side> {
        match self.outcome? {
            Outcome::Verified | Outcome::UpstreamFailed => Some(Side::Verified),
            Outcome::Refused => Some(Side::Refused),
            Outcome::Answered | Outcome::Unavailable => None,
        }
    }

    fn takes_few(&self) -> bool {
        self.reason.is_some() || self.outcome.is_some()
    }

    fn takes(&self, delivery: &Delivery) -> bool {
        self.outcome.is_none_or(|outcome| outcome == delivery.outcome)
            && self.reason.is_none_or(|reason| delivery.reason.as_deref() == Some(reason.name()))
    }
}

/// The id of an integration; one that is gone has no name any more.
fn id_of(state: &AdminState, named: &str) -> Result<Uuid, Problem> {
    match formats::id(named) {
        Some(id) => Ok(id),
        None => integrations::id_of(state.writer.mirror(), named).map_err(|_| {
            let detail =
                "there is no integration of this name; deliveries of a deleted one are found by its id";
            Problem::invalid(vec![Fault::parameter(INTEGRATION, "unknown", detail)])
        }),
    }
}

/// A delivery as answers show it.
pub(super) fn shown(delivery: &Delivery) -> Value {
    let mut value = json!(delivery);
    if let Value::Object(fields) = &mut value {
        fields.insert("at".to_owned(), json!(formats::shown_time(delivery.at)));
        let headers = delivery.headers.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        fields.insert("headers".to_owned(), headers.collect());
    }
    value
}

fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(%error, "deliveries cannot be read");
    Problem::unavailable("deliveries cannot be read; see the sidecar's log")
}
