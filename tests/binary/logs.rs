//! What `serve` writes to its log: decisions, and never a secret.

use serde_json::json;
use tempfile::tempdir;

use crate::support::http::Call;
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

    let forged = "wk_0000000000000000000000000000000000000000000000000";
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
