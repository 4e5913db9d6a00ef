//! Which records a sidecar with a scope holds, opens, and lets go.

use std::sync::Arc;

use countersign::keys::LookupError;
use countersign::keys::decode::{Decoded, Decoder, Judged};
use countersign::keys::record::{Kind, RecordKey};
use countersign::keys::scope::Scope;
use countersign::store::seal::Keyring;
use uuid::Uuid;

use super::{HEAD, WORKSPACE, World, id};
use crate::support::redis::keyring_of;

fn scope(workspaces: &[Uuid], integrations: &[&str]) -> Scope {
    Scope {
        workspaces: workspaces.iter().copied().collect(),
        integrations: integrations.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn decoder(keyring: &Arc<Keyring>, scope: Option<Scope>) -> Decoder {
    Decoder::new(Arc::clone(keyring), "ns").within(scope)
}

#[test]
fn a_workspace_brings_its_keys_and_integrations_and_a_name_brings_one_integration() {
    let world = World::of(Vec::new());
    let key = world.key(1, 1, true).1.record().unwrap();
    let unowned = world.integration(2, 1, "hook").1.record().unwrap();
    let holds = |scope: &Scope| (scope.holds(&key), scope.holds(&unowned));
    assert_eq!(holds(&scope(&[WORKSPACE], &[])), (true, false));
    assert_eq!(holds(&scope(&[], &["hook"])), (false, true));
    assert_eq!(holds(&scope(&[WORKSPACE], &["hook"])), (true, true));
    assert_eq!(holds(&scope(&[id(9)], &["other"])), (false, false));
    assert_eq!(holds(&Scope::default()), (false, false));
}

#[test]
fn a_secret_outside_is_not_even_opened() {
    // Its MAC holds, and its secret is sealed under a key that is not there.
    let (maker, reader) = (keyring_of(&[("k1", 'a'), ("k2", 'b')], "k1"), keyring_of(&[("k1", 'a')], "k1"));
    let world = World::of(Vec::new());
    let (key, decoded) = world.key(1, 1, true);
    let mut record = decoded.record().unwrap();
    if let countersign::keys::record::Record::WebhookKey(record) = &mut record {
        record.secret.kek = "k2".to_owned();
    }
    let envelope = maker.wrap("ns", &key, &record.encode().unwrap());
    let judged = |scope| decoder(&reader, scope).decode(key, &envelope);
    for inside in [None, Some(scope(&[WORKSPACE], &[]))] {
        let judged = judged(inside);
        assert!(matches!(judged, Judged::Inside(Decoded::Damaged(_))), "{judged:?}");
    }
    let outside = judged(Some(scope(&[id(9)], &[])));
    assert!(matches!(outside, Judged::Outside { revision: 1 }), "{outside:?}");
}

#[test]
fn a_record_that_cannot_be_authenticated_is_damaged_wherever_it_says_that_it_belongs() {
    let keyring = keyring_of(&[("k1", 'a')], "k1");
    let world = World::of(Vec::new());
    let (key, decoded) = world.key(1, 1, true);
    let envelope = keyring.wrap("ns", &key, &decoded.record().unwrap().encode().unwrap());
    let elsewhere = String::from_utf8(envelope).unwrap().replace(&WORKSPACE.to_string(), &id(9).to_string());
    let judged = decoder(&keyring, Some(scope(&[WORKSPACE], &[]))).decode(key, elsewhere.as_bytes());
    assert!(matches!(judged, Judged::Inside(Decoded::Damaged(_))), "{judged:?}");
}

#[test]
fn a_record_that_leaves_is_dropped_and_an_older_one_does_not_bring_it_back() {
    let world = World::of(Vec::new());
    let hook = RecordKey { kind: Kind::Integration, id: id(1) };
    world.put(world.integration(1, 2, "hook"));
    // A change that is older than what is held says nothing.
    world.mirror.leave(hook, 1);
    assert_eq!(world.finds_hook("hook"), Ok(2));
    world.mirror.leave(hook, 3);
    assert_eq!(world.finds_hook("hook"), Err(LookupError::Unknown));
    world.put(world.integration(1, 2, "hook"));
    assert_eq!(world.finds_hook("hook"), Err(LookupError::Unknown), "a replay brought it back");
    // Nor does a store that has lost the change.
    assert_eq!(world.mirror.rebuild(vec![world.integration(1, 2, "hook")], HEAD), [hook]);
    assert_eq!(world.finds_hook("hook"), Err(LookupError::Unknown), "a rebuild brought it back");
    // It may come back by a change of its own.
    world.put(world.integration(1, 4, "hook"));
    assert_eq!(world.finds_hook("hook"), Ok(4));
}

#[test]
fn a_record_that_was_never_held_leaves_nothing_behind() {
    let world = World::of(Vec::new());
    world.mirror.leave(RecordKey { kind: Kind::Integration, id: id(1) }, 5);
    world.put(world.integration(1, 4, "hook"));
    assert_eq!(world.finds_hook("hook"), Ok(4));
}
