//! The records of the demo, made through the admin port as any admin would make them.
//!
//! Invariant: a second run replaces what the first one made, because secrets are shown once only.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::Running;
use crate::cli::client::Client;
use crate::secret::Secret;

/// How long the mirror of a demo may take to load.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// The integrations: name, type.
const INTEGRATIONS: [(&str, &str); 4] = [
    ("github", "github"),
    ("pagerduty", "pagerduty"),
    ("datadog", "datadog"),
    ("billing", "standard-webhooks"),
];

/// What was made, with the secrets that are shown once.
pub(super) struct Demo {
    /// The workspace's id.
    pub(super) workspace: String,
    /// API key of the webhook key.
    pub(super) api_key: Secret,
    /// Id of the webhook key that signs requests.
    pub(super) key_id: String,
    /// HMAC secret of that key.
    pub(super) secret: Secret,
    /// Secret of each integration, in order of [`INTEGRATIONS`].
    pub(super) integrations: Vec<(&'static str, Secret)>,
}

/// Makes the records.
pub(super) fn demo(running: &Running, client: &Client) -> Result<Demo, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let ready = async {
            while !running.is_ready() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(READY_WITHIN, ready).await;
        waited.map_err(|_| "the store is not ready; is the --dir of an earlier run damaged?".to_owned())?;
        remove_former(client).await?;
        make(client).await
    })
}

async fn remove_former(client: &Client) -> Result<(), String> {
    for (name, _) in INTEGRATIONS {
        let path = format!("/api/integrations/{name}");
        let answer = client.call(Method::DELETE, &path, None).await.map_err(|error| error.to_string())?;
        expect(answer.status, &[StatusCode::NO_CONTENT, StatusCode::NOT_FOUND], &answer.body)?;
    }
    let workspaces = call(client, Method::GET, "/api/workspaces?limit=200", None).await?;
    let items = workspaces.get("items").and_then(Value::as_array);
    let is_ours = |item: &&Value| item.get("name").is_some_and(|name| name == "demo");
    for workspace in items.into_iter().flatten().filter(is_ours) {
        let path = format!("/api/workspaces/{}", text(workspace, "id")?);
        call(client, Method::DELETE, &path, None).await?;
    }
    Ok(())
}

async fn make(client: &Client) -> Result<Demo, String> {
    let workspace = call(client, Method::POST, "/api/workspaces", Some(json!({"name": "demo"}))).await?;
    let workspace = text(&workspace, "id")?;
    let path = format!("/api/workspaces/{workspace}/webhook-keys");
    let key = json!({"name": "demo key", "scheme": "signed-request"});
    let key = call(client, Method::POST, &path, Some(key)).await?;
    let mut integrations = Vec::new();
    for (name, kind) in INTEGRATIONS {
        let body = json!({"name": name, "type": kind, "workspaceId": workspace});
        let made = call(client, Method::POST, "/api/integrations", Some(body)).await?;
        integrations.push((name, Secret::from_text(&text(&made, "webhookSecret")?)));
    }
    Ok(Demo {
        api_key: Secret::from_text(&text(&key, "apiKey")?),
        key_id: text(&key, "id")?,
        secret: Secret::from_text(&text(&key, "secret")?),
        workspace,
        integrations,
    })
}

async fn call(client: &Client, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
    let answer = client.call(method, path, body.as_ref()).await.map_err(|error| error.to_string())?;
    expect(answer.status, &[StatusCode::OK, StatusCode::CREATED, StatusCode::NO_CONTENT], &answer.body)?;
    Ok(answer.body)
}

fn expect(status: StatusCode, expected: &[StatusCode], body: &Value) -> Result<(), String> {
    if expected.contains(&status) {
        return Ok(());
    }
    let detail = body.get("detail").and_then(Value::as_str).unwrap_or_default();
    Err(format!("the admin port answered {status}: {detail}"))
}

fn text(value: &Value, field: &str) -> Result<String, String> {
    let text = value.get(field).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("the admin port's answer lacks {field}"))
}
