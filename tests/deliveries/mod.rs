//! Deliveries: what became of each attempt on an integration, as admins see it.

mod rehearsal;

use serde_json::{Value, json};

use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::sidecar::{Sidecar, until};

/// A sidecar with the integration `hook`; its secret.
fn hooked() -> (Sidecar, String) {
    let sidecar = Sidecar::start();
    let secret = sidecar.integration(json!({ "name": "hook" }));
    (sidecar, secret)
}

fn signed(secret: &str, body: &str) -> Call {
    Call::post("/webhooks/hook?token=in-the-query", body)
        .header("X-Webhook-Signature", hmac_hex(secret, &[body.as_bytes()]))
}

impl Sidecar {
    fn deliveries(&self, query: &str) -> Vec<Value> {
        let answer = self.admin("GET", &format!("/api/deliveries{query}"), None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().unwrap().clone()
    }

    /// The deliveries, once there are so many.
    fn so_many(&self, count: usize) -> Vec<Value> {
        until(&format!("there are {count} deliveries"), || self.deliveries("?limit=200").len() >= count);
        let found = self.deliveries("?limit=200");
        assert_eq!(found.len(), count);
        found
    }
}

#[test]
fn a_verified_delivery_says_how_it_went() {
    let (sidecar, secret) = hooked();
    let call = signed(&secret, "body").header("X-Event", "ping").header("Cookie", "session=1");
    let answer = sidecar.send(&call);
    assert_eq!(answer.status, 200);
    drop(sidecar.upstream.take());
    let [delivery] = <[Value; 1]>::try_from(sidecar.so_many(1)).unwrap();
    assert_eq!(delivery["id"], answer.header("countersign-request-id").unwrap());
    for (field, value) in [
        ("outcome", json!("verified")),
        ("reason", Value::Null),
        ("integration", json!("hook")),
        ("at", json!("2026-01-01T00:00:00.000Z")),
        ("status", json!(200)),
        ("route", json!("webhooks")),
        ("scheme", json!("generic")),
        ("secret", json!("current")),
        ("client", json!("127.0.0.1")),
        ("method", json!("POST")),
        ("path", json!("/webhooks/hook")),
        ("hasQuery", json!(true)),
    ] {
        assert_eq!(delivery[field], value, "{field}");
    }
    // printf body | sha256sum
    let digest = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5";
    assert_eq!(delivery["body"], json!({ "size": 4, "sha256": digest }));
    let headers = delivery["headers"].as_array().unwrap();
    let value = |name: &str| headers.iter().find(|header| header["name"] == name).unwrap()["value"].clone();
    assert_eq!(value("x-event"), "ping");
    assert_eq!((value("cookie"), value("x-webhook-signature")), (Value::Null, Value::Null));
    for stage in ["judged", "read", "verified", "answered"] {
        assert!(delivery["stages"][stage].is_number(), "{stage} in {delivery}");
    }
    let one = sidecar.admin("GET", &format!("/api/deliveries/{}", delivery["id"].as_str().unwrap()), None);
    assert_eq!((one.status, one.json()), (200, delivery));
}

#[test]
fn a_refused_delivery_has_the_precise_reason_that_the_sender_does_not_get() {
    let (sidecar, secret) = hooked();
    let wrong = sidecar.send(&signed("another", "body"));
    let absent = sidecar.send(&Call::post("/webhooks/hook", "body"));
    assert_eq!((wrong.status, absent.status), (401, 401));
    sidecar.patch_integration("hook", json!({ "isActive": false }));
    assert_eq!(sidecar.send(&signed(&secret, "body")).status, 401);
    sidecar.upstream.saw_nothing();
    let found = sidecar.so_many(3);
    let mut reasons: Vec<_> = found.iter().map(|delivery| delivery["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["absent", "inactive", "mismatch"]);
    for delivery in &found {
        assert_eq!((&delivery["outcome"], &delivery["status"]), (&json!("refused"), &json!(401)));
        assert_eq!(delivery["stages"]["verified"], Value::Null);
    }
    let mismatch = sidecar.deliveries("?reason=mismatch");
    assert_eq!(mismatch.len(), 1);
    assert_eq!(mismatch[0]["body"]["size"], 4);
    assert_eq!(sidecar.deliveries("?reason=absent")[0]["body"], Value::Null, "it was never read");
}

#[test]
fn an_application_that_does_not_answer_is_upstream_failed() {
    let sidecar = Sidecar::builder().upstream("http://127.0.0.1:9").start();
    let secret = sidecar.integration(json!({ "name": "hook" }));
    assert_eq!(sidecar.send(&signed(&secret, "body")).status, 502);
    let [delivery] = <[Value; 1]>::try_from(sidecar.so_many(1)).unwrap();
    assert_eq!((&delivery["outcome"], &delivery["status"]), (&json!("upstream_failed"), &json!(502)));
    assert_eq!(delivery["secret"], "current", "it was verified");
    assert_eq!(sidecar.deliveries("?outcome=upstream_failed").len(), 1);
    assert_eq!(sidecar.deliveries("?outcome=verified").len(), 0);
}

#[test]
fn requests_with_keys_and_on_no_integration_leave_none() {
    let (sidecar, secret) = hooked();
    let key = sidecar.key(&sidecar.workspace("w"), json!({}));
    assert_eq!(sidecar.send(&Call::get("/orders").header("X-API-Key", &key.api_key)).status, 200);
    assert_eq!(sidecar.send(&Call::get("/orders")).status, 401);
    assert_eq!(sidecar.send(&Call::post("/webhooks/nobody", "body")).status, 401);
    assert_eq!(sidecar.send(&signed(&secret, "body")).status, 200);
    drop(sidecar.upstream.take());
    assert_eq!(sidecar.so_many(1)[0]["outcome"], "verified");
}

#[test]
fn a_flood_of_refusals_does_not_displace_what_was_verified() {
    let sidecar = Sidecar::builder().config("[deliveries]\nper_integration = 5").start();
    let secret = sidecar.integration(json!({ "name": "hook" }));
    for _ in 0..2 {
        assert_eq!(sidecar.send(&signed(&secret, "body")).status, 200);
    }
    for _ in 0..300 {
        assert_eq!(sidecar.send(&signed("another", "body")).status, 401);
    }
    assert_eq!(sidecar.upstream.count(), 2);
    drop(sidecar.upstream.take());
    until("some of the flood is kept", || sidecar.deliveries("?outcome=refused").len() == 5);
    until("what was verified is kept", || sidecar.deliveries("?outcome=verified").len() == 2);
    assert_eq!(sidecar.deliveries("").len(), 7);
}

#[test]
fn with_none_to_keep_none_is_made() {
    let sidecar = Sidecar::builder().config("[deliveries]\nper_integration = 0").start();
    let secret = sidecar.integration(json!({ "name": "hook" }));
    assert_eq!(sidecar.send(&signed(&secret, "body")).status, 200);
    drop(sidecar.upstream.take());
    let counts = "countersign_deliveries_total{side=\"verified\",result=";
    let mut counted = sidecar.metrics(counts);
    counted.sort();
    assert_eq!(counted, ["dropped", "stored"].map(|result| format!("{counts}\"{result}\"}} 0")));
    assert_eq!(sidecar.deliveries("").len(), 0);
}

#[test]
fn deliveries_survive_a_restart_and_their_integration() {
    let (mut sidecar, secret) = hooked();
    let id = sidecar.admin("GET", "/api/integrations/hook", None).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(sidecar.send(&signed(&secret, "body")).status, 200);
    drop(sidecar.upstream.take());
    // What waits is written when it ends.
    sidecar.stop();
    sidecar.start_again();
    assert_eq!(sidecar.deliveries("?integration=hook").len(), 1);
    let own = sidecar.admin("GET", "/api/integrations/hook/deliveries", None).json();
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert_eq!(sidecar.admin("DELETE", "/api/integrations/hook", None).status, 204);
    assert_eq!(sidecar.deliveries(&format!("?integration={id}"))[0]["integration"], "hook");
    assert_eq!(sidecar.admin("GET", "/api/integrations/hook/deliveries", None).status, 404);
    assert_eq!(sidecar.admin("GET", "/api/deliveries?integration=hook", None).status, 422);
}

#[test]
fn pages_and_filters_show_each_delivery_once() {
    let (sidecar, secret) = hooked();
    for round in 0..3 {
        assert_eq!(sidecar.send(&signed(&secret, "body")).status, 200, "{round}");
        sidecar.send(&signed("another", "body"));
        sidecar.advance(10);
    }
    drop(sidecar.upstream.take());
    let all = sidecar.so_many(6);
    let times: Vec<_> = all.iter().map(|delivery| delivery["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    for (filter, count) in
        [("", 6), ("&outcome=refused", 3), ("&since=2026-01-01T00:00:10Z", 4), ("&reason=absent", 0)]
    {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = sidecar.admin("GET", &format!("/api/deliveries?limit=1{filter}{cursor}"), None).json();
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen.len(), count, "{filter}");
        seen.dedup();
        assert_eq!(seen.len(), count, "{filter}");
    }
    for query in ["outcome=fine", "reason=none", "since=yesterday", "what=1", "limit=0"] {
        assert_eq!(sidecar.admin("GET", &format!("/api/deliveries?{query}"), None).status, 422, "{query}");
    }
}

/// The diagnosis of the only delivery, once it is there.
fn diagnosis(sidecar: &Sidecar) -> Value {
    sidecar.so_many(1)[0]["diagnosis"].clone()
}

fn codes(diagnosis: &Value) -> Vec<&str> {
    let findings = diagnosis["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn a_body_that_was_changed_on_the_way_is_told_to_the_admin_alone() {
    let (sidecar, secret) = hooked();
    let mut call = signed(&secret, "body");
    call.body.push(b'\n');
    let answer = sidecar.send(&call);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["detail"], sidecar.send(&signed("x", "body")).json()["detail"]);
    sidecar.upstream.saw_nothing();
    let found = sidecar.so_many(2);
    // Of two in one second, one is looked into.
    let [first, second] = [&found[0]["diagnosis"], &found[1]["diagnosis"]];
    let mut statuses = [&first["status"], &second["status"]].map(|status| status.as_str().unwrap());
    statuses.sort_unstable();
    assert_eq!(statuses, ["made", "not sampled"]);
    let changed = found.iter().find(|delivery| delivery["body"]["size"] == 5).unwrap();
    assert_eq!(codes(&changed["diagnosis"]), ["body_changed"]);
    let right = hmac_hex(&secret, &[b"body\n"]);
    assert!(!changed.to_string().contains(&right), "the expected signature is shown");
}

#[test]
fn a_missing_header_a_clock_and_an_overlap_that_is_over_are_diagnosed() {
    let (sidecar, _) = hooked();
    let call = Call::post("/webhooks/hook", "body").header("X-Acme-Signature", "abc");
    assert_eq!(sidecar.send(&call).status, 401);
    assert_eq!(codes(&diagnosis(&sidecar)), ["header_missing", "header_alike"]);

    let (sidecar, secret) = {
        let sidecar = Sidecar::start();
        let secret = sidecar.integration(json!({ "name": "hook", "type": "slack" }));
        (sidecar, secret)
    };
    let call = sidecar.signed("slack", &secret, Call::post("/webhooks/hook", "body"));
    sidecar.advance(912);
    assert_eq!(sidecar.send(&call).status, 401);
    let late = diagnosis(&sidecar);
    assert_eq!((codes(&late), &late["findings"][0]["seconds"]), (vec!["clock_skew"], &json!(-912)));

    let (sidecar, former) = hooked();
    sidecar.rotate_integration("hook", json!({ "overlapSeconds": 60 }));
    sidecar.advance(100);
    assert_eq!(sidecar.send(&signed(&former, "body")).status, 401);
    assert_eq!(codes(&diagnosis(&sidecar)), ["overlap_expired"]);
    sidecar.upstream.saw_nothing();
}

#[test]
fn what_the_reason_says_is_not_diagnosed() {
    let (sidecar, secret) = hooked();
    sidecar.patch_integration("hook", json!({ "isActive": false }));
    assert_eq!(sidecar.send(&signed(&secret, "body")).status, 401);
    assert_eq!(diagnosis(&sidecar), Value::Null);
}
