//! `dev`, as its first user meets it: start it, paste what it prints, press Ctrl-C.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::process::{BINARY, Process, countersign, tool, tool_command};

/// A line that the demo prints, and whether the comment above it says that it is refused.
struct Line {
    text: String,
    refused: bool,
}

/// Starts the demo in `dir` and gives the lines that it prints.
fn start(dir: &Path) -> (Process, Vec<Line>) {
    start_at(dir, "127.0.0.1:0")
}

fn start_at(dir: &Path, listener: &str) -> (Process, Vec<Line>) {
    let any = "127.0.0.1:0";
    let mut command = countersign(dir, &["dev", "--listener", listener, "--admin", any, "--ops", any]);
    command.env("HOME", dir.join("home")).env("TMPDIR", dir.join("home"));
    let mut demo = Process::start(command);
    let text = demo.wait_for("the demo has said everything", |stdout, _| {
        stdout.contains("Ctrl-C").then(|| stdout.to_owned())
    });
    let mut lines = Vec::new();
    let mut comment = "";
    for line in text.lines() {
        if line.starts_with('#') {
            comment = line;
        } else if line.starts_with("curl ") {
            lines.push(Line { text: line.to_owned(), refused: comment.contains("refused") });
        }
    }
    (demo, lines)
}

/// Runs a line as a shell does.
fn paste(dir: &Path, line: &str) -> String {
    tool("curl");
    let output = tool_command("/bin/sh", dir, &["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Values of the headers of a line that prove something: they must not reach the application.
fn credentials(line: &str) -> Vec<String> {
    let headers = line.split("-H '").skip(1).filter_map(|rest| rest.split('\'').next());
    headers
        .filter_map(|header| header.split_once(": "))
        .filter(|(name, _)| {
            let name = name.to_ascii_lowercase();
            ["key", "token", "signature"].iter().any(|part| name.contains(part)) && name != "x-webhook-key-id"
        })
        .map(|(_, value)| value.to_owned())
        .collect()
}

fn entries(dir: &Path) -> Vec<String> {
    dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn interrupt(demo: Process) {
    demo.signal("INT");
    let ended = demo.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn every_line_that_the_demo_prints_does_what_it_says() {
    for listener in ["127.0.0.1:0", "unix:it's traffic.sock"] {
        every_line_does_what_it_says(listener);
    }
}

fn every_line_does_what_it_says(listener: &str) {
    let dir = tempdir().unwrap();
    let (demo, lines) = start_at(dir.path(), listener);
    let samples: Vec<&Line> = lines.iter().filter(|line| line.text.starts_with("curl -i ")).collect();
    assert_eq!(samples.iter().filter(|line| line.refused).count(), 1);
    assert!(samples.len() >= 7, "{} lines", samples.len());
    for Line { text, refused } in samples {
        let answer = paste(dir.path(), text);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        if *refused {
            assert!(head.starts_with("HTTP/1.1 401 "), "{text}\n{answer}");
            assert!(head.to_ascii_lowercase().contains("www-authenticate: countersign"), "{answer}");
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{text}\n{answer}");
        let shown: Value = serde_json::from_str(body).unwrap();
        for name in ["countersign-verified", "countersign-request-id", "countersign-workspace-id"] {
            assert!(shown["headers"][name].is_string(), "{name}: {text}\n{answer}");
        }
        let credentials = credentials(text);
        assert!(!credentials.is_empty(), "{text}");
        for credential in credentials {
            assert!(!answer.contains(&credential), "{credential} reached the application: {answer}");
        }
    }
    interrupt(demo);
}

#[test]
fn the_demos_admin_sees_no_secret_again() {
    let dir = tempdir().unwrap();
    let (demo, lines) = start(dir.path());
    let admin = lines.iter().find(|line| line.text.contains("Authorization: Bearer")).unwrap();
    let list: Value = serde_json::from_str(&paste(dir.path(), &admin.text)).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    for credential in lines.iter().flat_map(|line| credentials(&line.text)) {
        assert!(!list.to_string().contains(&credential), "{list}");
    }
    interrupt(demo);
}

#[test]
fn the_demo_writes_nothing_outside_its_directory_and_runs_again() {
    let dir = tempdir().unwrap();
    let (demo, first) = start(dir.path());
    interrupt(demo);
    assert_eq!(entries(dir.path()), [".countersign"]);
    let (demo, second) = start(dir.path());
    // Secrets are shown once, so a new run has new ones, and those of the first are refused.
    let key =
        |lines: &[Line]| lines.iter().find(|line| line.text.contains("X-API-Key")).unwrap().text.clone();
    assert!(paste(dir.path(), &key(&second)).starts_with("HTTP/1.1 200 "));
    let base = |line: &str| line.split("/orders").next().unwrap().to_owned();
    let former = key(&first).replace(&base(&key(&first)), &base(&key(&second)));
    assert!(paste(dir.path(), &former).starts_with("HTTP/1.1 401 "), "{former}");
    interrupt(demo);
    assert_eq!(entries(dir.path()), [".countersign"]);
}

#[test]
fn a_demo_whose_port_is_taken_names_the_option() {
    let dir: TempDir = tempdir().unwrap();
    let holder = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let any = "127.0.0.1:0";
    let command: Command =
        countersign(dir.path(), &["dev", "--listener", &taken, "--admin", any, "--ops", any]);
    let ended = Process::start(command).finish();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&format!("listener.address = {taken}")), "{}", ended.stderr);
}

#[test]
fn a_sender_that_is_created_beside_the_demo_delivers_by_the_printed_line() {
    let dir = tempdir().unwrap();
    let (demo, _) = start(dir.path());
    let said = demo.stdout();
    // Nothing but the directory says where the demo is and what opens it, and the program is in no PATH.
    let line = format!("{BINARY} integration create pagerduty-prod --type pagerduty");
    assert!(said.lines().any(|said| said == line), "{said}");
    let made = paste(dir.path(), &line);
    let curl = made.lines().find(|line| line.starts_with("curl ")).unwrap();
    let answer = paste(dir.path(), curl);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{curl}\n{answer}");
    let shown: Value = serde_json::from_str(body).unwrap();
    assert_eq!(shown["headers"]["countersign-integration"], "pagerduty-prod", "{answer}");
    // From elsewhere, the file of the token says it all.
    let elsewhere = tempdir().unwrap();
    let token = dir.path().join(".countersign/admin.token").display().to_string();
    let list = countersign(elsewhere.path(), &["integration", "list", "--token-file", &token]);
    assert!(Process::start(list).finish().stdout.contains("pagerduty-prod"));
    // Its token is for nobody else.
    let elsewhere = ["workspace", "list", "--url", "http://127.0.0.1:1"];
    assert_eq!(Process::start(countersign(dir.path(), &elsewhere)).finish().code, Some(2));
    interrupt(demo);
    assert!(!dir.path().join(".countersign/addresses.json").exists());
}
