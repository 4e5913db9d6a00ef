//! The field `handshake` of an integration: whether the handshake of its scheme is answered, and what with.
//!
//! Not the answering. Invariants: nothing is enabled that the scheme does not have, and nothing is stored that it
//! does not need; a verify token is sealed and never shown; a sender that hands over its secret is believed for an
//! hour from the moment that an admin says so.

use serde::Serialize;
use serde_json::Value;

use crate::admin::fields::Change;
use crate::admin::formats::{self, Checked, Wrong, wrong};
use crate::admin::problem::{Fault, Problem};
use crate::admin::{change, view::Shown};
use crate::keys::handshake::{HANDSHAKE_WINDOW_SECONDS, HandshakeSettings};
use crate::keys::record::{Kind, RecordKey};
use crate::secret::Secret;
use crate::store::writer::Writer;
use crate::verify::handshake::{Handshake, Shape};
use crate::verify::scheme::Scheme;

/// Where a verify token is, in faults.
const TOKEN_AT: &str = "/handshake/verifyToken";
/// Characters of a verify token. eBay takes no fewer than 32 and no more than 80.
const TOKEN: std::ops::RangeInclusive<usize> = 16..=128;

/// What a body says of it, where it is not `null`.
#[derive(Debug, Clone)]
pub(in crate::admin) enum HandshakeInput {
    /// `false`
    Off,
    /// `true`, or an object.
    On { verify_token: Option<Secret> },
}

/// As answers show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandshakeView {
    has_verify_token: bool,
    awaits_secret_until: Option<Shown>,
}

impl HandshakeView {
    pub(super) fn of(settings: &HandshakeSettings) -> Self {
        Self {
            has_verify_token: settings.verify_token.is_some(),
            awaits_secret_until: settings.until.map(Shown),
        }
    }
}

/// Reads the field.
pub(super) fn handshake(value: Value) -> Checked<HandshakeInput> {
    let members = match value {
        Value::Bool(false) => return Ok(HandshakeInput::Off),
        Value::Bool(true) => serde_json::Map::new(),
        Value::Object(members) => members,
        _ => return wrong("type", "must be true, false, null or an object"),
    };
    let (mut verify_token, mut wrongs) = (None, Vec::new());
    for (name, value) in members {
        let (at, read) = match name.as_str() {
            "verifyToken" => ("/verifyToken", token(value).map(|token| verify_token = Some(token))),
            _ => ("", wrong("unknown", "has no member but verifyToken")),
        };
        wrongs.extend(read.err().into_iter().flatten().map(|wrong| Wrong { at: at.to_owned(), ..wrong }));
    }
    if wrongs.is_empty() { Ok(HandshakeInput::On { verify_token }) } else { Err(wrongs) }
}

fn token(value: Value) -> Checked<Secret> {
    let token = Secret::new(formats::text(value)?.into_bytes());
    let text = token.expose_text().unwrap_or_default();
    if !TOKEN.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let (low, high) = (TOKEN.start(), TOKEN.end());
        return wrong("format", format!("must be {low} to {high} visible ASCII characters"));
    }
    Ok(token)
}

/// What a change wants of the handshake of a record.
pub(in crate::admin) struct Wish<'w> {
    pub(in crate::admin) input: &'w Change<HandshakeInput>,
    pub(in crate::admin) before: Option<&'w HandshakeSettings>,
    /// The scheme after the change.
    pub(in crate::admin) scheme: &'w Scheme,
}

impl Wish<'_> {
    /// What is wrong with it; nothing where handshakes are off.
    pub(in crate::admin) fn faults(&self, public_url: Option<&str>) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !self.is_on() {
            return faults;
        }
        let Some(handshake) = self.scheme.handshake() else {
            let detail = "must be null: this scheme has no handshake";
            return vec![Fault::at("/handshake", "unused", detail)];
        };
        if handshake.needs_url() && public_url.is_none() {
            let detail = "the answer contains the URL: set listener.public_url first";
            faults.push(Fault::at("/handshake", "unavailable", detail));
        }
        let stored = self.before.is_some_and(|stored| stored.verify_token.is_some());
        match (handshake.needs_verify_token(), self.given_token()) {
            (true, None) if !stored => {
                faults.push(Fault::at(TOKEN_AT, "required", "this scheme's handshake needs it"));
            }
            (false, Some(_)) => {
                faults.push(Fault::at(TOKEN_AT, "unused", "this scheme's handshake does not use it"));
            }
            _ => {}
        }
        faults
    }

    /// What is stored, where there is no fault.
    pub(in crate::admin) fn settings(
        &self,
        writer: &Writer,
        id: uuid::Uuid,
    ) -> Result<Option<HandshakeSettings>, Problem> {
        let Some(handshake) = self.scheme.handshake().filter(|_| self.is_on()) else { return Ok(None) };
        let stored_token = self.before.and_then(|stored| stored.verify_token.clone());
        let verify_token = match self.given_token() {
            Some(token) => {
                let key = RecordKey { kind: Kind::Integration, id };
                let version = stored_token.map_or(1, |sealed| sealed.version.saturating_add(1));
                Some(writer.seal_verify_token(key, version, token).map_err(change::not_sealed)?)
            }
            None => stored_token.filter(|_| handshake.needs_verify_token()),
        };
        Ok(Some(HandshakeSettings { verify_token, until: self.until(writer, handshake) }))
    }

    /// Saying it again opens the wait again.
    fn until(&self, writer: &Writer, handshake: &Handshake) -> Option<crate::clock::UnixMillis> {
        if handshake.shape() != Shape::Secret {
            return None;
        }
        let stored = self.before.and_then(|stored| stored.until).filter(|_| !self.input.is_named());
        Some(stored.unwrap_or_else(|| writer.now().plus_seconds(HANDSHAKE_WINDOW_SECONDS)))
    }

    fn is_on(&self) -> bool {
        match self.input {
            Change::Keep => self.before.is_some(),
            Change::Clear | Change::Set(HandshakeInput::Off) => false,
            Change::Set(HandshakeInput::On { .. }) => true,
        }
    }

    fn given_token(&self) -> Option<&Secret> {
        match self.input {
            Change::Set(HandshakeInput::On { verify_token }) => verify_token.as_ref(),
            _ => None,
        }
    }
}

/// Whether the sender hands over the secret, so that the present one is nobody's.
pub(super) fn awaits_secret(settings: Option<&HandshakeSettings>) -> bool {
    settings.is_some_and(|settings| settings.until.is_some())
}
