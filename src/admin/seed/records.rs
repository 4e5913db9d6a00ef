//! The record that an entry asks for, made out of what is stored.
//!
//! Not what happens to it (`plan.rs`). Invariants: what an entry does not name has its default, whatever was stored,
//! so that the file says everything; another value of a secret or of an API key is a rotation: the former one stays
//! valid for the entry's `overlapSeconds`, and no two secrets of a record have the same version; what was made up,
//! because the entry has none, is known to nobody and is never kept as a former value.

use uuid::Uuid;

use super::entries::{IntegrationEntry, KeyEntry};
use crate::admin::change;
use crate::admin::fields::Change;
use crate::admin::integrations::handshake::{HandshakeInput, Wish};
use crate::admin::integrations::input;
use crate::admin::webhook_keys;
use crate::clock::UnixMillis;
use crate::keys::handshake::HandshakeSettings;
use crate::keys::record::{
    ApiKeyDigest, Integration, Kind, MANAGED_BY_SEED, Meta, PreviousKey, PreviousSecret, RecordKey, Sealed,
    WebhookKey, Workspace, WorkspaceScheme,
};
use crate::secret::Secret;
use crate::store::seal::{self, SealError};
use crate::store::writer::Writer;

/// The redacted form of a value that nobody knows, because the entry names none.
const NONE: &str = "none";

/// Why no record can be made: a fault of ours, in words.
pub(super) struct NotMade(pub(super) String);

impl From<SealError> for NotMade {
    fn from(error: SealError) -> Self {
        Self(format!("a secret could not be sealed or opened: {error}"))
    }
}

/// A record and what is to be said of it.
pub(super) struct Made<R> {
    pub(super) record: R,
    /// Names of the fields that changed; empty where nothing did.
    pub(super) fields: Vec<&'static str>,
    /// What an operator should know.
    pub(super) notice: Option<&'static str>,
}

const ENDED_EARLY: &str = "was rotated while an earlier value was still valid: that one ended now";

fn fresh_meta() -> Meta {
    Meta { managed_by: MANAGED_BY_SEED.to_owned(), ..change::fresh_meta(Uuid::now_v7()) }
}

/// A new workspace.
pub(super) fn workspace(name: &str) -> Workspace {
    Workspace { meta: fresh_meta(), name: name.to_owned() }
}

/// The key after the change.
pub(super) fn key(
    entry: &KeyEntry,
    workspace_id: Uuid,
    before: Option<&WebhookKey>,
    writer: &Writer,
) -> Result<Made<WebhookKey>, NotMade> {
    let meta = before.map_or_else(fresh_meta, |before| before.meta.clone());
    let place = RecordKey { kind: Kind::WebhookKey, id: meta.id };
    let now = writer.now();
    let (api_key, api_key_prefix) = api_key(entry, before)?;
    let (secret, secret_prefix) = match &entry.secret {
        Some(secret) => sealed(place, secret, before.map(|before| &before.secret), writer)?,
        None => match before.filter(|before| before.secret_prefix == NONE) {
            Some(before) => (before.secret.clone(), NONE.to_owned()),
            None => {
                let unknown = Secret::new(seal::random::<32>()?.to_vec());
                let (secret, _) = sealed(place, &unknown, before.map(|before| &before.secret), writer)?;
                (secret, NONE.to_owned())
            }
        },
    };
    let mut record = WebhookKey {
        meta,
        workspace_id,
        name: entry.name.clone(),
        api_key,
        api_key_prefix,
        secret,
        secret_prefix,
        scheme: WorkspaceScheme::Workspace,
        require_key_id: entry.secret.is_none(),
        is_active: true,
        expires_at: None,
        allowed_cidrs: None,
        routes: None,
        previous: before.and_then(|before| before.previous.clone()),
    };
    entry.settings.apply(&mut record);
    let Some(before) = before else { return Ok(Made { record, fields: Vec::new(), notice: None }) };
    let former = former(before, &record, now.plus_seconds(i64::from(entry.overlap_seconds)));
    let earlier = still_valid(before.previous.as_ref().map(|previous| previous.until), now);
    let mut notice = None;
    if let Some(former) = former {
        notice = earlier.then_some(ENDED_EARLY);
        record.previous = (entry.overlap_seconds > 0).then_some(former);
    } else if !earlier && record != *before {
        record.previous = None;
    }
    let mut fields = webhook_keys::input::changed(before, &record);
    let credentials = [
        ("apiKey", record.api_key != before.api_key),
        ("apiKeyPrefix", record.api_key_prefix != before.api_key_prefix),
        ("secret", record.secret != before.secret),
    ];
    fields.extend(credentials.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name));
    Ok(Made { record, fields, notice })
}

fn api_key(entry: &KeyEntry, before: Option<&WebhookKey>) -> Result<(ApiKeyDigest, String), SealError> {
    Ok(match (&entry.api_key, before.filter(|before| before.api_key_prefix == NONE)) {
        (Some((digest, prefix)), _) => (*digest, prefix.clone()),
        (None, Some(before)) => (before.api_key, NONE.to_owned()),
        // A digest of no key: 32 random bytes.
        (None, None) => (ApiKeyDigest(seal::random::<32>()?), NONE.to_owned()),
    })
}

/// The values that were replaced, but for those that nobody knows.
fn former(before: &WebhookKey, after: &WebhookKey, until: UnixMillis) -> Option<PreviousKey> {
    let api_key = before.api_key != after.api_key && before.api_key_prefix != NONE;
    let secret = before.secret != after.secret && before.secret_prefix != NONE;
    (api_key || secret).then(|| PreviousKey {
        api_key: api_key.then_some(before.api_key),
        api_key_prefix: api_key.then(|| before.api_key_prefix.clone()),
        secret: secret.then(|| before.secret.clone()),
        secret_prefix: secret.then(|| before.secret_prefix.clone()),
        until,
    })
}

fn still_valid(until: Option<UnixMillis>, now: UnixMillis) -> bool {
    until.is_some_and(|until| now < until)
}

/// The secret as it is stored already, or sealed as the next version.
fn sealed(
    place: RecordKey,
    secret: &Secret,
    before: Option<&Sealed>,
    writer: &Writer,
) -> Result<(Sealed, String), SealError> {
    if let Some(before) = before
        && writer.open(place, before)?.ct_eq(secret.expose())
    {
        return Ok((before.clone(), secret.prefix()));
    }
    let version = before.map_or(1, |before| before.version.saturating_add(1));
    Ok((writer.seal(place, version, secret)?, secret.prefix()))
}

/// The integration after the change.
pub(super) fn integration(
    entry: &IntegrationEntry,
    workspace_id: Option<Uuid>,
    before: Option<&Integration>,
    writer: &Writer,
) -> Result<Made<Integration>, NotMade> {
    let wanted = &entry.wanted;
    let secret = wanted.given.as_ref().ok_or_else(|| NotMade("a secret file was not read".to_owned()))?;
    let meta = before.map_or_else(fresh_meta, |before| before.meta.clone());
    let place = RecordKey { kind: Kind::Integration, id: meta.id };
    let (sealed, _) = sealed(place, secret, before.map(|before| &before.secret), writer)?;
    let mut record = wanted.record(meta.id, secret, sealed);
    record.meta = meta;
    record.workspace_id = workspace_id;
    record.handshake = handshake(entry, place, before, writer)?;
    let Some(before) = before else { return Ok(Made { record, fields: Vec::new(), notice: None }) };

    let now = writer.now();
    let until = now.plus_seconds(i64::from(entry.overlap_seconds));
    let earlier = still_valid(before.previous.as_ref().map(|previous| previous.until), now);
    let rotated = record.secret != before.secret;
    let mut notice = None;
    record.previous.clone_from(&before.previous);
    record.captured = before.captured.filter(|_| !rotated);
    if rotated {
        notice = earlier.then_some(ENDED_EARLY);
        record.previous = (entry.overlap_seconds > 0).then(|| PreviousSecret {
            secret: before.secret.clone(),
            secret_prefix: before.secret_prefix.clone(),
            until,
        });
    } else if !earlier && record != *before {
        record.previous = None;
    }
    if record.scheme != before.scheme
        && let Some(previous) = &record.previous
        && input::usable(&wanted.scheme, &writer.open(place, &previous.secret)?).is_err()
    {
        notice = Some("has a scheme now that cannot use its former secret, which ended at once");
        record.previous = None;
    }
    let mut fields = input::changed(before, &record);
    fields.extend(rotated.then_some("webhookSecret"));
    Ok(Made { record, fields, notice })
}

/// The handshake, with the token that is stored where it is the same one.
fn handshake(
    entry: &IntegrationEntry,
    place: RecordKey,
    before: Option<&Integration>,
    writer: &Writer,
) -> Result<Option<HandshakeSettings>, NotMade> {
    let stored = before.and_then(|before| before.handshake.as_ref());
    let mut input = entry.wanted.settings.handshake.clone();
    if let Change::Keep = input {
        return Ok(None);
    }
    if let Change::Set(HandshakeInput::On { verify_token: Some(given) }) = &input
        && let Some(sealed) = stored.and_then(|stored| stored.verify_token.as_ref())
        && writer.open_verify_token(place, sealed)?.ct_eq(given.expose())
    {
        input = Change::Set(HandshakeInput::On { verify_token: None });
    }
    let wish = Wish { input: &input, before: stored, scheme: &entry.wanted.scheme };
    wish.settings(writer, place.id).map_err(|_| NotMade("a verify token could not be sealed".to_owned()))
}
