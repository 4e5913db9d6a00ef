//! A record of one namespace, sealed under its keys, as a record of another under other keys.
//!
//! Not a reading of what records mean: fields that this version does not know are carried as they are. A sealed
//! value is told by its form, wherever it stands. Invariants: every sealed value of a record is opened in its
//! place, or the record is refused; a value whose place this version does not know is refused, because nobody
//! could open it afterwards; a secret in the clear is zeroed when dropped.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::keys::decode::{SECRET_FIELD, VERIFY_TOKEN_FIELD};
use crate::keys::record::{Record, RecordKey, Sealed};
use crate::store::seal::{Keyring, SealPlace};

/// A namespace and the keys of its records.
#[derive(Clone, Copy)]
pub(super) struct Side<'s> {
    pub(super) namespace: &'s str,
    pub(super) keyring: &'s Keyring,
}

/// A record that was opened.
pub(super) struct Opened {
    record: Record,
    value: Value,
    /// Ids of the KEKs that it needs.
    pub(super) keks: BTreeSet<String>,
}

/// Opens an envelope and every sealed value in it.
pub(super) fn open(key: RecordKey, envelope: &[u8], from: Side<'_>) -> Result<Opened, String> {
    let payload = from.keyring.unwrap(from.namespace, &key, envelope).map_err(|error| error.to_string())?;
    let record = Record::decode(key.kind, payload).map_err(|error| error.to_string())?;
    if record.key() != key {
        return Err("the record's id is not the one it is stored under".to_owned());
    }
    let mut value: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let mut keks: BTreeSet<String> =
        Keyring::kek_unverified(envelope).map(str::to_owned).into_iter().collect();
    walk(&mut value, String::new(), &mut |pointer, sealed| {
        let place =
            SealPlace { namespace: from.namespace, key, field: field(pointer)?, version: sealed.version };
        from.keyring.open(&place, sealed).map_err(|error| format!("{pointer}: {error}"))?;
        keks.insert(sealed.kek.clone());
        Ok(None)
    })?;
    Ok(Opened { record, value, keks })
}

impl Opened {
    /// Its revision.
    pub(super) fn revision(&self) -> u64 {
        self.record.meta().revision
    }

    /// The unique values that it holds.
    pub(super) fn claims(&self) -> Vec<String> {
        self.record.claims()
    }

    /// Its envelope for another namespace, under the KEK that seals there.
    pub(super) fn reseal(mut self, from: Side<'_>, to: Side<'_>) -> Result<Vec<u8>, String> {
        let key = self.record.key();
        walk(&mut self.value, String::new(), &mut |pointer, sealed| {
            let field = field(pointer)?;
            let place = |namespace| SealPlace { namespace, key, field, version: sealed.version };
            let secret =
                from.keyring.open(&place(from.namespace), sealed).map_err(|error| error.to_string())?;
            to.keyring.seal(&place(to.namespace), &secret).map(Some).map_err(|error| error.to_string())
        })?;
        let payload = serde_json::to_vec(&self.value).map_err(|error| error.to_string())?;
        Ok(to.keyring.wrap(to.namespace, &key, &payload))
    }
}

/// Which field a sealed value at this place of the JSON was sealed for.
fn field(pointer: &str) -> Result<&'static str, String> {
    match pointer {
        "/secret" | "/previous/secret" => Ok(SECRET_FIELD),
        "/handshake/verifyToken" => Ok(VERIFY_TOKEN_FIELD),
        _ => Err(format!("{pointer} is sealed by a newer version of countersign: use that one")),
    }
}

/// What becomes of a sealed value: another one, or nothing.
type Visited = Result<Option<Sealed>, String>;

/// Shows every sealed value to `visit`, with its place, and puts in its stead what that gives.
fn walk(
    value: &mut Value,
    pointer: String,
    visit: &mut dyn FnMut(&str, &Sealed) -> Visited,
) -> Result<(), String> {
    match value {
        Value::Object(fields) if is_sealed(fields) => {
            let sealed: Sealed =
                serde_json::from_value(Value::Object(fields.clone())).map_err(|error| error.to_string())?;
            if let Some(other) = visit(&pointer, &sealed)? {
                *value = serde_json::to_value(other).map_err(|error| error.to_string())?;
            }
            Ok(())
        }
        Value::Object(fields) => {
            fields.iter_mut().try_for_each(|(name, inner)| walk(inner, format!("{pointer}/{name}"), visit))
        }
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, inner)| walk(inner, format!("{pointer}/{index}"), visit)),
        _ => Ok(()),
    }
}

fn is_sealed(fields: &serde_json::Map<String, Value>) -> bool {
    fields.len() == 3
        && fields.get("kek").is_some_and(Value::is_string)
        && fields.get("version").is_some_and(Value::is_u64)
        && fields.get("data").is_some_and(Value::is_string)
}
