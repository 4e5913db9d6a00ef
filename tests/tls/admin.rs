//! The admin port under TLS, and commands that call it there.

use crate::support::certificates::{Authority, Pair};
use crate::support::http::Call;
use crate::support::process::{Process, Serve, countersign};
use crate::support::sidecar::{Sidecar, TOKEN};
use crate::support::tls::Client;
use crate::support::upstream::nobody;

fn start(pair: &Pair, more: &str) -> Sidecar {
    let table = super::table(&[pair], more).replace("[listener.tls]", "[admin.tls]");
    // The name that every call of the tests has.
    Sidecar::builder().config("[admin]\nhosts = ['app.example']").config(&table).start()
}

fn call() -> Call {
    Call::get("/api/workspaces").header("Authorization", format!("Bearer {TOKEN}"))
}

#[test]
fn admins_are_served_under_tls_and_not_without() {
    let authority = Authority::new("admin");
    let sidecar = start(&authority.vouch("admin", &["admin.example"]), "");
    let admin = sidecar.running().admin.unwrap();
    let client = Client::new(&authority.file(), None);
    assert_eq!(client.send_to_admin(admin, "admin.example", &call()).unwrap().status, 200);
    assert_eq!(
        client.send_to_admin(admin, "admin.example", &call().without("Authorization")).unwrap().status,
        401
    );
    super::assert_unanswered(admin, &call().bytes());
    let session = client.open(admin, "admin.example").unwrap();
    assert_eq!(session.tls().alpn_protocol(), None);
}

#[test]
fn an_admin_port_that_requires_certificates_opens_to_no_token_alone() {
    let (authority, admins) = (Authority::new("admin"), Authority::new("admins"));
    let rules = format!("client_auth = 'required'\nclient_ca_file = '{}'", admins.file().display());
    let sidecar = start(&authority.vouch("admin", &["admin.example"]), &rules);
    let admin = sidecar.running().admin.unwrap();
    let send = |pair: Option<&Pair>, call: &Call| {
        Client::new(&authority.file(), pair)
            .send_to_admin(admin, "admin.example", call)
            .map(|answer| answer.status)
    };
    assert!(send(None, &call()).is_err());
    let known = admins.vouch("known", &["alice.example"]);
    assert_eq!(send(Some(&known), &call()), Ok(200));
    assert_eq!(send(Some(&known), &call().without("Authorization")), Ok(401));
}

#[test]
fn commands_call_it_under_tls_and_tell_nobody_else_the_token() {
    let (authority, admins) = (Authority::new("admin"), Authority::new("admins"));
    let rules = format!("client_auth = 'optional'\nclient_ca_file = '{}'", admins.file().display());
    let sidecar = start(&authority.vouch("admin", &["localhost"]), &rules);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), TOKEN).unwrap();
    let url = format!("https://localhost:{}", sidecar.running().admin.unwrap().port());
    let run = |args: &[&str]| {
        let base = ["workspace", "list", "--url", &url, "--token-file", "token"];
        Process::start(countersign(dir.path(), &[&base, args].concat())).finish()
    };
    let known = admins.vouch("known", &["alice.example"]);
    let text = |path: &std::path::Path| path.display().to_string();
    let (ca, strangers) = (text(&authority.file()), Authority::new("admin"));
    let (cert, key) = (text(&known.cert), text(&known.key));
    for args in [&["--ca-file", &ca][..], &["--ca-file", &ca, "--cert-file", &cert, "--key-file", &key]] {
        let ended = run(args);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let refused = run(&["--ca-file", &text(&strangers.file())]);
    assert_eq!(refused.code, Some(69), "{}", refused.stderr);
    assert!(refused.stderr.contains("invalid peer certificate"), "{}", refused.stderr);
    let without = run(&[]);
    assert_eq!(without.code, Some(2), "{}", without.stderr);
    assert!(without.stderr.contains("--ca-file"), "{}", without.stderr);
}

#[test]
fn n09_an_authority_that_cannot_be_read_opens_no_admin_port() {
    let authority = Authority::new("admin");
    let pair = authority.vouch("admin", &["admin.example"]);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let key = std::fs::read_to_string(&pair.key).unwrap();
    for client_auth in ["required", "optional"] {
        for authorities in [
            dir.path().join("missing.pem"),
            dir.path().to_path_buf(),
            file("empty.pem", ""),
            file("none.pem", "no certificate"),
            file("key.pem", &key),
        ] {
            let rules =
                format!("client_auth = '{client_auth}'\nclient_ca_file = '{}'", authorities.display());
            let table = super::table(&[&pair], &rules).replace("[listener.tls]", "[admin.tls]");
            std::fs::write(dir.path().join("countersign.toml"), table).unwrap();
            let mut command = Serve::command(dir.path(), &nobody());
            command.args(["--config", "countersign.toml"]);
            let ended = Process::start(command).finish();
            assert!(matches!(ended.code, Some(1 | 78)), "{:?} {}", ended.code, ended.stderr);
            assert!(ended.stderr.contains("admin.tls.client_ca_file"), "{}", ended.stderr);
            assert!(ended.stderr.contains(authorities.to_str().unwrap()), "{}", ended.stderr);
            assert!(!ended.stderr.contains("countersign is up"), "{}", ended.stderr);
        }
    }
}
