//! A disk without room under a running sidecar: changes are refused by name, everything else goes on, and changes
//! work again as soon as there is room, without a restart.
//!
//! The disk is full in that the process may not make any file larger (RLIMIT_FSIZE, which needs no privilege); a
//! failing disk at every single operation is `src/store/embedded/tests/`.

use std::process::Command;

use serde_json::json;
use tempfile::tempdir;

use crate::support::http::Call;
use crate::support::process::{Serve, text, tool, tool_command};
use crate::support::upstream::Upstream;

/// The same command, in a process whose files end at `kib`. The signal that would end it is ignored.
fn limited(command: &Command, kib: u64) -> Command {
    let script = format!("trap '' XFSZ; ulimit -S -f {kib}; exec \"$@\"");
    let mut limited = tool_command(&tool("bash"), command.get_current_dir().unwrap(), &["-c", &script, "_"]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            limited.env(name, value);
        }
    }
    limited
}

#[test]
fn a_full_disk_refuses_changes_and_nothing_else_until_there_is_room() {
    let (dir, upstream) = (tempdir().unwrap(), Upstream::start());
    let path = dir.path().join("keys.redb");
    let mut serve = Serve::start(dir.path(), &upstream.url);
    let workspace = serve.workspace("one");
    let mut keys = vec![serve.key(&workspace, "made before")];
    serve.process.kill();
    let kib = path.metadata().unwrap().len().div_ceil(1024);

    let mut serve = Serve::of(limited(&Serve::command(dir.path(), &upstream.url), kib));
    let target = format!("/api/workspaces/{workspace}/webhook-keys");
    let cidrs: Vec<String> = (0..60).map(|n| format!("2001:db8:{n}::/48")).collect();
    let make = |serve: &Serve, name: String| {
        serve.admin(
            "POST",
            &target,
            Some(json!({ "name": name, "requireKeyId": true, "allowedCidrs": cidrs })),
        )
    };
    let mut made = Vec::new();
    let refused = loop {
        let answer = make(&serve, format!("key {}", made.len()));
        if answer.status != 201 {
            break answer;
        }
        made.push(text(&answer.json()["id"]));
        assert!(made.len() < 5000, "it never was full");
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert!(refused.header("content-type").unwrap().starts_with("application/problem+json"));
    serve.process.wait_for("it says what is full", |_, stderr| {
        (stderr.contains("no space left for the store") && stderr.contains("keys.redb")).then_some(())
    });
    // Whoever holds a key does not notice.
    let status =
        |serve: &Serve, key: &str| Call::get("/").header("X-API-Key", key).send(serve.traffic).status;
    assert_eq!(status(&serve, &keys[0].api_key), 200);
    assert_eq!(serve.ops("/readyz").status, 200);
    assert_eq!(serve.admin("GET", &format!("/api/webhook-keys/{}", made[0]), None).status, 200);

    let pid = serve.process.id().to_string();
    let mut room = tool_command(&tool("prlimit"), dir.path(), &["--pid", &pid, "--fsize=unlimited:"]);
    assert!(room.status().unwrap().success());
    keys.push(serve.key(&workspace, "made afterwards"));
    assert_eq!(keys.iter().map(|key| status(&serve, &key.api_key)).collect::<Vec<_>>(), [200, 200]);
    serve.process.kill();
    let serve = Serve::start(dir.path(), &upstream.url);
    for id in &made {
        assert_eq!(serve.admin("GET", &format!("/api/webhook-keys/{id}"), None).status, 200, "{id} is lost");
    }
    assert_eq!(keys.iter().map(|key| status(&serve, &key.api_key)).collect::<Vec<_>>(), [200, 200]);
}
