//! Retention of the audit log, on both stores: from time that passes to what `audit verify` says.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock, UnixMillis};
use countersign::store::audit::checkpoint::Judged;
use countersign::store::retention::{Halt, RetentionTask};
use countersign::store::writer::Actor;
use countersign::store::{Position, Store};
use serde_json::{Value, json};

use super::chain::add;
use crate::support::admin_port::Port;
use crate::support::process::{Ended, Process, Serve, cli, countersign};
use crate::support::redis::{kek_dir, keyring, keyring_of, shared};
use crate::support::sidecar::{Sidecar, until};
use crate::support::upstream::Upstream;

const DAY: u64 = 24 * 3600;

async fn ports() -> [Port; 2] {
    [Port::open().await, Port::over_redis().await]
}

/// Retention of thirty days, at this port.
fn retention(port: &Port) -> RetentionTask {
    RetentionTask::new(Arc::clone(&port.writer), Duration::from_secs(30 * DAY))
}

async fn check(port: &Port) -> Value {
    let answer = port.get("/api/audit-events/verify").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

async fn actions(port: &Port) -> Vec<String> {
    port.audit().await.iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_older_than_it_is_to_be_kept_goes_and_the_rest_of_the_chain_holds() {
    for port in ports().await {
        for n in 0..5 {
            port.workspace(&format!("old {n}")).await;
        }
        port.advance(10 * DAY);
        for n in 0..3 {
            port.workspace(&format!("new {n}")).await;
        }
        let before = port.audit().await;
        assert_eq!(retention(&port).round().await.unwrap(), 0, "nothing is old");
        // Between the time that they are to be kept and a day more: not worth a round yet.
        port.advance(20 * DAY + 3600);
        assert_eq!(retention(&port).round().await.unwrap(), 0);
        port.advance(DAY);
        assert_eq!(retention(&port).round().await.unwrap(), 5);
        assert_eq!(retention(&port).round().await.unwrap(), 0, "it is done");

        let after = port.audit().await;
        assert_eq!(after[..3], before[5..]);
        let made = &after[3];
        assert_eq!(
            (&made["action"], &made["actor"], &made["severity"], &made["resourceType"]),
            (&json!("audit.trimmed"), &json!("countersign"), &json!("HIGH"), &json!("namespace"))
        );
        assert_eq!((&made["metadata"]["removed"], &made["metadata"]["removedInAll"]), (&json!(5), &json!(5)));
        let found = check(&port).await;
        for (name, value) in [
            ("checked", json!(4)),
            ("events", json!(4)),
            ("broken", json!(0)),
            ("retentions", json!([5])),
            ("nextCursor", Value::Null),
        ] {
            assert_eq!(found[name], value, "{name} in {found}");
        }
        let checkpoint = &found["checkpoint"];
        assert_eq!((&checkpoint["verified"], &checkpoint["removed"]), (&json!(true), &json!(5)));
        assert_eq!(checkpoint["lastAt"], "2026-01-01T00:00:00.000Z");
        assert_eq!(checkpoint["at"], "2026-02-01T01:00:00.000Z");
        // Lists end where the log begins, and a page that was cut off meanwhile ends as well.
        let listed = port.get("/api/audit-events?action=workspace.created").await;
        assert_eq!(listed.json["items"].as_array().unwrap().len(), 3);
        // Records are as they were.
        let workspaces = port.get("/api/workspaces").await;
        assert_eq!(workspaces.json["items"].as_array().unwrap().len(), 8);
    }
}

#[tokio::test]
async fn a_page_that_is_overtaken_by_retention_ends() {
    for port in ports().await {
        for n in 0..6 {
            port.workspace(&n.to_string()).await;
        }
        let page = port.get("/api/audit-events?limit=2").await;
        let next = page.str("nextCursor").to_owned();
        port.advance(40 * DAY);
        assert_eq!(retention(&port).round().await.unwrap(), 6);
        let page = port.get(&format!("/api/audit-events?limit=2&cursor={next}")).await;
        assert_eq!((&page.json["items"], &page.json["nextCursor"]), (&json!([]), &Value::Null));
        // The last event goes only behind another one.
        assert_eq!(actions(&port).await, ["audit.trimmed", "audit.trimmed"]);
    }
}

#[tokio::test]
async fn a_log_that_nobody_adds_to_comes_to_rest() {
    for port in ports().await {
        for n in 0..3 {
            port.workspace(&n.to_string()).await;
        }
        port.advance(40 * DAY);
        assert_eq!(retention(&port).round().await.unwrap(), 3);
        for _ in 0..3 {
            port.advance(40 * DAY);
            assert_eq!(retention(&port).round().await.unwrap(), 0, "only events of its own would go");
        }
        assert_eq!(check(&port).await["broken"], 0);
        port.workspace("one more").await;
        port.advance(40 * DAY);
        port.workspace("and another").await;
        assert_eq!(retention(&port).round().await.unwrap(), 3);
        assert_eq!(check(&port).await["checkpoint"]["removed"], 6);
    }
}

#[tokio::test]
async fn sidecars_that_trim_and_write_at_once_lose_nothing() {
    let port = Port::over_redis().await;
    for n in 0..20 {
        port.workspace(&format!("old {n}")).await;
    }
    port.advance(40 * DAY);
    let others = [port.beside().await, port.beside().await, port.beside().await];
    let writing = async {
        for n in 0..20 {
            port.workspace(&format!("new {n}")).await;
        }
    };
    let round = async |port: &Port| {
        // Others may write all the time.
        loop {
            match retention(port).round().await {
                Err(Halt::Unavailable(_)) => {}
                ended => return ended.unwrap(),
            }
        }
    };
    let [a, b, c] = &others;
    let (removed, _) = tokio::join!(async { tokio::join!(round(a), round(b), round(c)) }, writing);
    let removed = removed.0 + removed.1 + removed.2;
    assert_eq!(removed, 20);
    let found = check(&port).await;
    assert_eq!((&found["broken"], &found["checkpoint"]["removed"]), (&json!(0), &json!(removed)));
    let actions = actions(&port).await;
    let created = actions.iter().filter(|action| *action == "workspace.created").count() as u64;
    assert_eq!(created + removed, 40);
    assert_eq!(port.get("/api/workspaces?limit=200").await.json["items"].as_array().unwrap().len(), 40);
}

/// Whose log is long enough for several commits.
#[tokio::test]
async fn a_long_past_goes_in_bounded_steps() {
    let port = Port::over_redis().await;
    let store: Arc<dyn Store> = Arc::clone(&port.store);
    for n in 0..2_100 {
        // All of one time, the start of 2026.
        add(&*store, &keyring(), n).await;
    }
    port.advance(40 * DAY);
    port.workspace("new").await;
    assert_eq!(retention(&port).round().await.unwrap(), 2_100);
    let sizes: Vec<Value> =
        port.audit().await[1..].iter().map(|event| event["metadata"]["removed"].clone()).collect();
    assert_eq!(sizes, [1000, 1000, 100]);
    assert_eq!(check(&port).await["broken"], 0);
}

#[tokio::test]
async fn what_was_tampered_with_is_not_removed() {
    let port = Port::over_redis().await;
    for n in 0..4 {
        port.workspace(&n.to_string()).await;
    }
    port.advance(40 * DAY);
    port.workspace("new").await;
    let key = format!("{{{}}}:audit", port.namespace());
    let entries: Vec<(String, Vec<String>)> = shared().ask(&["XRANGE", &key, "-", "+"]);
    let rewrite = |number: usize, event: &str| {
        shared().do_it(&["DEL", &key]);
        for (n, (id, fields)) in entries.iter().enumerate() {
            let event = if n == number { event } else { &fields[3] };
            shared().do_it(&["XADD", &key, id, "m", &fields[1], "e", event]);
        }
    };
    // The first that stays vouches for the last that goes, so it counts as well.
    for (number, event) in [(0, "{}"), (2, &*entries[2].1[3].replace("bootstrap", "somebody!")), (4, "{}")] {
        rewrite(number, event);
        let halted = retention(&port).round().await;
        assert!(
            matches!(&halted, Err(Halt::Doubtful(why)) if why.contains(&entries[number].0)),
            "{halted:?}"
        );
        assert_eq!(port.store.audit_count().await.unwrap(), 5);
    }
    shared().do_it(&["XDEL", &key, &entries[4].0]);
    rewrite(9, "");
    let meta = format!("{{{}}}:meta", port.namespace());
    shared().do_it(&["HSET", &meta, "checkpoint", "of somebody else"]);
    assert!(matches!(retention(&port).round().await, Err(Halt::Doubtful(_))));
    shared().do_it(&["HDEL", &meta, "checkpoint"]);
    assert_eq!(retention(&port).round().await.unwrap(), 4);
}

#[test]
fn a_sidecar_keeps_its_log_as_long_as_it_is_told_to() {
    let mut sidecar = Sidecar::builder().config("[audit]\nkeep = \"30d\"").start();
    for n in 0..4 {
        sidecar.workspace(&format!("old {n}"));
    }
    sidecar.advance(40 * DAY);
    sidecar.workspace("new");
    sidecar.stop();
    sidecar.start_again();
    let found = || sidecar.admin("GET", "/api/audit-events/verify", None).json();
    until("the old events are gone", || found()["checkpoint"]["removed"] == 4);
    assert_eq!((&found()["broken"], &found()["checked"]), (&json!(0), &json!(2)));
}

#[test]
fn without_the_option_nothing_is_ever_removed() {
    let mut sidecar = Sidecar::start();
    for n in 0..3 {
        sidecar.workspace(&n.to_string());
    }
    sidecar.advance(36_500 * DAY);
    sidecar.stop();
    sidecar.start_again();
    sidecar.workspace("new");
    let found = sidecar.admin("GET", "/api/audit-events/verify", None).json();
    assert_eq!((&found["checked"], &found["checkpoint"]), (&json!(4), &Value::Null));
}

/// Five events of 500 days ago and the heads after each, in a namespace of the shared Redis.
async fn old_log() -> (Port, Vec<String>) {
    let port = Port::over_redis().await;
    port.clock.set_wall(UnixMillis(SystemClock.now().0 - 500 * 86_400_000));
    port.ring.record_contact();
    for n in 0..5 {
        port.workspace(&n.to_string()).await;
    }
    let events = port.store.audit(Position::default(), 10).await.unwrap();
    let heads = events.iter().map(|(_, mac, _)| data_encoding::HEXLOWER.encode(&mac.0)).collect();
    (port, heads)
}

#[test]
fn the_commands_tell_what_retention_removed_from_what_somebody_cut_off() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (port, heads) = runtime.block_on(old_log());
    let (dir, upstream, keks) = (tempfile::tempdir().unwrap(), Upstream::start(), kek_dir(&[("k1", 'a')]));
    let settings = [
        ("COUNTERSIGN_STORE__KIND", "redis".to_owned()),
        ("COUNTERSIGN_STORE__URL", shared().url()),
        ("COUNTERSIGN_STORE__NAMESPACE", port.namespace().to_owned()),
        ("COUNTERSIGN_KEYS__KEK_DIR", keks.path().display().to_string()),
        ("COUNTERSIGN_KEYS__SEAL_WITH", "k1".to_owned()),
        ("COUNTERSIGN_AUDIT__KEEP", "400d".to_owned()),
    ];
    let mut command = Serve::command(dir.path(), &upstream.url);
    command.env_remove("COUNTERSIGN_STORE__PATH").envs(settings.clone());
    let serve = Serve::of(command);
    until("the old events are gone", || serve.process.stderr().contains("\"in_all\":5"));
    serve.workspace("new");

    let verified = cli(&serve, dir.path(), &["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.stdout.starts_with("intact: 3 of 3 events hold"), "{verified:?}");
    assert!(verified.stdout.contains("the events 1 to 5, the last of"), "{verified:?}");
    let ask = |args: &[&str]| {
        let ended = cli(&serve, dir.path(), &[&["audit", "verify", "--json", "--head"], args].concat());
        let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
        (ended.code.unwrap(), report["verdict"].clone(), report["noted"].clone())
    };
    let foreign = "ab".repeat(32);
    for (args, expected) in [
        // Where the log was cut.
        (vec![&*heads[4]], (0, "intact", "found")),
        (vec![&heads[1], "--events", "2"], (0, "intact", "trimmed")),
        (vec![&heads[1]], (1, "incomplete", "unknown")),
        (vec![&foreign], (1, "incomplete", "unknown")),
        // Beyond what retention removed, the log must hold it.
        (vec![&foreign, "--events", "6"], (1, "broken", "missing")),
    ] {
        let (code, verdict, noted) = expected;
        assert_eq!(ask(&args), (code, json!(verdict), json!(noted)), "{args:?}");
    }
    let usage = cli(&serve, dir.path(), &["audit", "verify", "--events", "3"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");

    // The count that is noted goes on over what was removed.
    serve.process.signal("TERM");
    let log = serve.process.finish().stderr;
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut stood = lines.filter(|line| line["message"] == "the audit log stands here");
    let stood = stood.next().unwrap();
    assert!(stood["events"].as_u64().unwrap() >= 5, "{stood}");
    assert!(!log.contains("shorter than a minute ago"), "{log}");

    // Somebody cuts the end off behind the checkpoint, and sets the stored head back as well: no noted head is needed.
    let offline = || -> Ended {
        let mut command = countersign(dir.path(), &["audit", "verify", "--offline"]);
        command.envs(settings.clone());
        Process::start(command).finish()
    };
    assert_eq!(offline().code, Some(0));
    let (audit, meta) = (format!("{{{}}}:audit", port.namespace()), format!("{{{}}}:meta", port.namespace()));
    let entries: Vec<(String, Vec<String>)> = shared().ask(&["XRANGE", &audit, "-", "+"]);
    for (id, _) in &entries[1..] {
        shared().do_it(&["XDEL", &audit, id]);
    }
    let (id, fields) = &entries[0];
    shared().do_it(&["HSET", &meta, "mac", &fields[1], "position", id]);
    let ended = offline();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.contains("the event of the retention that left the checkpoint is not in the log"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn another_key_encryption_key_takes_the_checkpoint_along() {
    let port = Port::over_redis().await;
    for n in 0..4 {
        port.workspace(&n.to_string()).await;
    }
    port.advance(40 * DAY);
    assert_eq!(retention(&port).round().await.unwrap(), 4);

    let both = keyring_of(&[("k1", 'a'), ("k2", 'b')], "k2");
    let later = port.beside_with(both).await;
    let kek = async |port: &Port| match port.writer.checkpoint().await.unwrap().0 {
        Judged::Holds(checkpoint) => checkpoint.kek,
        other => panic!("{other:?}"),
    };
    let unused = async |port: &Port| port.writer.census().await.unwrap().unused(["k1"].into_iter());
    assert_eq!(kek(&later).await, "k1");
    // What is under the former key counts as in use until the rotation has ended.
    let actor = Actor::fixed("bootstrap", uuid::Uuid::nil());
    assert!(unused(&later).await.is_empty());
    while later.writer.reseal(&actor, 100, |_| Ok::<_, ()>(())).await.unwrap().done.is_none() {}
    assert_eq!((kek(&later).await, unused(&later).await), ("k2".to_owned(), vec!["k1".to_owned()]));
    assert_eq!(check(&later).await["broken"], 0);

    // Without the former key the events of before are not checked, and the checkpoint is.
    let alone = keyring_of(&[("k2", 'b')], "k2");
    let last = port.beside_with(alone).await;
    let found = check(&last).await;
    assert_eq!((&found["broken"], &found["checkpoint"]["verified"]), (&json!(0), &json!(true)));
    assert!(found["unverified"]["k1"].as_u64().unwrap() > 0, "{found}");
    // They go in their time nevertheless.
    last.advance(40 * DAY);
    assert!(retention(&last).round().await.unwrap() > 0);
    assert_eq!(check(&last).await["unverified"], json!({}));
}

#[tokio::test]
async fn a_checkpoint_under_a_key_that_is_gone_stops_retention() {
    let port = Port::over_redis().await;
    for n in 0..4 {
        port.workspace(&n.to_string()).await;
    }
    port.advance(40 * DAY);
    assert_eq!(retention(&port).round().await.unwrap(), 4);
    let alone = keyring_of(&[("k2", 'b')], "k2");
    let last = port.beside_with(alone).await;
    last.advance(40 * DAY);
    let halted = retention(&last).round().await;
    assert!(matches!(&halted, Err(Halt::Doubtful(why)) if why.contains("\"k1\"")), "{halted:?}");
}
