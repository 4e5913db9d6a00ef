//! The application behind: faults of it, what it is told, and connections to it.

mod answers;
mod http2;
mod interim;
mod reuse;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::http::Call;
use crate::support::process::{tool, tool_command};
use crate::support::refusal::assert_problem;
use crate::support::sidecar::{Key, Sidecar};
use crate::support::upstream::{Manner, Upstream, is_via, nobody};

fn with(manner: Manner) -> (Sidecar, Key) {
    keyed(Sidecar::builder().manner(manner).start())
}

fn keyed(sidecar: Sidecar) -> (Sidecar, Key) {
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    (sidecar, key)
}

fn get(key: &Key) -> Call {
    Call::get("/a").header("X-API-Key", &key.api_key)
}

#[test]
fn an_application_that_is_down_is_a_502() {
    let (sidecar, key) = keyed(Sidecar::builder().upstream(&nobody()).start());
    for call in [get(&key), Call::post("/a", "body").header("X-API-Key", &key.api_key)] {
        assert_problem(&sidecar.send(&call), 502, "down");
    }
    let counted = sidecar.metrics("countersign_upstream_errors_total");
    assert_eq!(counted, ["countersign_upstream_errors_total{cause=\"connect\"} 2"]);
    // Whoever has no credential learns nothing of it.
    assert_problem(&sidecar.send(&Call::get("/a")), 401, "down, without a credential");
}

#[test]
fn a_socket_that_is_not_there_is_a_502() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("unix:{}", dir.path().join("app.sock").display());
    let (sidecar, key) = keyed(Sidecar::builder().upstream(&url).start());
    assert_problem(&sidecar.send(&get(&key)), 502, "no socket");
    // It is there from now on, and found.
    let upstream = Upstream::unix(&dir.path().join("app.sock"));
    assert_eq!(sidecar.send(&get(&key)).status, 200);
    let seen = upstream.only();
    assert_eq!(seen.all("host"), ["app.example"]);
    assert_eq!(seen.all("countersign-verified"), ["api-key"]);
}

#[test]
fn an_application_that_is_silent_is_a_504() {
    let builder = Sidecar::builder().config("[upstream]\nresponse_timeout = '200ms'").manner(Manner::Silent);
    let (sidecar, key) = keyed(builder.start());
    assert_problem(&sidecar.send(&get(&key)), 504, "silent");
    let counted = sidecar.metrics("countersign_upstream_errors_total");
    assert_eq!(counted, ["countersign_upstream_errors_total{cause=\"timeout\"} 1"]);
    // A connection on which an answer may still come is not used again.
    assert_problem(&sidecar.send(&get(&key)), 504, "silent again");
    assert_eq!(sidecar.upstream.connections(), 2);
}

#[test]
fn a_timeout_of_the_route_beats_that_of_the_upstream() {
    let config = "
[[routes]]
name = 'brief'
path = '/brief'
verify = 'none'
timeout = '100ms'
[[routes]]
name = 'long'
path = '/{*rest}'
verify = 'none'
";
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let manner = Manner::Held(std::sync::Arc::clone(&gate));
    let sidecar = Sidecar::builder().config(config).manner(manner).start();
    assert_problem(&sidecar.send(&Call::get("/brief")), 504, "brief");
    // The first holds a place at the gate still, or has given it up with its connection.
    gate.add_permits(2);
    assert_eq!(sidecar.send(&Call::get("/long")).status, 200);
}

#[test]
fn what_a_request_cost_is_never_spent_twice() {
    // The application takes the request and hangs up: it may have acted, so it is not asked again.
    let (sidecar, key) = with(Manner::Raw(b""));
    let call = Call::post("/pay", "100").header("X-API-Key", &key.api_key);
    assert_problem(&sidecar.send(&call), 502, "hung up");
    assert_eq!(sidecar.upstream.connections(), 1);
    assert_eq!(sidecar.upstream.raw().matches("post /pay").count(), 1);
    assert_problem(&sidecar.send(&get(&key)), 502, "hung up on GET");
    assert_eq!(sidecar.upstream.raw().matches("get /a").count(), 1);
}

#[test]
fn the_application_learns_where_a_request_came_from() {
    let (sidecar, key) = with(Manner::Polite);
    let call = get(&key)
        .header("X-Forwarded-For", "192.0.2.1, 192.0.2.2")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Port", "443")
        .header("X-Real-IP", "192.0.2.1")
        .header("Forwarded", "for=192.0.2.1")
        .header("Via", "1.1 before");
    let seen = sidecar.passes(&call);
    assert_eq!(seen.all("host"), ["app.example"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["app.example"]);
    assert!(
        matches!(seen.all("via")[..], ["1.1 before", ours] if is_via(ours, "1.1")),
        "{:?}",
        seen.all("via")
    );
    assert_eq!(seen.all("forwarded"), ["for=127.0.0.1;host=\"app.example\";proto=http"]);
    for gone in ["x-forwarded-port", "x-real-ip"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
}

#[test]
fn p16_whatever_host_a_client_names_the_application_is_the_same() {
    let (sidecar, key) = with(Manner::Polite);
    let other = Upstream::start();
    let address = other.url.strip_prefix("http://").unwrap();
    let bytes = format!(
        "GET http://{address}/a HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {}\r\nX-Forwarded-Host: {address}\r\n\r\n",
        key.api_key
    );
    let mut connection = crate::support::http::Connection::open(sidecar.traffic());
    connection.write(bytes.as_bytes());
    assert_eq!(connection.answer().status, 200);
    assert_eq!(sidecar.upstream.only().all("host"), [address]);
    other.saw_nothing();
}

#[test]
fn s11_no_credential_goes_up_or_comes_back_when_the_application_fails() {
    let broken = Manner::Raw(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops");
    for manner in [Manner::Raw(b""), Manner::Raw(b"garbage\r\n\r\n"), broken, Manner::Silent] {
        let what = format!("{manner:?}");
        let routes = "[upstream]\nresponse_timeout = '200ms'\n\
            [[routes]]\nname = 'bearer'\npath = '/bearer'\nverify = ['api-key']\nbearer = true\n\
            [[routes]]\nname = 'webhooks'\npath = '/webhooks/{integration}'\nverify = ['integration']\n\
            [[routes]]\nname = 'all'\npath = '/{*rest}'\nverify = ['signature', 'api-key']";
        let (sidecar, key) = keyed(Sidecar::builder().config(routes).manner(manner).start());
        let token = sidecar.integration(json!({ "name": "dd", "type": "datadog" }));
        let signed = Call::post("/a", "{}").header("X-Workspace-ID", &key.workspace);
        let signed = sidecar.signed("workspace", &key.secret, signed);
        let signature = signed.headers.last().unwrap().1.clone();
        let bearer = format!("Bearer {}", key.api_key);
        let calls = [
            (get(&key), &key.api_key),
            (Call::get("/bearer").header("Authorization", &bearer), &key.api_key),
            (Call::post("/webhooks/dd", "{}").header("X-Datadog-Token", &token), &token),
            (signed, &signature),
        ];
        for (sent, (call, credential)) in calls.iter().enumerate() {
            let answer = sidecar.send(call);
            assert!(matches!(answer.status, 500 | 502 | 504), "{what}: {}", answer.status);
            let text = format!("{:?} {}", answer.headers, answer.text());
            assert!(!text.contains(credential.as_str()), "{what}: {text}");
            assert!(sidecar.upstream.bytes() > 0, "{what}: {sent}");
            assert!(!sidecar.upstream.raw().contains(&credential.to_lowercase()), "{what}");
        }
    }
}

#[test]
fn p19_a_socket_that_only_we_may_open_hears_of_an_identity_from_us_alone() {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("private");
    std::fs::create_dir(&private).unwrap();
    std::fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let application = Upstream::unix(&private.join("app.sock"));
    let (sidecar, key) = keyed(Sidecar::builder().upstream(&application.url).start());
    assert_eq!(sidecar.send(&get(&key)).status, 200);
    assert_eq!(application.only().header("countersign-verified"), Some("api-key"));
    let before = application.bytes();
    // The identity that a neighbour would forge, as another user where this one may change, else from a directory that
    // this one may not enter either.
    let script = "import os, socket, sys\n\
                  if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n\
                  else: os.chmod(os.path.dirname(sys.argv[1]), 0)\n\
                  try: socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n\
                  except PermissionError: sys.exit(7)\n";
    let path = private.join("app.sock").display().to_string();
    let mut neighbour = tool_command(&tool("python3"), dir.path(), &["-c", script, &path]);
    assert_eq!(neighbour.status().unwrap().code(), Some(7));
    std::fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(application.bytes(), before);
}
