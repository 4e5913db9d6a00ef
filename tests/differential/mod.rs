//! The same bytes through us and then to other parsers: whatever a client sends, what goes up is one request for each
//! that was answered as forwarded, and every parser finds in it what our own strict reader finds.
//!
//! hyper, Python and the strict reader are asked each time; nginx, HAProxy, Apache and node in
//! `tests/run --differential`. A peer may refuse a request of ours; it may not read another one.

mod mutate;
mod peers;
mod strict;
mod tape;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use crate::support::http::DEADLINE;
use crate::support::sidecar::Sidecar;
use mutate::Random;
use peers::{Peer, Verdicts};
use strict::Read;
use tape::{Recorder, Tape};

const ROUTES: &str = "
[[routes]]
name = 'public'
path = '/public/{*rest}'
verify = 'none'
[[routes]]
name = 'default'
path = '/{*rest}'
verify = ['api-key']
";

/// Sequences of which the forwarded requests go to the peers together.
const BLOCK: usize = 1_000;

fn sequences() -> usize {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let set = std::env::var("COUNTERSIGN_TEST_DIFFERENTIAL").ok();
    set.map_or(2_000, |text| text.parse().expect("COUNTERSIGN_TEST_DIFFERENTIAL is a number"))
}

/// Those of the default run, and those that the environment names.
fn chosen(dir: &std::path::Path) -> Vec<Peer> {
    let mut peers = vec![peers::hyper(), peers::python(dir)];
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let more = std::env::var("COUNTERSIGN_TEST_PEERS").unwrap_or_default();
    for name in more.split_whitespace() {
        let peer = peers::named(name, dir, &peers[0]);
        peers.push(peer);
    }
    peers
}

#[test]
fn every_parser_finds_in_what_goes_up_what_we_meant() {
    let recorder = Recorder::start();
    let sidecar = Sidecar::builder().config(ROUTES).upstream(&recorder.url).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({})).api_key;
    let dir = tempfile::tempdir().unwrap();
    let peers = chosen(dir.path());
    let mut totals: Vec<Verdicts> = peers.iter().map(|_| Verdicts::default()).collect();
    let mut random = Random::new(0x5eed);
    let (all, mut forwarded) = (sequences(), 0);
    for begun in (0..all).step_by(BLOCK) {
        let mut tapes = Vec::new();
        for _ in begun..all.min(begun + BLOCK) {
            tapes.extend(through(&sidecar, &recorder, &mutate::requests(&mut random, &key)));
        }
        forwarded += tapes.len();
        std::thread::scope(|scope| {
            let judging: Vec<_> = peers.iter().map(|peer| scope.spawn(|| peer.judge(&tapes))).collect();
            for (total, judged) in totals.iter_mut().zip(judging) {
                let judged = judged.join().unwrap();
                total.agreed += judged.agreed;
                total.refused += judged.refused;
                total.disagreements.extend(judged.disagreements);
            }
        });
    }
    for (peer, total) in peers.iter().zip(&totals) {
        println!(
            "differential: {}: {} read alike, {} refused, {} disagreements",
            peer.name,
            total.agreed,
            total.refused,
            total.disagreements.len()
        );
        assert_eq!(
            total.disagreements.iter().take(5).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{}",
            peer.name
        );
        assert_eq!(total.agreed + total.refused, forwarded, "{}", peer.name);
        // A peer that refuses everything would agree with anything.
        assert!(total.agreed * 2 > forwarded, "{} refuses {} of {forwarded}", peer.name, total.refused);
    }
    println!("differential: {all} sequences, {forwarded} requests went up");
    assert!(forwarded > all / 4, "only {forwarded} of {all} went up");
}

/// Sends bytes through the sidecar; gives what went up, held against the answers and against the bytes themselves.
fn through(sidecar: &Sidecar, recorder: &Recorder, bytes: &[u8]) -> Vec<Tape> {
    let mut stream = TcpStream::connect(sidecar.traffic()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let _early = stream.write_all(bytes);
    let _early = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answers) {
        assert_ne!(
            error.kind(),
            std::io::ErrorKind::WouldBlock,
            "no end in time: {:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    let answers = String::from_utf8_lossy(&answers);
    let shown = || format!("{:?} answered {answers:?}", String::from_utf8_lossy(bytes));
    let statuses: Vec<&str> = answers.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)).collect();
    let (tapes, faults) = recorder.take();
    assert_eq!(faults, Vec::<String>::new(), "{}", shown());
    let passed = statuses.iter().filter(|status| **status == "200").count();
    assert_eq!(tapes.len(), passed, "{}", shown());
    // What our strict reader takes as it is must go up as it is.
    if let Read::Whole(reading, _) = strict::first(bytes)
        && statuses.iter().find(|status| **status != "100") == Some(&"200")
        && !bytes.split(|byte| *byte == b'\r').next().unwrap_or_default().contains(&b'#')
        && !bytes.splitn(3, |byte| *byte == b' ').nth(1).unwrap_or_default().starts_with(b"http")
    {
        let sent = &tapes[0].reading;
        assert_eq!((&sent.line, &sent.body), (&reading.line, &reading.body), "{}", shown());
    }
    tapes
}
