//! `PATCH /api/integrations/{integration}`: everything but the secret.
//!
//! Invariants: what the body does not name stays, except that another type brings its own scheme unless the
//! body names one; a scheme is changed only where it can use the stored secret, and the former one while
//! that is valid; a former secret whose time is over is dropped with the change.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::handshake::Wish;
use super::input::{self, Settings};
use super::scheme::{self, SchemeInput};
use super::view::IntegrationView;
use super::{answer, entry, key_of};
use crate::admin::body::Required;
use crate::admin::change::{self, Outcome, Stop};
use crate::admin::conditional::{Call, tagged};
use crate::admin::fields::Fields;
use crate::admin::problem::{Fault, Problem};
use crate::admin::{AdminState, formats};
use crate::keys::entry::IntegrationEntry;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Integration, Kind, Record, RecordKey, Sealed};
use crate::store::writer::{Edit, Plan, Severity};
use crate::verify::scheme::Scheme;

/// A body, checked as far as it can be without the record.
struct Patch {
    name: Option<String>,
    kind: Option<String>,
    scheme: SchemeInput,
    settings: Settings,
}

/// The handler.
pub(in crate::admin) async fn patch(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Path(named): Path<String>,
    Required(fields): Required,
) -> Result<Response, Problem> {
    let patch = Patch::of(fields, &state)?;
    let plan = |mirror: &Mirror| -> Result<Plan<()>, Stop> {
        let entry = entry(mirror, &named)?;
        let before = &entry.record;
        call.check(before.meta.revision)?;
        change::not_seeded(before.meta.is_seeded())?;
        let record = patch.applied(&state, &entry)?;
        let fields = input::changed(before, &record);
        if fields.is_empty() {
            return Err(Stop::Unchanged);
        }
        let key = RecordKey { kind: Kind::Integration, id: before.meta.id };
        let metadata = json!({ "name": record.name, "workspaceId": record.workspace_id, "fields": fields });
        Ok(Plan {
            edits: vec![Edit::Update(Record::Integration(record))],
            requires: patch.settings.requires(),
            event: change::event("integration.updated", Severity::Normal, key, metadata),
            output: (),
        })
    };
    match change::commit(&state, &call, plan).await? {
        Outcome::Done((), records) => {
            let [Record::Integration(record)] = records.as_slice() else {
                return Err(Problem::unavailable("the record cannot be shown"));
            };
            let scheme = scheme::resolved(&record.scheme).map_err(Problem::invalid)?;
            let used = state.uses.of(key_of(record)).await;
            Ok(tagged(record.meta.revision, IntegrationView::of(record, &scheme, used.as_ref(), &state)))
        }
        Outcome::Unchanged => {
            let entry = entry(state.writer.mirror(), &named)?;
            Ok(answer(&entry, &state).await)
        }
    }
}

impl Patch {
    fn of(mut fields: Fields, state: &AdminState) -> Result<Self, Problem> {
        fields.read_only(&["webhookSecret"], "cannot be changed here; use rotate-secret");
        let patch = Self {
            name: fields.plain("name", formats::path_name),
            kind: fields.plain("type", scheme::kind),
            scheme: SchemeInput::of(&mut fields),
            settings: Settings::of(&mut fields, Some(state.writer.mirror())),
        };
        fields.finish(Some(patch))
    }

    /// The record after the change.
    fn applied(&self, state: &AdminState, entry: &IntegrationEntry) -> Result<Integration, Problem> {
        let before = &entry.record;
        let mut record = before.clone();
        record.name = self.name.clone().unwrap_or(record.name);
        self.settings.apply(&mut record);
        let now = state.writer.now();
        record.previous = record.previous.filter(|previous| now < previous.until);

        let another_type = self.kind.as_ref().filter(|kind| **kind != before.kind);
        record.scheme = match another_type {
            Some(kind) => {
                record.kind.clone_from(kind);
                self.scheme.for_type(kind).map_err(Problem::invalid)?
            }
            None if self.scheme.is_named() => {
                self.scheme.for_change(before, &entry.scheme).map_err(Problem::invalid)?
            }
            None => record.scheme,
        };
        let scheme = scheme::resolved(&record.scheme).map_err(Problem::invalid)?;
        let mut faults = Vec::new();
        if record.scheme != before.scheme {
            faults.extend(unusable_secret(state, &record, &scheme)?);
            let pointer = if self.scheme.is_named() { "/scheme" } else { "/type" };
            faults.extend(input::address_fault(
                &scheme,
                pointer,
                state.settings.load().public_url.as_deref(),
            ));
        }
        faults.extend(input::tolerance_fault(&scheme, record.tolerance_seconds));
        let handshake =
            Wish { input: &self.settings.handshake, before: before.handshake.as_ref(), scheme: &scheme };
        faults.extend(handshake.faults(state.settings.load().public_url.as_deref()));
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        record.handshake = handshake.settings(&state.writer, before.meta.id)?;
        Ok(record)
    }
}

/// Whether the scheme can use the secrets that are stored.
fn unusable_secret(
    state: &AdminState,
    record: &Integration,
    scheme: &Scheme,
) -> Result<Option<Fault>, Problem> {
    let key = RecordKey { kind: Kind::Integration, id: record.meta.id };
    let fits = |sealed: &Sealed| -> Result<bool, Problem> {
        let secret = state.writer.open(key, sealed).map_err(change::not_sealed)?;
        Ok(input::usable(scheme, &secret).is_ok())
    };
    let fits_present = fits(&record.secret)?;
    let fits_former = match &record.previous {
        Some(previous) => fits(&previous.secret)?,
        None => true,
    };
    let detail = match (fits_present, fits_former) {
        (true, true) => return Ok(None),
        (true, false) => "cannot use the former secret, which is valid still; rotate with force first",
        (false, _) => "cannot use the stored secret; create an integration with this scheme instead",
    };
    Ok(Some(Fault::at("/scheme", "secret", detail)))
}
