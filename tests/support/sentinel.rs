//! Real sentinels. Not tests.
//!
//! One set of three for the whole run, which watches as many masters as tests ask for, each under a name of its
//! own; and single ones, for what a login or TLS needs. Their periods are a tenth of the usual ones.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::FromRedisValue;
use tempfile::TempDir;

use super::redis::{START, Server, free_port, kill_with_us, now};

/// One sentinel, killed when this is dropped.
pub(crate) struct Sentinel {
    pub(crate) port: u16,
    child: Child,
    password: Option<String>,
    _dir: TempDir,
}

impl Sentinel {
    /// With more lines for its configuration; `{port}` in them is its port. `password`: what they make of it.
    pub(crate) fn start(lines: &[&str], password: Option<&str>) -> Self {
        let (port, dir) = (free_port(), TempDir::new().unwrap());
        let file = dir.path().join("sentinel.conf");
        let own = format!("port {port}\nbind 127.0.0.1\ndir {}\nloglevel warning\n", dir.path().display());
        std::fs::write(&file, own + &lines.join("\n") + "\n").unwrap();
        let child = Command::new("redis-server")
            .arg(file.to_str().unwrap())
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server cannot be started as a sentinel: {error}"));
        let sentinel = Self { port, child, password: password.map(str::to_owned), _dir: dir };
        let started = now();
        while !sentinel.try_ask::<String>(&["PING"]).is_ok_and(|answer| answer == "PONG") {
            assert!(started.elapsed() < START, "the sentinel on port {port} does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        let periods = ["info", "publish", "ping", "ask", "slave-reconf"].map(|what| format!("{what}-period"));
        for period in &periods {
            let _unknown_here = sentinel.try_ask::<redis::Value>(&["SENTINEL", "DEBUG", period, "100"]);
        }
        sentinel
    }

    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap()
    }

    fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, redis::RedisError> {
        let login = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        let client = redis::Client::open(format!("redis://{login}127.0.0.1:{}", self.port))?;
        let mut connection = client.get_connection_with_timeout(START)?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
    }

    /// Watches a master from now on.
    pub(crate) fn watch(&self, name: &str, port: u16, options: &[(&str, &str)]) {
        let port = port.to_string();
        self.ask::<redis::Value>(&["SENTINEL", "MONITOR", name, "127.0.0.1", &port, "2"]);
        for (option, value) in options {
            self.ask::<redis::Value>(&["SENTINEL", "SET", name, option, value]);
        }
    }

    fn knows(&self, name: &str, replicas: usize, others: usize) -> bool {
        let count = |what| self.ask::<Vec<redis::Value>>(&["SENTINEL", what, name]).len();
        count("REPLICAS") == replicas && count("SENTINELS") == others
    }

    /// The port of the master as this one has it.
    pub(crate) fn names(&self, name: &str) -> u16 {
        let address: (String, u16) = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]);
        address.1
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A master with one replica, watched by the three.
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) master: Server,
    pub(crate) replica: Server,
}

/// The ACL user that sentinels come as: a test may shut it out.
pub(crate) const WATCHER: &str = "watcher";
/// The one that replicas come as.
pub(crate) const COPIER: &str = "copier";

/// The three. They end with the process.
pub(crate) fn three() -> &'static [Sentinel; 3] {
    static THREE: OnceLock<[Sentinel; 3]> = OnceLock::new();
    THREE.get_or_init(|| {
        let three = std::array::from_fn(|_| Sentinel::start(&[], None));
        for sentinel in &three {
            kill_with_us(sentinel.child.id());
        }
        three
    })
}

impl Watched {
    /// Ready for a failover.
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("master-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let login =
            ["--masteruser", COPIER, "--masterauth", "copier-secret", "--repl-ping-replica-period", "1"];
        let [master, replica] = [Server::start(&login), Server::start(&login)];
        for server in [&master, &replica] {
            server.do_it(&["ACL", "SETUSER", WATCHER, "on", ">watcher-secret", "allchannels", "+@all", "~*"]);
            server.do_it(&["ACL", "SETUSER", COPIER, "on", ">copier-secret", "+psync", "+replconf", "+ping"]);
        }
        replica.do_it(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
        let options = [
            ("auth-user", WATCHER),
            ("auth-pass", "watcher-secret"),
            ("down-after-milliseconds", "500"),
            ("failover-timeout", "3000"),
        ];
        for sentinel in three() {
            sentinel.watch(&name, master.port, &options);
        }
        let started = now();
        while !three().iter().all(|sentinel| sentinel.knows(&name, 1, 2)) {
            assert!(started.elapsed() < START, "the sentinels do not find each other");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { name, master, replica }
    }

    /// Until the replica has all that the master has.
    pub(crate) fn catch_up(&self) {
        let offset = |server: &Server| {
            let info: String = server.ask(&["INFO", "replication"]);
            info.lines().find_map(|line| line.strip_prefix("master_repl_offset:").map(str::to_owned))
        };
        let (started, target) = (now(), offset(&self.master));
        let number = |text: Option<String>| text.unwrap().parse::<u64>().unwrap();
        let target = number(target);
        while number(offset(&self.replica)) < target {
            assert!(started.elapsed() < START, "the replica does not catch up");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets the replica get nothing more of the master, which it is to replace nevertheless.
    pub(crate) fn hold_back_replica(&self) {
        self.master.do_it(&["ACL", "SETUSER", COPIER, "off"]);
        self.master.do_it(&["CLIENT", "KILL", "USER", COPIER]);
    }

    /// Lets nobody but clients reach the master: sentinels and replica are shut out.
    pub(crate) fn isolate_master(&self) {
        // Whoever may not log in stays the default user, which clients are: it keeps what only they need.
        self.master.do_it(&[
            "ACL",
            "SETUSER",
            "default",
            "-ping",
            "-info",
            "-slaveof",
            "-replicaof",
            "-psync",
        ]);
        for user in [WATCHER, COPIER] {
            self.master.do_it(&["ACL", "SETUSER", user, "off"]);
            self.master.do_it(&["CLIENT", "KILL", "USER", user]);
        }
    }

    /// `store.url` by way of these ports of the sentinels.
    pub(crate) fn url(&self, ports: &[u16]) -> String {
        let sentinels: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/{}", sentinels.join(","), self.name)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        for sentinel in three() {
            let _gone_already =
                sentinel.try_ask::<redis::Value>(&["SENTINEL", "REMOVE", &self.name]).is_err();
        }
    }
}

/// The ports of the three.
pub(crate) fn ports() -> [u16; 3] {
    std::array::from_fn(|index| three()[index].port)
}
