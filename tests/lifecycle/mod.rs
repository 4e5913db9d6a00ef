//! From SIGTERM to the end of the process: family G of the catalogue. What a reload does is told elsewhere.

mod application;
mod load;

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::{TempDir, tempdir};

use crate::support::http::{Call, Connection};
use crate::support::mac::hmac_hex;
use crate::support::process::{Serve, cli};
use crate::support::refusal::assert_problem;
use crate::support::sidecar::{Key, until};
use crate::support::upstream::{Manner, Upstream};
use application::{Application, PART};

/// A number from the environment, for long runs.
fn count(variable: &str, default: usize) -> usize {
    let set = std::env::var_os(variable);
    set.map_or(default, |text| text.to_str().unwrap().parse().expect("it is a number"))
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

struct World {
    serve: Serve,
    key: Key,
    /// Of the integration `hook`.
    secret: String,
    dir: TempDir,
}

impl World {
    /// `serve` before an application at `url`, with these options.
    fn start(url: &str, options: &[(&str, &str)]) -> Self {
        let dir = tempdir().unwrap();
        let mut command: Command = Serve::command(dir.path(), url);
        for (option, value) in options {
            command.env(format!("COUNTERSIGN_{}", option.to_uppercase().replace('.', "__")), value);
        }
        let serve = Serve::of(command);
        let workspace = serve.workspace("w");
        let key = serve.key(&workspace, "k");
        let secret = serve.integration("hook", "generic");
        Self { serve, key, secret, dir }
    }

    fn by_key(&self, target: &str) -> Call {
        Call::get(target).header("X-API-Key", &self.key.api_key)
    }

    /// A signed delivery with this body.
    fn delivery(&self, body: &[u8]) -> Call {
        Call::post("/webhooks/hook", body).header("X-Webhook-Signature", hmac_hex(&self.secret, &[body]))
    }

    fn terminate(&self) {
        self.serve.process.signal("TERM");
        until("readiness tells Kubernetes", || self.serve.ops("/readyz").status == 503);
    }
}

#[test]
fn g01_whatever_is_in_flight_at_sigterm_ends_whole() {
    let application = Application::start();
    let world = World::start(&application.url, &[("limits.body_budget", "256MiB")]);
    let many = count("COUNTERSIGN_TEST_IN_FLIGHT", 120);
    let body = vec![b'b'; 20_000];
    let (held, halved) = (world.by_key("/held").bytes(), world.by_key("/halved").bytes());
    let upload = Call { method: "POST".into(), body: body.clone(), ..world.by_key("/upload") }.bytes();
    let signed = world.delivery(&body).bytes();
    let mut connections: Vec<(usize, Connection)> = Vec::new();
    for index in 0..many {
        let mut connection = Connection::open(world.serve.traffic);
        match index % 4 {
            0 => connection.write(&held),
            1 => connection.write(&halved),
            2 => connection.write(&upload[..upload.len() - 10_000]),
            _ => connection.write(&signed[..signed.len() - 10_000]),
        }
        connections.push((index % 4, connection));
    }
    // The signed ones do not reach the application before their bodies are whole.
    until("the application has what it can have", || application.seen() == many - many / 4);
    until("the signed bodies are half here", || {
        let metrics = world.serve.ops("/metrics").text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("countersign_body_bytes_in_flight"))
            .unwrap()
            .to_owned();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() >= (many / 4 * 10_000) as f64
    });

    world.terminate();
    until("nobody new is let in", || is_refused(world.serve.traffic));
    assert_eq!(world.serve.ops("/livez").status, 200);
    application.open();
    for (kind, connection) in &mut connections {
        if *kind >= 2 {
            connection.write(&body[10_000..]);
        }
    }
    for (kind, connection) in &mut connections {
        let answer = connection.try_answer("GET").unwrap_or_else(|| panic!("kind {kind}: it was cut"));
        let expected = match kind {
            0 => b"held".to_vec(),
            1 => PART.repeat(2),
            _ => body.len().to_string().into_bytes(),
        };
        assert_eq!(answer.status, 200, "kind {kind}");
        assert_eq!(answer.body, expected, "kind {kind}");
        // The head of a stream that had begun was sent before anybody knew.
        if *kind != 1 {
            assert_eq!(answer.header("connection"), Some("close"), "kind {kind}");
        }
        assert!(connection.is_closed(), "kind {kind}");
    }
    let ended = world.serve.process.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn g01_requests_are_taken_for_the_delay_and_told_that_the_connection_ends() {
    let upstream = Upstream::start();
    let world = World::start(&upstream.url, &[("drain.delay", "10m")]);
    let call = world.by_key("/a");
    let mut before = Connection::open(world.serve.traffic);
    before.write(&call.bytes());
    let answer = before.answer_to("GET");
    assert_eq!((answer.status, answer.header("connection")), (200, None));

    world.terminate();
    before.write(&call.bytes());
    let mut after = Connection::open(world.serve.traffic);
    after.write(&call.bytes());
    for mut connection in [before, after] {
        let answer = connection.answer_to("GET");
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert!(connection.is_closed());
    }
    // Refusals are refusals still.
    let refused = Call::get("/a").send(world.serve.traffic);
    assert_eq!((refused.status, refused.header("connection")), (401, Some("close")));
    assert_eq!(upstream.take().len(), 3);
    // HTTP/2 has no such header (RFC 9113 §8.2.2); it has GOAWAY when the port closes.
    let answers = crate::support::h2::send(world.serve.traffic, &[call]);
    assert_eq!((answers[0].status, answers[0].header("connection")), (200, None));
    // A person does not wait for the delay.
    world.serve.process.signal("INT");
    let ended = world.serve.process.finish();
    assert!(ended.stderr.contains("ended at once"), "{}", ended.stderr);
}

#[test]
fn g03_a_second_sigterm_cuts_what_is_in_flight_and_leaves_the_store_whole() {
    let upstream = Upstream::with(Manner::Silent);
    let world = World::start(&upstream.url, &[]);
    let mut connection = Connection::open(world.serve.traffic);
    connection.write(&world.by_key("/never").bytes());
    until("the request has arrived", || upstream.bytes() > 0);
    world.terminate();
    world.serve.process.signal("TERM");
    let World { serve, key, dir, .. } = world;
    let ended = serve.process.finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(connection.try_answer("GET").is_none(), "an answer was made up");
    is_whole(&dir, &key);
}

#[test]
fn g03_sigkill_while_draining_leaves_the_store_whole() {
    let upstream = Upstream::with(Manner::Silent);
    let mut world = World::start(&upstream.url, &[]);
    let mut connection = Connection::open(world.serve.traffic);
    connection.write(&world.by_key("/never").bytes());
    until("the request has arrived", || upstream.bytes() > 0);
    world.terminate();
    world.serve.process.kill();
    assert!(connection.try_answer("GET").is_none(), "an answer was made up");
    is_whole(&world.dir, &world.key);
}

/// Starts a sidecar on the same store: the key is honoured, the audit chain unbroken.
fn is_whole(dir: &TempDir, key: &Key) {
    let upstream = Upstream::start();
    let serve = Serve::start(dir.path(), &upstream.url);
    let call = Call::get("/a").header("X-API-Key", &key.api_key);
    assert_eq!(call.send(serve.traffic).status, 200);
    upstream.only();
    let verified = cli(&serve, dir.path(), &["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn g04_a_sidecar_whose_application_is_gone_says_try_again() {
    let application = Application::start();
    let world = World::start(&application.url, &[("drain.delay", "10m")]);
    let call = world.by_key("/parts/1");
    let mut connection = Connection::open(world.serve.traffic);
    connection.write(&call.bytes());
    assert_eq!(connection.answer_to("GET").status, 200);
    let seen = application.seen();
    drop(application);
    // An application that cannot be reached while we stay is a fault of the application's.
    until("it is gone", || call.send(world.serve.traffic).status == 502);

    world.terminate();
    for answer in [call.send(world.serve.traffic), world.delivery(b"body").send(world.serve.traffic)] {
        assert_problem(&answer, 503, "gone");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    let metrics = world.serve.ops("/metrics").text();
    assert!(
        metrics.lines().any(|line| line == "countersign_upstream_errors_total{cause=\"gone\"} 2"),
        "{metrics}"
    );
    assert_eq!(seen, 1);
}

#[test]
fn g08_readiness_and_liveness_say_different_things() {
    let world = World::start(&crate::support::upstream::nobody(), &[("drain.delay", "10m")]);
    // The application is down: that is its own readiness, not ours.
    for probe in ["/livez", "/startupz", "/readyz"] {
        assert_eq!(world.serve.ops(probe).status, 200, "{probe}");
    }
    world.terminate();
    assert_eq!(world.serve.ops("/readyz").text(), "not ready: draining\n");
    for probe in ["/livez", "/startupz"] {
        assert_eq!(world.serve.ops(probe).status, 200, "{probe}");
    }
}
