//! An application of HTTP/2 that others wrote: nginx, which ends a connection with GOAWAY after a few requests.

use tempfile::tempdir;

use super::{at, get, post, sending};
use crate::support::nginx;
use crate::support::sidecar::until;

#[test]
fn nginx_gets_every_request_once_though_it_ends_its_connections() {
    let dir = tempdir().unwrap();
    let (_nginx, address) = nginx::start(dir.path(), |address| {
        format!(
            r#"log_format received '$server_protocol $request_method $host $request_uri $content_length '
                'te=$http_te verified=$http_countersign_verified';
            access_log access.log received;
            keepalive_requests 10;
            server {{
                listen {address} http2;
                location / {{ return 200 "from nginx"; }}
            }}"#
        )
    });
    let (sidecar, key) = at(&format!("http://{address}"), "");
    let body = "0123456789".repeat(2000);
    for round in 0..15 {
        let calls = [get(&key).header("TE", "trailers"), post(&key, &body), get(&key), post(&key, &body)];
        let answers = calls.map(|call| sending(&sidecar, call));
        for answer in answers {
            let answer = answer.join().unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (200, "from nginx"), "round {round}");
        }
    }
    let log = || std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    until("all of them are logged", || log().lines().count() >= 60);
    let count = |line: &str| log().lines().filter(|each| *each == line).count();
    assert_eq!(count("HTTP/2.0 GET app.example /a?b=c - te=trailers verified=api-key"), 15, "{}", log());
    assert_eq!(count("HTTP/2.0 GET app.example /a?b=c - te=- verified=api-key"), 15, "{}", log());
    assert_eq!(count("HTTP/2.0 POST app.example /a?b=c 20000 te=- verified=api-key"), 30, "{}", log());
    assert_eq!(log().lines().count(), 60, "{}", log());
}
