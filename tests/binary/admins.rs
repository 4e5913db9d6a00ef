//! `countersign admin`, and what each role gets from the commands.

use serde_json::Value;
use tempfile::tempdir;

use crate::support::process::{Ended, Serve, cli};
use crate::support::upstream::Upstream;

#[test]
fn admins_are_made_changed_and_deleted_by_name() {
    let (dir, upstream) = (tempdir().unwrap(), Upstream::start());
    let serve = Serve::start(dir.path(), &upstream.url);
    let run = |args: &[&str]| cli(&serve, dir.path(), args);
    let ok = |args: &[&str]| {
        let ended = run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended
    };
    ok(&["workspace", "create", "Acme"]);
    let made = ok(&["admin", "create", "Wim", "--role", "workspace-admin", "--workspace", "Acme"]);
    let token = made.stdout.lines().find_map(|line| line.strip_prefix("token  ")).unwrap().to_owned();
    assert!(token.starts_with("ca_") && made.stderr.contains("this once"), "{}", made.stderr);
    std::fs::write(dir.path().join("wim.token"), &token).unwrap();

    // The role is the port's to judge, and the command says what it said.
    let as_wim = |args: &[&str]| run(&[args, &["--token-file", "wim.token"]].concat());
    assert_eq!(as_wim(&["key", "create", "ci", "--workspace", "Acme"]).code, Some(0));
    let refused = as_wim(&["integration", "create", "github", "--type", "github"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("403: your role, workspace-admin, may not"), "{}", refused.stderr);

    let listed: Value = serde_json::from_str(&ok(&["admin", "list", "--json"]).stdout).unwrap();
    assert_eq!(listed["items"][0]["name"], "Wim");
    assert!(!ok(&["admin", "get", "Wim"]).stdout.contains(&token));
    let changed: Value =
        serde_json::from_str(&ok(&["admin", "update", "Wim", "--role", "auditor", "--json"]).stdout).unwrap();
    assert_eq!((&changed["role"], &changed["workspaces"]), (&"auditor".into(), &Value::Null));
    assert_eq!(as_wim(&["integration", "list"]).code, Some(0));

    let rotated: Value =
        serde_json::from_str(&ok(&["admin", "rotate-token", "Wim", "--json"]).stdout).unwrap();
    assert_ne!(rotated["token"], token.as_str());
    assert_eq!(as_wim(&["integration", "list"]).code, Some(1));
    let unsure: Ended = run(&["admin", "delete", "Wim"]);
    assert_eq!(unsure.code, Some(2), "{}", unsure.stderr);
    ok(&["admin", "delete", "Wim", "--yes"]);
    assert_eq!(run(&["admin", "get", "Wim"]).code, Some(1));
    upstream.saw_nothing();
}
