//! What `serve` starts with, and what it refuses to start with.

use std::net::TcpListener;
use std::process::Command;

use tempfile::tempdir;

use crate::support::http::Call;
use crate::support::process::{Ended, Process, Serve, countersign};
use crate::support::sidecar::TOKEN;
use crate::support::upstream::nobody;

fn run(command: Command) -> Ended {
    Process::start(command).finish()
}

#[test]
fn n02_serve_without_a_token_is_refused_and_says_how_to_make_one() {
    let dir = tempdir().unwrap();
    let mut command = Serve::command(dir.path(), &nobody());
    command.env_remove("COUNTERSIGN_ADMIN_TOKEN");
    let ended = run(command);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    for said in ["no admin token", "export COUNTERSIGN_ADMIN_TOKEN=$(openssl rand", "admin.token_file"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0, "nothing was opened");
}

#[test]
fn serve_refuses_a_short_token_from_wherever_it_comes() {
    let dir = tempdir().unwrap();
    let mut command = Serve::command(dir.path(), &nobody());
    command.env("COUNTERSIGN_ADMIN_TOKEN", "fifteen-letters");
    let ended = run(command);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("COUNTERSIGN_ADMIN_TOKEN"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("fifteen-letters"), "{}", ended.stderr);

    std::fs::write(dir.path().join("token"), "fifteen-letters\n").unwrap();
    for (file, said) in [("token", "fewer than 16"), ("none", "No such file")] {
        let mut command = Serve::command(dir.path(), &nobody());
        command.env_remove("COUNTERSIGN_ADMIN_TOKEN").env("COUNTERSIGN_ADMIN__TOKEN_FILE", file);
        let ended = run(command);
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("admin.token_file = {file}")), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(!ended.stderr.contains("fifteen-letters"), "{}", ended.stderr);
    }
}

#[test]
fn a_token_file_opens_the_admin_port() {
    let dir = tempdir().unwrap();
    let token = "0123456789abcdef0123456789abcdef";
    std::fs::write(dir.path().join("token"), format!("{token}\n")).unwrap();
    let mut command = Serve::command(dir.path(), &nobody());
    command.env_remove("COUNTERSIGN_ADMIN_TOKEN").env("COUNTERSIGN_ADMIN__TOKEN_FILE", "token");
    let serve = Serve::of(command);
    let list = |token: &str| {
        let call = Call::get("/api/workspaces").header("Authorization", format!("Bearer {token}"));
        call.ask(serve.admin).status
    };
    assert_eq!(list(token), 200);
    assert_eq!(list(TOKEN), 401);
}

#[test]
fn a_port_that_is_taken_is_named_by_its_option() {
    let holder = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let dir = tempdir().unwrap();
    // Its own sockets share their port with each other, but with nobody else's.
    let other = Serve::start(dir.path(), &nobody());
    let shared = other.traffic.to_string();
    for (flag, option, taken) in [
        ("--listener", "listener.address", &taken),
        ("--admin", "admin.address", &taken),
        ("--ops", "ops.address", &taken),
        ("--listener", "listener.address", &shared),
    ] {
        let dir = tempdir().unwrap();
        let mut args = vec!["serve", "--upstream", "http://127.0.0.1:1", flag, taken];
        for other in ["--listener", "--admin", "--ops"].into_iter().filter(|other| *other != flag) {
            args.extend([other, "127.0.0.1:0"]);
        }
        let mut command = countersign(dir.path(), &args);
        command.env("COUNTERSIGN_ADMIN_TOKEN", TOKEN);
        let ended = run(command);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("{option} = {taken} cannot be bound")), "{}", ended.stderr);
    }
}

#[test]
fn serve_starts_with_a_pods_service_links_in_its_environment() {
    let dir = tempdir().unwrap();
    let mut command = Serve::command(dir.path(), &nobody());
    // What the kubelet sets for a service named `countersign`, and for one named `countersign-admin`.
    command.envs([
        ("COUNTERSIGN_SERVICE_HOST", "10.96.3.7"),
        ("COUNTERSIGN_SERVICE_PORT", "80"),
        ("COUNTERSIGN_SERVICE_PORT_HTTP", "80"),
        ("COUNTERSIGN_PORT", "tcp://10.96.3.7:80"),
        ("COUNTERSIGN_PORT_80_TCP", "tcp://10.96.3.7:80"),
        ("COUNTERSIGN_PORT_80_TCP_ADDR", "10.96.3.7"),
        ("COUNTERSIGN_PORT_80_TCP_PORT", "80"),
        ("COUNTERSIGN_PORT_80_TCP_PROTO", "tcp"),
        ("COUNTERSIGN_ADMIN_SERVICE_HOST", "10.96.3.8"),
        ("COUNTERSIGN_ADMIN_PORT", "tcp://10.96.3.8:9901"),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
    ]);
    let serve = Serve::of(command);
    let stderr = serve.process.stderr();
    assert_eq!(stderr.matches("ignored environment variables").count(), 1, "{stderr}");
    assert_eq!(serve.ops("/livez").status, 200);
    assert_eq!(serve.ops("/startupz").status, 200);
}

#[test]
fn a_second_serve_on_the_same_store_is_refused() {
    let dir = tempdir().unwrap();
    let _first = Serve::start(dir.path(), &nobody());
    let ended = run(Serve::command(dir.path(), &nobody()));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("in use by another process"), "{}", ended.stderr);
}
