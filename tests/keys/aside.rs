//! What is known of changes that a key set which was being read has not come to.

use countersign::keys::LookupError;
use countersign::keys::history::Mark;
use countersign::store::{AuditMac, Head, Position};

use super::rollback::key;
use super::{HEAD, World};

fn place(major: u64) -> Position {
    Position { major, minor: 0 }
}

#[test]
fn what_was_revoked_while_a_key_set_was_read_stands_and_is_no_loss() {
    let world = World::empty();
    let old = || vec![world.key(1, 1, true), world.key(2, 1, true), world.key(3, 1, true)];
    world.mirror.rebuild(old(), HEAD);
    world.ring.record_contact();
    world.mirror.remove(key(1), 2);
    world.mirror.mark_ahead(key(1), place(7));
    world.put(world.key(2, 2, false));
    world.mirror.mark_ahead(key(2), place(8));
    let revoked = || (world.finds(1), world.finds(2), world.finds(3));
    let expected = (Err(LookupError::Unknown), Ok(false), Ok(true));
    assert_eq!(revoked(), expected);
    assert_eq!(world.mirror.rebuild(old(), Head { position: place(6), ..HEAD }), []);
    assert_eq!(revoked(), expected);
    assert_eq!(world.mirror.lost(), []);
    // A store that still has not had them when it is read again has lost them.
    assert_eq!(world.mirror.rebuild(old(), Head { position: place(9), ..HEAD }), [key(1), key(2)]);
    assert_eq!(revoked(), expected);
    assert_eq!(world.mirror.lost(), [key(1), key(2)]);
}

#[test]
fn what_the_store_lacks_at_a_place_behind_the_revocation_is_lost() {
    let world = World::of(vec![]);
    let old = || vec![world.key(1, 1, true)];
    world.mirror.rebuild(old(), HEAD);
    world.mirror.remove(key(1), 2);
    world.mirror.mark_ahead(key(1), place(7));
    assert_eq!(world.mirror.rebuild(old(), Head { position: place(7), ..HEAD }), [key(1)]);
    assert_eq!(world.finds(1), Err(LookupError::Unknown));
}

#[test]
fn what_this_process_changed_while_a_key_set_was_read_stands_and_is_no_loss() {
    let world = World::of(vec![]);
    let old = || vec![world.key(1, 1, true), world.key(2, 1, true)];
    world.mirror.rebuild(old(), HEAD);
    world.mirror.remove(key(1), 2);
    world.put(world.key(2, 2, false));
    world.put(world.key(3, 1, true));
    for (at, changed) in [(5, (key(1), 2)), (6, (key(2), 2)), (7, (key(3), 1))] {
        let mark = Mark { position: place(at), mac: AuditMac([9; 32]), touched: Box::from([changed]) };
        world.mirror.mark_committed(HEAD.epoch, mark);
    }
    assert_eq!(world.mirror.rebuild(old(), Head { position: place(4), ..HEAD }), []);
    let found = (world.finds(1), world.finds(2), world.finds(3));
    assert_eq!(found, (Err(LookupError::Unknown), Ok(false), Ok(true)));
    assert_eq!(world.mirror.lost(), []);
}
