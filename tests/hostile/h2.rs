//! HTTP/2 with prior knowledge: the same verdicts, and no header that HTTP/1.1 could not have carried.

use serde_json::json;

use super::open;
use crate::support::h2::send;
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::refusal::assert_problem;
use crate::support::upstream::is_via;

#[test]
fn a_valid_key_passes_and_forged_headers_do_not() {
    let (sidecar, key) = open();
    let call = Call::post("/orders?x=1", "a body")
        .header("x-api-key", &key.api_key)
        .header("countersign-verified", "canary")
        .header("countersign_key_id", "canary")
        .header("x-forwarded-for", "canary")
        .header("x_forwarded_host", "canary")
        .header("forwarded", "canary");
    let answers = send(sidecar.traffic(), &[call]);
    assert_eq!((answers[0].status, answers[0].text().as_str()), (200, "from the application"));
    let seen = sidecar.upstream.only();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/orders?x=1"));
    assert_eq!(seen.body, b"a body");
    assert_eq!(seen.all("host"), ["app.example"]);
    assert_eq!(seen.all("x-forwarded-host"), ["app.example"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert!(matches!(seen.all("via")[..], [ours] if is_via(ours, "2")), "{:?}", seen.all("via"));
    assert_eq!(seen.all("countersign-verified"), ["api-key"]);
    assert_eq!(seen.header("x-api-key"), None);
    assert!(!sidecar.upstream.raw().contains("canary"));
}

#[test]
fn each_request_of_a_connection_is_judged_alone() {
    let (sidecar, key) = open();
    let hook = sidecar.integration(json!({ "name": "hook" }));
    let signature = hmac_hex(&hook, &[b"body"]);
    let calls = [
        Call::get("/a").header("x-api-key", &key.api_key),
        Call::get("/b"),
        Call::post("/webhooks/hook", "body").header("x-webhook-signature", &signature),
        Call::post("/webhooks/hook", "bodY").header("x-webhook-signature", &signature),
        Call::get("/c").header("x-api-key", &key.api_key).header("x-api-key", &key.api_key),
        Call::get("/public/d"),
        Call::get("/e").header("x-api-key", "wk_"),
    ];
    let answers = send(sidecar.traffic(), &calls);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 401, 200, 401, 401, 200, 401]);
    assert_problem(&answers[1], 401, "over HTTP/2");
    let targets: Vec<String> = sidecar.upstream.take().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/a", "/webhooks/hook", "/public/d"]);
}

#[test]
fn refusals_by_limit_path_and_host_are_the_same() {
    let (sidecar, key) = open();
    let calls = [
        Call::post("/in", vec![b'a'; 1024 * 1024 + 1]).header("x-api-key", &key.api_key),
        Call::get("/public/%2e%2e/secret"),
        Call::get("/public/a//b"),
        Call::get("/public/a").header("host", "other.example"),
        Call::get("/public/a").header("expect", "tea"),
        Call::new("TRACE", "/public/a"),
    ];
    let answers = send(sidecar.traffic(), &calls);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [413, 400, 400, 400, 417, 405]);
    sidecar.upstream.saw_nothing();
}

#[test]
fn h20_crumbs_of_a_cookie_become_one_line() {
    let (sidecar, key) = open();
    let call = Call::get("/in")
        .header("x-api-key", &key.api_key)
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("cookie", "c=3");
    assert_eq!(send(sidecar.traffic(), &[call])[0].status, 200);
    // RFC 9113 §8.2.3.
    assert_eq!(sidecar.upstream.only().all("cookie"), ["a=1; b=2; c=3"]);
}
