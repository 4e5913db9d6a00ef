//! What runs out, or never ends: file descriptors, lines of the log, heads of answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::load::Sink;
use crate::support::http::{Call, Connection};
use crate::support::log;
use crate::support::process::{Serve, tool, tool_command};
use crate::support::refusal::assert_problem;
use crate::support::sidecar::{Sidecar, until};

/// The same command under a limit of prlimit(1).
fn limited(dir: &std::path::Path, limit: &str, command: &Command) -> Command {
    let program = command.get_program().to_str().unwrap();
    let mut limited = tool_command(&tool("prlimit"), dir, &[limit, program]);
    limited.args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}

/// Processor time of a process so far, in hundredths of a second (proc(5), `stat`).
fn processor_time(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn d20_without_file_descriptors_left_it_goes_on_and_takes_connections_again() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let command = Serve::command(dir.path(), &sink.url);
    let mut serve = Serve::of(limited(dir.path(), "--nofile=256", &command));
    let key = serve.key(&serve.workspace("tenant"), "key");
    let call = Call::get("/in").header("X-API-Key", &key.api_key).bytes();
    let mut first = Connection::open(serve.traffic);
    first.write(&call);
    assert_eq!(first.answer().status, 200);
    let to: SocketAddr = serve.traffic;
    let connect = || TcpStream::connect_timeout(&to, Duration::from_millis(100));
    let held: Vec<TcpStream> = (0..1000).map_while(|_| connect().ok()).collect();
    assert!(held.len() > 256, "{} connections", held.len());
    serve.process.wait_for("it says so", |_, stderr| {
        stderr.contains("cannot accept connections; trying on").then_some(())
    });
    // Whoever is in is served.
    let before = processor_time(serve.process.id());
    for _ in 0..10 {
        first.write(&call);
        assert_eq!(first.answer().status, 200);
        std::thread::sleep(Duration::from_millis(50));
    }
    let spent = processor_time(serve.process.id()) - before;
    assert!(spent < 25, "{spent} hundredths of a second in half of one: it spins");
    let said = serve.process.stderr().matches("cannot accept connections").count();
    assert!(said < 100, "said {said} times");
    drop(held);
    let mut again = None;
    until("connections are taken again", || {
        let Ok(stream) = connect() else { return false };
        let mut connection = Connection::over(stream);
        connection.write(&call);
        again = connection.try_answer("GET");
        again.is_some()
    });
    assert_eq!(again.unwrap().status, 200);
    assert_eq!(sink.bodies.load(Ordering::SeqCst), 12);
}

#[test]
fn d22_of_a_flood_of_refusals_so_many_lines_are_logged_a_second_and_nothing_of_what_was_sent() {
    const REFUSALS: usize = 2000;
    log::keep();
    let route = "[[routes]]\nname = 'd22'\npath = '/{*rest}'\nverify = ['api-key']";
    let sidecar = Sidecar::builder().config(route).start();
    let call = Call::post("/canary-in-the-path?canary-in-the-query", "canary-in-the-body")
        .header("X-API-Key", "canary-for-a-key")
        .header("User-Agent", "canary-for-an-agent");
    let refused = |times: usize| {
        for _ in 0..times {
            // What has a body ends its connection.
            assert_eq!(sidecar.send(&call).status, 401);
        }
    };
    let lines = || -> Vec<String> {
        let kept = log::kept();
        kept.lines().filter(|line| line.contains("\"route\":\"d22\"")).map(str::to_owned).collect()
    };
    // The clock stands still: all of it is one second.
    refused(REFUSALS);
    let logged = lines();
    assert_eq!(logged.len(), 100);
    // 1 MiB a second at most.
    assert!(logged.iter().all(|line| line.len() < 10 * 1024));
    assert!(!log::kept().contains("canary-"), "something of a request was logged");
    sidecar.advance(1);
    refused(1);
    assert_eq!(lines().len(), 101);
    let summary = format!("\"suppressed\":{}", REFUSALS - 100);
    assert!(log::kept().contains(&summary), "the rest is not counted");
    let refused = sidecar.metrics("countersign_requests_total{route=\"d22\",outcome=\"refused\"}");
    assert!(refused[0].ends_with(&format!(" {}", REFUSALS + 1)), "{refused:?}");
    sidecar.upstream.saw_nothing();
}

/// Processor time of a process so far, in nanoseconds: all of its threads (proc(5), `schedstat`).
fn nanoseconds(process: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let spent = |task: std::fs::DirEntry| {
        let schedstat = std::fs::read_to_string(task.path().join("schedstat")).unwrap();
        schedstat.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    tasks.map(|task| spent(task.unwrap())).sum()
}

#[test]
fn d25_no_refusal_costs_ten_times_what_a_request_does_that_passes() {
    const TIMES: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let serve = Serve::start(dir.path(), &sink.url);
    let key = serve.key(&serve.workspace("tenant"), "key");
    serve.integration("github", "github");
    let get = |target: &str| Call::get(target).header("X-API-Key", &key.api_key);
    let fields = (0..90).fold(Call::get("/in"), |call, n| call.header(&format!("X-Header-{n}"), "v"));
    let signed = |signature: &str| {
        Call::post("/webhooks/github", [b'a'; 1024]).header("X-Hub-Signature-256", signature)
    };
    let candidate = format!("sha256={}", "0f".repeat(32));
    let mut connection = Connection::open(serve.traffic);
    let mut cost = |call: &Call, status: u16| {
        let bytes = call.bytes();
        let mut before = 0;
        // The first ones are not counted.
        for time in 0..TIMES + 20 {
            if time == 20 {
                before = nanoseconds(serve.process.id());
            }
            connection.write(&bytes);
            let answer = connection.answer();
            assert_eq!(answer.status, status, "{} {}", call.method, call.target);
            if answer.header("connection") == Some("close") {
                connection = Connection::open(serve.traffic);
            }
        }
        (nanoseconds(serve.process.id()) - before) / TIMES
    };
    let passes = cost(&get("/in"), 200);
    for (what, call, status) in [
        ("no key", Call::get("/in"), 401),
        ("a key of 60 KiB", Call::get("/in").header("X-API-Key", "k".repeat(60 * 1024)), 401),
        ("many fields", fields, 401),
        ("many segments", get(&"/a".repeat(4000)), 400),
        ("dot segments", get(&format!("{}/..", "/a".repeat(4000))), 400),
        ("a forged signature", signed(&candidate), 401),
        ("many candidates", signed(&vec![candidate.clone(); 800].join(",")), 401),
    ] {
        let refused = cost(&call, status);
        println!("{what}: {refused} ns, {passes} ns for what passes");
        assert!(refused <= 10 * passes, "{what}: {refused} ns, {passes} ns for what passes");
    }
    assert_eq!(u64::try_from(sink.bodies.load(Ordering::SeqCst)).unwrap(), TIMES + 20);
}

/// An application whose answers begin so and never end; how much of them was taken.
fn endless(begin: &'static [u8], more: &'static [u8]) -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (taken, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, over) = (Arc::clone(&taken), Arc::clone(&ended));
    // Ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _read = stream.read(&mut head).unwrap();
            let mut wrote = stream.write_all(begin);
            while wrote.is_ok() {
                counted.fetch_add(more.len(), Ordering::SeqCst);
                wrote = stream.write_all(more);
            }
            over.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, taken, ended)
}

#[test]
fn d24_a_head_of_an_answer_that_never_ends_is_a_502_and_its_connection_is_closed() {
    /// What the kernel takes beyond what we do: its buffers on both sides.
    const KERNEL: usize = 16 * 1024 * 1024;
    static LONG: [u8; 4096] = [b'a'; 4096];
    let head = b"HTTP/1.1 200 OK\r\n";
    for (what, begin, more) in [
        ("a value", &b"HTTP/1.1 200 OK\r\nX-Long: "[..], &LONG[..]),
        ("a name", head, &LONG[..]),
        ("fields", head, b"X-A: b\r\n"),
        ("a reason", b"HTTP/1.1 200 ", &LONG[..]),
    ] {
        let (url, taken, ended) = endless(begin, more);
        let sidecar = Sidecar::builder().upstream(&url).start();
        let workspace = sidecar.workspace("tenant");
        let key = sidecar.key(&workspace, json!({}));
        let answer = sidecar.send(&Call::get("/in").header("X-API-Key", &key.api_key));
        assert_problem(&answer, 502, what);
        until("the application is rid of it", || ended.load(Ordering::SeqCst) == 1);
        let taken = taken.load(Ordering::SeqCst);
        assert!(taken < KERNEL, "{what}: {taken} bytes");
    }
}
