//! `countersign audit …` with real processes, and what they say in their log.

use serde_json::{Value, json};

use crate::support::http::Call;
use crate::support::process::{Ended, Process, Serve, cli, countersign};
use crate::support::redis::{Server, kek_dir};
use crate::support::sidecar::until;
use crate::support::upstream::Upstream;

/// The lines of the target `audit` in a log.
fn noted(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "audit").collect()
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

fn over_redis(server: &Server, keks: &std::path::Path) -> [(&'static str, String); 5] {
    [
        ("COUNTERSIGN_STORE__KIND", "redis".to_owned()),
        ("COUNTERSIGN_STORE__URL", server.url()),
        ("COUNTERSIGN_STORE__INIT", "if-empty".to_owned()),
        ("COUNTERSIGN_KEYS__KEK_DIR", keks.display().to_string()),
        ("COUNTERSIGN_KEYS__SEAL_WITH", "k1".to_owned()),
    ]
}

#[test]
fn two_sidecars_that_write_at_once_leave_one_chain_that_verifies() {
    const EACH: usize = 25;
    let (server, keks) = (Server::start(&[]), kek_dir(&[("k1", 'a')]));
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let settings = over_redis(&server, keks.path());
    let start = || {
        let mut command = Serve::command(dir.path(), &upstream.url);
        Serve::of({
            command.env_remove("COUNTERSIGN_STORE__PATH").envs(settings.clone());
            command
        })
    };
    let (a, mut b) = (start(), start());
    std::thread::scope(|scope| {
        for (serve, name) in [(&a, "a"), (&b, "b")] {
            scope.spawn(move || (0..EACH).for_each(|n| drop(serve.workspace(&format!("{name}{n}")))));
        }
    });
    let verified = cli(&a, dir.path(), &["audit", "verify", "--json"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let report = json(&verified);
    assert_eq!((&report["verdict"], &report["checked"]), (&json!("intact"), &json!(2 * EACH)));
    let head = report["head"].as_str().unwrap().to_owned();

    // Each process has said what it committed, once, and no other.
    for serve in [&a, &b] {
        let events =
            || noted(&serve.process.stderr()).iter().filter(|line| line["message"] == "audit event").count();
        until("every event is in the log", || events() >= EACH);
        assert_eq!(events(), EACH);
    }
    let lines = noted(&b.process.stderr());
    let stands = lines.iter().find(|line| line["message"] == "the audit log stands here").unwrap();
    assert_eq!(stands["head"].as_str().unwrap().len(), 64);

    let offline = |args: &[&str]| {
        let mut command = countersign(dir.path(), &[&["audit", "verify", "--offline"], args].concat());
        command.envs(settings.clone());
        Process::start(command).finish()
    };
    let ended = offline(&["--head", &head]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("intact: 50 of 50 events hold"), "{}", ended.stdout);
    assert!(ended.stdout.contains("a sidecar that found the namespace empty"), "{}", ended.stdout);

    // Somebody cuts the end off, and sets the stored head back as well: only the noted head tells.
    b.process.kill();
    let entries: Vec<(String, Vec<String>)> = server.ask(&["XRANGE", "{countersign}:audit", "-", "+"]);
    server.do_it(&["XDEL", "{countersign}:audit", &entries[2 * EACH - 1].0]);
    let ended = offline(&[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("truncated at"), "{}", ended.stdout);
    let (id, fields) = &entries[2 * EACH - 2];
    server.do_it(&["HSET", "{countersign}:meta", "mac", &fields[1], "position", id]);
    assert_eq!(offline(&[]).code, Some(0));
    let ended = offline(&["--head", &head]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("its end was cut off"), "{}", ended.stdout);
}

#[test]
fn the_log_of_an_embedded_store_is_listed_and_checked_by_its_sidecar() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let serve = Serve::start(dir.path(), &upstream.url);
    let workspace = serve.workspace("w");
    let key = serve.key(&workspace, "k");
    let listed = cli(&serve, dir.path(), &["audit", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(lines[0].contains("webhook_key.created  by bootstrap"), "{listed:?}");
    assert!(
        lines[1].contains(&format!("workspace.created  by bootstrap  workspace/{workspace}")),
        "{listed:?}"
    );
    let listed = cli(&serve, dir.path(), &["audit", "list", "--resource-id", &key.id, "--json"]);
    assert_eq!(json(&listed)["items"].as_array().unwrap().len(), 1);
    let refused = cli(&serve, dir.path(), &["audit", "list", "--since", "yesterday+1"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("RFC 3339"), "{refused:?}");

    let verified = cli(&serve, dir.path(), &["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.stdout.starts_with("intact: 2 of 2 events hold"), "{verified:?}");
    let verified = cli(&serve, dir.path(), &["audit", "verify", "--head", &"ab".repeat(32), "--json"]);
    assert_eq!((verified.code, &json(&verified)["verdict"]), (Some(1), &json!("broken")));
    let usage = cli(&serve, dir.path(), &["audit", "verify", "--head", "abc"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");

    for _ in 0..3 {
        assert_eq!(Call::get("/api/audit-events").ask(serve.admin).status, 401);
    }
    until("the refusals are told of", || serve.process.stderr().contains("admin calls without the token"));
    let metrics = serve.ops("/metrics").text();
    assert!(metrics.contains("countersign_admin_refused_total 3"), "{metrics}");
    let log = serve.process.stderr();
    assert!(!log.contains(&key.secret) && !log.contains(&key.api_key), "{log}");

    // The file is open in one process at a time; once it is free, the same check needs no sidecar.
    let offline = || {
        let mut command = countersign(dir.path(), &["audit", "verify", "--offline"]);
        command.env("COUNTERSIGN_STORE__PATH", dir.path().join("keys.redb"));
        Process::start(command).finish()
    };
    let busy = offline();
    assert_eq!(busy.code, Some(1), "{busy:?}");
    assert!(busy.stderr.contains("in use by another process"), "{busy:?}");
    serve.process.signal("TERM");
    assert_eq!(serve.process.finish().code, Some(0));
    let ended = offline();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
