//! Routes that take several kinds of credential: nothing can be downgraded.

use serde_json::json;

use super::{NOW, over_body, over_request, with};
use crate::support::http::Call;
use crate::support::sidecar::{Key, Sidecar};

const ALL: &str = "
[[routes]]
name = 'both'
path = '/{*rest}'
verify = ['signature', 'api-key']
require = 'all'
";

/// A hook's own signature and an API key.
const HOOK_AND_KEY: &str = "
[[routes]]
name = 'hooks'
path = '/hooks/{integration}'
verify = ['integration', 'api-key']
require = 'all'
";

#[test]
fn an_absent_signature_lets_the_api_key_speak() {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let call = Call::post("/in", "body").header("X-API-Key", &key.api_key);
    assert_eq!(sidecar.passes(&call).header("countersign-verified"), Some("api-key"));
    // Naming a workspace is no signature.
    let named = call.header("X-Workspace-ID", &key.workspace).header("X-Webhook-Timestamp", "1");
    assert_eq!(sidecar.passes(&named).header("countersign-verified"), Some("api-key"));
}

#[test]
fn a_signature_that_is_wrong_is_not_rescued_by_a_valid_api_key() {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let good = over_body(&key, Call::post("/in", "body")).header("X-API-Key", &key.api_key);
    let nobody = "01234567-89ab-7cde-8f01-23456789abcd";
    for call in [
        with(&good, "X-Webhook-Signature", &format!("sha256={}", "0".repeat(64))),
        with(&good, "X-Webhook-Signature", ""),
        with(&good, "X-Webhook-Signature", "x"),
        with(&good, "X-Workspace-ID", nobody),
        with(&good, "X-Webhook-Key-Id", nobody),
        good.clone().without("X-Workspace-ID"),
        good.clone().header("X-Webhook-Signature", "x"),
        Call { body: b"changed".to_vec(), ..good.clone() },
        Call { body: Vec::new(), ..good.clone() },
        Call { method: "DELETE".into(), ..good.clone() },
    ] {
        assert_eq!(sidecar.refuses(&call, 401).status, 401);
    }
    sidecar.upstream.saw_nothing();
    // With both valid, the first kind of the route decides; the other is taken off all the same.
    let seen = sidecar.passes(&good);
    assert_eq!(seen.header("countersign-verified"), Some("signature"));
    assert_eq!(seen.header("x-api-key"), None);
    // The other way round, what the first kind has verified is not spoiled.
    let with_bad_key = with(&good, "X-API-Key", "wk_bad");
    assert_eq!(sidecar.passes(&with_bad_key).header("x-api-key"), None);
}

fn two_tenants(config: &str) -> (Sidecar, Key, Key) {
    let sidecar = Sidecar::builder().config(config).start();
    let (one, two) = (sidecar.workspace("one"), sidecar.workspace("two"));
    let first = sidecar.key(&one, json!({}));
    let other = sidecar.key(&two, json!({}));
    (sidecar, first, other)
}

#[test]
fn where_all_are_required_both_must_be_there_and_of_one_workspace() {
    let (sidecar, key, stranger) = two_tenants(ALL);
    let second = sidecar.key(&key.workspace, json!({ "name": "second", "scheme": "signed-request" }));
    let call = || Call::post("/in", "body");

    let both = over_body(&key, call()).header("X-API-Key", &second.api_key);
    let seen = sidecar.passes(&both);
    assert_eq!(seen.header("countersign-verified"), Some("signature, api-key"));
    assert_eq!(seen.header("countersign-scheme"), Some("workspace, api-key"));
    let ids = format!("{}, {}", key.id, second.id);
    assert_eq!(seen.header("countersign-key-id"), Some(ids.as_str()));
    assert_eq!(seen.header("countersign-workspace-id"), Some(key.workspace.as_str()));
    assert_eq!(seen.header("countersign-body-bound"), Some("true"));
    let same = over_request(&second, Call::get("/in"), NOW).header("X-API-Key", &second.api_key);
    assert_eq!(sidecar.passes(&same).header("countersign-key-id"), Some(second.id.as_str()));

    let only_signed = over_body(&key, call());
    sidecar.refuses_as(&only_signed, "api-key", "api-key", "absent");
    let only_key = call().header("X-API-Key", &key.api_key);
    sidecar.refuses_as(&only_key, "signature", "unknown", "absent");
    let foreign = over_body(&key, call()).header("X-API-Key", &stranger.api_key);
    sidecar.refuses_as(&foreign, "api-key", "api-key", "require_failed");
    let wrong_body = Call { body: b"x".to_vec(), ..both.clone() };
    sidecar.refuses(&wrong_body, 401);
    sidecar.refuses(&with(&both, "X-API-Key", "wk_bad"), 401);
    sidecar.patch_key(&second, json!({ "isActive": false }));
    sidecar.refuses(&both, 401);
}

#[test]
fn an_integration_and_a_key_are_required_together_only_of_one_workspace() {
    let (sidecar, key, stranger) = two_tenants(HOOK_AND_KEY);
    let own = sidecar.integration(json!({ "name": "own", "workspaceId": key.workspace }));
    let loose = sidecar.integration(json!({ "name": "loose" }));
    let hook = |name: &str, secret: &str, key: &Key| {
        Call::post(&format!("/hooks/{name}"), "body")
            .header("X-Webhook-Signature", crate::support::mac::hmac_hex(secret, &[b"body"]))
            .header("X-API-Key", &key.api_key)
    };
    let seen = sidecar.passes(&hook("own", &own, &key));
    assert_eq!(seen.header("countersign-verified"), Some("integration, api-key"));
    assert_eq!(seen.header("countersign-integration"), Some("own"));
    sidecar.refuses(&hook("own", &own, &stranger), 401);
    // An integration of no workspace shares none with anybody.
    sidecar.refuses(&hook("loose", &loose, &key), 401);
    sidecar.refuses(&hook("own", &own, &key).without("X-API-Key"), 401);
}

#[test]
fn an_api_key_beside_a_signature_goes_no_further_in_either_header() {
    let config = "
[[routes]]
name = 'either'
path = '/{*rest}'
verify = ['signature', 'api-key']
bearer = true
";
    let sidecar = Sidecar::builder().config(config).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    let signed = over_body(&key, Call::post("/in", "body"));
    let bearer = format!("Bearer {}", key.api_key);
    for call in [
        signed.clone().header("X-API-Key", &key.api_key),
        signed.clone().header("Authorization", &bearer),
        signed.clone().header("X-API-Key", &key.api_key).header("Authorization", &bearer),
    ] {
        assert_eq!(sidecar.passes(&call).header("countersign-verified"), Some("signature"));
    }
    let sent = sidecar.upstream.raw();
    assert!(!sent.contains(&key.api_key.to_lowercase()), "an API key went upstream");
    let own = signed.header("Authorization", "Bearer the-application's");
    assert_eq!(sidecar.passes(&own).all("authorization"), ["Bearer the-application's"]);
}
