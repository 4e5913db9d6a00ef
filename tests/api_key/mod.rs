//! API keys: what passes, and every form in which one is refused.

mod bodies;
mod life;

use serde_json::json;

use crate::support::http::{Answer, Call};
use crate::support::refusal::without_id;
use crate::support::sidecar::{Key, Sidecar};

/// Open to API keys by both headers at `/bearer`, by `X-API-Key` elsewhere.
const BEARER: &str = "
[[routes]]
name = 'bearer'
path = '/bearer/{*rest}'
verify = ['api-key']
bearer = true
[[routes]]
name = 'default'
path = '/{*rest}'
verify = ['api-key']
";

fn with_key() -> (Sidecar, Key) {
    let sidecar = Sidecar::start();
    let key = a_key(&sidecar);
    (sidecar, key)
}

fn a_key(sidecar: &Sidecar) -> Key {
    let workspace = sidecar.workspace("tenant");
    sidecar.key(&workspace, json!({}))
}

fn call(key: &str) -> Call {
    Call::get("/orders").header("X-API-Key", key)
}

/// An answer without what may differ between two refusals.
fn plain(answer: &Answer) -> (Vec<(String, String)>, String) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| name != "countersign-request-id" && name != "date");
    headers.sort();
    (headers, without_id(answer))
}

#[test]
fn a11_a_valid_key_passes_and_goes_no_further() {
    let (sidecar, key) = with_key();
    let call = Call::post("/orders?page=2&page=3", "{}")
        .header("X-API-Key", &key.api_key)
        .header("Accept", "a/b")
        .header("X-Request-Id", "the-client's-own");
    let seen = sidecar.passes(&call);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/orders?page=2&page=3"));
    assert_eq!(seen.body, b"{}");
    assert_eq!(seen.header("accept"), Some("a/b"));
    assert_eq!(seen.header("x-request-id"), Some("the-client's-own"));
    assert_eq!(seen.header("x-api-key"), None);
    assert_eq!(seen.header("countersign-verified"), Some("api-key"));
    assert_eq!(seen.header("countersign-scheme"), Some("api-key"));
    assert_eq!(seen.header("countersign-workspace-id"), Some(key.workspace.as_str()));
    assert_eq!(seen.header("countersign-key-id"), Some(key.id.as_str()));
    assert_eq!(seen.header("countersign-body-bound"), Some("false"));
    assert_eq!(seen.header("countersign-integration"), None);
    assert_eq!(seen.header("countersign-delivery-id"), None);
    assert!(!sidecar.upstream.raw().contains(&key.api_key.to_lowercase()), "the key went upstream");
    let ok = "countersign_verifications_total{kind=\"api-key\",scheme=\"api-key\",reason=\"ok\"} 1";
    assert_eq!(sidecar.metrics("countersign_verifications_total"), [ok]);
}

#[test]
fn the_request_id_is_the_same_for_the_client_and_the_application() {
    let (sidecar, key) = with_key();
    let forged = call(&key.api_key).header("Countersign-Request-Id", "forged");
    let answer = sidecar.send(&forged);
    let id = answer.header("countersign-request-id").unwrap().to_owned();
    assert_eq!(sidecar.upstream.only().all("countersign-request-id"), [id.as_str()]);
    let next = sidecar.send(&call(&key.api_key));
    assert_ne!(next.header("countersign-request-id"), Some(id.as_str()));
}

#[test]
fn a01_a19_every_refusal_is_the_same_but_for_its_id() {
    let (sidecar, key) = with_key();
    let own = key.api_key.as_str();
    let other = sidecar.key(&key.workspace, json!({ "name": "other" })).api_key;
    let another = Sidecar::start();
    let stranger = a_key(&another).api_key;
    let (start, end) = own.split_at(own.len() - 1);
    let bad_sum = format!("{start}{}", if end == "A" { "B" } else { "A" });
    let two = |first: &str, second: &str| call(first).header("x-api-KEY", second);
    let bare = || Call::get("/orders");
    for (what, call, reason) in [
        ("none", bare(), "absent"),
        ("empty", call(""), "malformed"),
        ("blanks", call(" \t "), "malformed"),
        ("short", call("wk_"), "malformed"),
        ("lower case", call(&own.to_lowercase()), "malformed"),
        ("cut", call(start), "malformed"),
        ("longer", call(&format!("{own}A")), "malformed"),
        ("bad checksum", call(&bad_sum), "malformed"),
        ("a list", call(&format!("{own},{own}")), "malformed"),
        ("quoted", call(&format!("\"{own}\"")), "malformed"),
        ("bearer in the wrong header", call(&format!("Bearer {own}")), "malformed"),
        ("valid and bad", two(own, "bad"), "duplicate"),
        ("bad and valid", two("bad", own), "duplicate"),
        ("valid twice", two(own, own), "duplicate"),
        ("valid and another valid", two(own, &other), "duplicate"),
        ("empty and valid", two("", own), "duplicate"),
        ("unknown", call(&stranger), "unknown_key"),
        ("underscores", bare().header("X_API_Key", own), "absent"),
        ("mixed", bare().header("X-Api_Key", own), "absent"),
        ("dots", bare().header("X.API.Key", own), "absent"),
        ("cookie", bare().header("Cookie", format!("X-API-Key={own}; api_key={own}")), "absent"),
        ("query", Call::get(&format!("/orders?x-api-key={own}&api_key={own}")), "absent"),
        ("body", Call::post("/orders", own), "absent"),
        ("bearer where it is not read", bare().header("Authorization", format!("Bearer {own}")), "absent"),
        ("proxy", bare().header("Proxy-Authorization", format!("Bearer {own}")), "absent"),
    ] {
        let answer = sidecar.refuses_as(&call, "api-key", "unknown", reason);
        let mut expected = plain(&sidecar.send(&bare()));
        if !call.body.is_empty() {
            // The one difference: the rest of a body is not waited for.
            expected.0.push(("connection".into(), "close".into()));
            expected.0.sort();
        }
        assert_eq!(plain(&answer), expected, "{what}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a09_a_key_that_is_no_text_is_refused() {
    let (sidecar, _) = with_key();
    for value in [b"\xff\xfe".as_slice(), b"wk_\x80", "wk_é".as_bytes()] {
        let mut connection = crate::support::http::Connection::open(sidecar.traffic());
        let head = [b"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: ", value, b"\r\n\r\n"].concat();
        connection.write(&head);
        assert_eq!(connection.answer().status, 401, "{value:?}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_bearer_token_counts_only_where_the_route_says_so() {
    let sidecar = Sidecar::builder().config(BEARER).start();
    let key = a_key(&sidecar);
    let bearer = |target: &str, value: String| Call::get(target).header("Authorization", value);
    let own = format!("bEaReR {}", key.api_key);

    let seen = sidecar.passes(&bearer("/bearer", own.clone()));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("countersign-verified"), Some("api-key"));
    sidecar.refuses_as(&bearer("/", own.clone()), "api-key", "unknown", "absent");

    let both = bearer("/bearer", own.clone()).header("X-API-Key", &key.api_key);
    sidecar.refuses_as(&both, "api-key", "unknown", "duplicate");
    let twice = bearer("/bearer", own.clone()).header("Authorization", &own);
    sidecar.refuses_as(&twice, "api-key", "unknown", "duplicate");
    let with_basic = bearer("/bearer", own.clone()).header("Authorization", "Basic dTpw");
    sidecar.refuses_as(&with_basic, "api-key", "unknown", "duplicate");
    for malformed in ["Bearer", "Bearer x", "Bearer wk_", &format!("{own} {}", key.api_key)] {
        let call = bearer("/bearer", malformed.to_owned());
        sidecar.refuses_as(&call, "api-key", "unknown", "malformed");
    }
    sidecar.refuses_as(&bearer("/bearer", "Basic dTpw".into()), "api-key", "unknown", "absent");
}

#[test]
fn the_applications_own_authorization_passes_beside_a_key() {
    let sidecar = Sidecar::builder().config(BEARER).start();
    let key = a_key(&sidecar);
    for target in ["/", "/bearer"] {
        let call = Call::get(target).header("X-API-Key", &key.api_key).header("Authorization", "Basic dTpw");
        let seen = sidecar.passes(&call);
        assert_eq!(seen.all("authorization"), ["Basic dTpw"], "{target}");
        assert_eq!(seen.header("x-api-key"), None, "{target}");
    }
    let call = call(&key.api_key).header("Authorization", "Bearer the-application's");
    assert_eq!(sidecar.passes(&call).all("authorization"), ["Bearer the-application's"]);
}

#[test]
fn a10_a_key_opens_only_the_routes_that_it_is_for() {
    let sidecar = Sidecar::builder().config(BEARER).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({ "routes": ["bearer"] }));
    let call = |target: &str| Call::get(target).header("X-API-Key", &key.api_key);
    sidecar.passes(&call("/bearer/a"));
    let answer = sidecar.refuses_with(&call("/other"), 403, "api-key", "api-key", "require_failed");
    assert!(!answer.text().contains("route"), "{}", answer.text());
    sidecar.patch_key(&key, json!({ "routes": ["bearer", "default"] }));
    sidecar.passes(&call("/other"));
}

#[test]
fn a10_a_key_never_opens_an_integrations_route() {
    let (sidecar, key) = with_key();
    sidecar.integration(json!({ "name": "hook" }));
    let call = Call::post("/webhooks/hook", "{}").header("X-API-Key", &key.api_key);
    sidecar.refuses_as(&call, "integration", "generic", "absent");
}
