//! An integration as answers show it.
//!
//! Not the record. Invariant: sealed forms have no field here; the secret is in [`Once`], which only create,
//! rotate and reveal fill.

use ipnet::IpNet;
use serde::Serialize;
use uuid::Uuid;

use super::handshake::HandshakeView;
use super::scheme::header_as_written;
use crate::admin::AdminState;
use crate::admin::rotation::still_ahead;
use crate::admin::view::{MetaView, Shown};
use crate::clock::UnixMillis;
use crate::keys::entry::Use;
use crate::keys::record::Integration;
use crate::verify::scheme::{Scheme, SchemeChoice};

/// What every answer shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IntegrationView<'r> {
    #[serde(flatten)]
    meta: MetaView<'r>,
    name: &'r str,
    path: Option<String>,
    url: Option<String>,
    workspace_id: Option<Uuid>,
    #[serde(rename = "type")]
    kind: &'r str,
    scheme: &'r SchemeChoice,
    signature_header: String,
    signature_algorithm: &'static str,
    signature_format: Option<&'static str>,
    signature_prefix: String,
    secret_prefix: &'r str,
    tolerance_seconds: Option<u32>,
    deduplication_window_minutes: u32,
    is_active: bool,
    allowed_cidrs: Option<&'r [IpNet]>,
    reject_status: Option<u16>,
    previous: Option<PreviousView<'r>>,
    handshake: Option<HandshakeView>,
    secret_captured_at: Option<Shown>,
    reveal_until: Option<Shown>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    counters: Option<Counters>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreviousView<'r> {
    secret_prefix: &'r str,
    until: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Option<Shown>>,
}

/// Use, of all sidecars.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counters {
    webhook_count: u64,
    error_count: u64,
    last_webhook_at: Option<Shown>,
}

/// The answer to create, rotate and reveal: the integration, its secret this once, and what to know about it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Once<'r> {
    #[serde(flatten)]
    pub(super) integration: IntegrationView<'r>,
    pub(super) webhook_secret: Option<&'r str>,
    /// What to do on the sender's side, where its preset says so.
    pub(super) setup: Option<&'r str>,
    pub(super) warning: String,
}

impl Counters {
    fn of(used: &Use) -> Self {
        Self {
            webhook_count: used.accepted,
            error_count: used.refused,
            last_webhook_at: used.last.map(Shown),
        }
    }
}

impl<'r> IntegrationView<'r> {
    /// As it stands now; a former secret whose time is over is not shown, nor a use that is not known.
    pub(super) fn of(
        record: &'r Integration,
        scheme: &Scheme,
        used: Option<&Use>,
        state: &AdminState,
    ) -> Self {
        let settings = state.settings.load();
        let path = settings.integration_path().map(|path| path.replace("{integration}", &record.name));
        let url = match (&settings.public_url, &path) {
            (Some(base), Some(path)) => Some(format!("{}{path}", base.trim_end_matches('/'))),
            _ => None,
        };
        let now = state.writer.now();
        Self {
            meta: MetaView::of(&record.meta, state.writer.mirror()),
            name: &record.name,
            path,
            url,
            workspace_id: record.workspace_id,
            kind: &record.kind,
            scheme: &record.scheme,
            signature_header: header_as_written(scheme).to_owned(),
            signature_algorithm: scheme.algorithm(),
            signature_format: scheme.encoding(),
            signature_prefix: scheme.prefix().to_owned(),
            secret_prefix: &record.secret_prefix,
            tolerance_seconds: record.tolerance_seconds.or_else(|| scheme.tolerance_seconds()),
            deduplication_window_minutes: record.deduplication_window_minutes,
            is_active: record.is_active,
            allowed_cidrs: record.allowed_cidrs.as_deref(),
            reject_status: record.reject_status,
            previous: PreviousView::of(record, used, now),
            handshake: record.handshake.as_ref().map(HandshakeView::of),
            secret_captured_at: record.captured.map(|captured| Shown(captured.at)),
            reveal_until: record
                .captured
                .and_then(|captured| captured.reveal_until())
                .and_then(|until| still_ahead(until, now)),
            counters: used.map(Counters::of),
        }
    }
}

impl<'r> PreviousView<'r> {
    fn of(record: &'r Integration, used: Option<&Use>, now: UnixMillis) -> Option<Self> {
        let previous = record.previous.as_ref()?;
        let until = still_ahead(previous.until, now)?;
        let last_used_at = used.map(|used| used.previous_with(previous.mark()).map(Shown));
        Some(Self { secret_prefix: &previous.secret_prefix, until, last_used_at })
    }
}
