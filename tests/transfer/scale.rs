//! Many records. How many is COUNTERSIGN_TEST_RECORDS, 2,000 unless set; `tests/run --transfer` sets more.

use std::path::Path;
use std::process::Command;

use countersign::store::embedded::EmbeddedStore;
use countersign::store::seal::Keyring;
use tempfile::tempdir;

use super::{at_redis, well};
use crate::support::key_set;
use crate::support::process::{Ended, countersign, tool, tool_command};
use crate::support::redis::{Server, kek_dir, now};

fn records() -> usize {
    let set = std::env::var_os("COUNTERSIGN_TEST_RECORDS");
    set.map_or(2000, |count| count.to_str().unwrap().parse().expect("COUNTERSIGN_TEST_RECORDS is a number"))
}

/// A store with one workspace and this many signing keys.
fn fill(dir: &Path, keys: usize) {
    let keks = dir.join("keys.redb.keks");
    Keyring::create(&keks, "default").unwrap();
    let keyring = Keyring::load(&keks, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = EmbeddedStore::open(&dir.join("keys.redb"), "countersign").unwrap();
    runtime.block_on(key_set::fill(&store, &keyring, "countersign", keys));
}

/// Runs a program and says how much memory it took at most.
const PEAK: &str = "import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, 'MiB', file=sys.stderr)
sys.exit(code)";

/// Runs it; says how long it took and how much memory.
fn measured(what: &str, command: &Command) -> Ended {
    let dir = command.get_current_dir().unwrap();
    let mut script = tool_command(&tool("python3"), dir, &["-c", PEAK]);
    script.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            script.env(name, value);
        }
    }
    let started = now();
    // However long it takes: that is what is to be seen.
    let output = script.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ended =
        Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    println!("{what}: {:?}, {}", started.elapsed(), ended.stderr.trim_end());
    well(&ended);
    ended
}

#[test]
fn a_large_key_set_is_exported_and_imported_in_batches() {
    let (dir, keks) = (tempdir().unwrap(), kek_dir(&[("k1", 'a')]));
    let count = records();
    fill(dir.path(), count);
    let server = Server::start(&[]);
    let mut export = countersign(dir.path(), &["export", "--out", "keys.export"]);
    export.env("COUNTERSIGN_STORE__PATH", dir.path().join("keys.redb"));
    let ended = measured(&format!("export of {count} keys from embedded"), &export);
    assert!(ended.stdout.starts_with(&format!("exported {} records", count + 1)), "{}", ended.stdout);
    let size = dir.path().join("keys.export").metadata().unwrap().len();
    println!("the file: {} KiB", size / 1024);

    let from = dir.path().join("keys.redb.keks");
    let args = ["import", "--keks", from.to_str().unwrap(), "keys.export"];
    let mut import = countersign(dir.path(), &args);
    at_redis(&mut import, &server, "ns", keks.path());
    measured("import into Redis", &import);
    assert_eq!(server.ask::<usize>(&["HLEN", "{ns}:records"]), count + 1);
    let mut export = countersign(dir.path(), &["export", "--out", "again.export"]);
    at_redis(&mut export, &server, "ns", keks.path());
    measured("export from Redis", &export);
    let other = tempdir().unwrap();
    let file = dir.path().join("again.export");
    let args = ["import", "--keks", keks.path().to_str().unwrap(), file.to_str().unwrap()];
    let mut import = countersign(other.path(), &args);
    import.env("COUNTERSIGN_STORE__PATH", other.path().join("keys.redb"));
    measured("import into embedded", &import);
}
