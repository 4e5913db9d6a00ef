//! Many records and many changes: whichever way they arrive, they come to the same.

use std::sync::atomic::{AtomicBool, Ordering};

use countersign::keys::LookupError;
use countersign::keys::decode::Decoded;
use countersign::keys::mirror::Mirror;
use countersign::keys::record::RecordKey;

use super::{HEAD, World, id};

#[test]
fn five_thousand_records_are_found_and_no_other() {
    let world = World::empty();
    let records: Vec<_> = (0..5000).map(|n| world.key(n, 1, n % 2 == 0)).collect();
    world.mirror.rebuild(records, HEAD);
    world.ring.record_contact();
    for n in 0..5000 {
        assert_eq!(world.finds(n), Ok(n % 2 == 0));
    }
    for n in 5000..5100 {
        assert_eq!(world.finds(n), Err(LookupError::Unknown));
    }
    assert_eq!(world.tried().unwrap(), [id(0), id(2), id(4), id(6)], "the oldest active, four of them");
    assert_eq!(world.mirror.counts().webhook_keys, 5000);
}

#[test]
fn every_key_is_found_while_a_set_grows_key_by_key_and_shrinks_again() {
    const KEYS: u128 = 400;
    let world = World::of(Vec::new());
    for n in 0..KEYS {
        let (key, decoded) = world.key(n, 1, true);
        world.mirror.put(key, decoded);
        assert_eq!((0..=n).find(|known| world.finds(*known) != Ok(true)), None, "after {n}");
        assert_eq!(world.finds(n + 1), Err(LookupError::Unknown));
    }
    for n in 0..KEYS {
        let (key, _) = world.key(n, 1, true);
        world.mirror.remove(key, 1);
        assert_eq!(world.finds(n), Err(LookupError::Unknown));
        assert_eq!((n + 1..KEYS).find(|known| world.finds(*known) != Ok(true)), None, "without {n}");
    }
}

/// A stream of numbers that is the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[derive(Clone)]
enum Change {
    Put((RecordKey, Decoded)),
    Removed(RecordKey, u64),
}

fn apply(mirror: &Mirror, change: Change) {
    match change {
        Change::Put((key, decoded)) => mirror.put(key, decoded),
        Change::Removed(key, revision) => mirror.remove(key, revision),
    }
}

#[test]
fn a_thousand_changes_by_the_log_in_any_order_are_what_a_snapshot_says() {
    for seed in [1, 2, 3] {
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15 ^ seed);
        let by_log = World::of(Vec::new());
        let mut stored: Vec<Option<(u64, bool)>> = vec![None; 120];
        let mut removed = [false; 120];
        let mut log = Vec::new();
        while log.len() < 1000 {
            let n = usize::try_from(numbers.below(120)).unwrap();
            if removed[n] {
                continue;
            }
            let revision = stored[n].map_or(1, |(revision, _)| revision + 1);
            let (key, _) = by_log.key(n as u128, 1, true);
            if stored[n].is_some() && numbers.below(25) == 0 {
                stored[n] = None;
                removed[n] = true;
                log.push(Change::Removed(key, revision));
            } else {
                let active = numbers.below(2) == 0;
                stored[n] = Some((revision, active));
                log.push(Change::Put(by_log.key(n as u128, revision, active)));
            }
        }
        log.iter().cloned().for_each(|change| apply(&by_log.mirror, change));

        let any_order = World::of(Vec::new());
        for _ in 0..2 {
            for last in (1..log.len()).rev() {
                log.swap(last, usize::try_from(numbers.below(last as u64 + 1)).unwrap());
            }
            log.iter().cloned().for_each(|change| apply(&any_order.mirror, change));
        }

        let present = stored.iter().enumerate().filter_map(|(n, stored)| Some((n as u128, (*stored)?)));
        let snapshot = present.map(|(n, (revision, active))| by_log.key(n, revision, active)).collect();
        let by_snapshot = World::of(snapshot);

        for world in [&by_log, &any_order] {
            assert_eq!(world.listed(), by_snapshot.listed(), "seed {seed}");
            assert_eq!(world.tried(), by_snapshot.tried(), "seed {seed}");
            for (n, stored) in stored.iter().enumerate() {
                let expected = stored.map(|(_, active)| active).ok_or(LookupError::Unknown);
                assert_eq!(world.finds(n as u128), expected, "seed {seed}, key {n}");
                assert_eq!(by_snapshot.finds(n as u128), expected, "seed {seed}, key {n}");
            }
        }
    }
}

#[test]
fn a_record_that_is_changed_is_found_all_through_the_change() {
    const CHANGES: u64 = 3000;
    let world = World::of(Vec::new());
    world.put(world.key(1, 1, true));
    world.put(world.integration(2, 1, "hook"));
    let changes = (2..CHANGES).map(|n| [world.key(1, n, true), world.integration(2, n, "hook")]);
    let changes: Vec<_> = changes.flatten().collect();
    let done = AtomicBool::new(false);
    let lookups = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut lookups = 0_u64;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(world.finds(1), Ok(true), "after {lookups} lookups");
                assert_eq!(world.tried().unwrap(), [id(1)], "after {lookups} lookups");
                assert!(world.finds_hook("hook").is_ok(), "after {lookups} lookups");
                lookups += 1;
            }
            lookups
        });
        changes.into_iter().for_each(|change| world.put(change));
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(lookups > 0);
}
