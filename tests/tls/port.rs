//! What the traffic port speaks, for how long it waits, and how it closes.

use std::process::Stdio;

use super::{Secured, assert_unanswered, builder, client_hello};
use crate::support::certificates::Authority;
use crate::support::http::{Call, Connection};
use crate::support::process::{tool, tool_command};
use crate::support::sidecar::until;
use crate::support::tls::{Client, End};

fn openssl(secured: &Secured, args: &[&str]) -> (bool, String) {
    let to = secured.sidecar.traffic().to_string();
    let base = ["s_client", "-connect", &to, "-servername", "app.example"];
    let mut command = tool_command(&tool("openssl"), secured.authority.dir(), &[&base, args].concat());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn t01_tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let secured = Secured::start();
    let any = "DEFAULT:@SECLEVEL=0";
    for (version, spoken) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false), ("-tls1", false)] {
        let (done, text) = openssl(&secured, &[version, "-cipher", any, "-brief"]);
        assert_eq!(done, spoken, "{version}: {text}");
    }
    // No cipher suite without forward secrecy, none but AEAD.
    for weak in ["kRSA", "CBC", "AES128-SHA256", "3DES", "NULL"] {
        let list = format!("{weak}:@SECLEVEL=0");
        let (done, text) = openssl(&secured, &["-tls1_2", "-cipher", &list]);
        assert!(!done, "{weak}: {text}");
    }
}

#[test]
fn alpn_decides_what_is_spoken() {
    let secured = Secured::start();
    let (port, ca) = (secured.sidecar.traffic().port(), secured.authority.file());
    let resolve = format!("app.example:{port}:127.0.0.1");
    let url = format!("https://app.example:{port}/a");
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let ca = ca.display().to_string();
        let args = ["-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--cacert", &ca];
        let args = [&args[..], &["--noproxy", "*", "--resolve", &resolve, flag, &url]].concat();
        let output = tool_command(&tool("curl"), secured.authority.dir(), &args).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{version} 200"), "{output:?}");
    }
    let seen = secured.sidecar.upstream.take();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
        assert!(seen.all("forwarded")[0].ends_with(";proto=https"));
    }
    // Agreed on HTTP/1.1, or on nothing: the preface of HTTP/2 is no request.
    let mut client = secured.client();
    for protocols in [vec![b"http/1.1".to_vec()], Vec::new()] {
        client.config.alpn_protocols = protocols;
        let mut session = client.open(secured.sidecar.traffic(), "app.example").unwrap();
        session.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        let (bytes, _) = session.rest();
        assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 400 "), "{bytes:?}");
    }
    // Nothing that both speak.
    client.config.alpn_protocols = vec![b"smtp".to_vec()];
    assert!(client.open(secured.sidecar.traffic(), "app.example").is_err());
    assert_eq!(secured.sidecar.upstream.count(), 0);
}

#[test]
fn plain_http_on_the_port_is_closed_unanswered() {
    let secured = Secured::start();
    for bytes in [&Call::get("/a").bytes()[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\0\0\0\0\0"] {
        assert_unanswered(secured.sidecar.traffic(), bytes);
    }
    let failed = || secured.sidecar.metrics("countersign_tls_handshake_failures_total{cause=\"not_tls\"}");
    until("they are counted", || {
        failed() == ["countersign_tls_handshake_failures_total{cause=\"not_tls\"} 3"]
    });
    secured.sidecar.upstream.saw_nothing();
    assert_eq!(secured.get(), 200);
}

#[test]
fn d04_a_handshake_that_is_not_finished_in_time_is_ended_and_counts_as_a_connection() {
    let authority = Authority::new("servers");
    let pair = authority.vouch("server", &["app.example"]);
    let limits = "[limits]\nhandshake_timeout = '200ms'\nconnections = 1";
    let sidecar = super::Sidecar::builder().config(limits).config(&super::table(&[&pair], "")).start();
    let mut silent = Connection::open(sidecar.traffic());
    until("it is open", || sidecar.metrics("countersign_listener_connections ")[0].ends_with(" 1"));
    // There is no second place.
    assert!(Connection::open(sidecar.traffic()).is_closed());
    assert!(silent.is_closed());
    let failed = || sidecar.metrics("countersign_tls_handshake_failures_total{cause=\"timeout\"}");
    until("it is counted", || failed() == ["countersign_tls_handshake_failures_total{cause=\"timeout\"} 1"]);
    until("its place is free", || sidecar.metrics("countersign_listener_connections ")[0].ends_with(" 0"));
    let answer =
        Client::new(&authority.file(), None).send(sidecar.traffic(), "app.example", &Call::get("/a"));
    assert_eq!(answer.unwrap().status, 401);
}

#[test]
fn an_end_is_told_by_close_notify() {
    let authority = Authority::new("servers");
    let pair = authority.vouch("server", &["app.example"]);
    let sidecar = builder(&[&pair], "[limits]\nidle_timeout = '100ms'").start();
    let client = Client::new(&authority.file(), None);
    // After an answer that says so, and after an idle while.
    for call in [Call::get("/a").header("Connection", "close"), Call::get("/a")] {
        let mut session = client.open(sidecar.traffic(), "app.example").unwrap();
        assert_eq!(session.exchange(&call).unwrap().status, 200);
        assert_eq!(session.rest(), (Vec::new(), End::Told));
    }
}

#[test]
fn t08_early_data_is_never_taken() {
    let secured = Secured::start();
    let mut client = secured.client();
    client.config.enable_early_data = true;
    let mut session = client.open(secured.sidecar.traffic(), "app.example").unwrap();
    assert_eq!(session.exchange(&Call::get("/a").header("Connection", "close")).unwrap().status, 200);
    let _ticket = session.rest();
    let name = rustls::pki_types::ServerName::try_from("app.example").unwrap();
    let mut resumed =
        rustls::ClientConnection::new(std::sync::Arc::new(client.config.clone()), name).unwrap();
    assert!(resumed.early_data().is_none(), "a ticket allows early data");
    // The ticket itself is good: what it resumes is not early.
    let session = client.open(secured.sidecar.traffic(), "app.example").unwrap();
    assert_eq!(session.tls().handshake_kind(), Some(rustls::HandshakeKind::Resumed));
}

#[test]
fn an_expired_certificate_is_served_at_start_for_want_of_a_better_one() {
    let authority = Authority::new("servers");
    let pair = authority.vouch_expired("server", &["app.example"]);
    let sidecar = builder(&[&pair], "").start();
    let gauge = sidecar.metrics("countersign_tls_certificate_expiry_seconds");
    assert!(gauge[0].starts_with(
        "countersign_tls_certificate_expiry_seconds{section=\"listener.tls\",certificate=\"0\"} -"
    ));
}

#[test]
fn d04_a_client_hello_that_drips_is_cut_off_in_time() {
    let authority = Authority::new("servers");
    let pair = authority.vouch("server", &["app.example"]);
    let limits = "[limits]\nhandshake_timeout = '300ms'";
    let sidecar = super::Sidecar::builder().config(limits).config(&super::table(&[&pair], "")).start();
    let hello = client_hello(&Client::new(&authority.file(), None));
    let mut connection = Connection::open(sidecar.traffic());
    let mut dripping = connection.twin();
    let drip = std::thread::spawn(move || {
        for byte in hello.chunks(1) {
            if !dripping.try_write(byte) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    assert!(connection.is_closed());
    drip.join().unwrap();
    let failed = || sidecar.metrics("countersign_tls_handshake_failures_total{cause=\"timeout\"}");
    until("it is counted", || failed() == ["countersign_tls_handshake_failures_total{cause=\"timeout\"} 1"]);
    sidecar.upstream.saw_nothing();
}

#[test]
fn d04_a_client_hello_in_pieces_changes_no_decision() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let pair = authority.vouch("server", &["app.example"]);
    let rules = format!("client_auth = 'required'\nclient_ca_file = '{}'", clients.file().display());
    let sidecar = builder(&[&pair], &rules).start();
    let known = clients.vouch("known", &["sender.example"]);
    for (shown, passes) in [(Some(&known), true), (None, false)] {
        let mut client = Client::new(&authority.file(), shown);
        // Records of 32 bytes, the least that RFC 6066 §4 and rustls know; and segments of one byte.
        for (fragment, slowly) in [(Some(32), false), (None, true), (Some(32), true)] {
            client.config.max_fragment_size = fragment;
            let answer = client.send_in_pieces(sidecar.traffic(), "app.example", &Call::get("/a"), slowly);
            assert_eq!(answer.is_ok_and(|answer| answer.status == 200), passes, "{fragment:?} {slowly}");
        }
    }
    assert_eq!(sidecar.upstream.take().len(), 3);
}
