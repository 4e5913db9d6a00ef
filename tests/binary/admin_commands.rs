//! `workspace`, `key` and `integration`, as an admin runs them against a running sidecar.

use std::io::{Read, Write};
use std::path::Path;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::http::Call;
use crate::support::process::{Ended, Process, Serve, cli, countersign, tool, tool_command};
use crate::support::sidecar::TOKEN;
use crate::support::upstream::Upstream;

/// A sidecar before an application, and a directory to run commands in.
pub(super) struct Place {
    dir: TempDir,
    upstream: Upstream,
    pub(super) serve: Serve,
}

impl Place {
    pub(super) fn start() -> Self {
        let (dir, upstream) = (tempdir().unwrap(), Upstream::start());
        let serve = Serve::start(dir.path(), &upstream.url);
        Self { dir, upstream, serve }
    }

    pub(super) fn run(&self, args: &[&str]) -> Ended {
        cli(&self.serve, self.dir.path(), args)
    }

    /// A command that succeeds; what it prints.
    pub(super) fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stdout
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        let text = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// A command that ends like this, and says all of that.
    pub(super) fn refused(&self, args: &[&str], code: i32, said: &[&str]) {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        for said in said {
            assert!(ended.stderr.contains(said), "{args:?}: {said}: {}", ended.stderr);
        }
        assert!(ended.stdout.is_empty(), "{args:?}: {}", ended.stdout);
    }

    fn file(&self, name: &str, content: &str) {
        std::fs::write(self.dir.path().join(name), content).unwrap();
    }
}

/// The value of a line `name  value`.
pub(super) fn value(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no {name}: {text}"));
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn sh(dir: &Path, line: &str) -> String {
    tool("curl");
    let output = tool_command("/bin/sh", dir, &["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_workspace_is_made_shown_and_deleted_with_what_is_in_it() {
    let place = Place::start();
    let id = value(&place.ok(&["workspace", "create", "Acme Ltd"]), "id");
    let list = place.ok(&["workspace", "list"]);
    assert!(list.starts_with("id  ") && list.contains(&format!("{id}  Acme Ltd  ")), "{list}");
    for named in [&id, "Acme Ltd", " Acme Ltd "] {
        assert_eq!(place.json(&["workspace", "get", named])["id"], id.as_str());
    }
    assert_eq!(place.json(&["workspace", "list"])["items"][0]["name"], "Acme Ltd");
    let key = place.json(&["key", "create", "ci", "--workspace", "Acme Ltd"]);

    place.refused(&["workspace", "create", "Acme Ltd"], 1, &["409: name: ", "Next: "]);
    place.refused(&["workspace", "create", " "], 1, &["422: name: must have at least one character"]);
    place.refused(&["workspace", "get", "Nobody"], 1, &["there is no workspace `Nobody`", "workspace list"]);
    place.refused(&["workspace", "delete", "Acme Ltd"], 2, &["with every webhook key", "--yes"]);
    place.refused(
        &["workspace", "delete", "Acme Ltd", "--yes", "--if-match", "7"],
        1,
        &["412: ", "--if-match"],
    );
    assert_eq!(place.json(&["key", "get", "ci"])["id"], key["id"]);
    assert!(place.ok(&["workspace", "delete", "Acme Ltd", "--yes"]).starts_with("deleted the workspace"));
    place.refused(&["key", "get", key["id"].as_str().unwrap()], 1, &["404: "]);
}

#[test]
fn a_key_lives_from_its_creation_to_its_deletion() {
    let place = Place::start();
    place.ok(&["workspace", "create", "w"]);
    let works = |api_key: &str| Call::get("/x").header("X-API-Key", api_key).send(place.serve.traffic).status;
    let create =
        ["key", "create", "ci", "--workspace", "w", "--scheme", "signed-request", "--require-key-id"];
    let made = place
        .run(&[&create[..], &["--cidr", "127.0.0.0/8", "--expires-at", "2099-01-01T00:00:00Z"]].concat());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(made.stderr.contains("shown this once"), "{}", made.stderr);
    let (api_key, secret) = (value(&made.stdout, "apiKey"), value(&made.stdout, "secret"));
    assert!(made.stdout.contains("\n\napiKey"), "secrets stand apart: {}", made.stdout);
    assert_eq!(works(&api_key), 200);

    let shown = place.ok(&["key", "get", "ci", "--workspace", "w"]);
    for (name, said) in [
        ("scheme", "signed-request"),
        ("requireKeyId", "yes"),
        ("allowedCidrs", "127.0.0.0/8"),
        ("routes", "-"),
    ] {
        assert_eq!(value(&shown, name), said);
    }
    let list = place.ok(&["key", "list", "--workspace", "w"]);
    for text in [shown, list] {
        assert!(!text.contains(&api_key) && !text.contains(&secret), "{text}");
    }

    let count = place.upstream.count();
    assert_eq!(value(&place.ok(&["key", "disable", "ci"]), "isActive"), "no");
    assert_eq!(works(&api_key), 401);
    assert_eq!(place.upstream.count(), count);
    place.refused(&["key", "enable", "ci", "--if-match", "1"], 1, &["412: ", "revision 2"]);
    assert_eq!(value(&place.ok(&["key", "enable", "ci", "--if-match", "2"]), "isActive"), "yes");

    let rotated = place.ok(&["key", "rotate", "ci", "--what", "apiKey", "--overlap", "600"]);
    let fresh = value(&rotated, "apiKey");
    assert_ne!(fresh, api_key);
    assert!(!rotated.lines().any(|line| line.starts_with("secret ")), "{rotated}");
    assert_eq!((works(&fresh), works(&api_key)), (200, 200));
    place.refused(&["key", "rotate", "ci"], 1, &["409: --force: ", "`retire-previous`"]);
    place.ok(&["key", "retire-previous", "ci"]);
    assert_eq!((works(&fresh), works(&api_key)), (200, 401));
    let last = place.json(&["key", "rotate", "ci", "--overlap", "0", "--force"]);
    assert_eq!((works(last["apiKey"].as_str().unwrap()), works(&fresh)), (200, 401));

    place.refused(&["key", "delete", "ci"], 2, &["--yes"]);
    place.ok(&["key", "delete", "ci", "--yes"]);
    assert_eq!(works(last["apiKey"].as_str().unwrap()), 401);
    assert_eq!(place.json(&["key", "list", "--workspace", "w"])["items"], Value::Array(Vec::new()));
}

#[test]
fn two_keys_of_one_name_are_a_question_back() {
    let place = Place::start();
    let mut ids = Vec::new();
    for workspace in ["one", "two"] {
        place.ok(&["workspace", "create", workspace]);
        let made = place.json(&["key", "create", "ci", "--workspace", workspace]);
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let said = ["more than one webhook key `ci`", &ids[0], &ids[1]];
    place.refused(&["key", "delete", "ci", "--yes"], 1, &said);
    assert_eq!(place.json(&["key", "get", "ci", "--workspace", "two"])["id"], ids[1].as_str());
    place.refused(&["key", "get", "no", "--workspace", "two"], 1, &["there is no webhook key `no`"]);
    place.refused(&["key", "list", "--workspace", "three"], 1, &["there is no workspace `three`"]);
    let faulty =
        ["key", "create", "k", "--workspace", "one", "--expires-at", "soon", "--cidr", "x", "--route", "no"];
    place.refused(&faulty, 1, &["422: 3 fields", "  --expires-at: ", "  --cidr: ", "  --route: "]);
    place.refused(&["key", "rotate", "ci", "--what", "everything"], 2, &["apiKey"]);
}

#[test]
fn an_integration_lives_from_its_creation_to_its_deletion() {
    let place = Place::start();
    place.file("s", "a secret that the sender has\n");
    place.file("t", "another that the sender has\n");
    place.ok(&["workspace", "create", "w"]);
    let made = place.run(&["integration", "create", "gh", "--type", "github", "--workspace", "w"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let secret = value(&made.stdout, "webhookSecret");
    // Which address senders call, nobody has said.
    assert!(
        made.stderr.contains("shown this once") && made.stderr.contains("listener.public_url"),
        "{}",
        made.stderr
    );
    assert!(
        made.stdout.contains("paste this secret into Secret") && !made.stdout.contains("curl"),
        "{}",
        made.stdout
    );
    for args in [&["integration", "list", "--workspace", "w"][..], &["integration", "get", "gh"]] {
        let text = place.ok(args);
        assert!(text.contains("/webhooks/gh") && !text.contains(&secret), "{text}");
    }

    let update =
        ["integration", "update", "gh", "--name", "gh2", "--active", "false", "--reject-status", "404"];
    let updated = place
        .json(&[&update[..], &["--cidr", "127.0.0.1", "--clear", "workspace", "--if-match", "1"]].concat());
    for (field, value) in [
        ("name", Value::from("gh2")),
        ("isActive", Value::from(false)),
        ("rejectStatus", Value::from(404)),
        ("workspaceId", Value::Null),
    ] {
        assert_eq!(updated[field], value);
    }
    place.refused(&["integration", "update", "gh2"], 2, &["nothing to change"]);
    place.refused(
        &["integration", "update", "gh2", "--cidr", "::1", "--clear", "cidr"],
        2,
        &["allowedCidrs"],
    );
    place.refused(&["integration", "update", "gh2", "--tolerance", "9"], 1, &["422: --tolerance: "]);

    // A secret that came from a file is known, and not printed.
    let rotated =
        place.ok(&["integration", "rotate-secret", "gh2", "--secret-file", "s", "--overlap", "600"]);
    assert!(!rotated.contains("a secret that") && rotated.contains("until="), "{rotated}");
    let again = ["integration", "rotate-secret", "gh2", "--secret-file", "t"];
    place.refused(&again, 1, &["409: --force: "]);
    place.ok(&["integration", "retire-previous", "gh2"]);
    place.ok(&[&again[..], &["--force"]].concat());
    place.refused(&["integration", "reveal", "gh2"], 1, &["409: "]);
    place.refused(&["integration", "rotate-secret", "gh2", "--secret-file", "none"], 2, &["none: "]);

    place.refused(&["integration", "delete", "gh2"], 2, &["--yes"]);
    place.ok(&["integration", "delete", "gh2", "--yes"]);
    place.refused(&["integration", "get", "gh2"], 1, &["404: "]);
    place.refused(&["integration", "get", "../workspaces"], 1, &["404: "]);
    place.refused(
        &["integration", "create", "gh", "--type", "githup"],
        1,
        &["422: --type: is not known", "schemes"],
    );
}

#[test]
fn a_scheme_of_ones_own_comes_from_a_file() {
    let place = Place::start();
    place.file(
        "acme.toml",
        "signed = \"{body}\"\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\n[sig]\nheader = \"X-Acme\"\n",
    );
    let made = place.json(&["integration", "create", "acme", "--scheme", "acme.toml"]);
    assert_eq!(made["signatureHeader"], "X-Acme");
    assert_eq!(made["scheme"]["algorithm"], "hmac-sha256");
    place.file("broken.toml", "algorithm = 7\n");
    let ended = place.run(&["integration", "create", "b", "--scheme", "broken.toml"]);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("broken.toml:1"), "{}", ended.stderr);
}

#[test]
fn every_line_that_integration_create_prints_is_accepted_behind_its_public_url() {
    let (dir, upstream) = (tempdir().unwrap(), Upstream::start());
    let mut command = Serve::command(dir.path(), &upstream.url);
    command.env("COUNTERSIGN_LISTENER__PUBLIC_URL", "http://hooks.example");
    let place = Place { serve: Serve::of(command), dir, upstream };
    place.file("it's", "a token that the sender has\n");
    for (kind, secret) in [
        ("pagerduty", None),
        ("datadog", None),
        ("datadog", Some("it's")),
        ("stripe", None),
        ("hubspot-v3", None),
    ] {
        let name = format!("{kind}{}", u8::from(secret.is_some()));
        let mut args = vec!["integration", "create", &name, "--type", kind];
        args.extend(secret.iter().flat_map(|file| ["--secret-file", file]));
        let text = place.ok(&args);
        let line = text.lines().find(|line| line.contains("curl -i http://hooks.example/webhooks/")).unwrap();
        let line = line.replace("hooks.example", &place.serve.traffic.to_string());
        let (_, curl) = line.split_once("curl -i").unwrap();
        if secret.is_none() {
            assert!(!curl.contains(&value(&text, "webhookSecret")), "a secret is no argument: {line}");
        }
        assert!(!text.contains("a token that"), "{text}");
        let count = place.upstream.count();
        assert!(sh(place.dir.path(), &line).starts_with("HTTP/1.1 200 "), "{line}");
        assert_eq!(place.upstream.count(), count + 1, "{line}");
    }
}

#[test]
fn a_secret_travels_in_the_body_and_is_no_argument() {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("s"), "a secret that the sender has\n").unwrap();
    let admin = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", admin.local_addr().unwrap());
    let args = ["integration", "create", "x", "--secret-file", "s", "--url", &url];
    let mut command = countersign(dir.path(), &args);
    command.env("COUNTERSIGN_ADMIN_TOKEN", TOKEN);
    let process = Process::start(command);
    let (mut stream, _) = admin.accept().unwrap();
    let (mut request, mut chunk) = (String::new(), [0; 4096]);
    while !request.contains("a secret that the sender has") {
        let length = stream.read(&mut chunk).unwrap();
        assert_ne!(length, 0, "{request}");
        request.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
    // What `ps` shows while the answer is awaited.
    let line = std::fs::read(format!("/proc/{}/cmdline", process.id())).unwrap();
    let line = String::from_utf8(line).unwrap();
    assert!(
        line.contains("--secret-file") && !line.contains("a secret that") && !line.contains(TOKEN),
        "{line}"
    );
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
    let ended = process.finish();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("no valid answer") && !ended.stderr.contains("a secret that"),
        "{}",
        ended.stderr
    );
}

#[test]
fn who_cannot_be_asked_or_does_not_answer_is_said() {
    let place = Place::start();
    let run = |args: &[&str], token: &str| {
        let mut command = countersign(place.dir.path(), args);
        if !token.is_empty() {
            command.env("COUNTERSIGN_ADMIN_TOKEN", token);
        }
        Process::start(command).finish()
    };
    let (there, nobody) = (format!("http://{}", place.serve.admin), "http://127.0.0.1:1");
    let other = "another-token-of-the-usual-length-0123456789";
    for (args, token, code, said) in [
        (["workspace", "list", "--url", nobody], TOKEN, 69, "cannot be reached"),
        (["workspace", "list", "--url", &there], "", 2, "no admin token"),
        (["workspace", "list", "--url", &there], other, 1, "401: send Authorization"),
        (["workspace", "list", "--url", &there], other, 1, "from COUNTERSIGN_ADMIN_TOKEN"),
        (["workspace", "list", "--url", "127.0.0.1"], TOKEN, 2, "http://host:port"),
        (["key", "list", "--url", &there], TOKEN, 2, "--workspace"),
    ] {
        let ended = run(&args, token);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
        assert!(token.is_empty() || !ended.stderr.contains(token), "{}", ended.stderr);
    }
    // The token's file comes before the variable.
    place.file("token", TOKEN);
    let args = ["workspace", "list", "--url", &there, "--token-file", "token"];
    assert_eq!(run(&args, other).code, Some(0));
}

#[test]
fn lists_of_many_pages_are_one() {
    let place = Place::start();
    for index in 0..201 {
        place.serve.workspace(&format!("w{index}"));
    }
    assert_eq!(place.json(&["workspace", "list"])["items"].as_array().unwrap().len(), 201);
    assert_eq!(place.ok(&["workspace", "list"]).lines().count(), 202);
    assert_eq!(value(&place.ok(&["workspace", "get", "w200"]), "name"), "w200");
}

#[test]
fn shells_and_readers_are_told_of_every_command() {
    let dir = tempdir().unwrap();
    let run = |args: &[&str]| {
        let ended = Process::start(countersign(dir.path(), args)).finish();
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stdout
    };
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("rotate-secret") && script.contains("secret-file"), "{shell}: {script}");
    }
    let script = run(&["completions", "bash"]);
    std::fs::write(dir.path().join("script"), script).unwrap();
    sh(dir.path(), "bash -n script");
    let page = run(&["man"]);
    assert!(page.contains(".TH COUNTERSIGN 1"), "{page}");
    for command in ["SERVE", "KEKS ROTATE", "KEY RETIRE\\-PREVIOUS", "INTEGRATION ROTATE\\-SECRET", "MAN"] {
        assert!(page.contains(&format!(".SH \"COUNTERSIGN {command}\"")), "{command}: {page}");
    }
}
