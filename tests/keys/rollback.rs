//! A store that has lost what was seen: what stands in memory, and what the store is to be told.

use countersign::keys::LookupError;
use countersign::keys::decode::Decoded;
use countersign::keys::history::Mark;
use countersign::keys::mirror::Rollback;
use countersign::keys::record::{Kind, RecordKey};
use countersign::store::{AuditMac, Epoch, Position};

use super::{HEAD, World, id};

pub(super) fn key(n: u128) -> RecordKey {
    RecordKey { kind: Kind::WebhookKey, id: id(n) }
}

/// The entry at this place, which changed one record.
fn mark(place: u64, touched: (RecordKey, u64)) -> Mark {
    let mac = AuditMac([u8::try_from(place).unwrap(); 32]);
    Mark { position: Position { major: place, minor: 0 }, mac, touched: Box::from([touched]) }
}

/// The store keeps what was there at the start, and has had these entries and removals since.
fn to_the_start(since: &[(RecordKey, u64)], deleted: &[(RecordKey, u64)]) -> Option<Rollback> {
    let since = since.iter().enumerate().map(|(n, touched)| mark(100 + n as u64, *touched)).collect();
    Some(Rollback { kept: 1, own: Vec::new(), since, deleted: deleted.iter().copied().collect() })
}

impl World {
    /// Changes a record by an entry of the log.
    fn logs(&self, place: u64, record: (RecordKey, Decoded)) {
        let touched = (record.0, record.1.revision());
        self.put(record);
        self.mirror.mark_applied(mark(place, touched));
    }

    fn logs_removal(&self, place: u64, n: u128, revision: u64) {
        self.mirror.remove(key(n), revision);
        self.mirror.mark_applied(mark(place, (key(n), revision)));
    }

    /// What the store is to be told of the record: its revision there, the one it gets, whether it goes.
    fn restores(&self, n: u128) -> Option<(Option<u64>, u64, bool)> {
        let lost = self.mirror.restoration(key(n))?;
        assert!(self.mirror.lost().contains(&key(n)));
        Some((lost.stored, lost.revision, lost.record.is_none()))
    }
}

#[test]
fn a_lost_change_stands_and_is_to_be_restored_until_the_store_has_it() {
    let world = World::of(vec![world_key(1, true), world_key(2, true)]);
    let off = world.key(1, 2, false);
    world.logs(2, off.clone());
    let kept = world.mirror.rebuild_after(
        vec![world.key(1, 1, true), world.key(2, 1, true)],
        HEAD,
        to_the_start(&[], &[]),
    );
    assert_eq!(kept, [key(1)]);
    assert_eq!((world.finds(1), world.finds(2)), (Ok(false), Ok(true)));
    assert_eq!((world.restores(1), world.restores(2)), (Some((Some(1), 2, false)), None));
    // Nobody could write it back, and the log was trimmed meanwhile.
    for _ in 0..2 {
        assert_eq!(world.mirror.rebuild(vec![world.key(1, 1, true), world.key(2, 1, true)], HEAD), [key(1)]);
        assert_eq!(world.finds(1), Ok(false));
        assert_eq!(world.restores(1), Some((Some(1), 2, false)));
    }
    assert_eq!(*world.mirror.losses().borrow(), 1);
    // Another sidecar has restored it.
    world.logs(3, off);
    assert_eq!((world.finds(1), world.restores(1)), (Ok(false), None));
    assert_eq!(*world.mirror.losses().borrow(), 0);
    world.logs(4, world.key(1, 3, true));
    assert_eq!(world.finds(1), Ok(true));
}

/// A record of another world: its secrets are never opened.
fn world_key(n: u128, active: bool) -> (RecordKey, Decoded) {
    World::empty().key(n, 1, active)
}

#[test]
fn a_lost_deletion_stands_whatever_becomes_of_the_older_form() {
    let world = World::of(vec![world_key(1, true)]);
    world.logs_removal(2, 1, 2);
    // It was changed twice on the server that had lost the deletion: its revision is above that of the deletion.
    let since = [(key(1), 2), (key(1), 3)];
    world.mirror.rebuild_after(vec![world.key(1, 3, true)], HEAD, to_the_start(&since, &[]));
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
    assert_eq!(world.restores(1), Some((Some(3), 4, true)));
    world.logs(200, world.key(1, 4, true));
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
    assert_eq!(world.restores(1), Some((Some(4), 5, true)));
    assert_eq!(world.mirror.rebuild(vec![world.key(1, 9, true)], HEAD), [key(1)]);
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
    world.logs_removal(201, 1, 10);
    assert_eq!((world.finds(1), world.restores(1)), (Err(LookupError::Unknown), None));
}

#[test]
fn a_key_that_the_store_has_lost_goes_on_unless_it_was_deleted_since() {
    let made = || {
        let world = World::of(vec![world_key(1, true)]);
        world.logs(2, world.key(2, 1, true));
        world.logs(3, world.key(2, 2, true));
        world
    };
    let world = made();
    assert_eq!(
        world.mirror.rebuild_after(vec![world.key(1, 1, true)], HEAD, to_the_start(&[], &[])),
        [key(2)]
    );
    assert_eq!((world.finds(1), world.finds(2)), (Ok(true), Ok(true)));
    assert_eq!(world.restores(2), Some((None, 2, false)));
    // Restored by another sidecar, and deleted there.
    let world = made();
    let since = [(key(2), 2), (key(2), 3)];
    world.mirror.rebuild_after(Vec::new(), HEAD, to_the_start(&since, &[(key(2), 3)]));
    assert_eq!((world.finds(2), world.restores(2)), (Err(LookupError::Unknown), None));
    // What was there before the loss and is not there now was deleted since.
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
}

#[test]
fn of_two_changes_of_one_record_the_one_that_lets_less_in_stands() {
    for (ours, theirs, stands, restored) in [
        // Revision and whether active: of memory, of the store.
        ((2, false), (2, true), false, Some((Some(2), 3, false))),
        ((2, true), (2, false), false, None),
        ((2, false), (3, true), false, Some((Some(3), 4, false))),
        ((4, true), (2, false), false, None),
        ((3, true), (2, true), true, Some((Some(2), 3, false))),
    ] {
        let world = World::of(vec![world_key(1, true)]);
        for revision in 2..=ours.0 {
            world.logs(revision, world.key(1, revision, ours.1));
        }
        let since: Vec<_> = (2..=theirs.0).map(|revision| (key(1), revision)).collect();
        world.mirror.rebuild_after(vec![world.key(1, theirs.0, theirs.1)], HEAD, to_the_start(&since, &[]));
        assert_eq!(world.finds(1), Ok(stands), "{ours:?} {theirs:?}");
        assert_eq!(world.restores(1), restored, "{ours:?} {theirs:?}");
    }
}

#[test]
fn a_commit_that_the_log_has_not_brought_is_remembered() {
    let world = World::of(vec![world_key(1, true)]);
    world.mirror.mark_committed(HEAD.epoch, mark(5, (key(1), 2)));
    // What was committed in another life of the namespace is none of this one's.
    world.mirror.mark_committed(Epoch(id(99)), mark(5, (key(9), 1)));
    world.put(world.key(1, 2, false));
    assert_eq!(world.mirror.ahead().len(), 1);
    // Another's entry before it.
    world.logs(4, world.key(3, 1, true));
    assert_eq!(world.mirror.ahead().len(), 1);
    assert_eq!(world.mirror.places().len(), 2);
    // One more on the server that has lost the first, before anybody has noticed.
    world.mirror.mark_committed(HEAD.epoch, mark(6, (key(3), 2)));
    world.put(world.key(3, 2, true));
    let lost = Some(Rollback { kept: 2, own: vec![AuditMac([5; 32])], ..Rollback::default() });
    world.mirror.rebuild_after(vec![world.key(1, 1, true), world.key(3, 2, true)], HEAD, lost);
    assert_eq!((world.finds(1), world.finds(3)), (Ok(false), Ok(true)));
    assert_eq!((world.restores(1), world.restores(3)), (Some((Some(1), 2, false)), None));
    // And one that it has brought is certain.
    assert_eq!(world.mirror.ahead().len(), 1);
    world.mirror.mark_applied(mark(6, (key(3), 2)));
    assert_eq!(world.mirror.ahead(), []);
}

#[test]
fn an_older_form_does_not_come_back_behind_a_damaged_one() {
    let world = World::of(vec![world_key(1, true)]);
    world.logs(2, world.key(1, 2, false));
    let damaged = super::damaged::damaged_key(1);
    world.mirror.rebuild(vec![damaged], HEAD);
    assert_eq!(world.finds(1), Err(LookupError::Damaged));
    assert_eq!(world.mirror.rebuild(vec![world.key(1, 1, true)], HEAD), [key(1)]);
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
    world.mirror.rebuild(vec![world.key(1, 2, false)], HEAD);
    assert_eq!(world.finds(1), Ok(false));
}
