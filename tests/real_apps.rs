//! `serve` in front of applications that were never told about it, called with the tools that people have:
//! curl and openssl.

use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::support::nginx;
use crate::support::process::{Process, Serve, tool, tool_command};
use crate::support::sidecar::until;

/// Runs a shell line as somebody would type it, and gives what it prints.
fn shell(dir: &Path, line: &str, env: &[(&str, &str)]) -> String {
    for name in ["curl", "openssl"] {
        tool(name);
    }
    let output = tool_command("/bin/sh", dir, &["-c", line]).envs(env.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_api_key_opens_a_python_web_server() {
    let dir = tempdir().unwrap();
    let site = dir.path().join("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("hello.txt"), "from a file\n").unwrap();
    let args = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"];
    let mut python = Process::start(tool_command(&tool("python3"), &site, &args));
    let port: u16 = python.wait_for("python serves", |stdout, _| {
        stdout.split_once(" port ")?.1.split_once(' ')?.0.parse().ok()
    });
    let serve = Serve::start(dir.path(), &format!("http://127.0.0.1:{port}"));
    let workspace = serve.workspace("w");
    let key = serve.key(&workspace, "k");

    let get = |api_key: &str| {
        let line = r#"curl -sS -w '%{http_code}' -H "X-API-Key: $KEY" "$URL/hello.txt""#;
        let url = format!("http://{}", serve.traffic);
        shell(dir.path(), line, &[("KEY", api_key), ("URL", &url)])
    };
    let refused = get("wk_0000000000000000000000000000000000000000000000000");
    assert!(refused.ends_with("401") && !refused.contains("from a file"), "{refused}");
    assert_eq!(get(&key.api_key), "from a file\n200");
    // Python logs a line for each request, in order, so the refused one would stand before this one.
    let log =
        python.wait_for("python has logged", |_, stderr| stderr.contains("GET").then(|| stderr.to_owned()));
    assert_eq!(log.matches("GET /hello.txt").count(), 1, "{log}");
}

/// An nginx of its own: one process, on a port that nobody else uses.
struct Nginx {
    _process: Process,
    url: String,
    log: PathBuf,
}

impl Nginx {
    fn start(dir: &Path) -> Self {
        let log = dir.join("access.log");
        let (process, address) = nginx::start(dir, |address| {
            format!(
                r#"log_format received '$request_method $request_uri $status $content_length '
                    'verified=$http_countersign_verified integration=$http_countersign_integration '
                    'scheme=$http_countersign_scheme signature=$http_x_hub_signature_256 '
                    'event=$http_x_github_event';
                access_log {log} received;
                client_max_body_size 0;
                server {{
                    listen {address};
                    location / {{ return 200 "from nginx\n"; }}
                }}"#,
                log = log.display(),
            )
        });
        Self { _process: process, url: format!("http://{address}"), log }
    }

    fn received(&self) -> Vec<String> {
        std::fs::read_to_string(&self.log).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Sends `delivery.json` as GitHub does, signed by openssl over `signed.json`.
const DELIVER: &str = r#"
    signature=$(openssl dgst -sha256 -hmac "$SECRET" -r signed.json | cut -d' ' -f1)
    curl -sS -w '%{http_code}' --data-binary @delivery.json "$URL/webhooks/github?source=test" \
        -H 'Content-Type: application/json' -H 'X-GitHub-Event: push' \
        -H "X-Hub-Signature-256: sha256=$signature"
"#;

#[test]
fn a_github_delivery_signed_by_openssl_reaches_nginx_and_a_changed_one_does_not() {
    let dir = tempdir().unwrap();
    let nginx = Nginx::start(dir.path());
    let serve = Serve::start(dir.path(), &nginx.url);
    let secret = serve.integration("github", "github");
    let url = format!("http://{}", serve.traffic);
    // Bytes that no text processing on the way would leave alone.
    let signed = b"{\"ref\": \"refs/heads/\xc3\xa4\",\r\n\"nul\": \"\0\", \"latin\": \"\xe4\"}\n".to_vec();
    std::fs::write(dir.path().join("signed.json"), &signed).unwrap();
    let deliver = |body: &[u8]| {
        std::fs::write(dir.path().join("delivery.json"), body).unwrap();
        shell(dir.path(), DELIVER, &[("SECRET", &secret), ("URL", &url)])
    };

    assert_eq!(deliver(&signed), "from nginx\n200");
    let mut changed = signed.clone();
    changed[9] ^= 1;
    let refused = deliver(&changed);
    assert!(refused.ends_with("401") && !refused.contains("from nginx"), "{refused}");
    let refused = deliver(&signed[..signed.len() - 1]);
    assert!(refused.ends_with("401"), "{refused}");
    // nginx logs in order: whatever it had seen of the refused ones would stand before this one.
    assert_eq!(deliver(&signed), "from nginx\n200");
    let expected = format!(
        "POST /webhooks/github?source=test 200 {} verified=integration integration=github scheme=github \
         signature=- event=push",
        signed.len()
    );
    until("nginx has logged", || nginx.received().len() >= 2);
    assert_eq!(nginx.received(), [expected.clone(), expected]);
}

#[test]
fn a_delivery_as_large_as_github_sends_reaches_nginx() {
    let dir = tempdir().unwrap();
    let nginx = Nginx::start(dir.path());
    let serve = Serve::start(dir.path(), &nginx.url);
    let secret = serve.integration("github", "github");
    let url = format!("http://{}", serve.traffic);
    let env = [("SECRET", secret.as_str()), ("URL", url.as_str())];
    // GitHub's own limit, which its preset allows, and one byte more.
    shell(dir.path(), "openssl rand -out signed.json 26214400; cp signed.json delivery.json", &[]);
    assert_eq!(shell(dir.path(), DELIVER, &env), "from nginx\n200");
    shell(dir.path(), "printf x >> signed.json; cp signed.json delivery.json", &[]);
    let refused = shell(dir.path(), DELIVER, &env);
    assert!(refused.ends_with("413") && refused.contains(r#""status":413"#), "{refused}");
    until("nginx has logged", || !nginx.received().is_empty());
    assert_eq!(nginx.received().len(), 1);
    assert!(nginx.received()[0].contains(" 200 26214400 "), "{:?}", nginx.received());
}
