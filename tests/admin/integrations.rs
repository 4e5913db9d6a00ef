//! Integrations: types, schemes, imported secrets.

use serde_json::{Value, json};

use crate::support::admin_port::Port;

#[tokio::test]
async fn a_type_sets_defaults_and_answers_show_the_effective_scheme() {
    let port = Port::open().await;
    let made = port.integration(json!({ "name": "pd", "type": "pagerduty" })).await;
    assert_eq!(made.str("scheme"), "pagerduty-v3");
    assert_eq!(made.str("signatureHeader"), "X-PagerDuty-Signature");
    assert_eq!(made.str("signatureFormat"), "hex");
    assert_eq!(made.str("signaturePrefix"), "v1=");
    assert_eq!(made.json["deduplicationWindowMinutes"], 10);
    assert_eq!(made.str("path"), "/webhooks/pd");
    assert_eq!(made.str("url"), "https://hooks.example.com/webhooks/pd");
    assert_eq!(made.json["webhookCount"], 0);
    assert_eq!(made.json["lastWebhookAt"], Value::Null);
    assert_eq!(made.header("location"), format!("/api/integrations/{}", made.str("id")));
    let by_name = port.get("/api/integrations/pd").await;
    assert_eq!(by_name.json, port.get(made.header("location")).await.json);

    let plain = port.integration(json!({ "name": "plain" })).await;
    assert_eq!((plain.str("type"), plain.str("scheme")), ("generic", "generic"));
    let whsec = port.integration(json!({ "name": "std", "type": "standard-webhooks" })).await;
    assert!(whsec.str("webhookSecret").starts_with("whsec_"));
    assert_eq!(whsec.json["toleranceSeconds"], 300);
}

#[tokio::test]
async fn unknown_type_lists_what_exists() {
    let port = Port::open().await;
    let answer = port.post("/api/integrations", json!({ "name": "x", "type": "nobody" })).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.faults(), ["/type unknown"]);
    for known in ["datadog", "newrelic", "pagerduty", "generic", "github", "standard-webhooks"] {
        assert!(answer.text.contains(known), "{}", answer.text);
    }
    let answer = port.post("/api/integrations", json!({ "name": "x", "scheme": "nobody" })).await;
    assert_eq!(answer.faults(), ["/scheme unknown"]);
}

#[tokio::test]
async fn every_fault_of_an_integration_is_named_at_once() {
    let port = Port::open().await;
    let answer = port
        .post(
            "/api/integrations",
            json!({
                "name": "Not A Name", "workspaceId": "0198c0de-0000-7000-8000-000000000000",
                "toleranceSeconds": 0, "deduplicationWindowMinutes": 10_081, "isActive": 1,
                "allowedCidrs": [], "rejectStatus": 200, "rateLimit": 5, "duplicates": "refuse",
                "handshake": 5, "signatureAlgorithm": "md5", "webhookSecret": 5,
            }),
        )
        .await;
    assert_eq!(
        answer.faults(),
        [
            "/allowedCidrs empty",
            "/deduplicationWindowMinutes range",
            "/duplicates unknown",
            "/handshake type",
            "/isActive type",
            "/name format",
            "/rateLimit unknown",
            "/rejectStatus range",
            "/signatureAlgorithm scheme",
            "/toleranceSeconds range",
            "/webhookSecret type",
            "/workspaceId unknown",
        ]
    );
    for name in ["", "-a", "a b", "A", "a/b", "0198c0de-0000-7000-8000-000000000000", &"a".repeat(64)] {
        let answer = port.post("/api/integrations", json!({ "name": name })).await;
        assert_eq!(answer.faults(), ["/name format"], "{name}");
    }
    let answer = port.post("/api/integrations", json!({ "name": "x", "toleranceSeconds": 60 })).await;
    assert_eq!(answer.faults(), ["/toleranceSeconds unused"]);
    assert!(port.audit().await.is_empty());
}

#[tokio::test]
async fn create_and_rotate_say_what_to_do_at_the_sender_and_nothing_else_does() {
    let port = Port::open().await;
    let made = port.integration(json!({ "name": "pd", "type": "pagerduty" })).await;
    assert!(made.str("setup").contains("PagerDuty"), "{}", made.text);
    assert_eq!(made.str("url"), "https://hooks.example.com/webhooks/pd");
    assert!(made.str("warning").contains("this once"), "{}", made.text);
    let rotated = port.call("POST", "/api/integrations/pd/rotate-secret", None).await;
    assert_eq!((&rotated.json["setup"], &rotated.json["url"]), (&made.json["setup"], &made.json["url"]));
    for path in ["/api/integrations", "/api/integrations/pd"] {
        assert!(!port.get(path).await.text.contains("\"setup\""), "{path}");
    }
    let scheme = json!({ "signed": "{body}", "algorithm": "hmac-sha256", "encoding": "hex", "sig": { "header": "X-Acme" } });
    let own = port.integration(json!({ "name": "own", "scheme": scheme })).await;
    assert_eq!(own.json["setup"], json!(null));
}

#[tokio::test]
async fn both_scheme_and_signature_fields_are_refused() {
    let port = Port::open().await;
    let body = json!({ "name": "x", "scheme": "github", "signatureHeader": "X-Sig" });
    let answer = port.post("/api/integrations", body).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.faults(), ["/scheme exclusive"]);
    port.integration(json!({ "name": "x" })).await;
    let answer =
        port.patch("/api/integrations/x", json!({ "scheme": "github", "signaturePrefix": "" })).await;
    assert_eq!(answer.status, 422);
    assert_eq!(port.get("/api/integrations/x").await.str("scheme"), "generic");
}

#[tokio::test]
async fn short_or_undecodable_imported_secrets_are_refused() {
    let port = Port::open().await;
    let cases = [
        ("generic", "short"),
        ("generic", ""),
        ("generic", "fifteen-bytes-x"),
        ("generic", "a line break in the\nsecret"),
        ("generic", "a\u{7}control character in the secret"),
        (
            "box",
            "primary-key-0123456789\nsecond-key-0123456789\nthird-key-0123456789\nfourth-key-0123456789\nfifth-key-0123456789",
        ),
        ("box", "primary-key-0123456789\nshort"),
        ("telnyx", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ=="),
        ("wise", "-----BEGIN PUBLIC KEY-----\nMDEyMzQ1Njc4OWFiY2RlZg==\n-----END PUBLIC KEY-----"),
        ("standard-webhooks", "whsec_!!!not-base64!!!-zzz"),
        ("standard-webhooks", "whsec_c2hvcnQ="),
        ("plaid", "-----BEGIN PUBLIC KEY-----\nnot a key\n-----END PUBLIC KEY-----"),
        ("plaid", "not a key, but long enough"),
        ("netlify", "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----"),
    ];
    for (kind, secret) in cases {
        let body = json!({ "name": "x", "type": kind, "webhookSecret": secret });
        let answer = port.post("/api/integrations", body).await;
        assert_eq!(answer.status, 422, "{kind} {secret}");
        assert_eq!(answer.faults(), ["/webhookSecret format"]);
        assert!(secret.is_empty() || !answer.text.contains(secret), "{}", answer.text);
    }
    let made = port.integration(json!({ "name": "x", "webhookSecret": "sixteen-bytes-xx" })).await;
    assert_eq!(made.str("webhookSecret"), "sixteen-bytes-xx");
    assert_eq!(made.str("secretPrefix"), "sixteen-...");
    let answer = port.post("/api/integrations/x/rotate-secret", json!({ "webhookSecret": "short" })).await;
    assert_eq!(answer.faults(), ["/webhookSecret format"]);
    assert_eq!(port.audit().await.len(), 1);
}

#[tokio::test]
async fn a_secret_of_several_lines_is_taken_where_the_scheme_reads_lines() {
    let port = Port::open().await;
    // Of RFC 9421, B.1.4.
    let key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n\
               -----END PUBLIC KEY-----\n";
    for (kind, secret) in
        [("box", "primary-key-0123456789\nsecondary-key-0123456789"), ("rfc9421-ed25519", key)]
    {
        let made = port.integration(json!({ "name": kind, "type": kind, "webhookSecret": secret })).await;
        assert_eq!(made.str("webhookSecret"), secret);
    }
}

#[tokio::test]
async fn one_signature_field_changes_and_the_others_stay() {
    let port = Port::open().await;
    let body = json!({ "name": "x", "signatureHeader": "X-Sig", "signatureAlgorithm": "sha512" });
    let made = port.integration(body).await;
    assert_eq!(made.str("signatureHeader"), "X-Sig");
    assert!(made.json["scheme"].is_object());
    let answer = port.patch("/api/integrations/x", json!({ "signatureFormat": "base64" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.str("signatureHeader"), "X-Sig");
    assert_eq!(answer.str("signatureAlgorithm"), "hmac-sha512");
    assert_eq!(answer.str("signatureFormat"), "base64");
    let answer = port.patch("/api/integrations/x", json!({ "signatureHeader": null })).await;
    assert_eq!(answer.str("signatureHeader"), "X-Webhook-Signature");
    assert_eq!(answer.str("signatureAlgorithm"), "hmac-sha512");

    let inline = json!({
        "signed": "{timestamp}.{body}", "algorithm": "hmac-sha256", "encoding": "hex",
        "sig": { "header": "X-Own" }, "timestamp": { "header": "X-Own-Time" },
    });
    let answer = port.patch("/api/integrations/x", json!({ "scheme": inline })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["scheme"]["signed"], "{timestamp}.{body}");
    let answer = port.patch("/api/integrations/x", json!({ "signatureHeader": "X-Other" })).await;
    assert_eq!(answer.faults(), ["/signatureHeader exclusive"]);
    let answer = port.patch("/api/integrations/x", json!({ "scheme": null })).await;
    assert_eq!(answer.str("scheme"), "generic");
}

#[tokio::test]
async fn an_inline_scheme_s_faults_are_pointed_at() {
    let port = Port::open().await;
    let scheme =
        json!({ "signed": "{body}", "algorithm": "hmac-sha256", "encoding": "hex", "sig": { "header": "" } });
    let answer = port.post("/api/integrations", json!({ "name": "x", "scheme": scheme })).await;
    assert_eq!(answer.faults(), ["/scheme/sig/header scheme"], "{}", answer.text);
    let answer = port.post("/api/integrations", json!({ "name": "x", "scheme": { "nonsense": 1 } })).await;
    assert_eq!(answer.faults(), ["/scheme format"], "{}", answer.text);
}

#[tokio::test]
async fn a_scheme_that_cannot_use_the_stored_secret_is_refused() {
    let port = Port::open().await;
    port.integration(json!({ "name": "x", "webhookSecret": "not base64 but long enough" })).await;
    let answer = port.patch("/api/integrations/x", json!({ "type": "standard-webhooks" })).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert_eq!(answer.faults(), ["/scheme secret"]);
    let answer = port.patch("/api/integrations/x", json!({ "type": "github", "name": "gh" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((answer.str("scheme"), answer.str("path")), ("github", "/webhooks/gh"));
    assert_eq!(port.get("/api/integrations/x").await.status, 404);
    assert_eq!(port.get("/api/integrations/gh").await.status, 200);
}
