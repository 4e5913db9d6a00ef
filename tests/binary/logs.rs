//! What `serve` writes to its log: decisions, and never a secret.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::http::{Call, Connection};
use crate::support::process::{Serve, text, tool, tool_command};
use crate::support::sidecar::{TOKEN, sign};
use crate::support::upstream::Upstream;
use countersign::clock::{Clock, SystemClock};

/// Every secret that the admin API gives out, and some that it never did.
fn traffic(serve: &Serve) -> Vec<String> {
    let workspace = serve.workspace("w");
    let key = serve.key(&workspace, "k");
    let github = serve.integration("gh", "github");
    let datadog = serve.integration("dd", "datadog");
    let rotated = serve.admin("POST", &format!("/api/webhook-keys/{}/rotate", key.id), Some(json!({})));
    let rotated = rotated.json();
    let again = serve.admin("POST", "/api/integrations/gh/rotate-secret", Some(json!({}))).json();
    let mut secrets =
        vec![TOKEN.to_owned(), key.api_key.clone(), key.secret.clone(), github, datadog.clone()];
    secrets.extend(["apiKey", "secret"].map(|field| text(&rotated[field])));
    secrets.push(text(&again["webhookSecret"]));

    // No part of it may come up by itself, as zeros do in the head of an empty audit log.
    let forged = "wk_NqVwYS81VP7Hb1DX8pPd5khxE3pyIgKpaUnArl63XykWZeiNN";
    let wrong = "never-a-secret-but-sent-as-one";
    for api_key in [key.api_key.as_str(), &secrets[5], forged, wrong] {
        let mut call = Call::get("/orders?api_key=in-the-query-by-mistake").header("X-API-Key", api_key);
        call = call.header("Cookie", "session=a-cookie-that-is-a-secret");
        let status = call.send(serve.traffic).status;
        assert_eq!(status == 200, api_key != forged && api_key != wrong);
    }
    let now = SystemClock.now();
    let body = r#"{"password":"in-the-body"}"#;
    let mut hook = sign("github", &secrets[7], Call::post("/webhooks/gh", body), now);
    assert_eq!(hook.send(serve.traffic).status, 200);
    hook.body.push(b' ');
    assert_eq!(hook.send(serve.traffic).status, 401);
    let signature = hook.headers.iter().find(|(name, _)| name.contains("signature")).unwrap().1.clone();
    let token = Call::post("/webhooks/dd", body).header("X-Datadog-Token", &datadog);
    assert_eq!(token.send(serve.traffic).status, 200);
    assert_eq!(serve.admin("POST", "/api/integrations", Some(json!({ "secret": wrong }))).status, 422);
    let admin = Call::get("/api/integrations").header("Authorization", format!("Bearer {wrong}"));
    assert_eq!(admin.ask(serve.admin).status, 401);
    // Over HTTP/2, whose library logs on its own.
    let url = format!("http://{}/orders", serve.traffic);
    let header = format!("X-API-Key: {}", secrets[5]);
    let args =
        ["-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}", "-H", &header, &url];
    let output = tool_command(&tool("curl"), &std::env::temp_dir(), &args).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200");

    secrets.extend(
        [forged, wrong, "in-the-query-by-mistake", "a-cookie-that-is", "in-the-body"].map(str::to_owned),
    );
    secrets.push(signature);
    secrets
}

#[test]
fn no_secret_is_in_the_log_even_at_its_loudest() {
    for level in ["info", "trace"] {
        let dir = tempdir().unwrap();
        let upstream = Upstream::start();
        let mut command = Serve::command(dir.path(), &upstream.url);
        command.env("COUNTERSIGN_LOG__LEVEL", level);
        let serve = Serve::of(command);
        let secrets = traffic(&serve);
        serve.process.signal("TERM");
        let ended = serve.process.finish();
        assert_eq!(ended.code, Some(0));
        assert!(ended.stderr.contains("mismatch"), "refusals are logged: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
        for secret in secrets {
            let line = ended.stderr.lines().find(|line| line.contains(&secret));
            assert!(line.is_none(), "{level}: {secret} is in the log: {line:?}");
            // Nor the part of it that its redacted form hides.
            let hidden: String = secret.chars().skip(8).take(12).collect();
            assert!(!ended.stderr.contains(&hidden), "{level}: a part of {secret} is in the log");
        }
    }
}

#[test]
fn p12_whatever_a_client_writes_a_line_of_the_log_is_one_object_of_ours() {
    let dir = tempdir().unwrap();
    let upstream = Upstream::start();
    let mut command = Serve::command(dir.path(), &upstream.url);
    command.env("COUNTERSIGN_LOG__LEVEL", "trace");
    let serve = Serve::of(command);
    let long = "forged".repeat(10_000);
    let hostile: [&[u8]; 10] = [
        b"%0d%0a{\"message\":\"forged\"}",
        b"\r\n{\"message\":\"forged\"}",
        b"\n{\"message\":\"forged\"}\n",
        b"\x1b[2J\x1b]0;forged\x07",
        b"\",\"level\":\"forged",
        b"\\u0022forged\\",
        b"\0forged\x7f",
        "\u{2028}forged\u{85}".as_bytes(),
        b"\xff\xfeforged",
        long.as_bytes(),
    ];
    for bytes in hostile {
        for parts in [
            [b"GET /", bytes, b" HTTP/1.1\r\nHost: a\r\n\r\n"],
            [b"GET /webhooks/", bytes, b" HTTP/1.1\r\nHost: a\r\n\r\n"],
            [b"GET / HTTP/1.1\r\nHost: ", bytes, b"\r\n\r\n"],
            [b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: ", bytes, b"\r\n\r\n"],
            [b"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: ", bytes, b"\r\n\r\n"],
            [b"GET / HTTP/1.1\r\nHost: a\r\nX-", bytes, b": a\r\n\r\n"],
            [b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ", bytes, b"\r\n\r\n"],
            [b"", bytes, b" / HTTP/1.1\r\nHost: a\r\n\r\n"],
        ] {
            let mut connection = Connection::open(serve.traffic);
            connection.write(&parts.concat());
            connection.finish();
            while let Some(answer) = connection.try_answer("GET") {
                assert!((400..500).contains(&answer.status), "{}", answer.status);
            }
        }
        let name = String::from_utf8_lossy(bytes);
        serve.admin("POST", "/api/workspaces", Some(json!({ "name": name })));
        serve.admin("POST", "/api/integrations", Some(json!({ "name": name })));
    }
    upstream.saw_nothing();
    serve.process.signal("TERM");
    let ended = serve.process.finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    for line in ended.stderr.split_terminator('\n') {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(event["timestamp"].is_string() && event["level"] != "forged", "{line:?}");
        assert_ne!(event["message"], "forged", "{line:?}");
        let is_plain = |character: char| !character.is_control();
        assert!(line.chars().all(is_plain), "{line:?}");
    }
}
