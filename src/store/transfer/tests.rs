//! What becomes of a record on its way to another namespace under another key.

use serde_json::{Value, json};
use tempfile::tempdir;
use uuid::Uuid;

use super::reseal::{Side, open};
use crate::keys::decode::SECRET_FIELD;
use crate::keys::record::{Kind, RecordKey, Sealed};
use crate::secret::Secret;
use crate::store::seal::{Keyring, SealPlace};

const KEY: RecordKey = RecordKey { kind: Kind::Integration, id: Uuid::from_u128(5) };

fn keyring(id: &str) -> Keyring {
    let dir = tempdir().unwrap();
    Keyring::create(dir.path(), id).unwrap();
    Keyring::load(dir.path(), None).unwrap()
}

fn place(namespace: &str) -> SealPlace<'_> {
    SealPlace { namespace, key: KEY, field: SECRET_FIELD, version: 1 }
}

/// An integration of the namespace `from`, with these fields beside those that every one has.
fn envelope(keyring: &Keyring, more: &Value) -> Vec<u8> {
    let sealed = keyring.seal(&place("from"), &Secret::from_text("a secret to carry")).unwrap();
    let mut record = json!({
        "id": KEY.id, "revision": 7, "createdAt": 1, "updatedAt": 2, "managedBy": "api", "name": "one",
        "type": "github", "scheme": "github", "secret": sealed, "secretPrefix": "a secret...",
        "deduplicationWindowMinutes": 5, "isActive": true,
    });
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    keyring.wrap("from", &KEY, record.to_string().as_bytes())
}

#[test]
fn a_record_is_sealed_anew_and_keeps_what_this_version_does_not_know() {
    let (old, new) = (keyring("old"), keyring("new"));
    let more = json!({ "newer": { "list": [1, { "kek": "not a sealed value" }] } });
    let (from, to) = (Side { namespace: "from", keyring: &old }, Side { namespace: "to", keyring: &new });
    let envelope = envelope(&old, &more);
    let opened = open(KEY, &envelope, from).unwrap();
    assert_eq!((opened.revision(), opened.claims()), (7, vec!["integration-name/one".to_owned()]));
    assert_eq!(opened.keks.iter().collect::<Vec<_>>(), ["old"]);
    let moved = opened.reseal(from, to).unwrap();
    let payload: Value = serde_json::from_slice(new.unwrap("to", &KEY, &moved).unwrap()).unwrap();
    assert_eq!(payload["newer"], more["newer"]);
    let sealed: Sealed = serde_json::from_value(payload["secret"].clone()).unwrap();
    assert_eq!(sealed.kek, "new");
    assert_eq!(new.open(&place("to"), &sealed).unwrap().expose(), b"a secret to carry");
    assert!(new.open(&place("from"), &sealed).is_err());
}

#[test]
fn a_value_that_is_sealed_for_a_place_that_is_not_known_refuses_the_record() {
    let old = keyring("old");
    let more = json!({ "newer": [{ "kek": "old", "version": 1, "data": "AAAA" }] });
    let refused = open(KEY, &envelope(&old, &more), Side { namespace: "from", keyring: &old }).err().unwrap();
    assert!(refused.contains("/newer/0") && refused.contains("newer version"), "{refused}");
}

#[test]
fn a_record_that_does_not_open_is_refused() {
    let (old, new) = (keyring("old"), keyring("new"));
    let envelope = envelope(&old, &json!({}));
    for (namespace, keyring) in [("other", &old), ("from", &new)] {
        assert!(open(KEY, &envelope, Side { namespace, keyring }).is_err());
    }
    // An authentic record whose secret belongs somewhere else.
    let elsewhere = SealPlace { version: 2, ..place("from") };
    let mut sealed = old.seal(&elsewhere, &Secret::from_text("of another version")).unwrap();
    sealed.version = 1;
    let more = json!({ "secret": sealed });
    let refused =
        open(KEY, &self::envelope(&old, &more), Side { namespace: "from", keyring: &old }).err().unwrap();
    assert!(refused.contains("/secret"), "{refused}");
}
