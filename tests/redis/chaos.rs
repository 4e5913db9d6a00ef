//! Redis under load, killed, stopped, flushed and rolled back, with two sidecar processes in front: no wrong verdict,
//! no 401 for a valid key, no revoked key accepted after it was refused, and no restart.
//!
//! Rounds are COUNTERSIGN_TEST_CHAOS, 1 unless set; a stop lasts COUNTERSIGN_TEST_STOP seconds, 4 unless set.
//! `tests/run --chaos` sets more.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::processes::command;
use crate::support::cut::Wire;
use crate::support::http::Call;
use crate::support::process::{Process, Serve, countersign};
use crate::support::redis::{Server, kek_dir, now};
use crate::support::sidecar::{Key, until};
use crate::support::upstream::Upstream;

/// A key that nobody has.
const UNKNOWN: &str = "wk_nobody";
/// Contact is at most this old when an outage begins: a heartbeat, and a busy machine.
const LAST_CONTACT: Duration = Duration::from_millis(2500);

fn set(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var_os(name);
    set.map_or(otherwise, |text| {
        text.to_str().unwrap().parse().unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

fn rounds() -> u64 {
    set("COUNTERSIGN_TEST_CHAOS", 1)
}

/// What the load is judged by.
#[derive(Default)]
struct Truth {
    valid: Mutex<Vec<String>>,
    /// Revoked, as an admin was told.
    revoked: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
    /// When 503 was given.
    unavailable: Mutex<Vec<Instant>>,
    passed: AtomicUsize,
    judged: AtomicUsize,
    over: AtomicBool,
}

impl Truth {
    fn wrong(&self, words: String) {
        self.wrong.lock().push(words);
    }

    /// One pass over every key at one sidecar. `refused` are the revoked keys that it has refused before.
    fn judge(&self, at: SocketAddr, refused: &mut HashSet<String>) {
        let status = |key: &str| {
            let status = Call::get("/orders").header("X-API-Key", key).send(at).status;
            self.judged.fetch_add(1, Ordering::Relaxed);
            match status {
                200 => drop(self.passed.fetch_add(1, Ordering::Relaxed)),
                503 => self.unavailable.lock().push(now()),
                _ => {}
            }
            status
        };
        for key in self.valid.lock().clone() {
            let status = status(&key);
            if status != 200 && status != 503 {
                self.wrong(format!("{status} for a valid key at {at}"));
            }
        }
        for key in self.revoked.lock().clone() {
            match status(&key) {
                401 => drop(refused.insert(key)),
                503 => {}
                200 if !refused.contains(&key) => {}
                status => self.wrong(format!("{status} for a revoked key at {at}")),
            }
        }
        let status = status(UNKNOWN);
        if status != 401 && status != 503 {
            self.wrong(format!("{status} for an unknown key at {at}"));
        }
    }
}

/// One Redis behind a wire, two sidecars, an application, and a load that runs until it is stopped.
struct World {
    server: Server,
    wire: Wire,
    sidecars: [Serve; 2],
    upstream: Upstream,
    truth: Arc<Truth>,
    load: Vec<JoinHandle<()>>,
    workspace: String,
    keks: tempfile::TempDir,
    dir: tempfile::TempDir,
}

impl World {
    fn new(server: Server, max_stale: &str) -> Self {
        let wire = Wire::to(server.port);
        let (keks, dir, upstream) =
            (kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap(), Upstream::start());
        let start = || {
            let mut command = command(dir.path(), &server, keks.path(), &upstream);
            command.env("COUNTERSIGN_STORE__URL", format!("redis://127.0.0.1:{}", wire.port));
            Serve::of({
                command.env("COUNTERSIGN_KEYS__MAX_STALE", max_stale);
                command
            })
        };
        let sidecars = [start(), start()];
        let workspace = sidecars[0].workspace("chaos");
        let truth = Arc::new(Truth::default());
        let mut world =
            Self { server, wire, sidecars, upstream, truth, load: Vec::new(), workspace, keks, dir };
        for n in 0..3 {
            let key = world.key(&format!("valid {n}"));
            world.truth.valid.lock().push(key.api_key);
        }
        let revoked = world.key("revoked before");
        assert!(world.revoke(&revoked));
        until("the revocation is known", || world.status(1, &revoked.api_key) == 401);
        for sidecar in &world.sidecars {
            let (at, truth) = (sidecar.traffic, Arc::clone(&world.truth));
            world.load.push(std::thread::spawn(move || {
                let mut refused = HashSet::new();
                while !truth.over.load(Ordering::Relaxed) {
                    truth.judge(at, &mut refused);
                }
            }));
        }
        world
    }

    /// A key that both sidecars know.
    fn key(&self, name: &str) -> Key {
        let key = self.sidecars[0].key(&self.workspace, name);
        until("a new key works", || [0, 1].iter().all(|n| self.status(*n, &key.api_key) == 200));
        key
    }

    fn status(&self, n: usize, key: &str) -> u16 {
        let status = Call::get("/orders").header("X-API-Key", key).send(self.sidecars[n].traffic).status;
        if status == 200 {
            self.truth.passed.fetch_add(1, Ordering::Relaxed);
        }
        status
    }

    /// Whether the revocation was acknowledged.
    fn revoke(&self, key: &Key) -> bool {
        let path = format!("/api/webhook-keys/{}", key.id);
        let acknowledged = self.sidecars[0].admin("DELETE", &path, None).status == 204;
        if acknowledged {
            self.truth.revoked.lock().push(key.api_key.clone());
        }
        acknowledged
    }

    /// Both sidecars follow each other's changes, without having been restarted.
    fn recovers(&self, name: &str) {
        let mut made = None;
        until("a key can be made again", || {
            let path = format!("/api/workspaces/{}/webhook-keys", self.workspace);
            let answer = self.sidecars[0].admin("POST", &path, Some(serde_json::json!({ "name": name })));
            made = (answer.status == 201).then(|| answer.json());
            made.is_some()
        });
        let api_key = made.unwrap()["apiKey"].as_str().unwrap().to_owned();
        until("it works everywhere", || [0, 1].iter().all(|n| self.status(*n, &api_key) == 200));
        self.truth.valid.lock().push(api_key);
        for revoked in self.truth.revoked.lock().clone() {
            until("what was revoked is refused", || [0, 1].iter().all(|n| self.status(*n, &revoked) == 401));
        }
    }

    /// Ends the load: what came of it.
    fn ends(self, what: &str) -> Vec<Instant> {
        self.truth.over.store(true, Ordering::Relaxed);
        for thread in self.load {
            thread.join().unwrap();
        }
        let wrong = self.truth.wrong.lock().clone();
        assert!(
            wrong.is_empty(),
            "{} wrong verdicts, such as {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
        // Nothing else has reached the application.
        assert_eq!(self.upstream.count(), self.truth.passed.load(Ordering::Relaxed));
        let unavailable = self.truth.unavailable.lock().clone();
        let judged = self.truth.judged.load(Ordering::Relaxed);
        println!("{what}: {judged} verdicts under load, 0 wrong, {} of them 503", unavailable.len());
        unavailable
    }
}

#[test]
fn a_killed_redis_costs_nothing_that_was_acknowledged() {
    let world = World::new(Server::start(&["--appendonly", "yes", "--appendfsync", "always"]), "30s");
    for round in 0..rounds() {
        let keys: Vec<Key> = (0..10).map(|n| world.key(&format!("to go {round}-{n}"))).collect();
        std::thread::scope(|scope| {
            // Killed while an admin revokes.
            let before = world.truth.revoked.lock().len();
            let admin = scope.spawn(|| keys.iter().filter(|key| world.revoke(key)).count());
            until("some are revoked", || world.truth.revoked.lock().len() > before + 2);
            world.server.kill();
            println!("{} of 10 revocations were acknowledged before the kill", admin.join().unwrap());
        });
        world.server.run();
        world.recovers(&format!("after the kill {round}"));
    }
    let unavailable = world.ends("kill -9");
    assert_eq!(unavailable.len(), 0, "an outage shorter than keys.max_stale is invisible");
}

#[test]
fn a_stopped_redis_is_an_outage_only_after_max_stale() {
    let (stop, max_stale) = (Duration::from_secs(set("COUNTERSIGN_TEST_STOP", 4)), Duration::from_secs(6));
    let world = World::new(Server::start(&[]), "6s");
    let stopped = now();
    world.server.freeze();
    std::thread::sleep(stop);
    world.server.thaw();
    world.recovers("after the stop");
    let unavailable = world.ends("SIGSTOP");
    if let Some(first) = unavailable.first() {
        let after = first.saturating_duration_since(stopped);
        assert!(after + LAST_CONTACT >= max_stale, "503 after {after:?}");
    }
    assert_eq!(!unavailable.is_empty(), stop > max_stale, "a stop of {stop:?}");
}

#[test]
fn a_failover_that_lost_a_revocation_brings_no_key_back() {
    let world = World::new(Server::start(&[]), "30s");
    let mut former: Vec<Server> = Vec::new();
    for round in 0..rounds() {
        let master = former.last().unwrap_or(&world.server);
        let replica = Server::start(&[]);
        replica.do_it(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
        let position =
            |server: &Server| server.ask::<Option<String>>(&["HGET", "{countersign}:meta", "position"]);
        let lost = world.key(&format!("to go {round}"));
        until("the replica has it all", || position(&replica) == position(master));
        // What comes now, it misses.
        replica.do_it(&["REPLICAOF", "NO", "ONE"]);
        assert!(world.revoke(&lost));
        until("both refuse it", || [0, 1].iter().all(|n| world.status(*n, &lost.api_key) == 401));
        let made = world.sidecars[0].key(&world.workspace, &format!("made {round}"));
        until("a new key works", || [0, 1].iter().all(|n| world.status(*n, &made.api_key) == 200));
        world.truth.valid.lock().push(made.api_key);
        master.kill();
        world.wire.lead_to(replica.port);
        world.wire.cut();
        world.wire.mend();
        let held = |id: &str| {
            replica.ask::<bool>(&["HEXISTS", "{countersign}:records", &format!("webhook-key/{id}")])
        };
        until("the revocation is written back", || !held(&lost.id));
        until("the new key too", || held(&made.id));
        world.recovers(&format!("after the failover {round}"));
        former.push(replica);
    }
    let (valid, revoked) = (world.truth.valid.lock().clone(), world.truth.revoked.lock().clone());
    let mut command = command(world.dir.path(), former.last().unwrap(), world.keks.path(), &world.upstream);
    command.env("COUNTERSIGN_STORE__INIT", "never");
    let fresh = Serve::of(command);
    let status = |key: &String| Call::get("/orders").header("X-API-Key", key).send(fresh.traffic).status;
    for (keys, expected) in [(valid, 200), (revoked, 401)] {
        for key in keys {
            assert_eq!(status(&key), expected, "for who knows only the new master");
            world.truth.passed.fetch_add(usize::from(expected == 200), Ordering::Relaxed);
        }
    }
    assert_eq!(world.ends("failover").len(), 0);
}

#[test]
fn a_flushed_redis_is_cured_by_a_command() {
    let mut world = World::new(Server::start(&[]), "30s");
    world.server.do_it(&["FLUSHALL"]);
    let says = |serve: &Serve| serve.ops("/readyz?verbose").text().contains("run `countersign store init`");
    until("both say what to do", || world.sidecars.iter().all(says));
    // A pod that starts meanwhile makes no empty key set of it for the others.
    let third = Serve::of(command(world.dir.path(), &world.server, world.keks.path(), &world.upstream));
    let says =
        |serve: &Serve| serve.ops("/readyz?verbose").text().contains("found the store empty at its start");
    until("both say what has happened", || world.sidecars.iter().all(says));
    world.truth.over.store(true, Ordering::Relaxed);
    for thread in std::mem::take(&mut world.load) {
        thread.join().unwrap();
    }
    let mut init = countersign(world.dir.path(), &["store", "init"]);
    init.env("COUNTERSIGN_STORE__KIND", "redis")
        .env("COUNTERSIGN_STORE__URL", world.server.url())
        .env("COUNTERSIGN_KEYS__KEK_DIR", world.keks.path())
        .env("COUNTERSIGN_KEYS__SEAL_WITH", "k1")
        .env("COUNTERSIGN_UPSTREAM__URL", &world.upstream.url);
    let ended = Process::start(init).finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let known = world.truth.valid.lock()[0].clone();
    until("the key set begins anew", || [0, 1].iter().all(|n| world.status(*n, &known) == 401));
    world.truth.valid.lock().clear();
    world.workspace = world.sidecars[0].workspace("anew");
    world.recovers("anew");
    let key = world.truth.valid.lock()[0].clone();
    until("and at the third", || {
        let status = Call::get("/orders").header("X-API-Key", &key).send(third.traffic).status;
        world.truth.passed.fetch_add(usize::from(status == 200), Ordering::Relaxed);
        status == 200
    });
    assert_eq!(world.ends("FLUSHALL").len(), 0);
}
