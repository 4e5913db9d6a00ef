//! What a digest leads to, also where hashes collide.

use std::sync::Arc;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{CROWDED, Digests, Draft, LANES, NO_TAG, ROOM, SPARSE, Shard};
use crate::clock::UnixMillis;
use crate::keys::LookupError::{self, Damaged, Unknown};
use crate::keys::entry::{KeyEntry, Which};
use crate::keys::held::HeldKey;
use crate::keys::indexes::Held;
use crate::keys::record::ApiKeyDigest;
use crate::secret::Secret;
use crate::verify::scheme::preset;

const NOW: UnixMillis = UnixMillis(1000);

fn digest(number: usize) -> ApiKeyDigest {
    ApiKeyDigest(Sha256::digest(number.to_be_bytes()).into())
}

/// A key, and until when the one before it is valid.
fn key(current: ApiKeyDigest, previous: Option<(ApiKeyDigest, i64)>) -> Arc<KeyEntry> {
    let previous = previous.map(|(digest, until)| json!({ "apiKey": digest, "until": until }));
    let record = json!({
        "id": "01900000-0000-7000-8000-000000000001", "revision": 7, "createdAt": 1, "updatedAt": 2,
        "managedBy": "api", "workspaceId": "01900000-0000-7000-8000-000000000002", "name": "key",
        "apiKey": current, "apiKeyPrefix": "wk_12345...", "secretPrefix": "...",
        "secret": { "kek": "2026-01", "version": 3, "data": "AAECAwQFBgc=" },
        "scheme": "signed-request", "requireKeyId": false, "isActive": true, "previous": previous,
    });
    let record = HeldKey::of(serde_json::from_value(record).unwrap()).unwrap();
    let scheme = preset("signed-request").unwrap();
    let secret = scheme.prepare(&Secret::from_text("unit-secret-0123456789abcdef")).unwrap();
    Arc::new(KeyEntry::new(record, Arc::clone(scheme), secret, None))
}

fn intact(number: usize) -> (ApiKeyDigest, Held<KeyEntry>) {
    (digest(number), Held::Intact(key(digest(number), None)))
}

fn index(numbers: impl IntoIterator<Item = usize>) -> Digests {
    Digests::from_entries(numbers.into_iter().map(intact).collect())
}

/// A shard of these numbers, all of one tag.
fn alike(tag: u32, numbers: &[usize]) -> Draft {
    let mut draft = Draft { slots: Vec::new(), damaged: Vec::new() };
    for number in numbers {
        let (digest, held) = intact(*number);
        draft.set(tag, digest, held);
    }
    draft
}

/// Whether a digest leads to its own entry; `None` = to none at all.
fn leads(shard: &Shard, tag: u32, number: usize) -> Option<bool> {
    shard.nearest(tag, &digest(number)).map(|slot| slot.stands_for(&digest(number)))
}

fn look(index: &Digests, digest: &ApiKeyDigest) -> Result<(Arc<KeyEntry>, Which), LookupError> {
    index.look(digest, NOW).found()
}

#[test]
fn every_key_is_found_however_many_there_are_and_no_other() {
    for count in [0, 1, 2, LANES - 1, LANES, LANES + 1, ROOM, 5000] {
        let index = index(0..count);
        for number in 0..count {
            let (entry, which) = look(&index, &digest(number)).unwrap();
            assert_eq!((entry.record.api_key, which), (digest(number), Which::Current));
        }
        for number in count..count + 1000 {
            assert_eq!(look(&index, &digest(number)).unwrap_err(), Unknown);
        }
    }
}

#[test]
fn a_key_is_found_by_its_former_digest_until_that_ends() {
    let former = |until| {
        let entry = key(digest(1), Some((digest(2), until)));
        let index = index(3..6);
        index.insert(digest(1), Held::Intact(Arc::clone(&entry)));
        index.insert(digest(2), Held::Intact(entry));
        assert_eq!(look(&index, &digest(1)).unwrap().1, Which::Current);
        assert!(matches!(index.get(&digest(2)), Some(Held::Intact(_))));
        look(&index, &digest(2)).map(|(_, which)| which)
    };
    assert_eq!(former(1001), Ok(Which::Previous));
    assert_eq!(former(1000), Err(Unknown));
}

#[test]
fn a_former_digest_that_is_the_current_one_too_does_not_end() {
    let entry = key(digest(1), Some((digest(1), 0)));
    let both = [(digest(1), Held::Intact(Arc::clone(&entry))), (digest(1), Held::Intact(entry))];
    let index = Digests::from_entries(both.to_vec());
    assert_eq!(look(&index, &digest(1)).unwrap().1, Which::Current);
}

#[test]
fn digests_of_one_tag_are_each_found_and_removed_by_themselves() {
    let shard = alike(7, &[1, 2, 3]).finish();
    for number in 1..4 {
        assert_eq!(leads(&shard, 7, number), Some(true));
    }
    assert_eq!(leads(&shard, 7, 4), Some(false));
    let mut draft = shard.draft();
    draft.unset(7, &digest(2));
    let shard = draft.finish();
    assert_eq!([1, 2, 3].map(|number| leads(&shard, 7, number)), [Some(true), Some(false), Some(true)]);
}

#[test]
fn both_digests_of_a_key_may_have_one_tag() {
    let entry = key(digest(1), Some((digest(2), 1001)));
    let mut draft = alike(7, &[]);
    draft.set(7, digest(1), Held::Intact(Arc::clone(&entry)));
    draft.set(7, digest(2), Held::Intact(entry));
    draft.unset(7, &digest(2));
    let shard = draft.finish();
    assert_eq!((leads(&shard, 7, 1), leads(&shard, 7, 2)), (Some(true), Some(false)));
}

#[test]
fn what_is_not_held_leads_to_something_that_is() {
    // In a set of one key, too: it is its own decoy.
    let one = index([1]);
    let shard = one.shards[0].load();
    assert!((2..100).all(|number| leads(&shard, one.place(&digest(number)).1, number) == Some(false)));
    // And with a full line, and one that is hardly begun.
    for tag in [NO_TAG + 1, 1 << 31, u32::MAX] {
        for count in [LANES, LANES + 1] {
            let shard = alike(7, &(0..count).collect::<Vec<_>>()).finish();
            assert_eq!(leads(&shard, tag, 99), Some(false));
        }
    }
}

#[test]
fn every_key_is_the_decoy_of_some() {
    let index = index(0..ROOM);
    let shard = index.shards[0].load();
    let mut met: Vec<_> = (ROOM..20 * ROOM)
        .map(|number| shard.nearest(index.place(&digest(number)).1, &digest(number)).unwrap())
        .map(|slot| Arc::as_ptr(&slot.entry))
        .collect();
    met.sort();
    met.dedup();
    assert_eq!(met.len(), ROOM);
}

#[test]
fn what_is_inserted_last_stands() {
    let index = index([1]);
    for _ in 0..2 {
        index.insert(digest(1), Held::Damaged);
        assert_eq!(look(&index, &digest(1)).unwrap_err(), Damaged);
        assert!(matches!(index.get(&digest(1)), Some(Held::Damaged)));
        let entry = key(digest(1), None);
        index.insert(digest(1), Held::Intact(Arc::clone(&entry)));
        assert!(Arc::ptr_eq(&look(&index, &digest(1)).unwrap().0, &entry));
    }
    index.remove(&digest(1));
    assert_eq!(look(&index, &digest(1)).unwrap_err(), Unknown);
    assert!(index.get(&digest(1)).is_none());
}

#[test]
fn a_damaged_record_is_damaged_among_intact_ones_and_alone() {
    for others in [0, 10] {
        let index = index(1..=others);
        index.insert(digest(0), Held::Damaged);
        assert_eq!(look(&index, &digest(0)).unwrap_err(), Damaged);
        assert_eq!(look(&index, &digest(99)).unwrap_err(), Unknown);
        index.remove(&digest(0));
        assert_eq!(look(&index, &digest(0)).unwrap_err(), Unknown);
        assert!((1..=others).all(|number| look(&index, &digest(number)).is_ok()));
    }
}

#[test]
fn there_are_as_many_shards_as_the_keys_need() {
    let mut grown = Digests::new();
    let resize = |index: &mut Digests| {
        if let Some(resized) = index.resized() {
            *index = resized;
        }
    };
    for number in 0..3000 {
        let held = if number % 10 == 0 { Held::Damaged } else { intact(number).1 };
        // Twice: one value takes the room of one.
        grown.insert(digest(number), held.clone());
        grown.insert(digest(number), held);
        resize(&mut grown);
        assert!(number < CROWDED * grown.shards.len());
    }
    assert!(3000 >= SPARSE * grown.shards.len());
    assert!(grown.resized().is_none(), "it is of the size it needs");
    for number in 0..3000 {
        assert_eq!(matches!(grown.get(&digest(number)), Some(Held::Damaged)), number % 10 == 0);
        assert_eq!(look(&grown, &digest(number)).err(), (number % 10 == 0).then_some(Damaged));
    }
    for number in (1..3000).rev() {
        grown.remove(&digest(number));
        resize(&mut grown);
        assert!(grown.shards.len() == 1 || number >= SPARSE * grown.shards.len());
        assert!(matches!(grown.get(&digest(0)), Some(Held::Damaged)));
    }
}
