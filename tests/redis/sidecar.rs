//! A whole sidecar over Redis, its clock in the test's hand, and the records that a test makes. Not tests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign::app::{self, Running, StartError};
use countersign::clock::{Clock, ManualClock, SystemClock};
use countersign::config::{self, Sources};
use countersign::credential::api_key;
use countersign::keys::record::{Kind, Meta, Record, RecordKey, WebhookKey, Workspace, WorkspaceScheme};
use countersign::secret::Secret;
use countersign::store::writer::{Actor, Edit, Event, Plan, Severity, WriteError};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::redis::{kek_dir, soon};

/// The admin token of every sidecar here.
pub(crate) const TOKEN: &str = "a token of a test, long enough";
/// Ten times what is promised.
pub(crate) const PROPAGATION: Duration = Duration::from_secs(1);
/// To notice, connect and load, on a busy machine.
pub(crate) const RECOVERY: Duration = Duration::from_secs(10);
/// Beyond the default `keys.max_stale`.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(31);

pub(crate) struct Sidecar {
    pub(crate) running: Running,
    pub(crate) clock: Arc<ManualClock>,
    /// Requests that the application has seen.
    seen: Arc<AtomicU64>,
    _keks: TempDir,
}

/// A key that was made, and what its holder sends.
pub(crate) struct Key {
    pub(crate) record: RecordKey,
    pub(crate) api_key: String,
}

impl Sidecar {
    /// Started, whatever the state of the store at `port`.
    pub(crate) fn start(port: u16, namespace: &str) -> Self {
        Self::try_start(port, namespace, "if-empty", 'a').unwrap()
    }

    /// Started without an admin port.
    pub(crate) fn start_data(port: u16, namespace: &str) -> Self {
        Self::start_as("data", port, namespace, "never", 'a').unwrap()
    }

    pub(crate) fn try_start(port: u16, namespace: &str, init: &str, kek: char) -> Result<Self, StartError> {
        Self::start_as("all", port, namespace, init, kek)
    }

    /// Started over another deployment than one server, with more options.
    pub(crate) fn over(url: &str, namespace: &str, options: &[(&str, &str)]) -> Self {
        Self::started("all", url, namespace, "if-empty", 'a', options).unwrap()
    }

    fn start_as(role: &str, port: u16, namespace: &str, init: &str, kek: char) -> Result<Self, StartError> {
        let url = format!("redis://127.0.0.1:{port}");
        Self::started(role, &url, namespace, init, kek, &[])
    }

    fn started(
        role: &str,
        url: &str,
        namespace: &str,
        init: &str,
        kek: char,
        options: &[(&str, &str)],
    ) -> Result<Self, StartError> {
        let keks = kek_dir(&[("k1", kek)]);
        let seen = Arc::new(AtomicU64::new(0));
        let application = format!("http://{}", application(Arc::clone(&seen)));
        let overrides = [
            ("role", role),
            ("listener.address", "127.0.0.1:0"),
            ("listener.threads", "1"),
            ("admin.address", "127.0.0.1:0"),
            ("ops.address", "127.0.0.1:0"),
            ("upstream.url", &application),
            ("store.kind", "redis"),
            ("store.url", url),
            ("store.namespace", namespace),
            ("store.init", init),
            ("keys.kek_dir", keks.path().to_str().unwrap()),
            ("keys.seal_with", "k1"),
        ];
        let overrides = overrides.iter().chain(options);
        let overrides =
            overrides.map(|(option, value)| ((*option).to_owned(), (*value).to_owned())).collect();
        let config = config::load(&Sources { overrides, ..Sources::default() }).unwrap().config;
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let token = config.role.serves_admin().then(|| Secret::from_text(TOKEN));
        let running = app::start(&config, token, Arc::clone(&clock) as Arc<dyn Clock>)?;
        Ok(Self { running, clock, seen, _keks: keks })
    }

    pub(crate) async fn ready(self) -> Self {
        soon("ready", RECOVERY, || self.running.is_ready()).await;
        self
    }

    /// Makes a workspace with one key.
    pub(crate) async fn create(&self) -> Key {
        self.try_create().await.unwrap()
    }

    /// The same, where the store may be gone.
    pub(crate) async fn try_create(&self) -> Result<Key, WriteError<()>> {
        let key = RecordKey { kind: Kind::WebhookKey, id: Uuid::now_v7() };
        let api_key = api_key::generate(&countersign::store::seal::random().unwrap());
        let api_key = api_key.expose_text().unwrap().to_owned();
        let workspace = Uuid::now_v7();
        let secret = Secret::from_text("an HMAC secret of a test");
        let writer = &self.running.writer;
        let record = WebhookKey {
            meta: meta(key.id),
            workspace_id: workspace,
            name: "key".to_owned(),
            api_key: api_key::digest(&api_key),
            api_key_prefix: "wk_...".to_owned(),
            secret: writer.seal(key, 1, &secret).unwrap(),
            secret_prefix: "...".to_owned(),
            scheme: WorkspaceScheme::Workspace,
            require_key_id: false,
            is_active: true,
            expires_at: None,
            allowed_cidrs: None,
            routes: None,
            previous: None,
        };
        let tenant = Workspace { meta: meta(workspace), name: workspace.to_string() };
        let edits = vec![Edit::Create(Record::Workspace(tenant)), Edit::Create(Record::WebhookKey(record))];
        self.write("webhook_key.created", key, || edits.clone()).await?;
        Ok(Key { record: key, api_key })
    }

    pub(crate) async fn delete(&self, key: &Key) {
        let edits = || vec![Edit::Delete(self.record(key))];
        self.write("webhook_key.deleted", key.record, edits).await.unwrap();
    }

    /// Deletes it as soon as the store takes that.
    pub(crate) async fn delete_when_possible(&self, key: &Key, within: Duration) {
        let edits = || vec![Edit::Delete(self.record(key))];
        let deleted = async {
            while self.write("webhook_key.deleted", key.record, edits).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(within, deleted).await.expect("a store that takes a change");
    }

    pub(crate) async fn deactivate(&self, key: &Key) {
        self.switch(key, false).await;
    }

    pub(crate) async fn switch(&self, key: &Key, on: bool) {
        let edits = || {
            let Record::WebhookKey(mut record) = self.record(key) else { panic!("not a key") };
            record.is_active = on;
            vec![Edit::Update(Record::WebhookKey(record))]
        };
        self.write("webhook_key.updated", key.record, edits).await.unwrap();
    }

    pub(crate) async fn write(
        &self,
        action: &'static str,
        resource: RecordKey,
        edits: impl Fn() -> Vec<Edit>,
    ) -> Result<(), WriteError<()>> {
        let actor = Actor::fixed("test", Uuid::now_v7());
        let plan = |_: &_| {
            let metadata = serde_json::Value::Null;
            let event = Event { action, severity: Severity::High, resource: resource.into(), metadata };
            Ok(Plan { edits: edits(), requires: Vec::new(), event, output: () })
        };
        self.running.writer.write(&actor, plan).await
    }

    pub(crate) fn record(&self, key: &Key) -> Record {
        self.running.keys.mirror().get(key.record).unwrap().record().unwrap()
    }

    /// The status that a holder of the key gets.
    pub(crate) fn status(&self, key: &Key) -> u16 {
        self.answer(key).0
    }

    /// The same, and nothing has reached the application unless it is 200.
    pub(crate) fn judged(&self, key: &Key) -> u16 {
        let before = self.seen.load(Ordering::SeqCst);
        let status = self.status(key);
        assert_eq!(self.seen.load(Ordering::SeqCst) - before, u64::from(status == 200), "status {status}");
        status
    }

    /// The value of a line of `/metrics`; `None` where there is no such line.
    pub(crate) fn metric(&self, line: &str) -> Option<f64> {
        let text = http(self.running.ops, "/metrics", "").1;
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
    }

    /// The status and the whole answer.
    pub(crate) fn answer(&self, key: &Key) -> (u16, String) {
        self.caller(key)()
    }

    /// Sends the key each time, from any thread.
    pub(crate) fn caller(&self, key: &Key) -> impl Fn() -> (u16, String) + Send + 'static {
        let (address, header) =
            (self.running.traffic.clone().unwrap().tcp().unwrap(), format!("X-API-Key: {}\r\n", key.api_key));
        move || http(address, "/x", &header)
    }

    /// Makes a workspace over the admin port.
    pub(crate) fn post_workspace(&self, name: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.running.admin.unwrap()).unwrap();
        stream.set_read_timeout(Some(RECOVERY)).unwrap();
        let body = format!("{{\"name\":\"{name}\"}}");
        write!(
            stream,
            "POST /api/workspaces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    pub(crate) fn readyz(&self) -> (u16, String) {
        http(self.running.ops, "/readyz?verbose", "")
    }

    pub(crate) async fn gives(&self, key: &Key, status: u16, within: Duration) -> Duration {
        soon(&format!("status {status}"), within, || self.status(key) == status).await
    }
}

fn meta(id: Uuid) -> Meta {
    let at = SystemClock.now();
    Meta { id, revision: 0, created_at: at, updated_at: at, created_by: None, managed_by: "api".to_owned() }
}

fn http(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(RECOVERY)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

/// An application that says 200 to everything.
fn application(seen: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer) {
                    seen.fetch_add(1, Ordering::SeqCst);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}
