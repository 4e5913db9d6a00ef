//! Key-encryption keys of the embedded store: wrong ones refuse the start, and another takes over while it runs.

use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::http::Call;
use crate::support::process::{Ended, Process, Serve, cli, countersign};
use crate::support::redis::kek_dir;
use crate::support::sidecar::TOKEN;
use crate::support::upstream::Upstream;

fn command(dir: &Path, upstream: &Upstream, keks: &Path, seal_with: &str) -> std::process::Command {
    let mut command = Serve::command(dir, &upstream.url);
    command.env("COUNTERSIGN_KEYS__KEK_DIR", keks).env("COUNTERSIGN_KEYS__SEAL_WITH", seal_with);
    command
}

fn ends(serve: Serve) {
    serve.process.signal("TERM");
    assert_eq!(serve.process.finish().code, Some(0));
}

fn refused(ended: &Ended, said: &str) {
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
}

#[test]
fn a_file_is_opened_with_its_own_keks_only_until_they_are_rotated() {
    let (dir, upstream) = (tempdir().unwrap(), Upstream::start());
    let (first, both) = (kek_dir(&[("k1", 'a')]), kek_dir(&[("k1", 'a'), ("k2", 'b')]));
    let (second, other) = (kek_dir(&[("k2", 'b')]), kek_dir(&[("k1", 'c')]));
    let serve = Serve::of(command(dir.path(), &upstream, first.path(), "k1"));
    let key = serve.key(&serve.workspace("w"), "k");
    let works = |serve: &Serve| Call::get("/x").header("X-API-Key", &key.api_key).send(serve.traffic).status;
    assert_eq!(works(&serve), 200);
    ends(serve);

    let start = |keks: &Path, seal_with: &str| {
        Process::start(command(dir.path(), &upstream, keks, seal_with)).finish()
    };
    refused(&start(second.path(), "k2"), "\"k1\": it is not in keys.kek_dir");
    refused(&start(other.path(), "k1"), "\"k1\": the key of that id in keys.kek_dir is another one");
    refused(&start(first.path(), "k9"), "keys.seal_with names \"k9\", which is not there; there are: k1");
    refused(&start(&dir.path().join("none"), "k1"), "cannot be read: No such file");

    let serve = Serve::of(command(dir.path(), &upstream, both.path(), "k2"));
    let listed = cli(&serve, dir.path(), &["keks", "list"]);
    assert!(
        listed.stdout.contains("k1  2 records  1 secrets\nk2  0 records  0 secrets  seals"),
        "{}",
        listed.stdout
    );
    let rotated = cli(&serve, dir.path(), &["keks", "rotate", "--to", "k2"]);
    assert_eq!(rotated.code, Some(0), "{}", rotated.stderr);
    assert!(rotated.stdout.contains("2 records and 1 secrets re-sealed under k2"), "{}", rotated.stdout);
    assert!(
        rotated.stdout.contains("nothing is sealed under k1 any more: its file can go"),
        "{}",
        rotated.stdout
    );
    assert_eq!(works(&serve), 200);
    let sidecars = cli(&serve, dir.path(), &["sidecars", "--json"]);
    let sidecars: Value = serde_json::from_str(&sidecars.stdout).unwrap();
    assert_eq!((&sidecars["items"][0]["sealWith"], &sidecars["items"][1]), (&"k2".into(), &Value::Null));
    ends(serve);

    refused(&start(first.path(), "k1"), "\"k2\": it is not in keys.kek_dir");
    let serve = Serve::of(command(dir.path(), &upstream, second.path(), "k2"));
    assert_eq!(works(&serve), 200);
}

#[test]
fn a_command_that_asks_a_sidecar_says_what_it_lacks() {
    let dir = tempdir().unwrap();
    let run = |args: &[&str], token: &str| {
        let mut command = countersign(dir.path(), args);
        if !token.is_empty() {
            command.env("COUNTERSIGN_ADMIN_TOKEN", token);
        }
        Process::start(command).finish()
    };
    let nobody = "http://127.0.0.1:1";
    for (args, token, code, said) in [
        (&["sidecars", "--url", nobody][..], "", 2, "--token-file"),
        (&["sidecars", "--url", nobody], TOKEN, 69, "cannot be reached"),
        (&["keks", "list", "--url", "https://127.0.0.1:1"], TOKEN, 2, "--ca-file"),
        (&["migrate", "--url", nobody, "--token-file", "none"], TOKEN, 2, "none"),
        (&["keks", "rotate", "--url", nobody], TOKEN, 2, "--to"),
        (&["keks", "rotate", "--url", nobody, "--to", "K 1"], TOKEN, 2, "--to"),
    ] {
        let ended = run(args, token);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains(TOKEN));
    }
}
