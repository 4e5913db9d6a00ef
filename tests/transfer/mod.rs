//! `countersign export` and `countersign import`: a key set as one file, from any store into any empty one.
//!
//! What running sidecars make of an import is `tests/redis/imports.rs`; what a store makes of one is in the
//! conformance suite.

mod admins;
mod moving;
mod refusals;
mod scale;

use std::path::Path;
use std::process::Command;

use crate::support::process::{Ended, Process, Serve, countersign};
use crate::support::redis::Server;

/// `countersign` with these arguments over the embedded store at `dir/keys.redb`.
fn embedded(dir: &Path, args: &[&str]) -> Ended {
    let mut command = countersign(dir, args);
    command.env("COUNTERSIGN_STORE__PATH", dir.join("keys.redb"));
    Process::start(command).finish()
}

/// Points a command at a namespace in Redis, sealed with the KEK `k1` of a directory.
fn at_redis<'c>(command: &'c mut Command, server: &Server, namespace: &str, keks: &Path) -> &'c mut Command {
    command
        .env_remove("COUNTERSIGN_STORE__PATH")
        .env("COUNTERSIGN_STORE__KIND", "redis")
        .env("COUNTERSIGN_STORE__URL", server.url())
        .env("COUNTERSIGN_STORE__NAMESPACE", namespace)
        .env("COUNTERSIGN_KEYS__KEK_DIR", keks)
        .env("COUNTERSIGN_KEYS__SEAL_WITH", "k1")
}

fn in_redis(dir: &Path, args: &[&str], server: &Server, namespace: &str, keks: &Path) -> Ended {
    let mut command = countersign(dir, args);
    at_redis(&mut command, server, namespace, keks);
    Process::start(command).finish()
}

fn well(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
}

/// Asserts that a command failed with these words, and said nothing else.
fn fails(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);
    for words in words {
        assert!(ended.stderr.contains(words), "{words:?}: {}", ended.stderr);
    }
}

/// An embedded store in `dir` with one workspace and one key; their export is `dir/keys.export`.
fn exported(dir: &Path) {
    let mut serve = Serve::start(dir, "http://127.0.0.1:1");
    let workspace = serve.workspace("one");
    serve.key(&workspace, "a key");
    serve.process.kill();
    well(&embedded(dir, &["export", "--out", "keys.export"]));
}
