//! The commands that neither serve nor demonstrate: `check`, `store init`, `keks new`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::tempdir;

use crate::support::process::{Ended, Process, Serve, countersign};
use crate::support::upstream::nobody;

fn run(dir: &Path, args: &[&str]) -> Ended {
    Process::start(countersign(dir, args)).finish()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn check_accepts_a_good_file_and_names_every_fault_of_a_bad_one() {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("good.toml"), "[limits]\nmax_body = \"2MiB\"\n").unwrap();
    let ended = run(dir.path(), &["check", "--config", "good.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("config ok\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("2MiB"), "{}", ended.stdout);

    let bad = "[upstream]\nurl = \"ftp://app\"\n[limits]\nmax_body = \"much\"\nmax_bodies = 1\n";
    std::fs::write(dir.path().join("bad.toml"), bad).unwrap();
    let ended = run(dir.path(), &["check", "--config", "bad.toml"]);
    assert_eq!(ended.code, Some(78));
    for path in ["upstream.url", "limits.max_body", "limits.max_bodies"] {
        assert!(ended.stderr.contains(path), "{path}: {}", ended.stderr);
    }
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);

    let ended = run(dir.path(), &["check", "--config", "missing.toml"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("missing.toml"), "{}", ended.stderr);
    let mut left: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["bad.toml", "good.toml"], "check writes nothing");
}

#[test]
fn store_init_prints_the_epoch_and_may_be_repeated() {
    let dir = tempdir().unwrap();
    let first = run(dir.path(), &["store", "init"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let epoch = first.stdout.strip_prefix("epoch ").unwrap().trim_end();
    assert!(uuid::Uuid::parse_str(epoch).is_ok(), "{epoch}");
    let second = run(dir.path(), &["store", "init"]);
    assert_eq!((second.code, &second.stdout), (Some(0), &first.stdout), "{}", second.stderr);
    assert_eq!(mode(&dir.path().join("countersign.redb")), 0o600);

    // What it initialised is what serve takes, even where serve may not initialise.
    let path = dir.path().join("countersign.redb");
    let mut command = Serve::command(dir.path(), &nobody());
    command.env("COUNTERSIGN_STORE__PATH", &path).env("COUNTERSIGN_STORE__INIT", "never");
    let serve = Serve::of(command);
    let ended = run(dir.path(), &["store", "init"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("in use by another process"), "{}", ended.stderr);
    drop(serve);
}

#[test]
fn keks_new_makes_a_private_key_and_overwrites_none() {
    let dir = tempdir().unwrap();
    let args = ["keks", "new", "--dir", "keks", "--id", "2026-01"];
    let ended = run(dir.path(), &args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let file = dir.path().join("keks/2026-01.key");
    assert_eq!((mode(&file), mode(&dir.path().join("keks"))), (0o600, 0o700));
    let key = std::fs::read_to_string(&file).unwrap();
    assert_eq!(key.trim_end().len(), 64);
    assert!(!ended.stdout.contains(key.trim_end()), "the key is not printed");

    let again = run(dir.path(), &args);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("2026-01.key"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), key);

    // The lines that it prints are what the configuration needs.
    let (_, lines) = ended.stdout.split_once("\n\n").unwrap();
    std::fs::write(dir.path().join("c.toml"), lines).unwrap();
    let ended = run(dir.path(), &["store", "init", "--config", "c.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!dir.path().join("countersign.redb.keks").exists());

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let ended = run(dir.path(), &["store", "init", "--config", "c.toml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("2026-01.key"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(key.trim_end()), "{}", ended.stderr);
}
