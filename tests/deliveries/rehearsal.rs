//! `POST /api/integrations/{id}/test`: a signed sample on the way of any sender's.

use serde_json::{Value, json};

use crate::support::sidecar::Sidecar;

fn tested(sidecar: &Sidecar, name: &str, body: Value) -> (u16, Value) {
    let answer = sidecar.admin("POST", &format!("/api/integrations/{name}/test"), Some(body));
    (answer.status, answer.json())
}

fn stages(report: &Value) -> Vec<(String, bool)> {
    let stages = report["stages"].as_array().unwrap().iter();
    stages.map(|stage| (stage["stage"].as_str().unwrap().to_owned(), stage["ok"] == true)).collect()
}

fn all(stages: &[(&str, bool)]) -> Vec<(String, bool)> {
    stages.iter().map(|(stage, ok)| ((*stage).to_owned(), *ok)).collect()
}

#[test]
fn a_sample_goes_the_way_of_any_senders_and_is_marked() {
    let sidecar = Sidecar::start();
    for kind in ["github", "slack", "stripe", "standard-webhooks", "datadog", "pagerduty", "generic"] {
        sidecar.integration(json!({ "name": kind, "type": kind }));
        let (status, report) = tested(&sidecar, kind, json!({}));
        assert_eq!(
            (status, &report["ok"], &report["status"]),
            (200, &json!(true), &json!(200)),
            "{kind}: {report}"
        );
        let expected = [("route", true), ("candidates", true), ("verified", true), ("forwarded", true)];
        assert_eq!(stages(&report), all(&expected), "{kind}");
        assert_eq!(
            (&report["delivery"]["outcome"], &report["delivery"]["test"]),
            (&json!("verified"), &json!(true))
        );
        let seen = sidecar.upstream.only();
        assert_eq!(seen.header("countersign-test"), Some("true"));
        assert_eq!(seen.header("countersign-verified"), Some("integration"));
        assert_eq!(seen.header("countersign-integration"), Some(kind));
    }
    let found = sidecar.so_many(7);
    assert!(found.iter().all(|delivery| delivery["test"] == true));
}

#[test]
fn a_sender_cannot_mark_a_request_as_a_test() {
    let sidecar = Sidecar::start();
    let secret = sidecar.integration(json!({ "name": "hook" }));
    let call =
        super::signed(&secret, "body").header("Countersign-Test", "true").header("countersign_test", "1");
    assert_eq!(sidecar.send(&call).status, 200);
    let seen = sidecar.upstream.only();
    assert_eq!((seen.header("countersign-test"), seen.header("countersign_test")), (None, None));
    assert_eq!(sidecar.so_many(1)[0]["test"], false);
}

#[test]
fn a_sample_that_is_refused_says_where_and_why() {
    let sidecar = Sidecar::start();
    sidecar.integration(json!({ "name": "hook", "allowedCidrs": ["192.0.2.0/24"] }));
    let (_, report) = tested(&sidecar, "hook", json!({ "body": "ping" }));
    assert_eq!((&report["ok"], &report["request"]["from"]), (&json!(true), &json!("192.0.2.0")), "{report}");
    assert_eq!(sidecar.upstream.only().body, b"ping");
    sidecar.patch_integration("hook", json!({ "isActive": false }));
    let (status, report) = tested(&sidecar, "hook", json!({}));
    assert_eq!((status, &report["ok"], &report["status"]), (200, &json!(false), &json!(401)));
    assert_eq!(stages(&report), all(&[("route", true), ("candidates", true), ("verified", false)]));
    assert_eq!(report["delivery"]["reason"], "inactive");
    assert_eq!(sidecar.upstream.count(), 0);
    assert_eq!(sidecar.admin("POST", "/api/integrations/nobody/test", None).status, 404);
}

#[test]
fn what_only_the_sender_can_sign_is_not_sent() {
    let sidecar = Sidecar::start();
    let key = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
    sidecar.integration(json!({ "name": "discord", "type": "discord", "webhookSecret": key }));
    let (status, problem) = tested(&sidecar, "discord", json!({}));
    assert_eq!(status, 422, "{problem}");
    assert_eq!(problem["errors"][0]["code"], "unsignable");
    sidecar.upstream.saw_nothing();
    assert_eq!(tested(&sidecar, "discord", json!({ "other": 1 })).0, 422);
}

#[test]
fn an_application_that_is_not_there_is_the_last_stage() {
    let sidecar = Sidecar::builder().upstream("http://127.0.0.1:9").start();
    sidecar.integration(json!({ "name": "hook" }));
    let (_, report) = tested(&sidecar, "hook", json!({}));
    assert_eq!((&report["ok"], &report["status"]), (&json!(false), &json!(502)));
    let expected = [("route", true), ("candidates", true), ("verified", true), ("forwarded", false)];
    assert_eq!(stages(&report), all(&expected));
}
