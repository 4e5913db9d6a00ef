//! `role` and `[scope]`: what they may say, and what of a file has no effect then.

use countersign::config::{self, InitPolicy, Role};
use serde_json::Value;
use uuid::Uuid;

use super::Given;
use crate::support::process::{Process, countersign};

const ID: &str = "0190163d-8694-739b-aea5-966c26f8ad91";
const REDIS: &str = "[keys]\nkek_dir = \"/k\"\nseal_with = \"k1\"\n\
                     [store]\nkind = \"redis\"\nurl = \"redis://a\"\n";

fn warnings(given: &Given) -> Vec<String> {
    let dir = format!("{}/", given.dir.path().display());
    let loaded = config::load(&given.sources).unwrap_or_else(|faults| panic!("{faults}"));
    loaded.warnings.iter().map(|warning| warning.replace(&dir, "")).collect()
}

#[test]
fn a_process_has_every_port_and_serves_everything_unless_told_otherwise() {
    let config = Given::nothing().config();
    assert_eq!((config.role, config.scope), (Role::All, None));
    assert_eq!(warnings(&Given::nothing().env("COUNTERSIGN_ADMIN_TOKEN", "0123456789abcdef")), [""; 0]);
    assert_eq!(Given::file("role = \"admin\"\n").flag("role", "data").config().role, Role::Data);
    let fault = Given::file("role = \"dta\"\n").fault();
    assert!(fault.contains("one of \"all\", \"data\", \"admin\"; did you mean \"data\"?"), "{fault}");
    let below_a_table = Given::file("[log]\nlevel = \"info\"\nrole = \"data\"\n").fault();
    assert!(below_a_table.contains("did you mean \"role\"?"), "{below_a_table}");
}

#[test]
fn a_scope_lists_workspaces_by_id_and_integrations_by_name() {
    let file = format!("[scope]\nworkspaces = [\"{ID}\"]\nintegrations = [\"github\", \"stripe\"]\n");
    let scope = Given::file(&file).config().scope.unwrap();
    assert_eq!(scope.workspaces.into_iter().collect::<Vec<_>>(), [Uuid::try_parse(ID).unwrap()]);
    assert_eq!(scope.integrations.into_iter().collect::<Vec<_>>(), ["github", "stripe"]);
    let env = Given::nothing().env("COUNTERSIGN_SCOPE__WORKSPACES", &format!("[\"{ID}\"]")).config();
    assert_eq!(env.scope.unwrap().workspaces.len(), 1);
}

#[test]
fn a_scope_that_says_nothing_is_a_fault_and_not_everything() {
    for (file, expected) in [
        ("workspaces = []", "scope = a table: expected at least one workspace or integration; leave [scope]"),
        ("workspaces = []\nintegrations = []", "expected at least one workspace or integration"),
        ("workspaces = [\"acme\"]", "scope.workspaces[0] = \"acme\": expected a workspace's id"),
        ("workspaces = \"acme\"", "scope.workspaces = \"acme\": expected a list of workspace ids"),
        ("integrations = [\"Git Hub\"]", "scope.integrations[0] = \"Git Hub\": expected"),
        ("integration = [\"github\"]", "scope.integration: expected a known option; did you mean"),
    ] {
        let fault = Given::file(&format!("[scope]\n{file}\n")).fault();
        assert!(fault.contains(expected), "{file}: {fault}");
    }
    let empty = Given::nothing().env("COUNTERSIGN_SCOPE__WORKSPACES", "[]").fault();
    assert!(empty.contains("at least one workspace or integration"), "{empty}");
}

#[test]
fn what_a_role_makes_useless_is_named() {
    let file = format!("role = \"data\"\n{REDIS}init = \"if-empty\"\n[admin]\ntoken_file = \"/token\"\n");
    let given = Given::file(&file)
        .env("COUNTERSIGN_ADMIN_TOKEN", "0123456789abcdef")
        .flag("admin.address", "[::1]:1");
    assert_eq!(
        warnings(&given),
        [
            "admin.address has no effect with role = \"data\" (--admin)",
            "admin.token_file has no effect with role = \"data\" (config.toml)",
            "COUNTERSIGN_ADMIN_TOKEN has no effect with role = \"data\", and need not be there",
            "store.init has no effect with role = \"data\", which initialises nothing (config.toml)",
        ]
    );
    assert_eq!(given.config().store.init, InitPolicy::Never);

    let listener = "[listener]\nthreads = 2\npublic_url = \"https://a\"\n[upstream]\nurl = \"http://a:1\"\n";
    let limits = "[limits]\ncandidate_secrets = 2\nmax_body = \"1KB\"\n";
    let given = Given::file(&format!("role = \"admin\"\n{REDIS}{listener}{limits}"));
    let of_admin = ["limits.max_body", "listener.threads", "upstream.url"]
        .map(|option| format!("{option} has no effect with role = \"admin\" (config.toml)"));
    assert_eq!(warnings(&given), of_admin);

    let alone = "store.kind is one process's alone: nobody ";
    assert_eq!(warnings(&Given::file("role = \"admin\"\n")), [format!("{alone}serves what this one writes")]);
    let data = warnings(&Given::file("role = \"data\"\n"));
    assert_eq!(data, [format!("{alone}changes keys while this one runs")]);
}

#[test]
fn a_port_that_a_role_does_not_bind_takes_nobodys_place() {
    let taken = |role: &str, option: &str| {
        let given = Given::nothing().flag("role", role).flag("ops.address", "127.0.0.1:7000");
        config::load(&given.flag(option, "127.0.0.1:7000").sources).is_err()
    };
    for (role, listener, admin) in [("all", true, true), ("data", true, false), ("admin", false, true)] {
        assert_eq!(taken(role, "listener.address"), listener, "{role}");
        assert_eq!(taken(role, "admin.address"), admin, "{role}");
    }
}

#[test]
fn check_says_which_ports_a_role_has_and_what_is_in_scope() {
    let dir = tempfile::tempdir().unwrap();
    let check = |args: &[&str]| {
        let mut command = countersign(dir.path(), &[&["check"], args].concat());
        command.env("COUNTERSIGN_SCOPE__INTEGRATIONS", "[\"github\"]");
        let ended = Process::start(command).finish();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    };
    let text = check(&["--role", "data"]);
    for line in ["role      data", "admin     none", "listener  0.0.0.0:8080", "scope     integration github"]
    {
        assert!(text.stdout.lines().any(|found| found == line), "{line}: {}", text.stdout);
    }
    assert!(!text.stdout.contains("token"), "{}", text.stdout);
    assert!(text.stderr.contains("warning: store.kind"), "{}", text.stderr);
    let json: Value = serde_json::from_str(&check(&["--role", "admin", "--json"]).stdout).unwrap();
    assert_eq!((&json["role"], &json["listener"]), (&"admin".into(), &Value::Null));
    assert_eq!(json["admin"], "127.0.0.1:9901");
    assert_eq!(json["scope"]["integrations"][0], "github");
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
}
