//! The fields of an integration that an admin may set, read from a body once for create and update.
//!
//! Not the scheme (`scheme.rs`). Invariants: a secret is accepted only where the scheme that will use it can
//! decode it to enough bytes; no text about a secret repeats any of it.

use ipnet::IpNet;
use serde_json::Value;
use uuid::Uuid;

use super::handshake::{HandshakeInput, handshake};
use crate::admin::fields::{Change, Fields};
use crate::admin::formats::{self, Checked, wrong};
use crate::admin::problem::Fault;
use crate::admin::view::SERVER_SET;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Integration, Kind, RecordKey};
use crate::secret::Secret;
use crate::verify::scheme::{Scheme, SecretFault};

/// Bytes of an imported secret, decoded. Below it, guessing is within reach.
const SECRET_MIN: usize = 16;
/// Characters of an imported secret on one line.
const SECRET_MAX: usize = 1024;
/// The same where the scheme takes several lines: a certificate with its chain.
const LINES_MAX: usize = 16 * 1024;
/// Longest window in which a message counts as seen: a week, in minutes.
const WINDOW_MAX: u32 = 10_080;
/// Longest tolerance of a signed time: a day, in seconds.
const TOLERANCE_MAX: u32 = 86_400;

const COUNTED: &[&str] = &[
    "secretPrefix",
    "secretCapturedAt",
    "revealUntil",
    "webhookCount",
    "errorCount",
    "lastWebhookAt",
    "path",
    "url",
];

/// What a body says, besides name, type, scheme and secret.
#[derive(Debug)]
pub(in crate::admin) struct Settings {
    pub(super) workspace_id: Change<Uuid>,
    pub(super) tolerance_seconds: Change<u32>,
    pub(super) window: Option<u32>,
    is_active: Option<bool>,
    allowed_cidrs: Change<Vec<IpNet>>,
    reject_status: Change<u16>,
    pub(in crate::admin) handshake: Change<HandshakeInput>,
}

impl Settings {
    /// Takes the fields; a workspace that `mirror` does not hold is a fault.
    pub(super) fn of(fields: &mut Fields, mirror: Option<&Mirror>) -> Self {
        fields.read_only(SERVER_SET, "is set by the server");
        fields.read_only(COUNTED, "is set by the server");
        let workspace_id = fields.nullable("workspaceId", formats::id_field);
        if let Change::Set(id) = workspace_id
            && mirror.is_some_and(|mirror| mirror.get(RecordKey { kind: Kind::Workspace, id }).is_none())
        {
            fields.fault(Fault::at("/workspaceId", "unknown", "there is no such workspace"));
        }
        Self {
            workspace_id,
            tolerance_seconds: fields.nullable("toleranceSeconds", formats::integer(1..=TOLERANCE_MAX)),
            window: fields.plain("deduplicationWindowMinutes", formats::integer(0..=WINDOW_MAX)),
            is_active: fields.plain("isActive", formats::boolean),
            allowed_cidrs: fields.nullable("allowedCidrs", formats::address_ranges),
            reject_status: fields.nullable("rejectStatus", reject_status),
            handshake: fields.nullable("handshake", handshake),
        }
    }

    /// Sets what the body names, but for the handshake, which depends on the scheme.
    pub(super) fn apply(&self, record: &mut Integration) {
        record.workspace_id = self.workspace_id.of(record.workspace_id);
        record.tolerance_seconds = self.tolerance_seconds.of(record.tolerance_seconds);
        record.deduplication_window_minutes = self.window.unwrap_or(record.deduplication_window_minutes);
        record.is_active = self.is_active.unwrap_or(record.is_active);
        record.allowed_cidrs = self.allowed_cidrs.of(record.allowed_cidrs.take());
        record.reject_status = self.reject_status.of(record.reject_status);
    }

    /// Records that must exist when the change is committed.
    pub(super) fn requires(&self) -> Vec<RecordKey> {
        match self.workspace_id {
            Change::Set(id) => vec![RecordKey { kind: Kind::Workspace, id }],
            Change::Keep | Change::Clear => Vec::new(),
        }
    }
}

/// The names of fields in which two forms of an integration differ.
pub(in crate::admin) fn changed(before: &Integration, after: &Integration) -> Vec<&'static str> {
    let differs = [
        ("name", before.name != after.name),
        ("type", before.kind != after.kind),
        ("scheme", before.scheme != after.scheme),
        ("workspaceId", before.workspace_id != after.workspace_id),
        ("toleranceSeconds", before.tolerance_seconds != after.tolerance_seconds),
        (
            "deduplicationWindowMinutes",
            before.deduplication_window_minutes != after.deduplication_window_minutes,
        ),
        ("isActive", before.is_active != after.is_active),
        ("allowedCidrs", before.allowed_cidrs != after.allowed_cidrs),
        ("rejectStatus", before.reject_status != after.reject_status),
        ("handshake", before.handshake != after.handshake),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn reject_status(value: Value) -> Checked<u16> {
    match value.as_u64() {
        Some(status @ (400 | 401 | 403 | 404)) => Ok(u16::try_from(status).unwrap_or(401)),
        Some(_) => wrong("range", "must be 400, 401, 403 or 404"),
        None => wrong("type", "must be 400, 401, 403 or 404"),
    }
}

/// An imported secret, as text; whether a scheme can use it is for [`usable`].
pub(super) fn secret(value: Value) -> Checked<Secret> {
    judged(Secret::new(formats::text(value)?.into_bytes()))
}

/// The same, wherever it comes from.
pub(in crate::admin) fn judged(secret: Secret) -> Checked<Secret> {
    let Some(text) = secret.expose_text() else { return wrong("format", "must be UTF-8") };
    if text.len() > LINES_MAX {
        return wrong("range", format!("must have at most {LINES_MAX} bytes"));
    }
    if text.chars().any(|character| character.is_control() && !is_line_end(character)) {
        return wrong("format", "must not contain control characters");
    }
    if text.trim().is_empty() {
        return wrong("format", "must not be blank");
    }
    Ok(secret)
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r')
}

/// Whether the scheme can use the secret; `Err` says what is wrong, without any of it.
pub(in crate::admin) fn usable(scheme: &Scheme, secret: &Secret) -> Result<(), String> {
    if !scheme.takes_lines() {
        if secret.expose().iter().any(|byte| is_line_end(char::from(*byte))) {
            return Err("must not contain line breaks".to_owned());
        }
        if secret.len() > SECRET_MAX {
            return Err(format!("must have at most {SECRET_MAX} bytes"));
        }
    }
    match scheme.prepare(secret).and_then(|_| scheme.secret_len(secret)) {
        Ok(length) if length >= SECRET_MIN => Ok(()),
        Ok(_) => Err(format!("must decode to at least {SECRET_MIN} bytes")),
        Err(SecretFault::TooMany) => Err("has more lines than the 4 secrets that may be tried".to_owned()),
        Err(_) => Err("is empty, or is not in the form that this scheme decodes".to_owned()),
    }
}

/// Refuses a scheme that signs the URL while nobody has said which URL senders call: no delivery could be
/// verified, and that would be our fault.
pub(super) fn address_fault(
    scheme: &Scheme,
    pointer: &'static str,
    public_url: Option<&str>,
) -> Option<Fault> {
    let lacks = scheme.needs_url() && public_url.is_none();
    lacks.then(|| Fault::at(pointer, "unavailable", "signs the URL: set listener.public_url first"))
}

/// The key of an asymmetric scheme is the sender's and can't be made here.
pub(super) fn sender_holds_the_key() -> Fault {
    Fault::at("/webhookSecret", "required", "the sender makes the key of this scheme: give it")
}

/// A tolerance only means something where a time is signed.
pub(super) fn tolerance_fault(scheme: &Scheme, tolerance: Option<u32>) -> Option<Fault> {
    let meaningless = tolerance.is_some() && scheme.tolerance_seconds().is_none();
    meaningless
        .then(|| Fault::at("/toleranceSeconds", "unused", "must be null: this scheme does not sign a time"))
}
