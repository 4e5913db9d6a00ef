//! The check of a chain that begins with a checkpoint, on both stores, against whoever can write them but has no key.

use std::sync::Arc;

use countersign::clock::UnixMillis;
use countersign::store::audit::chain::{Fault, Piece, walk};
use countersign::store::audit::checkpoint::{Checkpoint, Judged};
use countersign::store::seal::Keyring;
use countersign::store::{AuditLink, AuditMac, Change, Position, Trim};
use data_encoding::HEXLOWER;
use serde_json::json;

use super::chain::{Kept, Place, add, at, event, whole};
use crate::support::redis::{keyring, keyring_of};

/// Removes the first events of this number, as retention does.
async fn trim(place: &Place, keyring: &Keyring, events: usize) {
    let store = place.open();
    let (expected, epoch) = (store.checkpoint().await.unwrap(), store.life().await.unwrap().epoch);
    let before = match Judged::of(expected.as_deref(), (place.namespace(), keyring), epoch) {
        Judged::Holds(checkpoint) => checkpoint.removed,
        Judged::Absent => 0,
        other => panic!("{other:?}"),
    };
    let entries = store.audit(Position::default(), events).await.unwrap();
    let (through, mac, _) = entries.last().unwrap().clone();
    let checkpoint = Checkpoint {
        namespace: place.namespace().to_owned(),
        epoch: epoch.0,
        removed: before + events as u64,
        major: through.major,
        minor: through.minor,
        head: HEXLOWER.encode(&mac.0),
        last_at: UnixMillis(1_767_225_600_000),
        at: UnixMillis(1_798_761_600_000),
        source: None,
        kek: keyring.seal_with().to_owned(),
    };
    let sealed = checkpoint.sealed(keyring).unwrap();
    let trim = Trim { expected, checkpoint: sealed, events: events as u64, through, mac };
    let mut event = event(keyring, 1000);
    event["action"] = json!("audit.trimmed");
    event["metadata"] = json!({ "removedInAll": checkpoint.removed });
    let (event, previous) = (event.to_string().into_bytes(), store.head().await.unwrap().mac);
    let link = AuditLink { previous, mac: keyring.audit_mac(&previous, &event), event: Arc::from(event) };
    store.commit(Change { trim: Some(trim), ..Change::default() }, link).await.unwrap();
}

async fn checkpoint(place: &Place) -> Vec<u8> {
    place.open().checkpoint().await.unwrap().unwrap().to_vec()
}

/// A log of which four events were removed, in two steps; the first checkpoint, and the events that stood by then.
async fn trimmed(place: Place) -> (Place, Vec<u8>, Vec<Kept>) {
    let place = place.filled(8, &keyring()).await;
    trim(&place, &keyring(), 2).await;
    let (first, by_then) = (checkpoint(&place).await, place.read());
    trim(&place, &keyring(), 2).await;
    (place, first, by_then)
}

/// What the check says once `tamper` has been at such a log: the faults, and the index of the event of each.
async fn tampered(tamper: impl Fn(&Place, &[u8], &[Kept])) -> Vec<Vec<(Fault, Option<usize>)>> {
    let mut found = Vec::new();
    for place in Place::both() {
        let (place, first, by_then) = trimmed(place).await;
        let before = place.read();
        tamper(&place, &first, &by_then);
        let piece = whole(&place, &keyring(), None).await;
        found.push(at(&piece.findings, &before));
    }
    found
}

#[tokio::test]
async fn a_trimmed_log_holds_from_its_checkpoint_on() {
    for place in Place::both() {
        let (place, ..) = trimmed(place).await;
        let piece = whole(&place, &keyring(), None).await;
        assert_eq!((piece.checked, piece.broken, piece.events), (6, 0, 6), "{:?}", piece.findings);
        assert_eq!(piece.retentions, [2, 4]);
        let shown = piece.checkpoint.unwrap();
        assert_eq!((shown.verified, shown.removed), (true, 4));
        assert_eq!((&*shown.last_at, &*shown.at), ("2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"));
        // The head at which it was cut is one that the log has.
        let cut = AuditMac(HEXLOWER.decode(shown.head.as_bytes()).unwrap().try_into().unwrap());
        assert!(whole(&place, &keyring(), Some(cut)).await.head_found);
        assert!(!whole(&place, &keyring(), Some(AuditMac([7; 32]))).await.head_found);
    }
}

#[tokio::test]
async fn a_walk_that_is_overtaken_by_retention_goes_on_from_the_checkpoint() {
    for place in Place::both() {
        let place = place.filled(8, &keyring()).await;
        let side = (place.namespace(), &*keyring());
        let store = place.open();
        let first = walk(&*store, side, None, None, 2).await.unwrap();
        drop(store);
        trim(&place, &keyring(), 5).await;
        let rest = walk(&*place.open(), side, first.next, None, 100).await.unwrap();
        assert_eq!((rest.checked, rest.broken), (4, 0), "{:?}", rest.findings);
        assert_eq!((rest.checkpoint.unwrap().removed, rest.retentions), (5, vec![5]));
    }
}

#[tokio::test]
async fn events_that_are_removed_without_a_checkpoint_are_missed() {
    // Behind a checkpoint, and where there is none: see the checks of a log without one.
    let found = tampered(|place, _, _| {
        let kept = place.read();
        place.write(&kept[1..]);
    });
    assert_eq!(found.await, [[(Fault::Broken, Some(1))], [(Fault::Broken, Some(1))]]);
    let found = tampered(|place, _, _| place.set_checkpoint(None)).await;
    assert_eq!(found, [[(Fault::Broken, Some(0))], [(Fault::Broken, Some(0))]]);
}

#[tokio::test]
async fn a_checkpoint_that_nobody_signed_is_named() {
    for place in Place::both() {
        let (place, ..) = trimmed(place).await;
        let good = String::from_utf8(checkpoint(&place).await).unwrap();
        let before = place.read();
        // The next event is removed as well, and the checkpoint made to say so.
        place.write(&before[1..]);
        let shown = whole(&place, &keyring(), None).await.checkpoint.unwrap();
        let next = HEXLOWER.encode(&before[0].1);
        for forged in [
            good.replace("\"removed\":4", "\"removed\":5").replace(&shown.head, &next),
            "nothing that can be read".to_owned(),
            String::new(),
        ] {
            place.set_checkpoint(Some(forged.as_bytes()));
            let piece = whole(&place, &keyring(), None).await;
            let found = at(&piece.findings, &before);
            assert_eq!(found, [(Fault::Checkpoint, None), (Fault::Broken, Some(1))], "{forged}");
            assert_eq!(piece.checkpoint, None);
        }
    }
}

#[tokio::test]
async fn an_older_checkpoint_put_back_shows_what_is_missing_in_between() {
    let found = tampered(|place, first, _| place.set_checkpoint(Some(first))).await;
    assert_eq!(found, [[(Fault::Broken, Some(0))], [(Fault::Broken, Some(0))]]);
}

#[tokio::test]
async fn events_put_back_before_the_checkpoint_are_named() {
    let found = tampered(|place, _, by_then| {
        let mut kept = place.read();
        kept.insert(0, by_then[1].clone());
        place.write(&kept);
    });
    assert_eq!(found.await, [[(Fault::Checkpoint, None)], [(Fault::Checkpoint, None)]]);
}

#[tokio::test]
async fn a_checkpoint_of_another_namespace_or_life_is_refused() {
    for place in Place::both() {
        let (place, ..) = trimmed(place).await;
        let before = place.read();
        let (other, ..) = trimmed(Place::Redis(crate::support::redis::namespace())).await;
        place.set_checkpoint(Some(&checkpoint(&other).await));
        let piece = whole(&place, &keyring(), None).await;
        assert_eq!(at(&piece.findings, &before), [(Fault::Checkpoint, None), (Fault::Broken, Some(0))]);
    }
}

#[tokio::test]
async fn an_end_cut_off_behind_the_last_retention_lacks_its_event() {
    for place in Place::both() {
        let (place, ..) = trimmed(place).await;
        let kept = place.read();
        // All but the first event that was left; the stored head is set back to it.
        place.write(&kept[..1]);
        place.set_head(&kept[0]);
        let Piece { broken, checkpoint, retentions, .. } = whole(&place, &keyring(), None).await;
        assert_eq!((broken, checkpoint.unwrap().removed, retentions), (0, 4, Vec::new()));
    }
}

#[tokio::test]
async fn a_checkpoint_under_a_key_that_is_not_at_hand_is_never_called_valid() {
    let both = [("k1", 'a'), ("k2", 'b')];
    for place in Place::both() {
        let (place, ..) = trimmed(place).await;
        let store = place.open();
        add(&*store, &keyring_of(&both, "k2"), 9).await;
        drop(store);
        let piece = whole(&place, &keyring_of(&both[1..], "k2"), None).await;
        let shown = piece.checkpoint.unwrap();
        assert_eq!((shown.verified, &*shown.kek, piece.checked, piece.unverified["k1"]), (false, "k1", 1, 6));
        assert!(whole(&place, &keyring_of(&both, "k2"), None).await.checkpoint.unwrap().verified);
    }
}
