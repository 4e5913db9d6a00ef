//! The built binary as a process of its own: started, watched, signalled, never left behind.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::http::{Answer, Call, DEADLINE};
use super::sidecar::{Key, TOKEN, in_time, until, until_within};

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

/// A child process whose output is collected as it comes.
pub(crate) struct Process {
    child: Child,
    out: Output,
    err: Output,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// `countersign` with these arguments, in `dir`, with nothing in its environment but a path.
pub(crate) fn countersign(dir: &Path, args: &[&str]) -> Command {
    // A long run may measure another build.
    let program = std::env::var_os("COUNTERSIGN_TEST_PROGRAM");
    tool_command(program.as_ref().map_or(BINARY, |program| program.to_str().unwrap()), dir, args)
}

/// A program with these arguments, in `dir`, with nothing in its environment but a path.
pub(crate) fn tool_command(program: &str, dir: &Path, args: &[&str]) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).env_clear().env("PATH", path).stdin(Stdio::null());
    command
}

/// The path of a program that a test needs.
///
/// # Panics
/// Where it is missing: a test that cannot run has not passed.
pub(crate) fn tool(name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/bin".into()])
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run tests/run, or `apt-get install {name}`"))
        .display()
        .to_string()
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Output::of(child.stdout.take().unwrap());
        let err = Output::of(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.out.text()
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.err.text()
    }

    /// Waits until its output, both streams, satisfies `found`.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut found: impl FnMut(&str, &str) -> Option<T>) -> T {
        let mut result = None;
        let came = in_time(|| {
            let ended = self.child.try_wait().unwrap();
            result = found(&self.stdout(), &self.stderr());
            if let (None, Some(status)) = (&result, ended) {
                panic!("{what}: it ended, {status}:\n{}\n{}", self.stdout(), self.stderr());
            }
            result.is_some()
        });
        assert!(came, "it did not come to pass that {what}:\n{}\n{}", self.stdout(), self.stderr());
        result.unwrap()
    }

    /// Waits until it says that it is up, and in what form.
    pub(crate) fn is_up(&mut self) -> Value {
        self.wait_for("it says that it is up", |_, stderr| {
            let events = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.into_iter().find(|event| event["message"] == "countersign is up")
        })
    }

    /// Sends a signal by name, as `kill` does.
    pub(crate) fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("/bin/sh").args(["-c", &line]).status().unwrap().success(), "{line}");
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        // Fails only where it has ended already.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }

    /// Waits until it ends by itself.
    pub(crate) fn finish(mut self) -> Ended {
        let mut status = None;
        until("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        self.out.join();
        self.err.join();
        Ended { code: status.and_then(|status| status.code()), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let filled = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                filled.lock().extend_from_slice(&chunk[..length]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock()).into_owned()
    }

    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

/// `countersign serve` on free ports, with its store in a directory of the test's.
pub(crate) struct Serve {
    pub(crate) process: Process,
    pub(crate) traffic: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) ops: SocketAddr,
}

impl Serve {
    /// The command, not started: free ports, [`TOKEN`], the store at `dir/keys.redb`.
    pub(crate) fn command(dir: &Path, upstream: &str) -> Command {
        let any = "127.0.0.1:0";
        let args = ["serve", "--listener", any, "--admin", any, "--ops", any, "--upstream", upstream];
        let mut command = countersign(dir, &args);
        command.env("COUNTERSIGN_ADMIN_TOKEN", TOKEN).env("COUNTERSIGN_STORE__PATH", dir.join("keys.redb"));
        // Nobody balances load here, unless a test says so.
        command.env("COUNTERSIGN_DRAIN__DELAY", "0s");
        command
    }

    /// Started and ready.
    pub(crate) fn start(dir: &Path, upstream: &str) -> Self {
        Self::of(Self::command(dir, upstream))
    }

    /// A command of [`Serve::command`], perhaps with more in it: started and ready.
    pub(crate) fn of(command: Command) -> Self {
        Self::of_within(DEADLINE, command)
    }

    /// The same where there is more to read than a small key set.
    pub(crate) fn of_within(deadline: Duration, command: Command) -> Self {
        let mut process = Process::start(command);
        let line = process.is_up();
        let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
        let (traffic, admin, ops) = (address("traffic"), address("admin"), address("ops"));
        let serve = Self { process, traffic, admin, ops };
        until_within(deadline, "it is ready", || serve.ops("/readyz").status == 200);
        serve
    }

    /// Asks the ops port.
    pub(crate) fn ops(&self, target: &str) -> Answer {
        Call::get(target).send(self.ops)
    }

    /// Calls the admin port.
    pub(crate) fn admin(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        admin_call(method, target, body).ask(self.admin)
    }

    fn create(&self, target: &str, body: Value) -> Value {
        let answer = self.admin("POST", target, Some(body));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// A workspace; its id.
    pub(crate) fn workspace(&self, name: &str) -> String {
        text(&self.create("/api/workspaces", json!({ "name": name }))["id"])
    }

    /// A webhook key.
    pub(crate) fn key(&self, workspace: &str, name: &str) -> Key {
        let path = format!("/api/workspaces/{workspace}/webhook-keys");
        let made = self.create(&path, json!({ "name": name }));
        Key {
            id: text(&made["id"]),
            workspace: workspace.to_owned(),
            api_key: text(&made["apiKey"]),
            secret: text(&made["secret"]),
        }
    }

    /// An integration; its secret.
    pub(crate) fn integration(&self, name: &str, kind: &str) -> String {
        text(&self.create("/api/integrations", json!({ "name": name, "type": kind }))["webhookSecret"])
    }
}

/// A command that asks this sidecar over its admin port, and how it ended.
pub(crate) fn cli(serve: &Serve, dir: &Path, args: &[&str]) -> Ended {
    let mut command = countersign(dir, args);
    command
        .env("COUNTERSIGN_ADMIN_TOKEN", TOKEN)
        .env("COUNTERSIGN_CLI_URL", format!("http://{}", serve.admin));
    Process::start(command).finish()
}

/// A call of the admin port as the bootstrap admin.
pub(crate) fn admin_call(method: &str, target: &str, body: Option<Value>) -> Call {
    let mut call = Call::new(method, target).header("Authorization", format!("Bearer {TOKEN}"));
    if let Some(body) = body {
        call = call.header("Content-Type", "application/json");
        call.body = body.to_string().into_bytes();
    }
    call
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}
