//! `/api/audit-events`: the audit log, and the check of its chain.
//!
//! Not the log itself (`store/audit/`). Invariants: nothing here is read from the mirror, so it answers while keys
//! are in doubt; one request reads a bounded number of events, however few of them a filter takes; what stands in the
//! log is shown as it stands, and only `verify` says whether it is what was written.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde_json::{Value, json};
use uuid::Uuid;

use super::AdminState;
use super::formats;
use super::page::{self, Page};
use super::problem::{Fault, Problem};
use crate::clock::UnixMillis;
use crate::store::audit::AuditEvent;
use crate::store::audit::chain::{self, Stand};
use crate::store::{AuditEntry, AuditMac, Epoch, Position, StoreError};

/// Events that one request for a list reads at most.
const READ: usize = 5000;
/// Events that are read at a time.
const BATCH: usize = 500;
/// Events that one request checks at most: some tens of milliseconds of work.
const CHECKED: usize = 2000;
/// How far the clocks of two sidecars may be apart, ms: events are in the order of their commits, and `since` ends a
/// search only at an event that is older by this.
const SKEW: i64 = 3_600_000;

const RESOURCE_TYPE: &str = "resourceType";
const RESOURCE_ID: &str = "resourceId";
const ACTOR: &str = "actor";
const ACTION: &str = "action";
const SINCE: &str = "since";
const UNTIL: &str = "until";
const HEAD: &str = "head";

/// Which events are asked for.
#[derive(Default, PartialEq)]
struct Wanted {
    resource_type: Option<String>,
    resource_id: Option<Uuid>,
    actor: Option<String>,
    action: Option<String>,
    since: Option<UnixMillis>,
    until: Option<UnixMillis>,
}

/// `GET /api/audit-events`
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let filters = [RESOURCE_TYPE, RESOURCE_ID, ACTOR, ACTION, SINCE, UNTIL];
    let page = Page::with_cursor(query.as_deref(), &filters, read_place)?;
    let wanted = Wanted::of(&page)?;
    let store = state.writer.store();
    // One more than is shown tells whether there are more.
    let batch = if wanted == Wanted::default() { page.limit + 1 } else { BATCH };
    let (mut items, mut before, mut read) = (Vec::new(), page.after, 0);
    let next = loop {
        let entries = store.audit_before(before, batch).await.map_err(|error| unreadable(&error))?;
        let ended = entries.len() < batch;
        read += entries.len();
        let mut over = false;
        for entry in &entries {
            before = Some(entry.0);
            let event = AuditEvent::read(&entry.2);
            if wanted.takes(event.as_ref()) {
                items.push(view(entry, event));
            } else if event.is_some_and(|event| wanted.is_before(&event)) {
                over = true;
            }
            if over || items.len() == page.limit {
                break;
            }
        }
        let passed_all = ended && before == entries.last().map_or(before, |last| Some(last.0));
        if over || passed_all {
            break None;
        }
        if items.len() == page.limit || read >= READ {
            break before;
        }
    };
    let next = next.map(|position| BASE64URL_NOPAD.encode(&place_bytes(position)));
    Ok(page::answer(&items, next))
}

/// `GET /api/audit-events/verify`
pub(super) async fn verify(
    State(state): State<Arc<AdminState>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let page = Page::with_cursor(query.as_deref(), &[HEAD], read_stand)?;
    if query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("limit="))) {
        let fault = Fault::parameter("limit", "unknown", "there is no such parameter");
        return Err(Problem::invalid(vec![fault]));
    }
    let head = page.filter(HEAD).map(|text| {
        read_head(text).ok_or_else(|| {
            Problem::invalid(vec![Fault::parameter(HEAD, "format", "must be 64 hex characters")])
        })
    });
    let head = head.transpose()?;
    let writer = &state.writer;
    let piece =
        chain::walk(&**writer.store(), (writer.namespace(), writer.keyring()), page.after, head, CHECKED)
            .await;
    let piece = piece.map_err(|error| match error {
        StoreError::OtherEpoch { .. } => {
            Problem::conflict("the store was initialised anew meanwhile; begin again without a cursor")
        }
        error => unreadable(&error),
    })?;
    let next = piece.next.map(|stand| BASE64URL_NOPAD.encode(&stand_bytes(stand)));
    let mut answer = json!(piece);
    if let Value::Object(answer) = &mut answer {
        answer.insert("nextCursor".to_owned(), json!(next));
    }
    Ok(axum::Json(answer).into_response())
}

impl Wanted {
    fn of<C>(page: &Page<C>) -> Result<Self, Problem> {
        let mut faults = Vec::new();
        let word = |name| page.filter(name).map(str::to_owned);
        let wanted = Self {
            resource_type: word(RESOURCE_TYPE),
            resource_id: field(page, RESOURCE_ID, formats::id_field, &mut faults),
            actor: word(ACTOR),
            action: word(ACTION),
            since: field(page, SINCE, formats::time, &mut faults),
            until: field(page, UNTIL, formats::time, &mut faults),
        };
        if faults.is_empty() { Ok(wanted) } else { Err(Problem::invalid(faults)) }
    }

    /// What cannot be read is shown where everything is.
    fn takes(&self, event: Option<&AuditEvent>) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        // Whoever has the id of an admin finds all events of that one, whatever the name was.
        let is_id = |wanted: &Option<String>, found: Option<Uuid>| {
            found.is_some_and(|found| wanted.as_deref().and_then(formats::id) == Some(found))
        };
        match event {
            Some(event) => {
                is(&self.resource_type, &event.resource_type)
                    && self.resource_id.is_none_or(|id| id == event.resource_id)
                    && (is(&self.actor, &event.actor) || is_id(&self.actor, event.actor_id))
                    && is(&self.action, &event.action)
                    && self.since.is_none_or(|since| event.at >= since)
                    && self.until.is_none_or(|until| event.at <= until)
            }
            None => *self == Self::default(),
        }
    }

    /// Whether nothing before this event can be wanted.
    fn is_before(&self, event: &AuditEvent) -> bool {
        self.since.is_some_and(|since| event.at.0 < since.0.saturating_sub(SKEW))
    }
}

fn field<C, T>(
    page: &Page<C>,
    name: &'static str,
    read: impl FnOnce(Value) -> formats::Checked<T>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    match read(Value::String(page.filter(name)?.to_owned())) {
        Ok(value) => Some(value),
        Err(wrong) => {
            faults.extend(wrong.into_iter().map(|wrong| Fault::parameter(name, wrong.code, wrong.detail)));
            None
        }
    }
}

fn view((position, mac, _): &AuditEntry, event: Option<AuditEvent>) -> Value {
    let mac = HEXLOWER.encode(&mac.0);
    match event {
        Some(event) => json!({
            "id": event.id,
            "at": formats::shown_time(event.at),
            "actor": event.actor,
            "actorId": event.actor_id,
            "action": event.action,
            "severity": event.severity,
            "resourceType": event.resource_type,
            "resourceId": event.resource_id,
            "requestId": event.request_id,
            "metadata": event.metadata,
            "mac": mac,
            "kek": event.kek,
        }),
        None => json!({ "position": chain::shown(*position), "damaged": true, "mac": mac }),
    }
}

fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(%error, "the audit log cannot be read");
    Problem::unavailable("the audit log cannot be read; see the sidecar's log")
}

fn place_bytes(Position { major, minor }: Position) -> Vec<u8> {
    [major.to_be_bytes(), minor.to_be_bytes()].concat()
}

fn read_place(text: &str) -> Option<Position> {
    let bytes: [u8; 16] = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()?;
    let (major, minor) = (bytes.first_chunk()?, bytes.last_chunk()?);
    Some(Position { major: u64::from_be_bytes(*major), minor: u64::from_be_bytes(*minor) })
}

fn stand_bytes(stand: Stand) -> Vec<u8> {
    [stand.epoch.0.as_bytes().as_slice(), &place_bytes(stand.position), &stand.mac.0].concat()
}

fn read_stand(text: &str) -> Option<Stand> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (epoch, rest) = bytes.split_first_chunk::<16>()?;
    let (major, rest) = rest.split_first_chunk()?;
    let (minor, mac) = rest.split_first_chunk()?;
    let position = Position { major: u64::from_be_bytes(*major), minor: u64::from_be_bytes(*minor) };
    Some(Stand { epoch: Epoch(Uuid::from_bytes(*epoch)), position, mac: AuditMac(mac.try_into().ok()?) })
}

/// A head as the log shows it.
fn read_head(text: &str) -> Option<AuditMac> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok().map(AuditMac)
}
