//! What is not carried over: each by name, with the cure, and with nothing written.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::{at_redis, embedded, exported, fails, in_redis, well};
use crate::support::process::{Process, Serve, countersign};
use crate::support::redis::{kek_dir, namespace, shared};

/// Imports a file into a new embedded store in `dir`, with the keys of the exporting one.
fn import(dir: &Path, source: &Path, file: &Path) -> crate::support::process::Ended {
    let keks = source.join("keys.redb.keks");
    embedded(dir, &["import", "--keks", keks.to_str().unwrap(), file.to_str().unwrap()])
}

#[test]
fn s17_a_file_that_was_altered_anywhere_is_refused() {
    let (source, target) = (tempdir().unwrap(), tempdir().unwrap());
    exported(source.path());
    let good = fs::read(source.path().join("keys.export")).unwrap();
    let file = target.path().join("bad.export");
    let places = (0..good.len()).step_by(good.len() / 12).chain([good.len() - 2]);
    let mut changed: Vec<Vec<u8>> = places
        .map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    changed.push(good[..good.len() - 1].to_vec());
    changed.push(good[..good.len() / 2].to_vec());
    changed.push([&good[..], b"more"].concat());
    changed.push(Vec::new());
    for bytes in changed {
        fs::write(&file, bytes).unwrap();
        let ended = import(target.path(), source.path(), &file);
        fails(&ended, 1, &["bad.export", "nothing was imported"]);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    // What no other check would find.
    let text = String::from_utf8(good.clone()).unwrap();
    let other = text.replacen("\"exportedAt\":1", "\"exportedAt\":2", 1);
    assert_ne!(other, text);
    fs::write(&file, other).unwrap();
    fails(&import(target.path(), source.path(), &file), 1, &["it was altered"]);
    fs::write(&file, good).unwrap();
    well(&import(target.path(), source.path(), &file));
}

#[test]
fn a_form_or_kind_of_a_newer_version_is_refused_as_such() {
    let (source, target) = (tempdir().unwrap(), tempdir().unwrap());
    exported(source.path());
    let good = String::from_utf8(fs::read(source.path().join("keys.export")).unwrap()).unwrap();
    let file = target.path().join("newer.export");
    fs::write(&file, good.replace("countersign-export 1\n", "countersign-export 2\n")).unwrap();
    fails(
        &import(target.path(), source.path(), &file),
        1,
        &["newer.export", "version \"2\"", "use the newer one"],
    );
    fs::write(&file, good.replacen("\nworkspace/", "\nwidget/", 1)).unwrap();
    fails(&import(target.path(), source.path(), &file), 1, &["kind \"widget\"", "use the newer one"]);
    fs::write(&file, "{}\n").unwrap();
    fails(&import(target.path(), source.path(), &file), 1, &["no file of `countersign export`"]);
    fails(&import(target.path(), source.path(), Path::new("missing.export")), 1, &["missing.export"]);
}

#[test]
fn a_missing_or_other_key_is_named_with_the_cure() {
    let (source, target) = (tempdir().unwrap(), tempdir().unwrap());
    exported(source.path());
    let file = source.path().join("keys.export");
    // A new embedded store makes a key of the same id, which is another one.
    let ended = embedded(target.path(), &["import", file.to_str().unwrap()]);
    fails(&ended, 1, &["keys.export", "\"default\"", "another one", "--keks"]);
    let keks = kek_dir(&[("k1", 'a')]);
    let ended =
        in_redis(target.path(), &["import", file.to_str().unwrap()], shared(), &namespace(), keks.path());
    fails(&ended, 1, &["needs the key-encryption key \"default\"", keks.path().to_str().unwrap()]);
}

#[test]
fn a_store_that_holds_something_is_left_as_it_is() {
    let (source, target) = (tempdir().unwrap(), tempdir().unwrap());
    exported(source.path());
    let file = source.path().join("keys.export");
    let mut serve = Serve::start(target.path(), "http://127.0.0.1:1");
    let workspace = serve.workspace("mine");
    serve.process.kill();
    let ended = import(target.path(), source.path(), &file);
    let path = target.path().join("keys.redb");
    fails(&ended, 1, &["holds 1 records", "left as it is", &format!("move {} away", path.display())]);
    let serve = Serve::start(target.path(), "http://127.0.0.1:1");
    assert_eq!(serve.admin("GET", &format!("/api/workspaces/{workspace}"), None).status, 200);

    let (namespace, keks) = (namespace(), kek_dir(&[("k1", 'a')]));
    let from = source.path().join("keys.redb.keks");
    let args = ["import", "--keks", from.to_str().unwrap(), file.to_str().unwrap()];
    // One that was only initialised will do.
    well(&in_redis(target.path(), &["store", "init"], shared(), &namespace, keks.path()));
    well(&in_redis(target.path(), &args, shared(), &namespace, keks.path()));
    let ended = in_redis(target.path(), &args, shared(), &namespace, keks.path());
    fails(&ended, 1, &["holds 2 records", "store.namespace", &format!("{{{namespace}}}:*")]);
}

#[test]
fn a_store_that_a_sidecar_has_open_is_refused_with_the_cure() {
    let dir = tempdir().unwrap();
    exported(dir.path());
    let _serve = Serve::start(dir.path(), "http://127.0.0.1:1");
    let path = dir.path().join("keys.redb").display().to_string();
    for args in [["export", "--out", "again.export"].as_slice(), &["import", "keys.export"]] {
        fails(&embedded(dir.path(), args), 1, &[&path, "in use by another process", "stop it"]);
    }
    assert!(!dir.path().join("again.export").exists());
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let dir = tempdir().unwrap();
    exported(dir.path());
    let before = fs::read(dir.path().join("keys.export")).unwrap();
    fails(&embedded(dir.path(), &["export", "--out", "keys.export"]), 1, &["keys.export", "exists already"]);
    assert_eq!(fs::read(dir.path().join("keys.export")).unwrap(), before);
    let names = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().ends_with(".part")).count(), 0);
}

#[test]
fn a_store_that_is_empty_or_gone_is_no_empty_export() {
    let (dir, keks) = (tempdir().unwrap(), kek_dir(&[("k1", 'a')]));
    let args = ["export", "--out", "keys.export"];
    fails(&in_redis(dir.path(), &args, shared(), &namespace(), keks.path()), 1, &["not initialised"]);
    let mut command = countersign(dir.path(), &args);
    at_redis(&mut command, shared(), "ns", keks.path()).env("COUNTERSIGN_STORE__URL", "redis://127.0.0.1:1");
    fails(&Process::start(command).finish(), 69, &["127.0.0.1:1"]);
    assert!(!dir.path().join("keys.export").exists());
}

#[test]
fn a_record_that_cannot_be_carried_whole_is_named_and_nothing_is_written() {
    let (dir, keks, namespace) = (tempdir().unwrap(), kek_dir(&[("k1", 'a')]), namespace());
    let mut command = Serve::command(dir.path(), "http://127.0.0.1:1");
    at_redis(&mut command, shared(), &namespace, keks.path()).env("COUNTERSIGN_STORE__INIT", "if-empty");
    let serve = Serve::of(command);
    let workspace = serve.workspace("one");
    let export =
        |out: &str| in_redis(dir.path(), &["export", "--out", out], shared(), &namespace, keks.path());
    well(&export("good.export"));

    let records = format!("{{{namespace}}}:records");
    let forged = "1\nv1.k1.0000000000000000000000000000000000000000000000000000000000000000\n{}";
    let key = format!("workspace/{workspace}");
    let stored: Vec<u8> = shared().ask(&["HGET", &records, &key]);
    shared().do_it(&["HSET", &records, &key, forged]);
    fails(&export("bad.export"), 1, &[&key, "MAC does not hold", "nothing was written"]);
    redis::cmd("HSET").arg(&records).arg(&key).arg(stored).exec(&mut shared().connection()).unwrap();
    shared().do_it(&["HSET", &records, "widget/0190163d-8694-739b-aea5-966c26f8ad91", "1\nx"]);
    fails(&export("bad.export"), 1, &["1 records of kinds", "use the newer one"]);
    assert!(!dir.path().join("bad.export").exists());
}
