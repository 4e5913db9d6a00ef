//! The field `handshake` of an integration, and what the audit says of captured secrets.

use serde_json::{Value, json};

use crate::support::admin_port::Port;

const TOKEN: &str = "a-verify-token-of-some-length";

#[tokio::test]
async fn a_verify_token_is_demanded_kept_and_never_shown() {
    let port = Port::open().await;
    let body = |handshake: Value| json!({ "name": "m", "type": "meta", "handshake": handshake });
    for (handshake, fault) in [
        (json!(true), "/handshake/verifyToken required"),
        (json!({}), "/handshake/verifyToken required"),
        (json!({ "verifyToken": "fifteen-letters" }), "/handshake/verifyToken format"),
        (json!({ "verifyToken": "a token with spaces in it" }), "/handshake/verifyToken format"),
        (json!({ "verifyToken": "a".repeat(129) }), "/handshake/verifyToken format"),
        (json!({ "verifyToken": 5 }), "/handshake/verifyToken type"),
        (json!({ "token": TOKEN }), "/handshake unknown"),
        (json!("on"), "/handshake type"),
    ] {
        let answer = port.post("/api/integrations", body(handshake)).await;
        assert_eq!(answer.faults(), [fault], "{}", answer.text);
        assert!(!answer.text.contains(TOKEN), "{}", answer.text);
    }
    let made = port.integration(body(json!({ "verifyToken": TOKEN }))).await;
    assert_eq!(made.json["handshake"], json!({ "hasVerifyToken": true, "awaitsSecretUntil": null }));
    for text in
        [made.text, port.get("/api/integrations/m").await.text, port.get("/api/integrations").await.text]
    {
        assert!(!text.contains(TOKEN) && !text.contains("a-verify"), "{text}");
    }
    let audit = format!("{:?}", port.audit().await);
    assert!(!audit.contains("a-verify"), "{audit}");
}

#[tokio::test]
async fn a_patch_keeps_the_verify_token_that_it_does_not_name() {
    let port = Port::open().await;
    port.integration(json!({ "name": "m", "type": "meta", "handshake": { "verifyToken": TOKEN } })).await;
    for same in [json!({ "handshake": true }), json!({ "handshake": {} }), json!({})] {
        let answer = port.patch("/api/integrations/m", same).await;
        assert_eq!((answer.status.as_u16(), &answer.json["revision"]), (200, &json!(1)), "{}", answer.text);
    }
    let answer = port.patch("/api/integrations/m", json!({ "handshake": null })).await;
    assert_eq!((&answer.json["handshake"], &answer.json["revision"]), (&Value::Null, &json!(2)));
    let answer = port.patch("/api/integrations/m", json!({ "handshake": true })).await;
    assert_eq!(answer.faults(), ["/handshake/verifyToken required"], "it was forgotten");
}

#[tokio::test]
async fn nothing_is_enabled_that_the_scheme_does_not_have() {
    let port = Port::open().await;
    let body = json!({ "name": "g", "type": "github", "handshake": true });
    assert_eq!(port.post("/api/integrations", body).await.faults(), ["/handshake unused"]);
    let body = json!({ "name": "d", "type": "dropbox", "handshake": { "verifyToken": TOKEN } });
    assert_eq!(port.post("/api/integrations", body).await.faults(), ["/handshake/verifyToken unused"]);
    let made = port.integration(json!({ "name": "d", "type": "dropbox" })).await;
    assert_eq!(made.json["handshake"], Value::Null, "off unless it is enabled");
    port.patch("/api/integrations/d", json!({ "handshake": true })).await;
    let answer = port.patch("/api/integrations/d", json!({ "type": "github" })).await;
    assert_eq!(answer.faults(), ["/handshake unused"]);
    let answer = port.patch("/api/integrations/d", json!({ "type": "meta" })).await;
    assert_eq!(answer.faults(), ["/handshake/verifyToken required"]);
    let answer = port.patch("/api/integrations/d", json!({ "type": "github", "handshake": false })).await;
    assert_eq!((answer.status.as_u16(), &answer.json["handshake"]), (200, &Value::Null), "{}", answer.text);
    let overridden = json!({ "type": "dropbox", "signatureHeader": "X-Relay", "handshake": true });
    let answer = port.patch("/api/integrations/d", overridden).await;
    assert_eq!(answer.faults(), ["/handshake unused"], "a relay that signs anew has no handshake");
}

#[tokio::test]
async fn the_wait_for_a_secret_ends_after_an_hour() {
    let port = Port::open().await;
    let made = port.integration(json!({ "name": "a", "type": "asana", "handshake": true })).await;
    assert_eq!(made.json["handshake"]["awaitsSecretUntil"], "2026-01-01T01:00:00.000Z");
    assert_eq!(made.json["webhookSecret"], Value::Null);
    assert!(made.str("warning").contains("awaitsSecretUntil"), "{}", made.text);
    port.advance(60);
    let answer = port.patch("/api/integrations/a", json!({ "rejectStatus": 404 })).await;
    assert_eq!(answer.json["handshake"]["awaitsSecretUntil"], "2026-01-01T01:00:00.000Z");
    let answer = port.patch("/api/integrations/a", json!({ "handshake": true })).await;
    assert_eq!(answer.json["handshake"]["awaitsSecretUntil"], "2026-01-01T01:01:00.000Z");
    let given =
        json!({ "name": "b", "type": "asana", "handshake": true, "webhookSecret": "0123456789abcdef" });
    assert_eq!(port.integration(given).await.str("webhookSecret"), "0123456789abcdef");
}
