//! A configuration that changes under a running process: by SIGHUP and by itself.

mod upstream;

use std::path::Path;

use crate::support::certificates::Authority;
use crate::support::frames::{self, Frames};
use crate::support::http::{Call, Connection};
use crate::support::mac::hmac_hex;
use crate::support::process::Serve;
use crate::support::sidecar::until;
use crate::support::tls::Client;
use crate::support::upstream::Upstream;

struct Reloaded {
    serve: Serve,
    upstream: Upstream,
    dir: tempfile::TempDir,
}

fn route(name: &str) -> String {
    format!("[[routes]]\nname = '{name}'\npath = '/{name}'\nverify = 'none'\n")
}

impl Reloaded {
    fn start(toml: &str) -> Self {
        Self::before(Upstream::start(), toml)
    }

    fn before(upstream: Upstream, toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("countersign.toml"), toml).unwrap();
        let mut command = Serve::command(dir.path(), &upstream.url);
        command.args(["--config", "countersign.toml"]);
        let serve = Serve::of(command);
        Self { serve, upstream, dir }
    }

    /// A new file of the same name.
    fn write(&self, toml: &str) {
        let beside = self.dir.path().join("new");
        std::fs::write(&beside, toml).unwrap();
        std::fs::rename(beside, self.dir.path().join("countersign.toml")).unwrap();
    }

    fn count(&self, outcome: &str) -> usize {
        let name = format!("countersign_config_reloads_total{{outcome=\"{outcome}\"}} ");
        let text = self.serve.ops("/metrics").text();
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }

    /// Asks for a reload, and waits until it has this outcome.
    fn reload(&self, outcome: &str) {
        let before = self.count(outcome);
        self.serve.process.signal("HUP");
        until("the reload is over", || self.count(outcome) > before);
    }

    /// Writes the file, asks for a reload, and waits until it has this outcome, whoever came first: the signal, or
    /// the process that looks by itself.
    fn change(&self, toml: &str, outcome: &str) {
        let before = self.count(outcome);
        self.write(toml);
        self.serve.process.signal("HUP");
        until("the change is judged", || self.count(outcome) > before);
    }

    fn get(&self, target: &str) -> u16 {
        Call::get(target).send(self.serve.traffic).status
    }

    fn verbose(&self) -> String {
        self.serve.ops("/readyz?verbose").text()
    }
}

#[test]
fn routes_and_limits_change_under_open_connections() {
    let reloaded = Reloaded::start(&format!("[limits]\nmax_body = '4B'\n{}", route("one")));
    let mut open = Connection::open(reloaded.serve.traffic);
    open.write(&Call::get("/one").bytes());
    assert_eq!(open.answer().status, 200);
    assert_eq!(reloaded.get("/two"), 404);
    assert_eq!(Call::post("/one", "12345").send(reloaded.serve.traffic).status, 413);

    reloaded.change(&format!("[limits]\nmax_body = '5B'\n{}", route("two")), "applied");
    assert_eq!((reloaded.get("/one"), reloaded.get("/two")), (404, 200));
    assert_eq!(Call::post("/two", "12345").send(reloaded.serve.traffic).status, 200);
    // The connection that was open is judged by what is in force now, and was not closed.
    open.write(&Call::get("/two").bytes());
    assert_eq!(open.answer().status, 200);
    let text = reloaded.serve.ops("/metrics").text();
    assert!(text.contains("countersign_requests_total{route=\"two\",outcome=\"forwarded\"} 3"), "{text}");
    reloaded.reload("unchanged");
    assert_eq!(reloaded.upstream.take().len(), 4);
}

#[test]
fn a_changed_file_is_taken_without_a_signal() {
    let reloaded = Reloaded::start(&route("one"));
    reloaded.write(&route("two"));
    until("the new route is there", || reloaded.get("/two") == 200);
    until("it is counted", || reloaded.count("applied") == 1);
    assert_eq!(reloaded.count("refused"), 0);
}

#[test]
fn g05_a_faulty_file_changes_nothing_and_says_why() {
    let reloaded = Reloaded::start(&route("one"));
    let shadowed = route("one") + &route("two").replace("/two", "/one");
    for (toml, why) in [
        ("[limits\n".to_owned(), "valid TOML"),
        (format!("[limits]\nmax_bodi = '1B'\n{}", route("two")), "limits.max_bodi"),
        (format!("[limits]\nmax_body = '0B'\n{}", route("two")), "limits.max_body"),
        (route("two").replace("'/two'", "'/{two'"), "routes[0].path"),
        (shadowed, "routes[1].path"),
        (
            route("two") + "[admin]\ntoken_file = 'not-there'",
            "admin.token_file: a change of it needs a restart",
        ),
        ("routes = []".to_owned(), "at least one route"),
    ] {
        reloaded.change(&toml, "refused");
        until("it is said why", || reloaded.verbose().contains(why));
        assert!(reloaded.verbose().ends_with("ok\n"), "{toml}");
        let logged = || {
            let process = &reloaded.serve.process;
            process.stderr().contains(why) || process.stdout().contains(why)
        };
        until("it is logged", logged);
        assert_eq!((reloaded.get("/one"), reloaded.get("/two")), (200, 404), "{toml}");
        // `check` says the same beforehand.
        if !why.contains("restart") {
            let args = ["check", "--config", "countersign.toml"];
            let output = crate::support::process::countersign(reloaded.dir.path(), &args).output().unwrap();
            assert_eq!(output.status.code(), Some(78), "{toml}");
        }
    }
    std::fs::remove_file(reloaded.dir.path().join("countersign.toml")).unwrap();
    reloaded.reload("refused");
    assert_eq!(reloaded.get("/one"), 200);
    reloaded.change(&route("two"), "applied");
    assert_eq!(reloaded.get("/two"), 200);
    assert!(!reloaded.verbose().contains("NOT in force"));
}

#[test]
fn g05_what_needs_a_restart_is_named_and_nothing_else_is_taken_either() {
    let reloaded = Reloaded::start(&route("one"));
    let toml = "role = 'data'\n[listener]\nthreads = 3\n[keys]\nmax_stale = '31s'\n[upstream]\nhttp2 = true\n\
                [limits]\nmax_body = '2B'\n";
    reloaded.change(&format!("{toml}{}", route("two")), "refused");
    let verbose = reloaded.verbose();
    for option in ["role", "listener.threads", "keys.max_stale", "upstream.http2"] {
        let line = format!("the former one is: {option}: a change of it needs a restart\n");
        assert!(verbose.contains(&line), "{verbose}");
    }
    assert!(!verbose.contains("limits.max_body"), "{verbose}");
    assert_eq!((reloaded.get("/one"), reloaded.get("/two")), (200, 404));
    assert_eq!(Call::post("/one", "12345").send(reloaded.serve.traffic).status, 200);
}

/// Every option of `[limits]` with another value than the built-in one, each within its bounds.
fn other_limits() -> String {
    let defaults: toml::Table = include_str!("../../config/default.toml").parse().unwrap();
    let limits = defaults["limits"].as_table().unwrap();
    let other = |name: &str, value: &toml::Value| match value {
        toml::Value::Integer(number) => format!("{name} = {}\n", number + 1),
        toml::Value::String(text) => {
            let digits = text.trim_end_matches(char::is_alphabetic);
            format!("{name} = '{}{}'\n", digits.parse::<u64>().unwrap() + 1, &text[digits.len()..])
        }
        other => panic!("{name} = {other}"),
    };
    limits.iter().map(|(name, value)| other(name, value)).collect()
}

#[test]
fn every_limit_is_taken_without_a_restart() {
    let reloaded = Reloaded::start(&route("one"));
    reloaded.change(&format!("[limits]\n{}{}", other_limits(), route("two")), "applied");
    assert_eq!((reloaded.get("/one"), reloaded.get("/two")), (404, 200));
}

#[test]
fn limits_of_a_connection_are_those_that_it_began_with() {
    let toml = |streams: u32| format!("[limits]\nh2_streams = {streams}\n{}", route("one"));
    let reloaded = Reloaded::start(&toml(3));
    // SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2).
    let open = || {
        let mut connection = Frames::open(reloaded.serve.traffic);
        let settings = connection.find(|frame| frame.kind == frames::SETTINGS).unwrap().payload;
        let parameter = settings.chunks(6).find(|parameter| parameter[..2] == [0, 3]).unwrap();
        (connection, u32::from_be_bytes(parameter[2..].try_into().unwrap()))
    };
    let (mut former, streams) = open();
    assert_eq!(streams, 3);
    reloaded.change(&toml(7), "applied");
    let (mut new, streams) = open();
    assert_eq!(streams, 7);
    for connection in [&mut former, &mut new] {
        connection.request(1, &frames::request("GET", "/one", &[]), true);
        assert_eq!(connection.status(1), 200);
    }
    assert_eq!(reloaded.upstream.take().len(), 2);
}

#[test]
fn the_budget_of_bodies_grows_at_once_and_shrinks_as_they_end() {
    const SIZE: usize = 60 * 1024;
    let hooks = "[[routes]]\nname = 'webhooks'\npath = '/webhooks/{integration}'\nverify = ['integration']\n";
    let toml = |budget: u32| format!("[limits]\nmax_body = '64KiB'\nbody_budget = '{budget}KiB'\n{hooks}");
    let reloaded = Reloaded::start(&toml(64));
    let secret = reloaded.serve.integration("hook", "generic");
    let body = vec![b'a'; SIZE];
    let call = Call::post("/webhooks/hook", &body).header("X-Webhook-Signature", hmac_hex(&secret, &[&body]));
    let send = || call.send(reloaded.serve.traffic).status;
    let mut held = Connection::open(reloaded.serve.traffic);
    let bytes = call.bytes();
    held.write(&bytes[..bytes.len() - 1]);
    let in_flight = format!("countersign_body_bytes_in_flight {}", SIZE - 1);
    until("the body is held", || reloaded.serve.ops("/metrics").text().contains(&in_flight));
    assert_eq!(send(), 503);
    reloaded.change(&toml(256), "applied");
    assert_eq!(send(), 200);
    reloaded.change(&toml(64), "applied");
    assert_eq!(send(), 503);
    held.write(&bytes[bytes.len() - 1..]);
    assert_eq!((held.answer().status, send()), (200, 200));
    assert_eq!(reloaded.upstream.take().len(), 3);
}

#[test]
fn the_proxy_protocol_is_asked_of_new_connections() {
    let toml = |proxied: &str| {
        let listener = "[listener]\ntrusted_proxies = ['127.0.0.1']\nproxy_protocol = ";
        format!("{listener}'{proxied}'\n{}", route("one"))
    };
    let reloaded = Reloaded::start(&toml("off"));
    let get = Call::get("/one").bytes();
    let mut former = Connection::open(reloaded.serve.traffic);
    former.write(&get);
    assert_eq!(former.answer().status, 200);
    reloaded.change(&toml("on"), "applied");
    let mut bare = Connection::open(reloaded.serve.traffic);
    bare.write(&get);
    assert!(bare.try_answer("GET").is_none());
    let mut proxied = Connection::open(reloaded.serve.traffic);
    proxied.write(&[b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", &get[..]].concat());
    assert_eq!(proxied.answer().status, 200);
    former.write(&get);
    assert_eq!(former.answer().status, 200);
    assert_eq!(reloaded.upstream.take().len(), 3);
}

#[test]
fn the_way_out_is_as_it_was_said_last() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    std::fs::write(dir.path().join("countersign.toml"), "[drain]\ndelay = '10m'").unwrap();
    let mut command = Serve::command(dir.path(), &upstream.url);
    command.env_remove("COUNTERSIGN_DRAIN__DELAY").args(["--config", "countersign.toml"]);
    let reloaded = Reloaded { serve: Serve::of(command), upstream, dir };
    reloaded.change("[drain]\ndelay = '0s'", "applied");
    reloaded.serve.process.signal("TERM");
    assert_eq!(reloaded.serve.process.finish().code, Some(0));
}

#[test]
fn an_admin_token_file_that_changes_is_taken_and_a_faulty_one_is_not() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let write = |token: &str| std::fs::write(dir.path().join("token"), token).unwrap();
    write("first-token-0123456789");
    std::fs::write(dir.path().join("countersign.toml"), "[admin]\ntoken_file = 'token'").unwrap();
    let mut command = Serve::command(dir.path(), &upstream.url);
    command.env_remove("COUNTERSIGN_ADMIN_TOKEN").args(["--config", "countersign.toml"]);
    let reloaded = Reloaded { serve: Serve::of(command), upstream, dir };
    let ask = |token: &str| {
        let call = Call::get("/api/workspaces").header("Authorization", format!("Bearer {token}"));
        let mut connection = Connection::open(reloaded.serve.admin);
        connection.write(&call.bytes_for("localhost"));
        connection.answer().status
    };
    assert_eq!((ask("first-token-0123456789"), ask("second-token-0123456789")), (200, 401));
    std::fs::write(reloaded.dir.path().join("token"), "short").unwrap();
    reloaded.reload("refused");
    assert_eq!((ask("first-token-0123456789"), ask("short")), (200, 401));
    // Nobody tells the process.
    std::fs::write(reloaded.dir.path().join("token"), "second-token-0123456789\n").unwrap();
    until("it is taken", || reloaded.count("applied") == 1);
    assert_eq!((ask("second-token-0123456789"), ask("first-token-0123456789")), (200, 401));
    let said = reloaded.serve.process.stderr() + &reloaded.serve.process.stdout();
    assert!(!said.contains("-token-0123456789"), "{said}");
}

#[test]
fn a_signal_has_certificates_read_too() {
    let authority = Authority::new("servers");
    let pair = authority.vouch("server", &["app.example"]);
    let reloaded = Reloaded::start(&crate::tls::table(&[&pair], &route("one")));
    let renewed = authority.vouch("renewed", &["app.example"]);
    std::fs::rename(&renewed.cert, &pair.cert).unwrap();
    std::fs::rename(&renewed.key, &pair.key).unwrap();
    reloaded.reload("unchanged");
    let client = Client::new(&authority.file(), None);
    let shown = client.open(reloaded.serve.traffic, "app.example").unwrap().certificate();
    let pem = std::fs::read(&pair.cert).unwrap();
    let der: rustls::pki_types::CertificateDer<'_> =
        rustls::pki_types::pem::PemObject::from_pem_slice(&pem).unwrap();
    assert_eq!(shown, der.to_vec());
}

#[test]
fn g05_check_names_a_missing_or_faulty_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let toml = "[listener.tls]\ncertificates = [{ cert_file = 'tls.crt', key_file = 'tls.key' }]";
    std::fs::write(dir.path().join("countersign.toml"), toml).unwrap();
    let check = |more: &[&str]| {
        let args = [&["check", "--config", "countersign.toml"], more].concat();
        let output = crate::support::process::countersign(dir.path(), &args).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = check(&[]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("listener.tls.certificates[0].cert_file = tls.crt: cannot be read: "), "{text}");
    let (code, text) = check(&["--json"]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("\"path\":\"listener.tls.certificates[0].cert_file\""), "{text}");
    let authority = Authority::new("servers");
    let pair = authority.vouch("server", &["app.example"]);
    std::fs::copy(&pair.cert, dir.path().join("tls.crt")).unwrap();
    std::fs::copy(&pair.key, dir.path().join("tls.key")).unwrap();
    assert_eq!(check(&[]).0, Some(0));
    // With a role that has no traffic port, its files are nobody's business.
    std::fs::remove_file(dir.path().join("tls.key")).unwrap();
    assert_eq!(check(&["--role", "admin"]).0, Some(0));
}

fn resident(process: u32) -> u64 {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// COUNTERSIGN_TEST_RELOADS: how many, default 60.
#[test]
fn g06_reloads_under_load_lose_nothing_and_keep_nothing() {
    let reloads: usize = std::env::var_os("COUNTERSIGN_TEST_RELOADS")
        .map_or(60, |count| count.to_str().unwrap().parse().unwrap());
    // One connection stays open all the while.
    let limits = "[limits]\nrequests_per_connection = 1000000000\n";
    let both = |body: usize| format!("{limits}max_body = '{body}B'\n{}{}", route("one"), route("two"));
    let reloaded = Reloaded::start(&both(100));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (first, last, requests) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut requests = 0_usize;
            let mut open = Connection::open(reloaded.serve.traffic);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                open.write(&Call::get("/one").bytes());
                assert_eq!(open.answer().status, 200);
                assert_eq!(reloaded.get("/two"), 200);
                requests += 2;
            }
            requests
        });
        let mut first = 0;
        for round in 0..reloads {
            reloaded.change(&both(101 + round), "applied");
            // What the first rounds take for good, the allocator's pools among it, is not growth.
            if round == reloads / 3 {
                first = resident(reloaded.serve.process.id());
            }
        }
        let last = resident(reloaded.serve.process.id());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (first, last, load.join().unwrap())
    });
    println!("{reloads} reloads under {requests} requests: {first} kB, then {last} kB");
    assert!(requests > 0);
    assert!(last < first + 4096, "{first} kB, then {last} kB");
}
