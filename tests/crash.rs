//! kill -9 of `serve` while admins write: what was acknowledged is there afterwards, in the store, on the
//! traffic port and in the audit.
//!
//! How often is COUNTERSIGN_TEST_CRASHES, 5 unless set; `tests/run --chaos` sets more.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::store::embedded::EmbeddedStore;
use countersign::store::seal::Keyring;
use countersign::store::{AuditMac, Position, Store};
use serde_json::{Value, json};
use tempfile::tempdir;
use uuid::Uuid;

use crate::support::http::{Answer, Call, Connection};
use crate::support::mac;
use crate::support::process::{Process, Serve, admin_call, text, tool, tool_command};
use crate::support::sidecar::{sign, until};
use crate::support::upstream::Upstream;

/// Admins who write at once.
const WRITERS: usize = 4;

/// How many kills.
fn crashes() -> u64 {
    let set = std::env::var_os("COUNTERSIGN_TEST_CRASHES");
    set.map_or(5, |count| count.to_str().unwrap().parse().expect("COUNTERSIGN_TEST_CRASHES is a number"))
}

fn random(below: u64) -> u64 {
    u64::try_from(Uuid::new_v4().as_u128() % u128::from(below)).unwrap()
}

/// A change that was sent and not answered: it may have been made or not.
#[derive(Debug, Clone)]
enum Doubt {
    Patch { name: String, active: bool },
    Rotate,
    Delete,
}

/// A key as its admin knows it from the answers.
#[derive(Debug, Clone)]
struct Held {
    id: String,
    workspace: String,
    name: String,
    active: bool,
    revision: u64,
    api_key: String,
    secret: String,
    /// An API key that a rotation without overlap has ended.
    former: Option<String>,
    deleted: bool,
    doubt: Option<Doubt>,
}

/// An admin who remembers every answer.
#[derive(Default)]
struct Admin {
    number: usize,
    keys: Vec<Held>,
    /// Ids of the requests that changed something and were acknowledged.
    acknowledged: Vec<String>,
    /// Changes that a kill cut off.
    unanswered: u64,
}

/// The server has gone.
struct Gone;

impl Admin {
    /// Writes until the server has gone, counting what is acknowledged.
    fn write(&mut self, to: SocketAddr, count: &AtomicU64) {
        let Ok(stream) = std::net::TcpStream::connect(to) else { return };
        drop(stream);
        let mut connection = Connection::open(to);
        let Ok(workspace) = self.workspace(&mut connection, count) else { return };
        while self.change(&mut connection, &workspace, count).is_ok() {}
        self.unanswered += 1;
    }

    fn ask(
        &mut self,
        connection: &mut Connection,
        (method, target, body): (&str, &str, Option<Value>),
        count: &AtomicU64,
    ) -> Result<Answer, Gone> {
        connection.write(&admin_call(method, target, body).bytes_for("localhost"));
        let answer = connection.try_answer(method).ok_or(Gone)?;
        assert!(matches!(answer.status, 200 | 201 | 204), "{method} {target}: {}", answer.text());
        self.acknowledged.push(answer.header("countersign-request-id").unwrap().to_owned());
        count.fetch_add(1, Ordering::SeqCst);
        Ok(answer)
    }

    fn workspace(&mut self, connection: &mut Connection, count: &AtomicU64) -> Result<String, Gone> {
        let body = json!({ "name": format!("{} {}", self.number, Uuid::new_v4()) });
        let answer = self.ask(connection, ("POST", "/api/workspaces", Some(body)), count)?;
        Ok(text(&answer.json()["id"]))
    }

    /// One change of one key, picked at random.
    fn change(
        &mut self,
        connection: &mut Connection,
        workspace: &str,
        count: &AtomicU64,
    ) -> Result<(), Gone> {
        let living: Vec<usize> = (0..self.keys.len()).filter(|at| !self.keys[*at].deleted).collect();
        let choice = if living.is_empty() { 0 } else { random(10) };
        if choice < 3 {
            return self.create(connection, workspace, count);
        }
        let at = living[usize::try_from(random(living.len() as u64)).unwrap()];
        let path = format!("/api/webhook-keys/{}", self.keys[at].id);
        match choice {
            3..=6 => {
                let (name, active) = (format!("key {}", random(1_000_000)), random(3) > 0);
                let body = json!({ "name": name, "isActive": active });
                self.keys[at].doubt = Some(Doubt::Patch { name: name.clone(), active });
                let answer = self.ask(connection, ("PATCH", &path, Some(body)), count)?.json();
                let key = &mut self.keys[at];
                (key.name, key.active) = (name, active);
                key.revision = answer["revision"].as_u64().unwrap();
            }
            7 | 8 => {
                let body = json!({ "overlapSeconds": 0, "force": true });
                self.keys[at].doubt = Some(Doubt::Rotate);
                let path = format!("{path}/rotate");
                let answer = self.ask(connection, ("POST", &path, Some(body)), count)?.json();
                let key = &mut self.keys[at];
                key.former = Some(std::mem::replace(&mut key.api_key, text(&answer["apiKey"])));
                key.secret = text(&answer["secret"]);
                key.revision = answer["revision"].as_u64().unwrap();
            }
            _ => {
                self.keys[at].doubt = Some(Doubt::Delete);
                self.ask(connection, ("DELETE", &path, None), count)?;
                self.keys[at].deleted = true;
            }
        }
        self.keys[at].doubt = None;
        Ok(())
    }

    /// A new key; one whose creation was not answered is nobody's.
    fn create(
        &mut self,
        connection: &mut Connection,
        workspace: &str,
        count: &AtomicU64,
    ) -> Result<(), Gone> {
        let path = format!("/api/workspaces/{workspace}/webhook-keys");
        let body = json!({ "name": "new", "requireKeyId": true });
        let made = self.ask(connection, ("POST", &path, Some(body)), count)?.json();
        self.keys.push(Held {
            id: text(&made["id"]),
            workspace: workspace.to_owned(),
            name: "new".to_owned(),
            active: true,
            revision: made["revision"].as_u64().unwrap(),
            api_key: text(&made["apiKey"]),
            secret: text(&made["secret"]),
            former: None,
            deleted: false,
            doubt: None,
        });
        Ok(())
    }

    /// Compares everything that was acknowledged with what the restarted server says and does.
    fn check(&mut self, serve: &Serve) {
        let mut admin = Connection::open(serve.admin);
        let mut traffic = Connection::open(serve.traffic);
        self.keys.retain_mut(|key| {
            let known = key.agrees(&mut admin);
            if known {
                key.verifies(&mut traffic, serve.traffic);
            }
            known
        });
    }
}

impl Held {
    /// Compares with the stored record, and settles a doubt by it. False: its new secrets are not known.
    fn agrees(&mut self, admin: &mut Connection) -> bool {
        let path = format!("/api/webhook-keys/{}", self.id);
        admin.write(&admin_call("GET", &path, None).bytes_for("localhost"));
        let answer = admin.answer_to("GET");
        let doubt = self.doubt.take();
        if self.deleted {
            assert_eq!(answer.status, 404, "deleted, and back: {self:?}");
            return true;
        }
        if answer.status == 404 && matches!(doubt, Some(Doubt::Delete)) {
            self.deleted = true;
            return true;
        }
        assert_eq!(answer.status, 200, "lost: {self:?}: {}", answer.text());
        let stored = answer.json();
        let revision = stored["revision"].as_u64().unwrap();
        match doubt {
            Some(Doubt::Rotate) if revision == self.revision + 1 => return false,
            Some(Doubt::Patch { name, active }) if revision == self.revision + 1 => {
                (self.name, self.active, self.revision) = (name, active, revision);
            }
            _ => {}
        }
        assert_eq!(
            (&stored["name"], &stored["isActive"], revision),
            (&json!(self.name), &json!(self.active), self.revision),
            "not as acknowledged: {self:?}"
        );
        true
    }

    /// Uses its secrets as a sender would.
    fn verifies(&self, traffic: &mut Connection, to: SocketAddr) {
        let good = if self.active && !self.deleted { 200 } else { 401 };
        let mut expect = |call: Call, status: u16| {
            traffic.write(&call.bytes());
            assert_eq!(traffic.answer_to(&call.method).status, status, "{call:?} {self:?}");
            if status != 200 {
                // A refused request may end its connection.
                *traffic = Connection::open(to);
            }
        };
        expect(Call::get("/").header("X-API-Key", &self.api_key), good);
        let signed = Call::post("/", "{}")
            .header("X-Workspace-ID", &self.workspace)
            .header("X-Webhook-Key-Id", &self.id);
        expect(sign("workspace", &self.secret, signed, SystemClock.now()), good);
        if let Some(former) = &self.former {
            expect(Call::get("/").header("X-API-Key", former), 401);
        }
    }
}

/// Checks the whole audit chain; gives the ids of the requests in it.
fn audited(dir: &Path) -> HashSet<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let keyring = Keyring::load(&dir.join("keys.redb.keks"), None).unwrap();
        let store = EmbeddedStore::open(&dir.join("keys.redb"), "countersign").unwrap();
        let mut requests = HashSet::new();
        let (mut place, mut previous) = (Position::default(), AuditMac::default());
        loop {
            let events = store.audit(place, 1000).await.unwrap();
            if events.is_empty() {
                break;
            }
            for (position, mac, event) in events {
                let json: Value = serde_json::from_slice(&event).unwrap();
                let expected = keyring.audit_mac_with(json["kek"].as_str().unwrap(), &previous, &event);
                assert_eq!(expected, Some(mac), "the chain is broken at {position:?}: {json}");
                assert!(requests.insert(text(&json["requestId"])), "audited twice: {json}");
                (place, previous) = (position, mac);
            }
        }
        let head = store.head().await.unwrap();
        assert_eq!((head.position, head.mac), (place, previous), "the audit ends at the head");
        requests
    })
}

#[test]
fn n15_no_acknowledged_write_is_lost_or_unaudited_by_kill_9() {
    let dir = tempdir().unwrap();
    let upstream = Upstream::start();
    let mut admins: Vec<Admin> = (0..WRITERS).map(|number| Admin { number, ..Admin::default() }).collect();
    let kills = crashes();
    for kill in 0..kills {
        let mut serve = Serve::start(dir.path(), &upstream.url);
        let (count, target) = (AtomicU64::new(0), 5 + random(80));
        std::thread::scope(|scope| {
            for admin in &mut admins {
                scope.spawn(|| admin.write(serve.admin, &count));
            }
            until("writes are acknowledged", || count.load(Ordering::SeqCst) >= target);
            // Anywhere within a write, not only right after one.
            std::thread::sleep(Duration::from_micros(random(4000)));
            serve.process.kill();
        });
        if kill % 3 == 2 {
            // Again while it recovers: it must still be able to.
            let mut recovering = Process::start(Serve::command(dir.path(), &upstream.url));
            std::thread::sleep(Duration::from_micros(random(60_000)));
            recovering.kill();
        }
        let mut serve = Serve::start(dir.path(), &upstream.url);
        for admin in &mut admins {
            admin.check(&serve);
        }
        serve.process.kill();
        upstream.take();
    }

    let requests = audited(dir.path());
    let acknowledged: Vec<&String> = admins.iter().flat_map(|admin| &admin.acknowledged).collect();
    for request in &acknowledged {
        assert!(requests.contains(*request), "request {request} was acknowledged and is not in the audit");
    }
    let unanswered: u64 = admins.iter().map(|admin| admin.unanswered).sum();
    let keys: usize = admins.iter().map(|admin| admin.keys.len()).sum();
    println!(
        "{kills} kill -9: {} acknowledged writes checked, none lost; {unanswered} writes cut off, {} of them \
         made; {keys} keys used after the last; audit chain of {} events unbroken",
        acknowledged.len(),
        requests.len() - acknowledged.len(),
        requests.len(),
    );
    assert!(acknowledged.len() as u64 >= kills, "too few writes were acknowledged to say anything");
}

#[test]
fn a_sidecar_killed_during_its_first_start_starts_the_next_time() {
    let kills = crashes();
    for _ in 0..kills {
        let dir = tempdir().unwrap();
        let mut first = Process::start(Serve::command(dir.path(), "http://127.0.0.1:1"));
        // Its files are made within the first tens of milliseconds.
        std::thread::sleep(Duration::from_micros(random(60_000)));
        first.kill();
        let serve = Serve::start(dir.path(), "http://127.0.0.1:1");
        let workspace = serve.workspace("w");
        serve.key(&workspace, "k");
        let names = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".new")).collect();
        assert!(left.is_empty(), "half made files were left: {left:?}");
    }
    println!("{kills} kill -9 during a first start: each started the next time");
}

#[test]
fn g09_a_sidecar_that_runs_out_of_memory_loses_nothing_that_it_acknowledged() {
    let dir = tempdir().unwrap();
    let upstream = Upstream::start();
    let mut command = Serve::command(dir.path(), &upstream.url);
    // More than it is going to get.
    command.env("COUNTERSIGN_LIMITS__BODY_BUDGET", "8GiB");
    let serve = Serve::of(command);
    let secret = serve.integration("hook", "generic");
    let body = vec![b'a'; 1024 * 1024];
    let call =
        Call::post("/webhooks/hook", &body).header("X-Webhook-Signature", mac::hmac_hex(&secret, &[&body]));
    let unfinished = call.bytes();
    let unfinished = &unfinished[..unfinished.len() - 1];
    let mut admins: Vec<Admin> = (0..WRITERS).map(|number| Admin { number, ..Admin::default() }).collect();
    let count = AtomicU64::new(0);
    let ended = std::thread::scope(|scope| {
        for admin in &mut admins {
            scope.spawn(|| admin.write(serve.admin, &count));
        }
        until("writes are acknowledged", || count.load(Ordering::SeqCst) >= 20);
        // RLIMIT_AS (getrlimit(2)): what it has, and a little more. An allocation beyond it fails, and ends the process.
        let pid = serve.process.id().to_string();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let size: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
        let limit = format!("--as={}", (size + 16 * 1024) * 1024);
        let mut limiting = tool_command(&tool("prlimit"), dir.path(), &["--pid", &pid, &limit]);
        assert!(limiting.status().unwrap().success());
        let mut held = Vec::new();
        until("no body more is taken", || {
            let Ok(stream) = std::net::TcpStream::connect(serve.traffic) else { return true };
            let mut connection = Connection::over(stream);
            let is_taken = connection.try_write(unfinished);
            held.push(connection);
            !is_taken && std::net::TcpStream::connect(serve.traffic).is_err()
        });
        serve.process.finish()
    });
    assert_eq!(ended.code, None, "it ended by itself: {}", ended.stderr);
    assert!(ended.stderr.contains("memory allocation of"), "{}", ended.stderr);
    upstream.saw_nothing();

    let serve = Serve::start(dir.path(), &upstream.url);
    for admin in &mut admins {
        admin.check(&serve);
    }
    drop(serve);
    let requests = audited(dir.path());
    let acknowledged: Vec<&String> = admins.iter().flat_map(|admin| &admin.acknowledged).collect();
    assert!(acknowledged.iter().all(|request| requests.contains(*request)));
    assert!(acknowledged.len() >= 20, "{} acknowledged", acknowledged.len());
}
