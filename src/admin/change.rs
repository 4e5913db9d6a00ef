//! From a plan to an answer: commits through the writer and says in HTTP what came of it.
//!
//! Not the rules of any resource. Invariants: whoever asks has their rights still when the change is committed; a change that alters nothing is not committed and leaves no
//! audit event; a store's own words stay in the log, because they may name files and addresses.

use axum::response::{IntoResponse, Response};
use serde_json::Value;
use uuid::Uuid;

use super::AdminState;
use super::conditional::Call;
use super::idempotency::{self, Answer, Once};
use super::problem::Problem;
use crate::keys::decode::{Damaged, Decoded};
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, MANAGED_BY_API, Meta, Record, RecordKey};
use crate::store::Conflict;
use crate::store::seal::SealError;
use crate::store::writer::{Edit, Event, Plan, Severity, WriteError};

/// Why a plan was not made.
pub(super) enum Stop {
    /// The caller is told why.
    Refused(Problem),
    /// There is nothing to change.
    Unchanged,
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// What came of a request for a change.
pub(super) enum Outcome<T> {
    /// Committed: the plan's output, and its records as they are stored now.
    Done(T, Vec<Record>),
    /// Everything was so already.
    Unchanged,
}

/// Plans and commits. `plan` may run several times.
pub(super) async fn commit<T>(
    state: &AdminState,
    call: &Call,
    mut plan: impl FnMut(&Mirror) -> Result<Plan<T>, Stop>,
) -> Result<Outcome<T>, Problem> {
    let plan = |mirror: &Mirror| {
        call.rights.still_stand(mirror)?;
        plan(mirror)
    };
    match state.writer.commit(&call.actor, plan).await {
        Ok((output, records)) => Ok(Outcome::Done(output, records)),
        Err(WriteError::Refused(Stop::Unchanged)) => Ok(Outcome::Unchanged),
        Err(WriteError::Refused(Stop::Refused(problem))) => Err(problem),
        Err(error) => Err(not_written(call, error)),
    }
}

/// The same for a create or a rotation, whose answer is kept where the caller may ask for it again. `answer` says what it
/// is, of what the plan gave and of the records as they are stored then.
pub(super) async fn commit_once<T>(
    state: &AdminState,
    call: &Call,
    once: Option<&Once>,
    mut plan: impl FnMut(&Mirror) -> Result<Plan<T>, Stop>,
    answer: impl Fn(&T, &[Record]) -> Result<Answer, Problem>,
) -> Result<Response, Problem> {
    let writer = &state.writer;
    if let Some(once) = once
        && let Some(response) = once.repeated(writer).await?
    {
        return Ok(response);
    }
    let plan = |mirror: &Mirror| {
        call.rights.still_stand(mirror)?;
        plan(mirror)
    };
    let mut made = None;
    let keep = |output: &T, records: &[Record]| {
        let answer = answer(output, records)?;
        let Some(once) = once else {
            made = Some(answer);
            return Ok(None);
        };
        let (kept, answer) = once.kept(writer, answer)?;
        made = Some(answer);
        Ok(Some(kept))
    };
    let Err(error) = writer.commit_answered(&call.actor, plan, keep).await else {
        return made.map(IntoResponse::into_response).ok_or_else(idempotency::unshown);
    };
    // The same request may have been faster elsewhere, or this one may have been stored after all.
    if let Some(once) = once
        && let Ok(Some(response)) = once.repeated(writer).await
    {
        return Ok(response);
    }
    Err(match error {
        WriteError::Refused(Stop::Refused(problem)) => problem,
        WriteError::Refused(Stop::Unchanged) => idempotency::unshown(),
        error => not_written(call, error),
    })
}

/// Why a change was not made, where the plan refuses in the caller's words.
pub(super) fn refused(call: &Call, error: WriteError<Problem>) -> Problem {
    match error {
        WriteError::Refused(problem) => problem,
        error => not_written(call, error),
    }
}

/// Why a change that nobody refused was not made.
pub(super) fn not_written<E>(call: &Call, error: WriteError<E>) -> Problem {
    match error {
        WriteError::Refused(_) => Problem::conflict("the change was refused"),
        WriteError::Conflict(conflict) => conflicting(&conflict),
        WriteError::OutOfScope(key) => Problem::conflict(format!(
            "the {} would be outside this sidecar's [scope]; use the admin port of one that serves it",
            key.kind.name()
        )),
        WriteError::NewerSchema { found, known } => Problem::conflict(format!(
            "the store has schema {found} and this sidecar writes {known}: make changes at one of the newer version"
        )),
        WriteError::Answered => Problem::conflict("the change was made by the same request before"),
        WriteError::Crowded => Problem::unavailable(
            "too many changes with an Idempotency-Key were made within ten minutes; wait, or send none",
        ),
        WriteError::Unknown(why) => {
            tracing::error!(request = %call.actor.request_id, why, "an admin change may be stored or not");
            Problem::unavailable(
                "the outcome is unknown: the change may be stored; retry a create or a rotation with the same \
                 Idempotency-Key, or read the record before trying again",
            )
        }
        WriteError::Unavailable(why) => {
            tracing::error!(request = %call.actor.request_id, why, "an admin change was not stored");
            Problem::unavailable(
                "the change is not known to be stored; retry a create or a rotation with the same Idempotency-Key, or \
                 read the record before trying again",
            )
        }
    }
}

fn conflicting(conflict: &Conflict) -> Problem {
    match conflict {
        Conflict::Claim { claim } if claim.contains("-name/") => {
            Problem::taken("/name", "another record has this name")
        }
        Conflict::Claim { .. } => Problem::conflict("a generated value is in use already; try again"),
        Conflict::Revision { .. } => Problem::conflict("the record was changed meanwhile; read it again"),
        Conflict::Trimmed => Problem::conflict("the audit log was trimmed meanwhile; try again"),
        Conflict::Missing { key } => {
            Problem::conflict(format!("the {} {} does not exist any more", key.kind.name(), key.id))
        }
    }
}

/// A fault of the cipher or the random numbers, as the caller may see it.
pub(super) fn not_sealed(error: SealError) -> Problem {
    tracing::error!(%error, "a secret could not be made or sealed");
    Problem::unavailable("a secret could not be made or sealed; see the server's log")
}

/// The first fields of a record. The writer sets revision, times and creator.
pub(super) fn fresh_meta(id: Uuid) -> Meta {
    Meta {
        id,
        revision: 0,
        created_at: crate::clock::UnixMillis::default(),
        updated_at: crate::clock::UnixMillis::default(),
        created_by: None,
        managed_by: MANAGED_BY_API.to_owned(),
    }
}

/// Refuses where the record is the seed file's. Nobody knows whose a damaged one is; it may be removed.
pub(super) fn owned_by_api(decoded: &Decoded) -> Result<(), Problem> {
    match decoded {
        Decoded::Workspace(record) => not_seeded(record.meta.is_seeded()),
        Decoded::Key(entry) => not_seeded(entry.record.meta.is_seeded()),
        Decoded::Integration(entry) => not_seeded(entry.record.meta.is_seeded()),
        Decoded::Admin(record) => not_seeded(record.meta.is_seeded()),
        Decoded::Damaged(_) => Ok(()),
    }
}

/// Refuses where the record is the seed file's.
pub(super) fn not_seeded(is_seeded: bool) -> Result<(), Problem> {
    if is_seeded { Err(Problem::seeded()) } else { Ok(()) }
}

/// What the audit says.
pub(super) fn event(action: &'static str, severity: Severity, resource: RecordKey, metadata: Value) -> Event {
    Event { action, severity, resource: resource.into(), metadata }
}

/// The removal of a record, whether it can be read or not.
pub(super) fn removal(decoded: &Decoded) -> Edit {
    match decoded {
        Decoded::Damaged(damaged) => {
            Edit::Remove { key: damaged.key, revision: damaged.revision, releases: damaged_claims(damaged) }
        }
        Decoded::Workspace(record) => Edit::Delete(Record::Workspace(record.as_ref().clone())),
        Decoded::Key(entry) => Edit::Delete(Record::WebhookKey(entry.record.record())),
        Decoded::Integration(entry) => Edit::Delete(Record::Integration(entry.record.clone())),
        Decoded::Admin(record) => Edit::Delete(Record::Admin(record.as_ref().clone())),
    }
}

/// What an unreadable record claims to hold. A store releases only what is held by this very record.
fn damaged_claims(damaged: &Damaged) -> Vec<String> {
    let digests = damaged.api_keys.iter().map(|digest| data_encoding::HEXLOWER.encode(&digest.0));
    let keys = digests.map(|digest| format!("api-key/{digest}"));
    let name = damaged.name.iter().filter(|_| damaged.key.kind == Kind::Integration);
    let token = damaged.token.iter().map(|token| data_encoding::HEXLOWER.encode(&token.0));
    let keys = keys.chain(token.map(|digest| format!("admin-token/{digest}")));
    keys.chain(name.map(|name| format!("integration-name/{name}"))).collect()
}

/// 503 for a record that cannot be used, by category; the whole reason is in the log.
pub(super) fn damaged(damaged: &Damaged) -> Problem {
    let category =
        if damaged.revision == 0 { "unreadable" } else { "altered, or sealed under a key not loaded" };
    let kind = damaged.key.kind.name();
    tracing::error!(record = %damaged.key, why = %damaged.why, "a damaged record was asked for");
    Problem::unavailable(format!(
        "the stored {kind} is {category}; it can be deleted, or restored from a backup"
    ))
}
