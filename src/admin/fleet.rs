//! `/api/sidecars`, `/api/keks`, `/api/keks/rotate`, `/api/store/migrate`: what concerns all sidecars of a namespace.
//!
//! Not the work (`store/writer/reseal.rs`, `store/fleet.rs`). Invariants: nothing is re-sealed under a KEK that a live
//! sidecar lacks or that another writer would undo, nor the schema raised beyond what one of them writes; a refusal
//! names each of them; whoever loses their rights while it goes on commits nothing more; a key itself is never shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::AdminState;
use super::body::{Optional, Required};
use super::change;
use super::conditional::Call;
use super::formats;
use super::problem::Problem;
use crate::keys::mirror::Mirror;
use crate::keys::record::RecordKey;
use crate::store::fleet::{Presence, SCHEMA, Sidecar};
use crate::store::writer::{Census, Event, Plan, RESEALED_AT_ONCE, Resealed, Resource, Severity};
use crate::store::{Epoch, StoreError};

/// Batches of one call of `rotate`: a second or so of work.
const BATCHES: usize = 10;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SidecarView<'s> {
    id: uuid::Uuid,
    #[serde(flatten)]
    presence: &'s Presence,
    age_seconds: f64,
}

/// `GET /api/sidecars`
pub(super) async fn sidecars(State(state): State<Arc<AdminState>>, _: Call) -> Result<Response, Problem> {
    let sidecars = live(&state).await?;
    let items: Vec<SidecarView<'_>> = sidecars
        .iter()
        .map(|Sidecar { presence, age }| SidecarView {
            id: presence.id,
            presence,
            age_seconds: age.as_secs_f64(),
        })
        .collect();
    Ok(axum::Json(json!({ "items": items })).into_response())
}

/// `GET /api/keks`
pub(super) async fn keks(State(state): State<Arc<AdminState>>, _: Call) -> Result<Response, Problem> {
    let census = state.writer.census().await.map_err(|error| unreadable(&error))?;
    Ok(axum::Json(json!({
        "sealWith": state.writer.keyring().seal_with(),
        "items": under(&state, &census),
        "damaged": named(&census.damaged),
    }))
    .into_response())
}

/// `POST /api/keks/rotate`
pub(super) async fn rotate(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Required(mut fields): Required,
) -> Result<Response, Problem> {
    let to = fields.required("to", formats::text);
    let to = fields.finish(to)?;
    if to != state.writer.keyring().seal_with() {
        let detail =
            "this sidecar does not seal with that key: set keys.seal_with, here and everywhere, first";
        return Err(Problem::conflict_at("/to", "not_sealing", detail));
    }
    if state.writer.is_scoped() {
        return Err(Problem::conflict("this sidecar holds its [scope] only; ask one that holds everything"));
    }
    let Resealed { records, secrets, remaining, left, done } = reseal(&state, &call, &to).await?;
    let mut answer = serde_json::Map::new();
    let mut say = |name: &str, value: Value| drop(answer.insert(name.to_owned(), value));
    say("to", to.as_str().into());
    say("done", done.is_some().into());
    say("records", records.into());
    say("secrets", secrets.into());
    say("remaining", remaining.into());
    if let Some(census) = done {
        let held = state.writer.keyring().ids().filter(|id| *id != to);
        say("left", named(&left));
        say("unused", census.unused(held).into());
        say("items", under(&state, &census));
    }
    Ok(axum::Json(answer).into_response())
}

/// Re-seals some batches, each only while no live sidecar is in the way: one may start meanwhile.
async fn reseal(state: &AdminState, call: &Call, to: &str) -> Result<Resealed, Problem> {
    let mut sum = Resealed::default();
    for _ in 0..BATCHES {
        let live = live(state).await?;
        let reasons: Vec<String> =
            live.iter().filter_map(|sidecar| against_sealing_with(sidecar, to)).collect();
        if !reasons.is_empty() {
            let detail =
                "live sidecars could not open what is sealed with that key, or would seal with another one";
            return Err(Problem::conflict_by("/to", "sidecar", detail, reasons));
        }
        let permit = |mirror: &Mirror| call.rights.still_stand(mirror);
        let batch = state.writer.reseal(&call.actor, RESEALED_AT_ONCE, permit).await;
        let Resealed { records, secrets, remaining, left, done } =
            batch.map_err(|error| change::refused(call, error))?;
        sum.records += records;
        sum.secrets += secrets;
        (sum.remaining, sum.left, sum.done) = (remaining, left, done);
        if remaining == 0 {
            break;
        }
    }
    Ok(sum)
}

/// `POST /api/store/migrate`
pub(super) async fn migrate(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Optional(fields): Optional,
) -> Result<Response, Problem> {
    fields.finish(Some(()))?;
    let fleet = state.writer.fleet();
    let from = fleet.schema().await.map_err(|error| unreadable(&error))?;
    if from > SCHEMA {
        return Err(Problem::conflict(format!(
            "the store has schema {from} already, and this sidecar writes {SCHEMA}; nothing is lowered"
        )));
    }
    if from == SCHEMA {
        return Ok(axum::Json(json!({ "from": from, "to": from, "migrated": false })).into_response());
    }
    let reasons: Vec<String> = live(&state).await?.iter().filter_map(against_schema).collect();
    if !reasons.is_empty() {
        let detail = format!("live sidecars are older than schema {SCHEMA}; update them first");
        return Err(Problem::conflict_by("", "sidecar", &detail, reasons));
    }
    // Audited before, so that it never happens unaudited; asked twice, it is audited twice.
    let plan = |mirror: &Mirror| {
        call.rights.still_stand(mirror)?;
        let epoch = mirror.applied().map_or(Epoch(uuid::Uuid::nil()), |head| head.epoch);
        let metadata = json!({ "from": from, "to": SCHEMA });
        let event = Event {
            action: "store.migrated",
            severity: Severity::High,
            resource: Resource::Namespace(epoch),
            metadata,
        };
        Ok(Plan { edits: Vec::new(), requires: Vec::new(), event, output: () })
    };
    state.writer.write(&call.actor, plan).await.map_err(|error| change::refused(&call, error))?;
    let raised = fleet.raise_schema().await.map_err(|error| {
        tracing::error!(%error, "the schema was not raised");
        Problem::unavailable("the schema is not known to be raised; try again")
    })?;
    let migrated = raised.from < raised.to;
    Ok(axum::Json(json!({ "from": raised.from, "to": raised.to, "migrated": migrated })).into_response())
}

/// Why a sidecar stands in the way of sealing everything with this KEK.
fn against_sealing_with(Sidecar { presence, .. }: &Sidecar, kek: &str) -> Option<String> {
    let why = if !presence.keks.iter().any(|held| held == kek) {
        format!("does not hold the key; it holds {}", presence.keks.join(", "))
    } else if presence.writes_records() && presence.seal_with != kek {
        format!("seals with {}", presence.seal_with)
    } else {
        return None;
    };
    Some(format!("{} {why}", who(presence)))
}

/// Why a sidecar stands in the way of raising the schema to ours.
fn against_schema(Sidecar { presence, .. }: &Sidecar) -> Option<String> {
    (presence.writes < SCHEMA).then(|| {
        format!("{} writes schema {}, reads up to {}", who(presence), presence.writes, presence.schema)
    })
}

fn who(presence: &Presence) -> String {
    let Presence { id, version, role, host, .. } = presence;
    format!("sidecar {id} on {host} (version {version}, role {role})")
}

async fn live(state: &AdminState) -> Result<Vec<Sidecar>, Problem> {
    state.writer.fleet().sidecars().await.map_err(|error| unreadable(&error))
}

fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(%error, "the store cannot be read for an admin");
    Problem::unavailable("the store cannot be read; see the server's log")
}

/// Each KEK that is held or named by something stored, with what is under it.
fn under(state: &AdminState, census: &Census) -> Value {
    let keyring = state.writer.keyring();
    let held: BTreeSet<&str> = keyring.ids().collect();
    let ids: BTreeSet<&str> = held.iter().copied().chain(census.under.keys().map(String::as_str)).collect();
    let items = ids.into_iter().map(|id| {
        let under = census.under.get(id).copied().unwrap_or_default();
        json!({
            "id": id, "held": held.contains(id), "seals": id == keyring.seal_with(),
            "records": under.records, "secrets": under.secrets,
        })
    });
    items.collect()
}

fn named(keys: &[RecordKey]) -> Value {
    keys.iter().map(|key| json!({ "kind": key.kind.name(), "id": key.id })).collect()
}
