//! `POST /api/integrations`.
//!
//! Invariants: a secret that was not given is made here in the form that the scheme's senders take; it is
//! sealed before it is stored, and shown in this one answer; a workspace that is named exists still when
//! the integration is committed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::handshake::{Wish, awaits_secret};
use super::input::{self, Settings};
use super::scheme::{self, SchemeInput};
use super::view::{IntegrationView, Once};
use crate::admin::body::Required;
use crate::admin::change::{self, Stop};
use crate::admin::conditional::Call;
use crate::admin::fields::{Change, Fields};
use crate::admin::idempotency::{self, Answer};
use crate::admin::problem::{Fault, Problem};
use crate::admin::{AdminState, formats};
use crate::keys::entry::Use;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Integration, Kind, Record, RecordKey, Sealed};
use crate::secret::Secret;
use crate::store::seal;
use crate::store::writer::{Edit, Plan, Severity};
use crate::verify::scheme::kind::type_defaults;
use crate::verify::scheme::{Scheme, SchemeChoice};

/// The type of an integration that names none.
const USUAL_TYPE: &str = "generic";
/// The window where a type sets none, in minutes.
const USUAL_WINDOW: u32 = 15;

const SHOWN_ONCE: &str = "webhookSecret is shown this once and cannot be read again.";
const COMES_LATER: &str = "The sender hands over the secret in its handshake: register the URL there before handshake.awaitsSecretUntil.";

/// A body, checked.
pub(in crate::admin) struct Wanted {
    pub(in crate::admin) name: String,
    kind: String,
    choice: SchemeChoice,
    pub(in crate::admin) scheme: Arc<Scheme>,
    pub(in crate::admin) given: Option<Secret>,
    pub(in crate::admin) settings: Settings,
}

/// The handler.
pub(in crate::admin) async fn create(
    State(state): State<Arc<AdminState>>,
    call: Call,
    Required(mut fields): Required,
) -> Result<Response, Problem> {
    let once = call.once(&fields);
    let given = fields.nullable("webhookSecret", input::secret).of(None);
    let wanted =
        Wanted::of(fields, given, Some(state.writer.mirror()), state.settings.load().public_url.as_deref())?;
    let key = RecordKey { kind: Kind::Integration, id: Uuid::now_v7() };
    let secret = match &wanted.given {
        Some(secret) => secret.clone(),
        None if !wanted.scheme.generates_secrets() => {
            return Err(Problem::invalid(vec![input::sender_holds_the_key()]));
        }
        None => {
            let random = Zeroizing::new(seal::random::<32>().map_err(change::not_sealed)?);
            wanted.scheme.generate_secret(&random)
        }
    };
    let sealed = state.writer.seal(key, 1, &secret).map_err(change::not_sealed)?;
    let mut fresh = wanted.record(key.id, &secret, sealed);
    let handshake = Wish { input: &wanted.settings.handshake, before: None, scheme: &wanted.scheme };
    fresh.handshake = handshake.settings(&state.writer, key.id)?;

    let plan = |_: &Mirror| -> Result<Plan<()>, Stop> {
        let metadata = json!({
            "name": fresh.name, "type": fresh.kind, "workspaceId": fresh.workspace_id,
            "secretPrefix": fresh.secret_prefix, "secretGiven": wanted.given.is_some(),
        });
        Ok(Plan {
            edits: vec![Edit::Create(Record::Integration(fresh.clone()))],
            requires: wanted.settings.requires(),
            event: change::event("integration.created", Severity::High, key, metadata),
            output: (),
        })
    };
    let answer = |(): &(), records: &[Record]| {
        let [Record::Integration(record)] = records else { return Err(idempotency::unshown()) };
        let comes_later = wanted.given.is_none() && awaits_secret(record.handshake.as_ref());
        let body = Once {
            integration: IntegrationView::of(record, &wanted.scheme, Some(&Use::default()), &state),
            webhook_secret: secret.expose_text().filter(|_| !comes_later),
            setup: wanted.scheme.spec().setup.as_deref(),
            warning: if comes_later { COMES_LATER } else { SHOWN_ONCE }.to_owned(),
        };
        Answer::created(format!("/api/integrations/{}", key.id), record.meta.revision, body)
    };
    change::commit_once(&state, &call, once.as_ref(), plan, answer).await
}

impl Wanted {
    /// Takes every field but the secret. A workspace that `mirror` does not hold is a fault; so is what needs `public_url` where
    /// there is none.
    pub(in crate::admin) fn of(
        mut fields: Fields,
        given: Option<Secret>,
        mirror: Option<&Mirror>,
        public_url: Option<&str>,
    ) -> Result<Self, Problem> {
        let name = fields.required("name", formats::path_name);
        let kind = match fields.nullable("type", scheme::kind) {
            Change::Set(kind) => Some(kind),
            // An unknown type is a fault already; the rest is judged as for the usual one.
            Change::Keep | Change::Clear => None,
        };
        let kind = kind.unwrap_or_else(|| USUAL_TYPE.to_owned());
        let scheme_input = SchemeInput::of(&mut fields);
        let settings = Settings::of(&mut fields, mirror);

        let chosen = scheme_input.for_type(&kind).and_then(|choice| Ok((scheme::resolved(&choice)?, choice)));
        let chosen = match chosen {
            Ok((scheme, choice)) => {
                if let Some(Err(detail)) = given.as_ref().map(|secret| input::usable(&scheme, secret)) {
                    fields.fault(Fault::at("/webhookSecret", "format", detail));
                }
                if let Some(fault) = input::tolerance_fault(&scheme, settings.tolerance_seconds.of(None)) {
                    fields.fault(fault);
                }
                let pointer = if scheme_input.is_named() { "/scheme" } else { "/type" };
                if let Some(fault) = input::address_fault(&scheme, pointer, public_url) {
                    fields.fault(fault);
                }
                let handshake = Wish { input: &settings.handshake, before: None, scheme: &scheme };
                handshake.faults(public_url).into_iter().for_each(|fault| fields.fault(fault));
                Some((scheme, choice))
            }
            Err(faults) => {
                faults.into_iter().for_each(|fault| fields.fault(fault));
                None
            }
        };
        let (name, (scheme, choice)) = fields.finish(name.zip(chosen))?;
        Ok(Self { name, kind, choice, scheme, given, settings })
    }

    /// The record that it asks for, but for the handshake.
    pub(in crate::admin) fn record(&self, id: Uuid, secret: &Secret, sealed: Sealed) -> Integration {
        let mut record = Integration {
            meta: change::fresh_meta(id),
            name: self.name.clone(),
            workspace_id: None,
            kind: self.kind.clone(),
            scheme: self.choice.clone(),
            secret: sealed,
            secret_prefix: secret.prefix(),
            tolerance_seconds: None,
            deduplication_window_minutes: type_defaults(&self.kind)
                .map_or(USUAL_WINDOW, |defaults| defaults.deduplication_window_minutes),
            is_active: true,
            allowed_cidrs: None,
            reject_status: None,
            previous: None,
            handshake: None,
            captured: None,
        };
        self.settings.apply(&mut record);
        record
    }
}
