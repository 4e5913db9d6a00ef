//! The ops port, the separation of the three ports, and what none of them ever says.

use serde_json::json;

use crate::support::http::{Call, Connection};
use crate::support::log;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::{Sidecar, TOKEN, until};

/// As docs/metrics.md has them.
const METRICS: [&str; 13] = [
    "countersign_requests_total",
    "countersign_request_duration_seconds",
    "countersign_verifications_total",
    "countersign_verified_total",
    "countersign_upstream_errors_total",
    "countersign_keys_records",
    "countersign_keys_staleness_seconds",
    "countersign_body_bytes_in_flight",
    "countersign_listener_parse_errors_total",
    "countersign_panics_total",
    "countersign_streams_cut_total",
    "countersign_listener_proxy_faults_total",
    "countersign_build_info",
];

#[test]
fn probes_of_a_sidecar_that_is_up() {
    let sidecar = Sidecar::start();
    for probe in ["/livez", "/startupz", "/readyz"] {
        let answer = sidecar.ops(probe);
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"), "{probe}");
    }
    let workspace = sidecar.workspace("tenant");
    sidecar.key(&workspace, json!({}));
    sidecar.integration(json!({ "name": "hook" }));
    let verbose = sidecar.ops("/readyz?verbose").text();
    for line in
        ["store: embedded", "workspaces: 1", "webhook keys: 1", "integrations: 1", "damaged records: 0"]
    {
        assert!(verbose.lines().any(|found| found.starts_with(line)), "{line} is not in {verbose}");
    }
}

#[test]
fn every_metric_is_there_after_some_traffic() {
    let sidecar = Sidecar::builder().upstream(&crate::support::upstream::nobody()).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    sidecar.send(&Call::get("/a").header("X-API-Key", &key.api_key));
    sidecar.send(&Call::get("/a"));
    let mut broken = Connection::open(sidecar.traffic());
    broken.write(b"not http\r\n\r\n");
    assert_eq!(broken.answer().status, 400);
    drop(broken);
    // Counted when the connection ends.
    let errors = || sidecar.metrics("countersign_listener_parse_errors_total ");
    until("it is counted", || errors() == ["countersign_listener_parse_errors_total 1"]);

    let answer = sidecar.ops("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    for metric in METRICS {
        assert!(text.contains(&format!("# HELP {metric} ")), "{metric} is not described");
        assert!(text.lines().any(|line| line.starts_with(metric)), "{metric} has no value");
    }
    for line in [
        "countersign_requests_total{route=\"default\",outcome=\"refused\"} 1",
        "countersign_requests_total{route=\"default\",outcome=\"upstream_failed\"} 1",
        "countersign_requests_total{route=\"webhooks\",outcome=\"forwarded\"} 0",
        "countersign_verifications_total{kind=\"api-key\",scheme=\"api-key\",reason=\"ok\"} 1",
        "countersign_verifications_total{kind=\"api-key\",scheme=\"unknown\",reason=\"absent\"} 1",
        "countersign_verified_total{kind=\"api-key\",secret=\"current\"} 1",
        "countersign_verified_total{kind=\"api-key\",secret=\"previous\"} 0",
        "countersign_upstream_errors_total{cause=\"connect\"} 1",
        "countersign_keys_records{kind=\"webhook-key\"} 1",
        "countersign_body_bytes_in_flight 0",
        "countersign_listener_parse_errors_total 1",
        "countersign_request_duration_seconds_count{route=\"default\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn each_port_serves_its_own_paths_only() {
    let sidecar = Sidecar::start();
    let bearer = format!("Bearer {TOKEN}");
    let with_token = |target: &str| Call::get(target).header("Authorization", &bearer);
    for target in
        ["/api/workspaces", "/api/integrations", "/openapi.json", "/docs", "/metrics", "/readyz", "/livez"]
    {
        sidecar.refuses(&with_token(target), 401);
        sidecar.refuses(&Call::get(target), 401);
    }
    sidecar.upstream.saw_nothing();
    for target in ["/api/workspaces", "/api/integrations", "/webhooks/hook", "/", "/debug"] {
        assert_eq!(with_token(target).send(sidecar.running().ops).status, 404, "{target} on the ops port");
    }
    for target in ["/metrics", "/readyz", "/webhooks/hook", "/"] {
        let answer = with_token(target).ask(sidecar.running().admin.unwrap());
        assert_eq!(answer.status, 404, "{target} on the admin port");
    }
    assert_eq!(Call::get("/api/workspaces").ask(sidecar.running().admin.unwrap()).status, 401);
    assert_eq!(with_token("/api/workspaces").ask(sidecar.running().admin.unwrap()).status, 200);
}

#[test]
fn no_key_path_or_secret_is_logged_or_counted() {
    log::keep();
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let hook = sidecar.integration(json!({ "name": "hook" }));
    let imported = "imported-canary-of-an-admin";
    let body = json!({ "name": "imported", "type": "datadog", "webhookSecret": imported });
    sidecar.integration(body);
    sidecar.admin("POST", "/api/integrations", Some(json!({ "name": "x", "webhookSecret": "short-canary" })));
    let rotated = sidecar.rotate_key(&key, json!({}));
    let signature = hmac_hex(&hook, &[b"body-canary-0"]);
    let good = Call::post("/path-canary?query-canary=1", "body-canary-1").header("X-API-Key", &key.api_key);
    sidecar.send(&good.header("X-Canary", "header-canary").header("Cookie", "cookie-canary=1"));
    for call in [
        Call::post("/webhooks/hook?query-canary", "body-canary-0").header("X-Webhook-Signature", &signature),
        Call::post("/webhooks/hook", "body-canary-2").header("X-Webhook-Signature", &signature),
        Call::post("/webhooks/imported", "body-canary-3").header("X-Datadog-Token", imported),
        Call::post("/webhooks/name-canary", "body-canary-4"),
        Call::get("/path-canary").header("X-API-Key", format!("{}x", key.api_key)),
        Call::get("/path-canary").header("Authorization", format!("Bearer {}", key.api_key)),
        Call::get("/path-canary/../x").header("User-Agent", "agent-canary\u{1b}[31m"),
        Call::new("METHOD-CANARY", "/path-canary"),
        Call::get("/path-canary").header("Expect", "expect-canary"),
    ] {
        sidecar.send(&call);
    }
    let refused = sidecar.send(&Call::get("/path-canary"));
    let id = refused.header("countersign-request-id").unwrap();
    sidecar.admin("GET", "/api/workspaces?canary=query-canary", None);
    let wrong = Call::get("/api/workspaces").header("Authorization", "Bearer token-canary");
    wrong.ask(sidecar.running().admin.unwrap());

    let secrets = [
        key.api_key.as_str(),
        &key.secret,
        &hook,
        &signature,
        imported,
        rotated["apiKey"].as_str().unwrap(),
        rotated["secret"].as_str().unwrap(),
        TOKEN,
    ];
    let (metrics, lines) = (sidecar.ops("/metrics").text(), log::kept());
    assert!(lines.contains(id), "the log knows nothing of the request, so this test proves nothing");
    for (place, text) in [("metrics", &metrics), ("the log", &lines)] {
        for secret in secrets {
            assert!(!text.contains(secret), "a secret is in {place}");
        }
        let canary = text.to_lowercase().lines().find(|line| line.contains("canary")).map(str::to_owned);
        assert_eq!(canary, None, "in {place}");
    }
    for line in lines.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "not one JSON object: {line}");
    }
}
