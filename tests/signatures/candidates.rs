//! Which keys of a workspace are tried, and that a stranger cannot make it more.

use serde_json::json;

use super::{NOW, over_body, over_request, with};
use crate::support::http::Call;
use crate::support::sidecar::{Key, Sidecar};

fn with_keys(count: usize) -> (Sidecar, Vec<Key>) {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let keys = (0..count).map(|n| sidecar.key(&workspace, json!({ "name": format!("key {n}") }))).collect();
    (sidecar, keys)
}

#[test]
fn four_keys_are_tried_and_a_fifth_must_be_named() {
    let (sidecar, keys) = with_keys(5);
    for key in &keys[..4] {
        let seen = sidecar.passes(&over_body(key, Call::post("/in", "body")));
        assert_eq!(seen.header("countersign-key-id"), Some(key.id.as_str()));
    }
    let fifth = over_body(&keys[4], Call::post("/in", "body"));
    sidecar.refuses_as(&fifth, "signature", "workspace", "mismatch");
    let named = fifth.header("X-Webhook-Key-Id", &keys[4].id);
    let seen = sidecar.passes(&named);
    assert_eq!(seen.header("countersign-key-id"), Some(keys[4].id.as_str()));
    assert_eq!(seen.header("x-webhook-key-id"), None);
}

#[test]
fn a_named_key_is_the_only_one_that_is_tried() {
    let (sidecar, keys) = with_keys(2);
    let call = over_body(&keys[0], Call::post("/in", "body")).header("X-Webhook-Key-Id", &keys[1].id);
    sidecar.refuses_as(&call, "signature", "workspace", "mismatch");
    sidecar.passes(&with(&call, "X-Webhook-Key-Id", &keys[0].id));
}

#[test]
fn previous_secrets_of_all_four_are_tried_too() {
    let (sidecar, keys) = with_keys(4);
    for key in &keys {
        sidecar.rotate_key(key, json!({ "what": "secret" }));
    }
    for key in &keys {
        sidecar.passes(&over_body(key, Call::post("/in", "body")));
    }
}

#[test]
fn keys_of_both_schemes_stand_side_by_side() {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let plain = sidecar.key(&workspace, json!({ "name": "plain" }));
    let bound = sidecar.key(&workspace, json!({ "name": "bound", "scheme": "signed-request" }));
    sidecar.passes(&over_body(&plain, Call::post("/in", "body")));
    sidecar.passes(&over_request(&bound, Call::get("/in"), NOW));
    // The plain key still opens no GET because another one may.
    let call = over_body(&plain, Call::get("/in"));
    assert_eq!(sidecar.refuses(&call, 401).status, 401);
}

#[test]
fn a_disabled_or_expired_key_takes_nobodys_place() {
    let (sidecar, keys) = with_keys(4);
    sidecar.patch_key(&keys[0], json!({ "isActive": false }));
    sidecar.patch_key(&keys[1], json!({ "expiresAt": "2026-01-01T00:00:10Z" }));
    let late = sidecar.key(&keys[0].workspace, json!({ "name": "late" }));
    sidecar.advance(10);
    for key in [&keys[2], &keys[3], &late] {
        sidecar.passes(&over_body(key, Call::post("/in", "body")));
    }
    for key in &keys[..2] {
        sidecar.refuses_as(&over_body(key, Call::post("/in", "x")), "signature", "workspace", "mismatch");
    }
    let named = over_body(&keys[0], Call::post("/in", "x")).header("X-Webhook-Key-Id", &keys[0].id);
    sidecar.refuses_as(&named, "signature", "workspace", "inactive");
}

#[test]
fn a_key_that_must_be_named_is_never_guessed() {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({ "requireKeyId": true }));
    let call = over_body(&key, Call::post("/in", "body"));
    sidecar.refuses_as(&call, "signature", "unknown", "unknown_key");
    sidecar.passes(&call.header("X-Webhook-Key-Id", &key.id));
}

#[test]
fn what_happens_to_one_key_changes_nothing_for_another() {
    let (sidecar, keys) = with_keys(3);
    let call = over_body(&keys[2], Call::post("/in", "body"));
    sidecar.patch_key(&keys[0], json!({ "isActive": false }));
    sidecar.passes(&call);
    sidecar.rotate_key(&keys[1], json!({ "overlapSeconds": 0 }));
    sidecar.passes(&call);
    let target = format!("/api/workspaces/{}/webhook-keys/{}", keys[0].workspace, keys[0].id);
    assert_eq!(sidecar.admin("DELETE", &target, None).status, 204);
    sidecar.passes(&call);
}
