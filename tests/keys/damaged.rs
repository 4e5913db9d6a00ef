//! Records that cannot be used: 503 for their own callers, and nobody else's business.

use countersign::clock::{Clock as _, UnixMillis};
use countersign::credential::signature::SignatureLocator;
use countersign::keys::decode::{DamageCause, Damaged, Decoded, Judged};
use countersign::keys::record::{ApiKeyDigest, Kind, PreviousKey, Record, RecordKey};
use countersign::keys::{Locator, LookupError};

use uuid::Uuid;

use super::{HEAD, NOW, WORKSPACE, World, digest, id};

fn damaged(
    kind: Kind,
    n: u128,
    revision: u64,
    api_keys: Vec<ApiKeyDigest>,
    name: Option<&str>,
) -> (RecordKey, Decoded) {
    let key = RecordKey { kind, id: id(n) };
    let workspace = Some(WORKSPACE);
    let why = "on purpose".to_owned();
    let name = name.map(str::to_owned);
    (
        key,
        Decoded::Damaged(Box::new(Damaged {
            key,
            revision,
            api_keys,
            token: None,
            name,
            workspace,
            why,
            cause: DamageCause::Corrupt,
        })),
    )
}

/// A damaged form of webhook key `n` whose revision cannot be read.
pub(super) fn damaged_key(n: u128) -> (RecordKey, Decoded) {
    damaged(Kind::WebhookKey, n, 0, vec![digest(n)], None)
}

fn inside(judged: Judged) -> Decoded {
    match judged {
        Judged::Inside(decoded) => decoded,
        Judged::Outside { .. } => panic!("outside"),
    }
}

#[test]
fn a_damaged_record_is_damaged_for_its_own_callers() {
    let world = World::of(Vec::new());
    world.put(world.key(1, 1, true));
    world.put(damaged(Kind::WebhookKey, 2, 1, vec![digest(2)], None));
    world.put(damaged(Kind::Integration, 3, 1, Vec::new(), Some("hook")));
    assert_eq!(world.finds(2), Err(LookupError::Damaged));
    assert_eq!(world.finds_hook("hook"), Err(LookupError::Damaged));
    assert_eq!(world.finds(1), Ok(true));
    assert_eq!(world.finds(4), Err(LookupError::Unknown));
    assert_eq!(world.finds_hook("other"), Err(LookupError::Unknown));
    let named = SignatureLocator { workspace: WORKSPACE, key: Some(id(2)) };
    assert_eq!(
        world.ring.at(world.clock.moment()).find(&Locator::Signature(named)).unwrap_err(),
        LookupError::Damaged
    );
    // A repair is a change like any other.
    world.put(world.key(2, 2, true));
    assert_eq!(world.finds(2), Ok(true));
    assert_eq!(world.mirror.counts().damaged, 1);
}

#[test]
fn a_known_record_that_no_longer_says_its_revision_is_damaged_however_often_it_is_read() {
    let world = World::of(Vec::new());
    world.put(world.key(1, 1, true));
    for _ in 0..3 {
        world.mirror.rebuild(vec![damaged_key(1)], HEAD);
        assert_eq!(world.finds(1), Err(LookupError::Damaged));
    }
    // An intact form of before does not come back; a repair does.
    world.mirror.rebuild(vec![world.key(1, 2, true)], HEAD);
    assert_eq!(world.finds(1), Ok(true));
}

#[test]
fn what_a_damaged_record_claims_displaces_nothing_that_is_intact() {
    let claims = |n| damaged(Kind::WebhookKey, n, 9, vec![digest(1)], None);
    let names = |n| damaged(Kind::Integration, n, 9, Vec::new(), Some("hook"));
    for order in [[0, 1], [1, 0]] {
        let world = World::of(Vec::new());
        for turn in order {
            if turn == 0 {
                world.put(world.key(1, 1, true));
                world.put(world.integration(2, 1, "hook"));
            } else {
                world.put(claims(10));
                world.put(names(11));
            }
        }
        assert_eq!((world.finds(1), world.finds_hook("hook")), (Ok(true), Ok(1)), "{order:?}");
        let records = vec![world.key(1, 1, true), claims(10), world.integration(2, 1, "hook"), names(11)];
        assert_eq!(world.finds(1), Ok(true));
        let rebuilt = World::of(Vec::new());
        rebuilt.mirror.rebuild(records, HEAD);
        assert_eq!((rebuilt.finds(1), rebuilt.finds_hook("hook")), (Ok(true), Ok(1)));
    }
}

#[test]
fn a_damaged_record_takes_nothing_with_it_when_it_goes() {
    let world = World::of(Vec::new());
    world.put(world.key(1, 1, true));
    world.put(world.integration(2, 1, "hook"));
    for (gone, changed) in [(10, 12), (20, 22)] {
        world.put(damaged(Kind::WebhookKey, gone, 1, vec![digest(1)], None));
        world.put(damaged(Kind::Integration, gone + 1, 1, Vec::new(), Some("hook")));
        world.put(damaged(Kind::WebhookKey, changed, 1, vec![digest(1)], None));
        world.put(damaged(Kind::Integration, changed + 1, 1, Vec::new(), Some("hook")));
        world.mirror.remove(RecordKey { kind: Kind::WebhookKey, id: id(gone) }, 2);
        world.mirror.remove(RecordKey { kind: Kind::Integration, id: id(gone + 1) }, 2);
        world.put(world.key(changed, 2, true));
        world.put(world.integration(changed + 1, 2, &format!("hook-{changed}")));
        assert_eq!(world.finds(1), Ok(true), "an intact key went with a damaged one that claimed it");
        assert_eq!(world.finds_hook("hook"), Ok(1), "and an integration");
    }
}

#[test]
fn a_value_that_passes_from_one_record_to_another_stays_with_the_other() {
    let world = World::of(Vec::new());
    world.put(world.integration(1, 1, "hook"));
    // One commit renames the first and gives its name to the second; its entries may come in either order.
    world.put(world.integration(2, 1, "hook"));
    world.put(world.integration(1, 2, "renamed"));
    assert_eq!((world.finds_hook("hook"), world.finds_hook("renamed")), (Ok(1), Ok(2)));
    world.mirror.remove(RecordKey { kind: Kind::Integration, id: id(1) }, 3);
    assert_eq!((world.finds_hook("hook"), world.finds_hook("renamed")), (Ok(1), Err(LookupError::Unknown)));
}

/// Whether API key `n` leads to a record.
fn opens(world: &World, n: u128) -> Result<(), LookupError> {
    world.ring.at(world.clock.moment()).find(&Locator::ApiKey(digest(n))).map(|_| ())
}

#[test]
fn a_damaged_record_is_damaged_for_whoever_has_not_switched_yet() {
    let world = World::of(Vec::new());
    let (key, intact) = world.key(1, 1, true);
    let Some(Record::WebhookKey(mut record)) = intact.record() else { panic!("not a key") };
    let until = UnixMillis(NOW.0 + 60_000);
    let former = Some(digest(2));
    record.previous =
        Some(PreviousKey { api_key: former, api_key_prefix: None, secret: None, secret_prefix: None, until });
    let payload = Record::WebhookKey(record).encode().unwrap();
    // The same record under the MAC of another namespace.
    let [envelope, forged] = ["ns", "other"].map(|ns| world.decoder.keyring().wrap(ns, &key, &payload));
    world.put((key, inside(world.decoder.decode(key, &envelope))));
    assert_eq!((opens(&world, 1), opens(&world, 2)), (Ok(()), Ok(())));
    let replaced = World::of(vec![(key, inside(world.decoder.decode(key, &forged)))]);
    assert_eq!(opens(&replaced, 1), Err(LookupError::Damaged));
    assert_eq!(opens(&replaced, 2), Err(LookupError::Damaged));
}

/// What a signature that names webhook key `n` in a workspace leads to.
fn named(world: &World, workspace: Uuid, n: u128) -> Result<(), LookupError> {
    let named = SignatureLocator { workspace, key: Some(id(n)) };
    world.ring.at(world.clock.moment()).find(&Locator::Signature(named)).map(|_| ())
}

#[test]
fn a_damaged_key_is_damaged_under_its_id_whatever_workspace_it_claims() {
    const OTHER: Uuid = Uuid::from_u128(9);
    let world = World::of(Vec::new());
    world.put(world.key(1, 1, true));
    assert_eq!((named(&world, WORKSPACE, 1), named(&world, OTHER, 1)), (Ok(()), Err(LookupError::Unknown)));
    let claiming = |workspace, revision| {
        let (key, decoded) = damaged(Kind::WebhookKey, 1, revision, Vec::new(), None);
        let Decoded::Damaged(damaged) = decoded else { panic!("not damaged") };
        (key, Decoded::Damaged(Box::new(Damaged { workspace, ..*damaged })))
    };
    let both = |world: &World| (named(world, WORKSPACE, 1), named(world, OTHER, 1));
    for (revision, workspace) in [(2, None), (3, Some(OTHER)), (4, Some(WORKSPACE))] {
        let record = claiming(workspace, revision);
        let loaded = World::of(vec![record.clone()]);
        world.put(record);
        for world in [&world, &loaded] {
            assert_eq!(both(world), (Err(LookupError::Damaged), Err(LookupError::Damaged)));
        }
    }
    world.put(world.key(1, 5, true));
    assert_eq!(both(&world), (Ok(()), Err(LookupError::Unknown)));
    world.put(claiming(None, 6));
    world.mirror.remove(RecordKey { kind: Kind::WebhookKey, id: id(1) }, 7);
    assert_eq!(both(&world), (Err(LookupError::Unknown), Err(LookupError::Unknown)));
}
