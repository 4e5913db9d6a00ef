//! The power goes at any moment of opening, committing and closing: what was acknowledged is there afterwards.
//!
//! How often is COUNTERSIGN_TEST_POWER_CUTS, 60 unless set; `tests/run --chaos` sets more. A failure names the
//! seed and the number of the cut.

use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, Plan, Random};
use super::model::Model;
use super::{keyring, on_disk, place};
use crate::store::staging::{Installed, Mark, Staged, Staging};
use crate::store::{AuditMac, Epoch, Position, Store, StoreError};

/// Commits in a session that nothing cuts off.
const COMMITS: usize = 3;
/// Cuts that one file lives through before the next one begins.
const LIFE: usize = 100;
/// Where all random numbers come from.
const SEED: u64 = 0x5eed;

fn cuts() -> usize {
    let set = std::env::var_os("COUNTERSIGN_TEST_POWER_CUTS");
    set.map_or(60, |count| count.to_str().unwrap().parse().expect("COUNTERSIGN_TEST_POWER_CUTS is a number"))
}

/// What a session came to.
#[derive(Default)]
struct Tally {
    opening: usize,
    committing: usize,
    closing: usize,
    made: usize,
    acknowledged: usize,
    events: usize,
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_or_unaudited_by_a_power_cut() {
    let mut random = Random::new(SEED);
    let mut tally = Tally::default();
    let cuts = cuts();
    let mut number = 0;
    while number < cuts {
        let (_dir, path) = place();
        let disk = Disk::new();
        let mut model = Model::new(keyring(), SEED + number as u64);
        let store = on_disk(&path, &disk).unwrap();
        store.init().await.unwrap();
        for _ in 0..10 {
            model.commit(&store).await.unwrap();
        }
        drop(store);
        for _ in 0..LIFE.min(cuts - number) {
            // Every operation has its turn: as many as a session of this file has now.
            disk.plan(Plan::Well);
            let store = on_disk(&path, &disk).unwrap();
            for _ in 0..COMMITS {
                model.commit(&store).await.unwrap();
            }
            drop(store);
            let operations = disk.done();
            disk.plan(Plan::Crash(1 + (number as u64 * 7) % operations));
            let before = model.acknowledged();
            session(&path, &disk, &mut model, &mut tally).await;
            tally.acknowledged += COMMITS + model.acknowledged() - before;
            disk.crash(&mut random);
            if number % 4 == 3 {
                // Again while it recovers: it must still be able to.
                disk.plan(Plan::Crash(1 + random.below(12) as u64));
                drop(on_disk(&path, &disk));
                disk.crash(&mut random);
            }
            let store = on_disk(&path, &disk).unwrap_or_else(|why| panic!("cut {number}: {why}"));
            let known = model.acknowledged();
            model.check(&store).await.unwrap_or_else(|why| panic!("cut {number}: {why}"));
            tally.made += model.acknowledged() - known;
            drop(store);
            number += 1;
        }
        tally.events += model.acknowledged();
    }
    println!(
        "{number} power cuts ({} while opening, {} while committing, {} while closing; one in four again while \
         recovering): {} acknowledged writes, none lost; {} writes cut off, {} of them made; {} events, each \
         with its record and log entry, every chain unbroken",
        tally.opening,
        tally.committing,
        tally.closing,
        tally.acknowledged,
        tally.committing,
        tally.made,
        tally.events,
    );
}

/// Opens, commits, closes, until the power goes. Nothing of it panics.
async fn session(path: &Path, disk: &Disk, model: &mut Model, tally: &mut Tally) {
    let store = match on_disk(path, disk) {
        Ok(store) => store,
        Err(why) => {
            assert!(disk.is_off(), "{why}");
            calm(&why);
            tally.opening += 1;
            return;
        }
    };
    for _ in 0..COMMITS {
        if let Err(why) = model.commit(&store).await {
            assert!(disk.is_off(), "{why}");
            calm(&why);
            tally.committing += 1;
            return;
        }
    }
    drop(store);
    tally.closing += 1;
}

/// A key set of this many records.
const SET: u64 = 60;

/// Stages a set and puts it in place, until the power goes.
async fn import(path: &Path, disk: &Disk) -> Result<(), StoreError> {
    let store = on_disk(path, disk)?;
    let mark = Mark::new_v4();
    store.stage(mark, Staging::Begin).await?;
    for batch in 0..2 {
        let record = |n: u64| Staged {
            key: super::key((batch * SET / 2 + n).into()),
            revision: 3,
            envelope: Arc::from(vec![7; 900]),
            claims: vec![format!("name/{batch}/{n}")],
        };
        store.stage(mark, Staging::Add((0..SET / 2).map(record).collect())).await?;
    }
    let audit = super::link(AuditMac::default(), 1);
    let epoch = Epoch(uuid::Uuid::from_u128(2));
    let continues = Epoch(uuid::Uuid::from_u128(1));
    store.stage(mark, Staging::Install(Installed { records: SET, epoch, continues, audit })).await
}

#[tokio::test]
async fn a_key_set_that_is_cut_off_on_its_way_in_is_no_key_set() {
    let mut random = Random::new(SEED);
    let (_dir, path) = place();
    let fresh = Disk::new();
    drop(on_disk(&path, &fresh).unwrap());
    let whole = fresh.copy();
    whole.plan(Plan::Well);
    import(&path, &whole).await.unwrap();
    let operations = whole.done();
    let (mut nothing, mut all) = (0, 0);
    for at in 1..=operations {
        let disk = fresh.copy();
        disk.plan(Plan::Crash(at));
        let cut_off = import(&path, &disk).await;
        disk.crash(&mut random);
        let store = on_disk(&path, &disk).unwrap();
        match store.life().await {
            Err(StoreError::Uninitialised) => {
                assert!(cut_off.is_err(), "it was acknowledged");
                nothing += 1;
                drop(store);
                import(&path, &disk).await.unwrap();
            }
            life => {
                assert_eq!(life.unwrap().epoch, Epoch(uuid::Uuid::from_u128(2)));
                all += 1;
                drop(store);
            }
        }
        let store = on_disk(&path, &disk).unwrap();
        assert_eq!(store.count().await.unwrap(), SET);
        assert_eq!(store.audit(Position::default(), 10).await.unwrap().len(), 1);
    }
    println!(
        "an import cut off at each of {operations} operations: {nothing} times nothing, {all} times all"
    );
    assert!(nothing > 10 && all > 0);
}

fn calm(why: &StoreError) {
    assert!(!why.to_string().contains("panicked"), "{why}");
}
