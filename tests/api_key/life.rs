//! The life of a key, from creation to removal, as requests feel it.

use serde_json::json;

use super::{a_key, call, with_key};
use crate::support::http::Connection;
use crate::support::sidecar::Sidecar;

#[test]
fn a_disabled_key_is_refused_until_it_is_enabled() {
    let (sidecar, key) = with_key();
    sidecar.patch_key(&key, json!({ "isActive": false }));
    sidecar.refuses_as(&call(&key.api_key), "api-key", "api-key", "inactive");
    sidecar.patch_key(&key, json!({ "isActive": true }));
    sidecar.passes(&call(&key.api_key));
    for _ in 0..10 {
        for active in [false, true] {
            sidecar.patch_key(&key, json!({ "isActive": active }));
            let status = sidecar.send(&call(&key.api_key)).status;
            assert_eq!(status, if active { 200 } else { 401 });
        }
    }
}

#[test]
fn a_key_expires_to_the_second() {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({ "expiresAt": "2026-01-01T01:00:00Z" }));
    sidecar.advance(3599);
    sidecar.passes(&call(&key.api_key));
    sidecar.advance(1);
    sidecar.refuses_as(&call(&key.api_key), "api-key", "api-key", "expired");
    sidecar.patch_key(&key, json!({ "expiresAt": null }));
    sidecar.passes(&call(&key.api_key));
}

#[test]
fn a_key_is_good_from_the_addresses_that_it_allows() {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let near = sidecar.key(&workspace, json!({ "allowedCidrs": ["127.0.0.0/8"] }));
    let far = sidecar.key(&workspace, json!({ "allowedCidrs": ["192.0.2.0/24", "2001:db8::/32"] }));
    sidecar.passes(&call(&near.api_key));
    sidecar.refuses_as(&call(&far.api_key), "api-key", "api-key", "address");
    // An address that the client claims is nobody's.
    let claimed = call(&far.api_key)
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Real-IP", "192.0.2.1")
        .header("Forwarded", "for=192.0.2.1");
    sidecar.refuses_as(&claimed, "api-key", "api-key", "address");
}

#[test]
fn a_deleted_key_is_refused_on_the_next_request_of_an_open_connection() {
    let (sidecar, key) = with_key();
    let request = call(&key.api_key).bytes();
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&request);
    assert_eq!(connection.answer().status, 200);
    let target = format!("/api/workspaces/{}/webhook-keys/{}", key.workspace, key.id);
    assert_eq!(sidecar.admin("DELETE", &target, None).status, 204);
    let before = sidecar.upstream.bytes();
    connection.write(&request);
    assert_eq!(connection.answer().status, 401);
    assert_eq!(sidecar.upstream.bytes(), before, "the upstream saw a request of a deleted key");
    sidecar.refuses_as(&call(&key.api_key), "api-key", "unknown", "unknown_key");
}

#[test]
fn a_key_goes_with_its_workspace_and_no_other() {
    let sidecar = Sidecar::start();
    let doomed = a_key(&sidecar);
    let other = sidecar.workspace("other");
    let kept = sidecar.key(&other, json!({}));
    let target = format!("/api/workspaces/{}", doomed.workspace);
    assert_eq!(sidecar.admin("DELETE", &target, None).status, 204);
    sidecar.refuses_as(&call(&doomed.api_key), "api-key", "unknown", "unknown_key");
    sidecar.passes(&call(&kept.api_key));
}

#[test]
fn in_the_overlap_of_a_rotation_both_keys_pass_and_then_only_the_new_one() {
    let (sidecar, key) = with_key();
    let bystander = sidecar.key(&key.workspace, json!({ "name": "bystander" }));
    let rotated = sidecar.rotate_key(&key, json!({ "what": "apiKey", "overlapSeconds": 60 }));
    let fresh = rotated["apiKey"].as_str().unwrap();
    assert_ne!(fresh, key.api_key);
    for api_key in [fresh, &key.api_key] {
        let seen = sidecar.passes(&call(api_key));
        assert_eq!(seen.header("countersign-key-id"), Some(key.id.as_str()));
    }
    sidecar.advance(59);
    sidecar.passes(&call(&key.api_key));
    sidecar.advance(1);
    sidecar.refuses_as(&call(&key.api_key), "api-key", "unknown", "unknown_key");
    sidecar.passes(&call(fresh));
    sidecar.passes(&call(&bystander.api_key));
}

#[test]
fn a_rotation_without_overlap_ends_the_old_key_at_once() {
    let (sidecar, key) = with_key();
    let rotated = sidecar.rotate_key(&key, json!({ "overlapSeconds": 0 }));
    sidecar.refuses_as(&call(&key.api_key), "api-key", "unknown", "unknown_key");
    sidecar.passes(&call(rotated["apiKey"].as_str().unwrap()));
}

#[test]
fn a_step_of_the_wall_clock_revives_no_key() {
    let (sidecar, key) = with_key();
    sidecar.patch_key(&key, json!({ "isActive": false }));
    sidecar.clock.set_wall(countersign::clock::UnixMillis(0));
    sidecar.refuses_as(&call(&key.api_key), "api-key", "api-key", "inactive");
}
