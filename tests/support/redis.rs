//! Real Redis servers on ports of their own, and what tests ask of them. Not tests.
//!
//! `redis-server` must be in PATH: a test without it fails, it is never skipped. A [`Server`] ends with its
//! test process; [`shared`] ones serve a whole topic, each test in a namespace of its own.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use countersign::config::{RedisConfig, ServerAddress, Topology};
use countersign::store::redis::RedisStore;
use countersign::store::seal::Keyring;
use redis::{Connection, FromRedisValue};
use tempfile::TempDir;

/// For a server to start: generous, since a machine under test may be busy.
pub(crate) const START: Duration = Duration::from_secs(20);

/// A server that is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    options: Vec<String>,
    child: Mutex<Option<Child>>,
    dir: TempDir,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let server =
            Self { port: free_port(), options, child: Mutex::new(None), dir: TempDir::new().unwrap() };
        server.run();
        server
    }

    /// A server that is configured and not running yet.
    pub(crate) fn stopped() -> Self {
        let options = Vec::new();
        Self { port: free_port(), options, child: Mutex::new(None), dir: TempDir::new().unwrap() }
    }

    /// Starts it (again), on the same port and with the files that it left.
    pub(crate) fn run(&self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"])
            .args(["--dir", self.dir.path().to_str().unwrap(), "--save", "", "--loglevel", "warning"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("redis-server cannot be started ({error}): these tests need it in PATH; apt-get install redis-server")
        });
        *self.child.lock().unwrap() = Some(child);
        let started = now();
        while !self.answers() {
            assert!(started.elapsed() < START, "redis-server on port {} does not answer", self.port);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn answers(&self) -> bool {
        if TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            return false;
        }
        match self.client().get_connection_with_timeout(Duration::from_secs(1)) {
            // One with a password answers too, by refusing.
            Err(error) => error.code().is_some(),
            Ok(mut connection) => match redis::cmd("PING").query::<String>(&mut connection) {
                Ok(_) => true,
                Err(error) => error.code().is_some_and(|code| code != "LOADING"),
            },
        }
    }

    /// Kills it without a chance to write anything.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// For statics, which are not dropped: it ends with this process.
    pub(crate) fn end_with_us(&self) {
        kill_with_us(self.child.lock().unwrap().as_ref().unwrap().id());
    }

    /// Stops it in its tracks: connections stay open, nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.lock().unwrap().as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connection(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    /// Runs a command, given as words.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        command(words).query(&mut self.connection()).unwrap()
    }

    /// The same of a server that is changing its role, and drops connections meanwhile.
    pub(crate) fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        command(words).query(&mut self.client().get_connection().ok()?).ok()
    }

    pub(crate) fn do_it(&self, words: &[&str]) {
        self.ask::<redis::Value>(words);
    }

    pub(crate) fn settings(&self) -> RedisConfig {
        settings_at(self.port)
    }

    pub(crate) fn store(&self, namespace: &str) -> Arc<RedisStore> {
        Arc::new(RedisStore::new(self.settings(), namespace, keyring()))
    }
}

fn command(words: &[&str]) -> redis::Cmd {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A standalone server at this port, and every default.
pub(crate) fn settings_at(port: u16) -> RedisConfig {
    RedisConfig::at(Topology::Standalone(local(port)))
}

pub(crate) fn local(port: u16) -> ServerAddress {
    ServerAddress { host: "127.0.0.1".to_owned(), port }
}

/// One server for everything that only reads and writes. Ends with the process (see [`Server::run`]).
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| {
        let server = Server::start(&[]);
        server.end_with_us();
        server
    })
}

/// Kills a server once this process is gone.
pub(crate) fn kill_with_us(pid: u32) {
    let script =
        format!("while kill -0 {} 2>/dev/null; do sleep 0.2; done; kill -9 {pid}", std::process::id());
    let mut watcher = Command::new("sh");
    watcher.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(watcher.spawn().unwrap());
}

/// A namespace that no other test uses.
pub(crate) fn namespace() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Deadline or panic: `what` must come true.
pub(crate) async fn soon(what: &str, within: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let started = now();
    while !holds() {
        assert!(started.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    started.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "deadlines of tests are real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A directory of key-encryption keys: id and one hex digit to repeat.
pub(crate) fn kek_dir(keks: &[(&str, char)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (id, digit) in keks {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.path().join(format!("{id}.key")))
            .unwrap();
        std::io::Write::write_all(&mut file, digit.to_string().repeat(64).as_bytes()).unwrap();
    }
    dir
}

/// The keyring that most tests use: one KEK, `k1`.
pub(crate) fn keyring() -> Arc<Keyring> {
    keyring_of(&[("k1", 'a')], "k1")
}

pub(crate) fn keyring_of(keks: &[(&str, char)], seal_with: &str) -> Arc<Keyring> {
    Arc::new(Keyring::load(kek_dir(keks).path(), Some(seal_with)).unwrap())
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
