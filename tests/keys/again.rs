//! A key set that is read again: what has not changed is held once.

use std::sync::Arc;

use countersign::keys::LookupError;
use countersign::keys::decode::{Decoded, Judged};
use countersign::keys::entry::KeyEntry;
use countersign::keys::record::Record;

use super::{HEAD, NOW, World};

fn key_of(decoded: &Decoded) -> &Arc<KeyEntry> {
    match decoded {
        Decoded::Key(entry) => entry,
        other => panic!("not a key: {other:?}"),
    }
}

#[test]
fn a_record_that_has_not_changed_is_the_one_that_is_held() {
    let world = World::of(Vec::new());
    let decoder = &world.decoder;
    let mut records = vec![world.key(1, 1, true), world.integration(2, 1, "hook")];
    let envelope = |record: &Record| decoder.keyring().wrap("ns", &record.key(), &record.encode().unwrap());
    for (key, decoded) in records.drain(..) {
        let mut record = decoded.record().unwrap();
        let first = match decoder.decode(key, &envelope(&record)) {
            Judged::Inside(first) => first,
            outside @ Judged::Outside { .. } => panic!("{outside:?}"),
        };
        let again = |record: &Record| match decoder.decode_over(Some(&first), key, &envelope(record)) {
            Judged::Inside(again) => again,
            outside @ Judged::Outside { .. } => panic!("{outside:?}"),
        };
        let is_held = |again: &Decoded| match (&first, again) {
            (Decoded::Key(first), Decoded::Key(again)) => Arc::ptr_eq(first, again),
            (Decoded::Integration(first), Decoded::Integration(again)) => Arc::ptr_eq(first, again),
            _ => false,
        };
        assert!(is_held(&again(&record)));
        // The smallest change makes another entry, whatever its revision says.
        match &mut record {
            Record::WebhookKey(record) => record.is_active = false,
            Record::Integration(record) => record.is_active = false,
            Record::Workspace(_) | Record::Admin(_) => panic!("neither is here"),
        }
        let changed = again(&record);
        assert!(!is_held(&changed));
        assert_eq!(changed.record().unwrap(), record);
        // One that was altered by hand is damaged, and never taken for the one that is held.
        let mut forged = envelope(&record);
        let last = forged.iter().rposition(|byte| *byte == b'f').unwrap();
        forged[last] = b'g';
        let judged = decoder.decode_over(Some(&first), key, &forged);
        assert!(matches!(judged, Judged::Inside(Decoded::Damaged(_))), "{judged:?}");
    }
}

#[test]
fn what_is_held_goes_on_counting_after_the_set_is_read_again() {
    let world = World::of(Vec::new());
    let decoder = &world.decoder;
    let (key, made) = world.key(1, 1, true);
    let envelope = decoder.keyring().wrap("ns", &key, &made.record().unwrap().encode().unwrap());
    let load = || {
        let known = world.mirror.get(key);
        let Judged::Inside(read) = decoder.decode_over(known.as_ref(), key, &envelope) else { panic!() };
        world.mirror.rebuild(vec![(key, read)], HEAD);
        world.mirror.get(key).unwrap()
    };
    let first = load();
    key_of(&first).usage().record_accepted(NOW);
    let again = load();
    assert!(Arc::ptr_eq(key_of(&first), key_of(&again)));
    assert_eq!(key_of(&again).use_so_far().accepted, 1);
    // A set without it lets it go.
    world.mirror.rebuild(Vec::new(), HEAD);
    assert!(world.mirror.get(key).is_none());
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
}
