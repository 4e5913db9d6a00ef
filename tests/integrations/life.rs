//! The life of an integration, as deliveries feel it.

use serde_json::json;

use super::{generic, identity, signed, with};
use crate::support::http::{Call, Connection};
use crate::support::mac::hmac_hex;
use crate::support::sidecar::Sidecar;

#[test]
fn a_disabled_integration_is_refused_until_it_is_enabled() {
    let (sidecar, secret) = generic();
    sidecar.patch_integration("hook", json!({ "isActive": false }));
    sidecar.refuses_as(&signed(&secret, "body"), "integration", "generic", "inactive");
    sidecar.patch_integration("hook", json!({ "isActive": true }));
    sidecar.passes(&signed(&secret, "body"));
}

#[test]
fn a_deleted_integration_is_unknown_and_its_secret_stays_dead() {
    let (sidecar, secret) = generic();
    assert_eq!(sidecar.admin("DELETE", "/api/integrations/hook", None).status, 204);
    sidecar.refuses_as(&signed(&secret, "body"), "integration", "unknown", "unknown_key");
    let fresh = sidecar.integration(json!({ "name": "hook" }));
    sidecar.refuses_as(&signed(&secret, "body"), "integration", "generic", "mismatch");
    sidecar.passes(&signed(&fresh, "body"));
}

#[test]
fn an_integration_goes_with_its_workspace() {
    let sidecar = Sidecar::start();
    let workspace = sidecar.workspace("tenant");
    let secret = sidecar.integration(json!({ "name": "hook", "workspaceId": workspace }));
    sidecar.passes(&signed(&secret, "body"));
    assert_eq!(sidecar.admin("DELETE", &format!("/api/workspaces/{workspace}"), None).status, 204);
    sidecar.refuses_as(&signed(&secret, "body"), "integration", "unknown", "unknown_key");
}

#[test]
fn in_the_overlap_both_secrets_sign_and_then_only_the_new_one() {
    let (sidecar, old) = generic();
    let new = sidecar.rotate_integration("hook", json!({ "overlapSeconds": 3600 }));
    sidecar.passes(&signed(&old, "body"));
    sidecar.passes(&signed(&new, "body"));
    sidecar.advance(3599);
    sidecar.passes(&signed(&old, "body"));
    sidecar.advance(1);
    sidecar.refuses_as(&signed(&old, "body"), "integration", "generic", "mismatch");
    sidecar.passes(&signed(&new, "body"));
    let at_once = sidecar.rotate_integration("hook", json!({ "overlapSeconds": 0 }));
    sidecar.refuses_as(&signed(&new, "body"), "integration", "generic", "mismatch");
    sidecar.passes(&signed(&at_once, "body"));
}

#[test]
fn a_refusal_has_the_status_that_the_integration_asks_for() {
    for status in [400, 401, 403, 404] {
        let (sidecar, secret) = with(json!({ "name": "hook", "rejectStatus": status }));
        let wrong = signed("another", "body");
        sidecar.refuses_with(&wrong, status, "integration", "generic", "mismatch");
        let bare = Call::post("/webhooks/hook", "body");
        sidecar.refuses_with(&bare, status, "integration", "generic", "absent");
        sidecar.upstream.saw_nothing();
        sidecar.passes(&signed(&secret, "body"));
        // A fault that is not the credential's keeps its own status.
        sidecar.refuses(&signed(&secret, vec![b'a'; 1024 * 1024 + 1]), 413);
    }
    let (sidecar, _) = generic();
    for status in [200, 410, 500, 503] {
        let change = json!({ "rejectStatus": status });
        assert_eq!(sidecar.admin("PATCH", "/api/integrations/hook", Some(change)).status, 422);
    }
}

#[test]
fn addresses_that_are_not_allowed_are_refused() {
    let (sidecar, secret) = with(json!({ "name": "hook", "allowedCidrs": ["192.0.2.0/24"] }));
    sidecar.refuses_as(&signed(&secret, "body"), "integration", "generic", "address");
    sidecar.patch_integration("hook", json!({ "allowedCidrs": ["127.0.0.1/32"] }));
    sidecar.passes(&signed(&secret, "body"));
}

#[test]
fn a_tolerance_of_the_integration_beats_that_of_the_scheme() {
    let (sidecar, secret) =
        with(json!({ "name": "hook", "type": "standard-webhooks", "toleranceSeconds": 10 }));
    let call = sidecar.signed("standard-webhooks", &secret, Call::post("/webhooks/hook", "body"));
    sidecar.advance(10);
    sidecar.passes(&call);
    sidecar.advance(1);
    sidecar.refuses_as(&call, "integration", "standard-webhooks", "timestamp_old");
}

#[test]
fn a_secret_that_is_replaced_while_the_body_arrives_refuses_it() {
    let (sidecar, secret) = generic();
    let call = signed(&secret, "body");
    let head =
        Call { body: Vec::new(), ..call }.header("Content-Length", "4").header("Expect", "100-continue");
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&head.bytes());
    // The interim answer says that the head has been judged and the body is awaited.
    assert_eq!(connection.interim(), 100);
    sidecar.rotate_integration("hook", json!({ "overlapSeconds": 0 }));
    connection.write(b"body");
    assert_eq!(connection.answer().status, 401);
    sidecar.upstream.saw_nothing();
    let counted = sidecar.metrics("countersign_verifications_total");
    assert!(counted[0].contains("reason=\"inactive\""), "{counted:?}");
}

#[test]
fn an_integration_that_is_disabled_or_deleted_while_the_body_arrives_refuses_it() {
    for delete in [false, true] {
        let (sidecar, secret) = generic();
        let signature = hmac_hex(&secret, &[b"body"]);
        let head = Call::new("POST", "/webhooks/hook")
            .header("X-Webhook-Signature", signature)
            .header("Content-Length", "4")
            .header("Expect", "100-continue");
        let mut connection = Connection::open(sidecar.traffic());
        connection.write(&head.bytes());
        assert_eq!(connection.interim(), 100);
        if delete {
            assert_eq!(sidecar.admin("DELETE", "/api/integrations/hook", None).status, 204);
            sidecar.integration(json!({ "name": "hook", "webhookSecret": secret }));
        } else {
            sidecar.patch_integration("hook", json!({ "isActive": false }));
        }
        connection.write(b"body");
        assert_eq!(connection.answer().status, 401, "deleted: {delete}");
        sidecar.upstream.saw_nothing();
    }
}

#[test]
fn a_change_that_touches_no_secret_disturbs_no_delivery_in_flight() {
    let (sidecar, secret) = generic();
    let head = Call { body: Vec::new(), ..signed(&secret, "body") }
        .header("Content-Length", "4")
        .header("Expect", "100-continue");
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&head.bytes());
    assert_eq!(connection.interim(), 100);
    sidecar.rotate_integration("hook", json!({ "overlapSeconds": 60 }));
    sidecar.patch_integration("hook", json!({ "rejectStatus": 404 }));
    connection.write(b"body");
    assert_eq!(connection.answer().status, 200);
    assert_eq!(identity(&sidecar.upstream.only(), "integration"), Some("hook"));
}
