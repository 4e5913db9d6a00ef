//! A WebSocket between a client and a server that others wrote (python3-websockets).

use std::process::Command;

use serde_json::json;
use tempfile::tempdir;

use super::websocket::ROUTES;
use crate::support::process::{Process, tool_command};
use crate::support::sidecar::Sidecar;

const SCRIPT: &str = include_str!("echo.py");

/// A Python that has the library: the one on the path, or the system's.
fn python() -> &'static str {
    let has = |python: &&str| {
        let status = Command::new(python).args(["-c", "import websockets"]).output();
        status.is_ok_and(|output| output.status.success())
    };
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(has)
        .expect("python3-websockets is missing: run tests/run, or `apt-get install python3-websockets`")
}

#[test]
fn messages_of_every_size_pass_between_real_peers() {
    let (dir, python) = (tempdir().unwrap(), python());
    let path = dir.path().join("echo.py");
    std::fs::write(&path, SCRIPT).unwrap();
    let script = path.display().to_string();
    let mut server = Process::start(tool_command(python, dir.path(), &[&script, "serve"]));
    let port: u16 = server.wait_for("it says its port", |stdout, _| stdout.lines().next()?.parse().ok());
    let sidecar = Sidecar::builder().config(ROUTES).upstream(&format!("http://127.0.0.1:{port}")).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let url = format!("ws://{}/live", sidecar.traffic());
    let mut client = tool_command(python, dir.path(), &[&script, "check", &url]);
    client.env("API_KEY", &key.api_key);
    let ended = Process::start(client).finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "echoed\n"), "{}", ended.stderr);
}
