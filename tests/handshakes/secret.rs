//! Secrets that senders hand over: Asana and Notion.

use serde_json::{Value, json};

use crate::support::http::Call;
use crate::support::log;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::Sidecar;

const OFFERED: &str = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81";

/// A sidecar whose integration waits for its secret.
fn waiting(kind: &str) -> Sidecar {
    let sidecar = Sidecar::start();
    let body = json!({ "name": "hook", "type": kind, "handshake": true });
    let made = sidecar.admin("POST", "/api/integrations", Some(body));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["webhookSecret"], Value::Null, "nobody may use what the sender will replace");
    sidecar
}

fn asana(secret: &str) -> Call {
    Call::post("/webhooks/hook", "{}").header("X-Hook-Secret", secret)
}

fn notion(secret: &str) -> Call {
    Call::post("/webhooks/hook", json!({ "verification_token": secret }).to_string())
}

fn signed(secret: &str, body: &str) -> Call {
    Call::post("/webhooks/hook", body).header("X-Hook-Signature", hmac_hex(secret, &[body.as_bytes()]))
}

fn shown(sidecar: &Sidecar) -> Value {
    sidecar.admin("GET", "/api/integrations/hook", None).json()
}

#[test]
fn the_secret_that_asana_hands_over_signs_from_then_on() {
    let mut sidecar = waiting("asana");
    let answer = sidecar.answers(&asana(OFFERED));
    assert_eq!(answer.header("x-hook-secret"), Some(OFFERED));
    assert!(answer.body.is_empty());
    sidecar.passes(&signed(OFFERED, "{}"));
    let record = shown(&sidecar);
    assert_eq!((&record["handshake"], &record["previous"]), (&Value::Null, &Value::Null));
    assert_eq!(record["secretPrefix"], "b537207f...");
    assert!(record["secretCapturedAt"].is_string());
    assert!(!record.to_string().contains(OFFERED));
    // It was stored before it was answered.
    sidecar.stop();
    sidecar.start_again();
    sidecar.passes(&signed(OFFERED, "{}"));
}

#[test]
fn one_secret_is_taken_and_no_other() {
    let sidecar = waiting("asana");
    sidecar.answers(&asana(OFFERED));
    let other = "0".repeat(64);
    for call in [asana(&other), asana(OFFERED)] {
        sidecar.refuses_as(&call, "integration", "asana", "absent");
    }
    sidecar.refuses_as(&signed(&other, "{}"), "integration", "asana", "mismatch");
    sidecar.passes(&signed(OFFERED, "{}"));
    // Only an admin opens the wait again.
    sidecar.patch_integration("hook", json!({ "handshake": true }));
    sidecar.answers(&asana(&other));
    sidecar.refuses_as(&signed(OFFERED, "{}"), "integration", "asana", "mismatch");
    sidecar.passes(&signed(&other, "{}"));
}

#[test]
fn of_many_at_once_one_is_taken() {
    let sidecar = waiting("asana");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let offer = |n: usize| asana(&format!("{n:064}"));
        let sent: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let sidecar = &sidecar;
                    move || sidecar.send(&offer(n)).status
                })
            })
            .collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    let taken: Vec<usize> = (0..8).filter(|n| statuses[*n] == 200).collect();
    assert_eq!(taken.len(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
    sidecar.upstream.saw_nothing();
    sidecar.passes(&signed(&format!("{:064}", taken[0]), "{}"));
}

#[test]
fn nobody_is_believed_who_comes_too_late_or_offers_no_secret() {
    let sidecar = waiting("asana");
    for bad in
        ["", "short-secret-15", "a b c d e f g h i j k", &"a".repeat(129), "{\"a\":\"0123456789abcdef\"}"]
    {
        sidecar.refuses(&asana(bad), 401);
    }
    sidecar.refuses_as(&asana(OFFERED).header("X-Hook-Secret", OFFERED), "integration", "asana", "malformed");
    let with_signature = asana(OFFERED).header("X-Hook-Signature", hmac_hex(OFFERED, &[b"{}"]));
    sidecar.refuses_as(&with_signature, "integration", "asana", "mismatch");
    let get = Call { method: "GET".into(), ..asana(OFFERED) };
    sidecar.refuses_as(&get, "integration", "asana", "absent");
    let large = Call { body: vec![b' '; 20_000], ..asana(OFFERED) };
    sidecar.refuses_as(&large, "integration", "asana", "absent");
    sidecar.advance(3600);
    sidecar.refuses_as(&asana(OFFERED), "integration", "asana", "absent");
    sidecar.upstream.saw_nothing();
    sidecar.patch_integration("hook", json!({ "handshake": true }));
    sidecar.answers(&asana(OFFERED));
}

#[test]
fn only_an_integration_that_waits_takes_a_secret() {
    let sidecar = Sidecar::start();
    let secret = sidecar.integration(json!({ "name": "hook", "type": "asana" }));
    sidecar.refuses_as(&asana(OFFERED), "integration", "asana", "absent");
    sidecar.patch_integration("hook", json!({ "handshake": true, "isActive": false }));
    sidecar.refuses(&asana(OFFERED), 401);
    sidecar.patch_integration("hook", json!({ "isActive": true, "allowedCidrs": ["192.0.2.0/24"] }));
    sidecar.refuses_as(&asana(OFFERED), "integration", "asana", "address");
    sidecar.patch_integration("hook", json!({ "allowedCidrs": null }));
    // Until somebody hands over another, the present one is good.
    sidecar.passes(&signed(&secret, "{}"));
    sidecar.answers(&asana(OFFERED));
    sidecar.refuses_as(&signed(&secret, "{}"), "integration", "asana", "mismatch");
}

#[test]
fn an_admin_sees_the_token_of_notion_once() {
    let sidecar = waiting("notion");
    let reveal = || sidecar.admin("POST", "/api/integrations/hook/handshake/reveal", None);
    assert_eq!(reveal().status, 409, "nothing was handed over yet");
    let token = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl";
    for body in ["{}", "[]", "no JSON", r#"{"verification_token":5}"#, r#"{"verification_token":"short"}"#] {
        sidecar.refuses(&Call::post("/webhooks/hook", body), 401);
    }
    assert!(sidecar.answers(&notion(token)).body.is_empty());
    sidecar.refuses_as(&notion(token), "integration", "notion", "absent");
    let signature = format!("sha256={}", hmac_hex(token, &[b"{}"]));
    sidecar.passes(&Call::post("/webhooks/hook", "{}").header("X-Notion-Signature", signature));

    let answer = reveal();
    assert_eq!((answer.status, &answer.json()["webhookSecret"]), (200, &json!(token)), "{}", answer.text());
    assert_eq!(reveal().status, 409, "once");
    assert!(shown(&sidecar)["secretCapturedAt"].is_string());
    assert_eq!(shown(&sidecar)["revealUntil"], Value::Null);
}

#[test]
fn a_captured_secret_is_shown_within_the_hour_and_no_other_ever() {
    let sidecar = waiting("notion");
    let reveal = || sidecar.admin("POST", "/api/integrations/hook/handshake/reveal", None).status;
    sidecar.answers(&notion(OFFERED));
    assert!(shown(&sidecar)["revealUntil"].is_string());
    sidecar.advance(3600);
    assert_eq!((reveal(), &shown(&sidecar)["revealUntil"]), (409, &Value::Null));

    sidecar.patch_integration("hook", json!({ "handshake": true }));
    sidecar.answers(&notion(OFFERED));
    sidecar.rotate_integration("hook", json!({}));
    assert_eq!(reveal(), 409, "the present secret was made here, and shown then");
    assert_eq!(sidecar.admin("POST", "/api/integrations/nobody/handshake/reveal", None).status, 404);
    let body = json!({ "force": true });
    assert_eq!(sidecar.admin("POST", "/api/integrations/hook/handshake/reveal", Some(body)).status, 422);
}

#[test]
fn neither_the_secret_nor_a_verify_token_is_logged() {
    log::keep();
    let sidecar = waiting("asana");
    let canary = "canary-that-asana-hands-over-0123456789";
    let verify_token = "canary-verify-token-0123456789";
    let body = json!({ "name": "meta", "type": "meta", "handshake": { "verifyToken": verify_token } });
    sidecar.integration(body);
    let query = format!("hub.mode=subscribe&hub.challenge=canary-challenge&hub.verify_token={verify_token}");
    sidecar.answers(&Call::get(&format!("/webhooks/meta?{query}")));
    sidecar.refuses(&Call::get(&format!("/webhooks/meta?{query}x")), 401);
    sidecar.answers(&asana(canary));
    sidecar.refuses(&asana(canary), 401);
    let logged = log::kept();
    assert!(logged.contains("handshake answered"), "{logged}");
    for canary in [canary, verify_token, "canary-challenge"] {
        assert!(!logged.contains(canary), "{canary}");
    }
    assert!(!sidecar.ops("/metrics").text().contains("canary"));
}
