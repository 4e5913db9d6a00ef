//! A whole sidecar in this process: embedded store, manual clock, recording upstream, free ports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::app::{self, Running};
use countersign::clock::{Clock, UnixMillis};
use countersign::config::{self, Config, Sources};
use countersign::credential::Head;
use countersign::secret::Secret;
use countersign::verify::scheme;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::clock::TestClock;
use super::http::{Answer, Call, DEADLINE};
use super::upstream::{Manner, Upstream};

/// The admin token of every sidecar in tests.
pub(crate) const TOKEN: &str = "test-admin-token-0123456789abcdef";

/// Where the manual clock stands at first: 2026-01-01T00:00:00Z.
pub(crate) const START: UnixMillis = UnixMillis(1_767_225_600_000);

/// The traffic socket in its directory.
const SOCKET: &str = "traffic.sock";

/// What a sidecar is started with.
pub(crate) struct Builder {
    file: String,
    upstream: Option<String>,
    manner: Manner,
    threads: usize,
    is_unix: bool,
}

/// The sidecar.
pub(crate) struct Sidecar {
    config: Config,
    running: Option<Running>,
    pub(crate) clock: Arc<TestClock>,
    /// The recording upstream, unless the builder named another.
    pub(crate) upstream: Upstream,
    dir: TempDir,
}

/// A webhook key with its secrets.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) workspace: String,
    pub(crate) api_key: String,
    pub(crate) secret: String,
}

impl Builder {
    /// Adds to the configuration file: TOML, after what earlier calls added.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.file.push_str(toml);
        self.file.push('\n');
        self
    }

    /// Forwards somewhere else than to the recording upstream.
    pub(crate) fn upstream(mut self, url: &str) -> Self {
        self.upstream = Some(url.to_owned());
        self
    }

    /// Forwards to a recording upstream that answers in this manner.
    pub(crate) fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// Lets one thread see every connection, where a test plays the application's connections one by one. Else two do.
    pub(crate) fn one_thread(mut self) -> Self {
        self.threads = 1;
        self
    }

    /// Takes traffic over a Unix socket, [`Sidecar::socket`].
    pub(crate) fn unix(mut self) -> Self {
        self.is_unix = true;
        self
    }

    pub(crate) fn start(self) -> Sidecar {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::with(self.manner);
        let file = dir.path().join("countersign.toml");
        std::fs::write(&file, &self.file).unwrap();
        let address = match self.is_unix {
            true => format!("unix:{}", dir.path().join(SOCKET).display()),
            false => "127.0.0.1:0".to_owned(),
        };
        let overrides = [
            ("listener.address", address),
            ("listener.threads", self.threads.to_string()),
            ("admin.address", "127.0.0.1:0".to_owned()),
            ("ops.address", "127.0.0.1:0".to_owned()),
            ("upstream.url", self.upstream.unwrap_or_else(|| upstream.url.clone())),
            ("store.path", dir.path().join("keys.redb").display().to_string()),
        ];
        let overrides = overrides.map(|(option, value)| (option.to_owned(), value)).to_vec();
        let sources = Sources { file: Some(file), overrides, ..Sources::default() };
        let config = config::load(&sources).unwrap_or_else(|faults| panic!("{faults}")).config;
        let clock = Arc::new(TestClock::at(START));
        let mut sidecar = Sidecar { config, running: None, clock, upstream, dir };
        sidecar.start_again();
        sidecar
    }
}

impl Sidecar {
    /// With the default routes.
    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    pub(crate) fn builder() -> Builder {
        Builder { file: String::new(), upstream: None, manner: Manner::Polite, threads: 2, is_unix: false }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// The traffic port.
    pub(crate) fn traffic(&self) -> SocketAddr {
        self.running().traffic.as_ref().unwrap().tcp().unwrap()
    }

    /// The traffic socket of one that has it in the file system.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join(SOCKET)
    }

    /// Lets time pass, in which the store was heard of all along.
    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.running().keys.record_contact();
    }

    /// Sends a request to the traffic port.
    pub(crate) fn send(&self, call: &Call) -> Answer {
        call.send(self.traffic())
    }

    /// Asks the ops port.
    pub(crate) fn ops(&self, target: &str) -> Answer {
        Call::get(target).send(self.running().ops)
    }

    /// Calls the admin port as the bootstrap admin.
    pub(crate) fn admin(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        let mut call = Call::new(method, target).header("Authorization", format!("Bearer {TOKEN}"));
        if let Some(body) = body {
            call = call.header("Content-Type", "application/json");
            call.body = body.to_string().into_bytes();
        }
        call.ask(self.running().admin.unwrap())
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

    /// A webhook key; `extra` are fields beside the name.
    pub(crate) fn key(&self, workspace: &str, extra: Value) -> Key {
        let mut body = json!({ "name": "key" });
        for (field, value) in extra.as_object().unwrap() {
            body[field] = value.clone();
        }
        let made = self.create(&format!("/api/workspaces/{workspace}/webhook-keys"), body);
        Key {
            id: text(&made["id"]),
            workspace: workspace.to_owned(),
            api_key: text(&made["apiKey"]),
            secret: text(&made["secret"]),
        }
    }

    /// Changes a webhook key.
    pub(crate) fn patch_key(&self, key: &Key, change: Value) {
        let answer = self.admin("PATCH", &format!("/api/webhook-keys/{}", key.id), Some(change));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Rotates a webhook key; the answer.
    pub(crate) fn rotate_key(&self, key: &Key, body: Value) -> Value {
        let answer = self.admin("POST", &format!("/api/webhook-keys/{}/rotate", key.id), Some(body));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Rotates an integration's secret; the new one.
    pub(crate) fn rotate_integration(&self, name: &str, body: Value) -> String {
        let target = format!("/api/integrations/{name}/rotate-secret");
        let answer = self.admin("POST", &target, Some(body));
        assert_eq!(answer.status, 200, "{}", answer.text());
        text(&answer.json()["webhookSecret"])
    }

    /// Changes an integration.
    pub(crate) fn patch_integration(&self, name: &str, change: Value) {
        let answer = self.admin("PATCH", &format!("/api/integrations/{name}"), Some(change));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// An integration; its secret.
    pub(crate) fn integration(&self, body: Value) -> String {
        text(&self.create("/api/integrations", body)["webhookSecret"])
    }

    /// Adds the headers that a sender of this scheme would add, as of the manual clock.
    pub(crate) fn signed(&self, scheme: &str, secret: &str, call: Call) -> Call {
        sign(scheme, secret, call, self.clock.now())
    }

    /// Starts what was stopped, on the same file and on other ports.
    pub(crate) fn start_again(&mut self) {
        self.try_start_again().unwrap_or_else(|error| panic!("{error}"));
        until("the sidecar is ready", || self.running().is_ready());
    }

    /// The same where it may be refused.
    pub(crate) fn try_start_again(&mut self) -> Result<(), app::StartError> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.running = Some(app::start(&self.config, Some(Secret::from_text(TOKEN)), clock)?);
        Ok(())
    }

    /// Changes the configuration that it is started with again.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut config::Config)) {
        change(&mut self.config);
    }

    /// The file of its embedded store.
    pub(crate) fn store_path(&self) -> std::path::PathBuf {
        self.dir.path().join("keys.redb")
    }

    /// Stops it as a signal would.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Adds the headers that a sender of this preset would add at `now`.
pub(crate) fn sign(scheme: &str, secret: &str, mut call: Call, now: UnixMillis) -> Call {
    let scheme = scheme::preset(scheme).unwrap();
    let key = scheme.prepare(&Secret::from_text(secret)).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in &call.headers {
        headers.append(
            http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            http::HeaderValue::from_str(value).unwrap(),
        );
    }
    let method = Method::from_bytes(call.method.as_bytes()).unwrap();
    let head = Head { method: &method, target: &call.target, headers: &headers, url: None };
    let added = scheme.sign(&key, &head, &[&call.body], now, None);
    assert!(!added.is_empty(), "nothing was signed");
    for (name, value) in added {
        call = call.header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
    }
    call
}

/// Waits for a condition under the deadline.
pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(DEADLINE, what, condition);
}

/// Waits for a condition under a deadline of its own.
pub(crate) fn until_within(deadline: Duration, what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(deadline, condition), "it did not come to pass that {what}");
}

/// Whether a condition holds before the deadline.
pub(crate) fn in_time(condition: impl FnMut() -> bool) -> bool {
    holds_within(DEADLINE, condition)
}

fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test's own deadline")]
    let end = Instant::now() + deadline;
    while !condition() {
        #[expect(clippy::disallowed_methods, reason = "a test's own deadline")]
        let now = Instant::now();
        if now >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}
