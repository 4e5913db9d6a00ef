//! A disk that is full or broken at every single operation: said clearly, nothing lost, well again by itself.

use std::path::Path;

use rustix::io::Errno;

use super::super::EmbeddedStore;
use super::disk::{Disk, Plan};
use super::model::Model;
use super::{keyring, on_disk, place};
use crate::store::{Store, StoreError};

/// Commits in a session.
const COMMITS: usize = 2;

/// A disk with a store on it, and what was acknowledged there.
async fn template(path: &Path) -> (Disk, Model) {
    let disk = Disk::new();
    let mut model = Model::new(keyring(), 1);
    let store = on_disk(path, &disk).unwrap();
    store.init().await.unwrap();
    for _ in 0..10 {
        model.commit(&store).await.unwrap();
    }
    drop(store);
    (disk, model)
}

/// What a fault must be called.
fn is_named(errno: Errno, why: &StoreError) -> bool {
    let unknown = matches!(why, StoreError::Unavailable(why) if why.contains("outcome is unknown"));
    match why {
        StoreError::Full(_) => errno == Errno::NOSPC,
        StoreError::Unavailable(_) => unknown || errno == Errno::IO,
        _ => false,
    }
}

/// What happened at one operation.
#[derive(Default)]
struct Tally {
    places: u64,
    refused: usize,
    read_meanwhile: usize,
    not_read_meanwhile: usize,
}

/// Runs a session over a fault at each of its operations, one after the other.
async fn at_every_operation(errno: Errno, plan: impl Fn(u64) -> Plan) -> Tally {
    let mut tally = Tally::default();
    let (_dir, path) = place();
    let (template, written) = template(&path).await;
    loop {
        let at = tally.places + 1;
        let (disk, mut model) = (template.copy(), written.clone());
        disk.plan(plan(at));
        let (store, refused) = faulty_session(&path, &disk, &mut model, errno, &mut tally).await;
        if refused == 0 && disk.done() < at {
            return tally;
        }
        tally.places = at;
        tally.refused += refused;
        // There is room again, or another disk: no restart is needed.
        disk.plan(Plan::Well);
        model.check(&store).await.unwrap_or_else(|why| panic!("operation {at}: {why}"));
        model.commit(&store).await.unwrap_or_else(|why| panic!("operation {at}: {why}"));
        drop(store);
        let store = on_disk(&path, &disk).unwrap_or_else(|why| panic!("operation {at}: {why}"));
        model.check(&store).await.unwrap_or_else(|why| panic!("operation {at}: {why}"));
    }
}

async fn faulty_session(
    path: &Path,
    disk: &Disk,
    model: &mut Model,
    errno: Errno,
    tally: &mut Tally,
) -> (EmbeddedStore, usize) {
    let mut refused = 0;
    let mut judge = |why: &StoreError| {
        assert!(is_named(errno, why), "{why:?}");
        assert!(!why.to_string().contains("panicked"), "{why}");
        refused += 1;
    };
    let store = match on_disk(path, disk) {
        Ok(store) => store,
        Err(why) => {
            judge(&why);
            disk.plan(Plan::Well);
            return (on_disk(path, disk).unwrap(), refused);
        }
    };
    for _ in 0..COMMITS {
        if let Err(why) = model.commit(&store).await {
            judge(&why);
            match model.check(&store).await {
                Ok(()) => tally.read_meanwhile += 1,
                Err(why) => {
                    judge(&why);
                    tally.not_read_meanwhile += 1;
                    break;
                }
            }
        }
    }
    (store, refused)
}

fn say(what: &str, tally: &Tally) {
    println!(
        "{what} at each of {} operations: {} answers of a fault, each by its name; the records could be read \
         meanwhile {} times, not {} times; nothing lost, well again without a restart",
        tally.places, tally.refused, tally.read_meanwhile, tally.not_read_meanwhile
    );
    assert!(tally.places > 20 && tally.refused > 10);
}

#[tokio::test]
async fn one_operation_that_finds_no_space_costs_nothing_but_its_commit() {
    let tally = at_every_operation(Errno::NOSPC, |at| Plan::FailOnce(at, Errno::NOSPC.raw_os_error())).await;
    say("ENOSPC once", &tally);
    assert_eq!(tally.not_read_meanwhile, 0);
}

#[tokio::test]
async fn one_operation_that_fails_costs_nothing_but_its_commit() {
    let tally = at_every_operation(Errno::IO, |at| Plan::FailOnce(at, Errno::IO.raw_os_error())).await;
    say("EIO once", &tally);
    assert_eq!(tally.not_read_meanwhile, 0);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_more_is_full_until_it_does() {
    let tally = at_every_operation(Errno::NOSPC, |at| Plan::FailFrom(at, Errno::NOSPC.raw_os_error())).await;
    say("ENOSPC from then on", &tally);
}

#[tokio::test]
async fn a_disk_that_has_failed_is_unavailable_until_it_works() {
    let tally = at_every_operation(Errno::IO, |at| Plan::FailFrom(at, Errno::IO.raw_os_error())).await;
    say("EIO from then on", &tally);
}
