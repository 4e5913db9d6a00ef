//! `verify` and `sign` as a user runs them: outputs, exit codes, and what never appears in either.

#[path = "offline/schemes.rs"]
mod schemes;
#[path = "offline/sign.rs"]
mod sign;
#[path = "offline/verify.rs"]
mod verify;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory with a secret and a body, in which the commands run.
struct Bench {
    dir: TempDir,
}

impl Bench {
    const SECRET: &'static str = "0123456789abcdef0123456789abcdef";
    const BODY: &'static str = "{\"hello\": \"w/rld\"}";

    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        bench.write("secret", Self::SECRET);
        bench.write("body", Self::BODY);
        bench
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(args).current_dir(&self.dir).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// Signs `body` with `secret`; the lines of headers.
    fn signed(&self, scheme: &str, more: &[&str]) -> String {
        let args = ["sign", "--scheme", scheme, "--secret-file", "secret", "--body-file", "body"];
        let ran = self.run(&[&args, more].concat());
        assert_eq!(ran.code, 0, "{scheme}: {}", ran.stderr);
        ran.stdout
    }

    /// Writes `request.http` and judges it.
    fn judged(&self, scheme: &str, request: impl AsRef<[u8]>, more: &[&str]) -> Ran {
        self.write("request.http", request);
        let args = ["verify", "--scheme", scheme, "--secret-file", "secret"];
        self.run(&[&args, more, &["request.http"]].concat())
    }
}

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The one line of JSON on stdout.
    fn json(&self) -> serde_json::Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    fn is_valid(&self, secret: &str) {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        let json = self.json();
        assert_eq!((&json["verdict"], &json["secret"]), (&"valid".into(), &secret.into()));
        assert!(json["reason"].is_null());
    }

    #[track_caller]
    fn is_refused(&self, reason: &str) {
        let json = self.json();
        assert_eq!(
            (self.code, &json["verdict"], &json["reason"]),
            (1, &"refused".into(), &reason.into()),
            "{self:?}"
        );
        assert!(json["secret"].is_null());
        assert!(self.stderr.contains(&format!("({reason})")), "{self:?}");
    }

    #[track_caller]
    fn is_usage(&self, says: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (2, ""), "{self:?}");
        assert!(self.stderr.contains(says), "{self:?}");
    }
}

/// A request with these header lines, `end` after each line.
fn request(head: &str, headers: &str, body: &str, end: &str) -> String {
    let lines: String = headers.lines().map(|line| format!("{line}{end}")).collect();
    format!("{head}{end}{lines}{end}{body}")
}
