//! Many clients at once, against the built program: what everybody gets, and what it costs in memory.
//!
//! Counts are small here; `tests/run --load` sets the full ones and prints what it measures.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{head_of, hook};
use crate::support::certificates::Authority;
use crate::support::frames::{self, Frames};
use crate::support::http::{Call, Connection};
use crate::support::process::Serve;
use crate::support::sidecar::until;
use crate::support::tls::{Client, Session};

const MIB: usize = 1024 * 1024;

fn count(name: &str, default: usize) -> usize {
    let set = std::env::var_os(name);
    set.map_or(default, |count| count.to_str().unwrap().parse().expect("counts are numbers"))
}

/// An application that counts what it gets and keeps nothing.
pub(super) struct Sink {
    pub(super) url: String,
    pub(super) bodies: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Sink {
    pub(super) fn start() -> Self {
        Self::answering(b"ok")
    }

    fn answering(answer: &'static [u8]) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&bodies);
        runtime.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let counted = Arc::clone(&counted);
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let counted = Arc::clone(&counted);
                    async move {
                        let mut body = request.into_body();
                        while let Some(Ok(_)) = body.frame().await {}
                        counted.fetch_add(1, SeqCst);
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(answer))))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, bodies, _runtime: runtime }
    }
}

/// A sidecar with an integration, `hook`; its secret.
pub(super) fn serve(dir: &std::path::Path, sink: &Sink, options: &[(&str, &str)]) -> (Serve, String) {
    let mut command = Serve::command(dir, &sink.url);
    for (name, value) in options {
        command.env(name, value);
    }
    let serve = Serve::of(command);
    let secret = serve.integration("hook", "generic");
    (serve, secret)
}

/// A value of the process in `/proc`, in KiB.
pub(super) fn memory(serve: &Serve, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serve.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn metric(serve: &Serve, name: &str) -> f64 {
    let text = serve.ops("/metrics").text();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("0 0").to_owned();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The nth address of a network of loopback.
fn address(network: u8, n: usize) -> IpAddr {
    let [.., high, low] = u32::try_from(n + 1).unwrap().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, network, high, low))
}

async fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// The status of the answer, and after how many seconds to come back. 0 where there is no answer.
async fn answer(stream: &mut (impl AsyncReadExt + Unpin)) -> (u16, u64) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return (0, 1),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let after = head.lines().find_map(|line| line.strip_prefix("retry-after: ")?.trim().parse().ok());
    (status, after.unwrap_or(1))
}

/// Delivers until it is taken, as `Retry-After` says. How often it was told to come back.
async fn deliver(from: IpAddr, to: SocketAddr, head: Arc<Vec<u8>>, body: Bytes) -> usize {
    let mut told = 0;
    loop {
        let mut stream = connect(from, to).await;
        let _broken = stream.write_all(&head).await;
        let (mut reader, mut writer) = stream.split();
        // Who is refused early does not go on sending.
        let sending = async {
            let _broken = writer.write_all(&body).await;
            std::future::pending::<()>().await;
        };
        let (status, after) = tokio::select! {
            answer = answer(&mut reader) => answer,
            () = sending => (0, 0),
        };
        drop(stream);
        match status {
            200 => return told,
            503 => told += 1,
            other => panic!("a delivery got {other}"),
        }
        tokio::time::sleep(Duration::from_secs(after)).await;
    }
}

/// Sends a byte a second of a body that it never ends, again and again.
async fn drip(from: IpAddr, to: SocketAddr, head: Arc<Vec<u8>>) {
    loop {
        let mut stream = connect(from, to).await;
        let _broken = stream.write_all(&head).await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn storm(one_address: bool) {
    let bodies = count("COUNTERSIGN_TEST_BODIES", 8);
    let budget = count("COUNTERSIGN_TEST_BUDGET_MIB", 3);
    let drips = count("COUNTERSIGN_TEST_DRIPS", 10);
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let option = format!("{budget}MiB");
    let (serve, secret) = serve(dir.path(), &sink, &[("COUNTERSIGN_LIMITS__BODY_BUDGET", option.as_str())]);
    let before = memory(&serve, "VmRSS");
    let body = vec![b'a'; MIB];
    let call = hook(&secret, &body);
    let head = Arc::new(head_of(&call, MIB));
    let body = Bytes::from(body);
    let to = serve.traffic;
    let over = Arc::new(AtomicBool::new(false));
    let watching = Arc::clone(&over);
    let ops = serve.ops;
    let watch = std::thread::spawn(move || {
        let mut peak = 0.0_f64;
        while !watching.load(SeqCst) {
            let text = Call::get("/metrics").send(ops).text();
            let line =
                text.lines().find(|line| line.starts_with("countersign_body_bytes_in_flight ")).unwrap();
            peak = peak.max(line.rsplit(' ').next().unwrap().parse().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
        peak
    });
    #[expect(clippy::disallowed_methods, reason = "a figure that is printed")]
    let begun = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let told = runtime.block_on(async {
        for n in 0..drips {
            tokio::spawn(drip(address(2, n), to, Arc::clone(&head)));
        }
        let from = |n| if one_address { address(1, 0) } else { address(1, n) };
        let all: Vec<_> = (0..bodies)
            .map(|n| tokio::spawn(deliver(from(n), to, Arc::clone(&head), body.clone())))
            .collect();
        let mut told = 0;
        for each in all {
            told += each.await.unwrap();
        }
        told
    });
    over.store(true, SeqCst);
    let peak = watch.join().unwrap() / 1024.0 / 1024.0;
    let taken = begun.elapsed();
    let most = memory(&serve, "VmHWM");
    println!(
        "load: {bodies} bodies of 1 MiB ({}) beside {drips} drips, budget {budget} MiB: all 2xx in {taken:?}, told to \
         come back {told} times, peak {peak:.1} MiB in flight, VmRSS before {before} KiB, VmHWM {most} KiB",
        if one_address { "one address" } else { "as many addresses" },
    );
    assert_eq!(sink.bodies.load(SeqCst), bodies);
    #[expect(clippy::cast_precision_loss, reason = "a few MiB")]
    let budget_mib = budget as f64;
    assert!(peak <= budget_mib && peak >= budget_mib * 0.75, "{peak} MiB of {budget} at the peak");
    assert!(most <= 256 * 1024, "VmHWM {most} KiB");
    runtime.shutdown_background();
}

#[test]
fn d15_bodies_of_many_addresses_beyond_the_budget_all_come_through() {
    storm(false);
}

#[test]
fn d15_bodies_of_one_address_beyond_the_budget_all_come_through() {
    storm(true);
}

#[test]
fn d05_an_idle_connection_costs_little() {
    let connections = count("COUNTERSIGN_TEST_IDLE", 200);
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let most = (connections + 100).to_string();
    let (serve, _) = serve(dir.path(), &sink, &[("COUNTERSIGN_LIMITS__CONNECTIONS", most.as_str())]);
    let open = |n: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(connect(address(3, n), serve.traffic)).into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        let mut connection = Connection::over(stream);
        // A key that nobody has: the connection has done all that it does for a request.
        connection.write(&Call::get("/in").header("X-API-Key", "wk_none").bytes());
        assert_eq!(connection.answer().status, 401);
        connection
    };
    let mut held: Vec<Connection> = (0..50).map(open).collect();
    let before = memory(&serve, "VmRSS");
    held.extend((50..50 + connections).map(open));
    let after = memory(&serve, "VmRSS");
    let each = after.saturating_sub(before) * 1024 / connections;
    println!("load: {connections} idle connections: {each} bytes each (VmRSS {before} to {after} KiB)");
    assert!(each <= 32 * 1024, "{each} bytes for an idle connection");
}

#[test]
fn d05_an_idle_connection_under_tls_costs_little() {
    // All are of one address, which may have 2,000, those from before the measuring included.
    let connections = count("COUNTERSIGN_TEST_IDLE", 200).min(1950);
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("servers"));
    let pair = authority.vouch("server", &["app.example"]);
    std::fs::write(dir.path().join("countersign.toml"), crate::tls::table(&[&pair], "")).unwrap();
    let sink = Sink::start();
    let mut command = Serve::command(dir.path(), &sink.url);
    command.args(["--config", "countersign.toml"]);
    let serve = Serve::of(command);
    let client = Client::new(&authority.file(), None);
    let open = |_| {
        let mut session = client.open(serve.traffic, "app.example").unwrap();
        let call = Call::get("/in").header("X-API-Key", "wk_none");
        assert_eq!(session.exchange(&call).unwrap().status, 401);
        session
    };
    let mut held: Vec<Session> = (0..50).map(open).collect();
    let before = memory(&serve, "VmRSS");
    held.extend((0..connections).map(open));
    let after = memory(&serve, "VmRSS");
    let each = after.saturating_sub(before) * 1024 / connections;
    println!(
        "load: {connections} idle connections under TLS: {each} bytes each (VmRSS {before} to {after} KiB)"
    );
    assert!(each <= 80 * 1024, "{each} bytes for an idle connection");
    assert_eq!((held.len(), sink.bodies.load(SeqCst)), (50 + connections, 0));
}

#[test]
fn d18_a_flood_of_forgeries_refuses_no_genuine_delivery() {
    let forgeries = count("COUNTERSIGN_TEST_FORGERIES", 500);
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let (serve, secret) = serve(dir.path(), &sink, &[]);
    let to = serve.traffic;
    let forged = Arc::new(hook("no secret of ours", b"a forged event").bytes());
    let genuine = hook(&secret, b"a genuine event").bytes();
    let sent = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    #[expect(clippy::disallowed_methods, reason = "a figure that is printed")]
    let begun = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for n in 0..count("COUNTERSIGN_TEST_FORGERS", 4) {
        let (forged, sent, over) = (Arc::clone(&forged), Arc::clone(&sent), Arc::clone(&over));
        runtime.spawn(async move {
            while !over.load(SeqCst) {
                let mut stream = connect(address(4, n), to).await;
                let batch = forged.repeat(20);
                let mut chunk = vec![0; 64 * 1024];
                // The answers are read as they come, not understood.
                while !over.load(SeqCst) {
                    if stream.write_all(&batch).await.is_err() {
                        break;
                    }
                    sent.fetch_add(20, SeqCst);
                    let _some = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut chunk)).await;
                }
            }
        });
    }
    let mut delivered = 0;
    let mut connection = Connection::open(to);
    while sent.load(SeqCst) < u64::try_from(forgeries).unwrap() || delivered < 10 {
        connection.write(&genuine);
        assert_eq!(connection.answer().status, 200, "after {delivered}");
        delivered += 1;
    }
    over.store(true, SeqCst);
    let judged = metric(&serve, "countersign_requests_total{route=\"webhooks\",outcome=\"refused\"}");
    println!(
        "load: {} forgeries sent, {judged} refused in {:?} beside {delivered} genuine deliveries: all 200",
        sent.load(SeqCst),
        begun.elapsed(),
    );
    assert_eq!(sink.bodies.load(SeqCst), delivered);
    assert!(judged > 0.0);
    runtime.shutdown_background();
}

/// An answer larger than what is on the way to anybody.
static ANSWER: [u8; MIB] = [b'a'; MIB];

#[test]
fn d13_answers_that_no_window_is_opened_for_cost_little_and_are_reset() {
    let streams = count("COUNTERSIGN_TEST_STREAMS", 100);
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::answering(&ANSWER);
    let most = (streams + 100).to_string();
    let options =
        [("COUNTERSIGN_LIMITS__SEND_TIMEOUT", "3s"), ("COUNTERSIGN_UPSTREAM__CONNECTIONS", most.as_str())];
    let (serve, _) = serve(dir.path(), &sink, &options);
    let key = serve.key(&serve.workspace("tenant"), "key");
    let fields = frames::request("GET", "/in", &[("x-api-key", &key.api_key)]);
    let open = |amount: usize| {
        let mut connection = Frames::with(serve.traffic, &[(4, 0)]);
        let ids: Vec<u32> = (0..u32::try_from(amount).unwrap()).map(|n| 2 * n + 1).collect();
        for id in &ids {
            connection.request(*id, &fields, true);
        }
        (connection, ids)
    };
    // Once, so that what the first ones take for good is there.
    let (_warm, _) = open(10);
    until("they have come", || sink.bodies.load(SeqCst) == 10);
    let before = memory(&serve, "VmRSS");
    let mut open: Vec<(Frames, Vec<u32>)> = (0..streams / 100).map(|_| open(100)).collect();
    until("all have come", || sink.bodies.load(SeqCst) == 10 + streams);
    let mut ended = 0;
    for (connection, ids) in &mut open {
        for _ in ids {
            let reset = connection.find(|frame| frame.kind == frames::RST_STREAM).unwrap();
            assert_eq!(reset.code(), frames::CANCEL);
            ended += 1;
        }
        assert!(connection.answers());
    }
    let most = memory(&serve, "VmHWM");
    let each = most.saturating_sub(before) * 1024 / streams;
    println!("load: {ended} streams of 1 MiB that nobody reads: {each} bytes each (VmHWM {most} KiB)");
    assert_eq!(ended, streams);
    assert!(each <= 128 * 1024, "{each} bytes for a stream that nobody reads");
    assert!(most <= 256 * 1024, "VmHWM {most} KiB");
}
