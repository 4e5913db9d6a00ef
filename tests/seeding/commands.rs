//! The commands around the seed file, and the built program that follows one.

use serde_json::{Value, json};

use super::{Files, NEW, OLD, WORKSPACE, api_key, integration, key, with_api_key};
use crate::support::mac::sha256_hex;
use crate::support::process::{Serve, countersign};
use crate::support::sidecar::until;
use crate::support::upstream::Upstream;

fn run(files: &Files, args: &[&str]) -> (Option<i32>, String, String) {
    let output = countersign(files.0.path(), args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_key_made_offline_comes_with_its_digest() {
    let files = Files::new();
    let (code, out, _) = run(&files, &["key", "new", "--offline", "--json"]);
    let made: Value = serde_json::from_str(&out).unwrap();
    let key = made["apiKey"].as_str().unwrap();
    assert_eq!((code, key.starts_with("wk_"), key.len()), (Some(0), true, 52));
    assert_eq!(made["apiKeyDigest"], sha256_hex(key.as_bytes()));
    assert_eq!(made["apiKeyPrefix"], format!("{}...", &key[..8]));

    let (code, out, _) = run(&files, &["key", "new", "--offline"]);
    let key = out.lines().next().unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(out.matches(key).count(), 1, "once: {out}");
    // What is printed can be pasted.
    let lines = &out[out.find("[[webhookKeys]]").unwrap()..];
    let entry: toml::Table = lines.parse().unwrap();
    assert_eq!(entry["webhookKeys"][0]["apiKeyDigest"].as_str(), Some(sha256_hex(key.as_bytes()).as_str()));

    let (code, out, err) = run(&files, &["key", "new"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("--offline"), "{err}");
    assert_eq!(std::fs::read_dir(files.0.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn check_judges_the_seed_file_offline() {
    let files = Files::new();
    files.write("config.toml", "[seed]\nfile = \"seed.toml\"\n");
    files.write("seed.toml", &[WORKSPACE, &key("ci", &api_key().lines), &integration("hook", "")].concat());
    let (code, out, err) = run(&files, &["check", "--config", "config.toml"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("seed      seed.toml (3 records, prune off)"), "{out}");
    // Where the file is reviewed there are no secrets; where they are, they are judged.
    assert!(out.contains("hook is not here, so this secret was not judged"), "{out}");
    files.write("hook", "short");
    let (code, out, err) = run(&files, &["check", "--config", "config.toml"]);
    assert_eq!((code, out.as_str()), (Some(78), ""));
    assert!(
        err.contains("1 fault in the seed file:\n  seed.toml:11: integrations[0].secretFile: must"),
        "{err}"
    );
    let (code, out, _) = run(&files, &["check", "--config", "config.toml", "--json"]);
    let judged: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &judged["ok"]), (Some(78), &json!(false)));
    assert_eq!(judged["faults"][0]["path"], "integrations[0].secretFile");
    assert_eq!(judged["faults"][0]["source"], "seed.toml:11");
    // A process that writes nothing has no use for it.
    let (code, out, _) = run(&files, &["check", "--config", "config.toml", "--role", "data"]);
    assert_eq!((code, out.contains("seed      none")), (Some(0), true), "{out}");
}

#[test]
fn a_running_program_follows_its_file() {
    let (files, upstream) = (Files::new(), Upstream::start());
    let (ci, cd) = (api_key(), api_key());
    files.write("hook", OLD);
    files.write("seed.toml", &[WORKSPACE, &key("ci", &ci.lines), &integration("hook", "")].concat());
    let mut command = Serve::command(files.0.path(), &upstream.url);
    command.env("COUNTERSIGN_SEED__FILE", files.path("seed.toml")).env("COUNTERSIGN_SEED__PRUNE", "true");
    let serve = Serve::of(command);
    // Ready means that the file is in force.
    assert_eq!(with_api_key(&ci).send(serve.traffic).status, 200);
    let verbose = serve.ops("/readyz?verbose");
    assert!(verbose.text().contains("seed file: in force (3 records)\n"), "{}", verbose.text());

    files.write("seed.toml", &[WORKSPACE, &key("cd", &cd.lines)].concat());
    until("the changed file is in force", || with_api_key(&cd).send(serve.traffic).status == 200);
    assert_eq!(with_api_key(&ci).send(serve.traffic).status, 401);

    files.write("seed.toml", "[[webhookKeys]]\nsecret = \"a canary that nobody may repeat\"\n");
    until("a faulty one is refused", || serve.ops("/readyz?verbose").text().contains("NOT in force"));
    let answer = serve.ops("/readyz?verbose");
    assert_eq!(answer.status, 200, "what was applied before stays");
    assert!(
        answer.text().contains("webhookKeys[0].secret: must not stand in this file"),
        "{}",
        answer.text()
    );
    assert_eq!(with_api_key(&cd).send(serve.traffic).status, 200);
    let log = serve.process.stderr();
    assert!(log.contains("the seed file was refused, and changes nothing"), "{log}");
    for canary in ["a canary that nobody may repeat", OLD, NEW, &ci.key, &cd.key] {
        assert!(!log.contains(canary) && !answer.text().contains(canary), "{canary} was repeated");
    }
}

#[test]
fn the_section_says_a_file_of_a_known_form_and_stands_alone() {
    let files = Files::new();
    for (config, expected) in [
        (
            "[seed]\nfile = \"seed.yaml\"\n",
            "seed.file = \"seed.yaml\": expected a file whose name ends in .toml",
        ),
        ("[seed]\nprune = 1\n", "seed.prune = 1: expected true or false"),
        (
            "[seed]\nfile = \"seed.toml\"\n[scope]\nintegrations = [\"a\"]\n",
            "seed.file = \"seed.toml\": expected no [scope] beside it",
        ),
    ] {
        files.write("config.toml", config);
        let (code, _, err) = run(&files, &["check", "--config", "config.toml"]);
        assert_eq!(code, Some(78), "{config}");
        assert!(err.contains(expected), "{config}: {err}");
    }
    files.write("config.toml", "[seed]\nfile = \"seed.toml\"\nprune = true\n");
    let (code, _, err) = run(&files, &["check", "--config", "config.toml", "--role", "data"]);
    assert_eq!(code, Some(0));
    for option in ["file", "prune"] {
        assert!(err.contains(&format!("seed.{option} has no effect with role = \"data\"")), "{err}");
    }
}

#[test]
fn the_file_in_the_documentation_has_no_fault() {
    let files = Files::new();
    let page = include_str!("../../docs/seeding.md");
    let block = page.split("```toml\n# seed.toml\n").nth(1).unwrap().split("```").next().unwrap();
    files.write("config.toml", "[seed]\nfile = \"seed.toml\"\n");
    files.write("seed.toml", block);
    let (code, out, err) = run(&files, &["check", "--config", "config.toml"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("(4 records, prune off)"), "{out}");
}
