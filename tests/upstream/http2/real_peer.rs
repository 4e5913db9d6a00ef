//! An application of HTTP/2 that others wrote: nginx, which ends a connection with GOAWAY after a few requests.

use tempfile::tempdir;

use super::{at, get, post, sending};
use crate::support::process::{Process, tool, tool_command};
use crate::support::sidecar::until;

#[test]
fn nginx_gets_every_request_once_though_it_ends_its_connections() {
    let dir = tempdir().unwrap();
    // An address of loopback that is this test's alone, and a port below those that the system hands out.
    let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
    let address = format!("127.{}.{}.{}:18081", a | 1, b, c | 1);
    let config = format!(
        r#"
        daemon off;
        master_process off;
        pid nginx.pid;
        error_log stderr;
        events {{}}
        http {{
            log_format received '$server_protocol $request_method $host $request_uri $content_length '
                'te=$http_te verified=$http_countersign_verified';
            access_log access.log received;
            client_body_temp_path tmp-body; proxy_temp_path tmp-proxy; fastcgi_temp_path tmp-fastcgi;
            uwsgi_temp_path tmp-uwsgi; scgi_temp_path tmp-scgi;
            keepalive_requests 10;
            server {{
                listen {address} http2;
                location / {{ return 200 "from nginx"; }}
            }}
        }}"#
    );
    std::fs::write(dir.path().join("nginx.conf"), config).unwrap();
    let prefix = dir.path().display().to_string();
    let args = ["-p", &prefix, "-c", "nginx.conf", "-e", "stderr"];
    let mut nginx = Process::start(tool_command(&tool("nginx"), dir.path(), &args));
    nginx.wait_for("nginx answers", |_, _| std::net::TcpStream::connect(&address).ok());
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
