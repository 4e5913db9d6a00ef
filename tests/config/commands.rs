//! The commands that read a configuration: what they print, and their exit codes.

use std::process::{Command, Output};

use super::repository;

fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(args).env_clear().envs(env.iter().copied()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn check_prints_the_effective_route_table() {
    let example = repository("config/example.toml");
    let output = run(&["check", "--config", example.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("config ok\n"), "{text}");
    assert!(text.contains("listener  0.0.0.0:8080"), "{text}");
    let row = text.lines().find(|line| line.contains("payments")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    let expected = [
        "2",
        "payments",
        "/api/payments/{*rest}",
        "POST,PUT",
        "signature,api-key",
        "all",
        "no",
        "1MiB",
        "2m",
    ];
    assert_eq!(cells, expected);

    let output = run(&["check", "--json"], &[("COUNTERSIGN_SERVICE_HOST", "10.0.0.1")]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(json["routes"][1]["verify"], serde_json::json!(["signature", "api-key"]));
    assert_eq!(json["ignoredEnvironment"][0], "COUNTERSIGN_SERVICE_HOST");
}

#[test]
fn check_of_a_faulty_configuration_exits_with_78() {
    let env = [("COUNTERSIGN_LOG__LEVEL", "loud"), ("COUNTERSIGN_LIMITS__NONE", "1")];
    let output = run(&["check"], &env);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("2 faults in the configuration:"), "{}", stderr(&output));
    assert!(stdout(&output).is_empty());
    let output = run(&["check", "--json"], &env);
    assert_eq!(output.status.code(), Some(78));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["faults"][0]["path"], "log.level");
    let output = run(&["serve", "--upstream", "nowhere"], &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("(--upstream)"), "{}", stderr(&output));
}

#[test]
fn service_links_are_one_warning() {
    let output = run(&["check"], &[("COUNTERSIGN_PORT", "tcp://x"), ("COUNTERSIGN_SERVICE_HOST", "x")]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("COUNTERSIGN_PORT, COUNTERSIGN_SERVICE_HOST"));
}

#[test]
fn usage_faults_exit_with_2_and_help_with_0() {
    for args in
        [&["serve", "--no-such-flag"][..], &["nonsense"], &[], &["keks", "new", "--dir", "d", "--id", "A b"]]
    {
        assert_eq!(run(args, &[]).status.code(), Some(2), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["serve", "--help"], &["keks", "new", "--help"]] {
        let output = run(args, &[]);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty());
    }
}
