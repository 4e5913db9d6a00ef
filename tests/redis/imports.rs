//! An import under sidecars that run: after a FLUSHALL they take the exported key set without a restart, nobody who
//! holds a valid key is refused meanwhile, and what was revoked since the export stays so.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign::clock::{Clock, SystemClock};
use countersign::store::transfer::{self, Imported, Source, TransferError};
use countersign::store::{Store, StoreError};

use super::outage::reports;
use super::sidecar::{Key, RECOVERY, Sidecar};
use crate::support::redis::{Server, keyring, soon};

async fn export(server: &Server, path: &Path) {
    let store = server.store("ns");
    let exported = transfer::collect(store.as_ref()).await.unwrap();
    let keyring = keyring();
    let side = ("ns", keyring.as_ref());
    transfer::write(&exported, path, side, SystemClock.now(), &mut |_, _| {}).unwrap();
}

async fn import(server: &Server, path: &Path) -> Result<Imported, TransferError> {
    let (file, keyring) = (File::open(path).unwrap(), keyring());
    let source = Source { file: &file, keyring: &keyring, place: "the test" };
    let store = server.store("ns");
    transfer::import(store.as_ref(), source, ("ns", &keyring), SystemClock.now(), &mut |_, _| {}).await
}

/// Empties the store, and imports the file into it under these sidecars, until each has taken it.
async fn flush_and_import(server: &Server, sidecars: &[Sidecar], file: &Path) {
    server.do_it(&["FLUSHALL"]);
    for sidecar in sidecars {
        reports(sidecar, "countersign import").await;
    }
    let imported = import(server, file).await.unwrap();
    for sidecar in sidecars {
        let applied = || sidecar.running.keys.mirror().applied();
        let taken = || applied().is_some_and(|head| head.epoch == imported.epoch);
        soon("the imported set is taken", RECOVERY, taken).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flush_an_import_brings_the_keys_back_and_un_revokes_nothing() {
    let server = Server::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.export");
    let sidecars = Arc::new([
        Sidecar::start(server.port, "ns").ready().await,
        Sidecar::start(server.port, "ns").ready().await,
    ]);
    let [a, b] = sidecars.as_ref();
    let kept = Arc::new(a.create().await);
    let (deleted, disabled, between) = (a.create().await, a.create().await, a.create().await);
    for key in [&kept, &deleted, &disabled, &between] {
        b.gives(key, 200, RECOVERY).await;
    }
    export(&server, &file).await;
    a.delete(&deleted).await;
    a.deactivate(&disabled).await;
    let revoked = [&deleted, &disabled];
    for key in revoked {
        b.gives(key, 401, RECOVERY).await;
    }

    // The holder of a valid key asks both all the time, and is never refused.
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..2)
        .map(|which| {
            let (sidecars, kept) = (Arc::clone(&sidecars), Arc::clone(&kept));
            let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
            std::thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    assert_eq!(sidecars[which].status(&kept), 200);
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    flush_and_import(&server, sidecars.as_ref(), &file).await;
    for sidecar in sidecars.as_ref() {
        assert_eq!(revoked.map(|key| sidecar.status(key)), [401, 401]);
        assert_eq!((sidecar.readyz().0, sidecar.status(&between)), (200, 200));
    }
    // The same export once more: what was revoked since the first import stays so, too.
    a.delete(&between).await;
    b.gives(&between, 401, RECOVERY).await;
    let revoked = [&deleted, &disabled, &between];
    flush_and_import(&server, sidecars.as_ref(), &file).await;
    for sidecar in sidecars.as_ref() {
        assert_eq!((sidecar.readyz().0, revoked.map(|key| sidecar.status(key))), (200, [401; 3]));
    }
    let made: Key = a.create().await;
    b.gives(&made, 200, RECOVERY).await;
    over.store(true, Ordering::SeqCst);
    for thread in load {
        thread.join().unwrap();
    }
    for sidecar in sidecars.as_ref() {
        assert_eq!(revoked.map(|key| sidecar.judged(key)), [401; 3]);
    }
    println!("{} requests of a valid key during FLUSHALL and import, each 200", asked.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_import_that_is_cut_off_is_no_key_set_and_can_be_run_again() {
    use countersign::store::staging::{Mark, Staging};
    let server = Server::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.export");
    let sidecar = Sidecar::start(server.port, "ns").ready().await;
    let key = sidecar.create().await;
    export(&server, &file).await;
    server.do_it(&["FLUSHALL"]);
    let store = server.store("ns");
    let mark = Mark::new_v4();
    store.stage(mark, Staging::Begin).await.unwrap();
    reports(&sidecar, "countersign import").await;
    assert!(matches!(store.head().await, Err(StoreError::Uninitialised)));
    // A sidecar that starts now waits; it does not take a part for the whole.
    let other = Sidecar::try_start(server.port, "ns", "never", 'a').unwrap();
    assert_eq!(other.status(&key), 503);
    import(&server, &file).await.unwrap();
    other.gives(&key, 200, RECOVERY).await;
    sidecar.gives(&key, 200, RECOVERY).await;
    let late = store.stage(mark, Staging::Add(Vec::new())).await;
    assert!(matches!(late, Err(StoreError::Overtaken)), "{late:?}");
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*staged*"]), Vec::<String>::new());
}
