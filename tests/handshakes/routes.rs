//! Where handshakes are answered: routes, addresses, disabled integrations, faults of the store.

use serde_json::json;

use super::{SECRET, add, get, is_text, with};
use crate::support::http::{Call, Connection};
use crate::support::sidecar::{Sidecar, until};

const POST_ONLY: &str = "[[routes]]\nname = 'hooks'\npath = '/webhooks/{integration}'\nverify = ['integration']\n\
                         methods = ['POST']\n";
const CATCH_ALL: &str = "[[routes]]\nname = 'rest'\npath = '/{*rest}'\nverify = ['api-key']\n";

#[test]
fn a_challenge_by_get_is_answered_where_the_route_takes_post_alone() {
    for routes in [POST_ONLY.to_owned(), format!("{POST_ONLY}{CATCH_ALL}")] {
        let sidecar = Sidecar::builder().config(&routes).start();
        add(&sidecar, "dropbox", json!(true));
        is_text(&sidecar.answers(&get("challenge=abc")), "abc");
        let counted = sidecar.metrics("countersign_requests_total{route=\"hooks\",outcome=\"answered\"}");
        assert!(counted[0].ends_with(" 1"), "{counted:?}");
        sidecar.refuses(&get("challenge=%3Cb%3E"), 401);
    }
}

#[test]
fn whatever_else_is_not_taken_by_the_route_is_405_as_before() {
    let sidecar = Sidecar::builder().config(POST_ONLY).start();
    add(&sidecar, "dropbox", json!(true));
    sidecar.integration(json!({ "name": "off", "type": "dropbox", "webhookSecret": SECRET }));
    for call in [
        get("x=1"),
        Call::get("/webhooks/off?challenge=abc"),
        Call::get("/webhooks/unknown?challenge=abc"),
        Call { method: "HEAD".into(), ..get("challenge=abc") },
        Call { method: "PUT".into(), ..get("challenge=abc") },
    ] {
        assert_eq!(sidecar.send(&call).status, 405, "{} {}", call.method, call.target);
    }
    sidecar.refuses(&Call::get("/other?challenge=abc"), 404);
    sidecar.upstream.saw_nothing();
}

#[test]
fn unknown_and_disabled_integrations_and_other_addresses_are_the_same_401() {
    let sidecar = with("dropbox", json!(true));
    let call = get("challenge=abc");
    let unknown = Call::get("/webhooks/unknown?challenge=abc");
    sidecar.refuses_as(&unknown, "integration", "unknown", "unknown_key");
    sidecar.patch_integration("hook", json!({ "isActive": false }));
    sidecar.refuses_as(&call, "integration", "dropbox", "inactive");
    sidecar.patch_integration("hook", json!({ "isActive": true, "allowedCidrs": ["192.0.2.0/24"] }));
    sidecar.refuses_as(&call, "integration", "dropbox", "address");
    sidecar.patch_integration("hook", json!({ "allowedCidrs": null, "rejectStatus": 404 }));
    sidecar.refuses(&get("challenge=%00"), 404);
    sidecar.answers(&call);
}

#[test]
fn a_route_that_asks_for_more_than_the_integration_answers_no_unsigned_handshake() {
    let both = "[[routes]]\nname = 'both'\npath = '/webhooks/{integration}'\n\
                verify = ['integration', 'api-key']\nrequire = 'all'\n";
    let sidecar = Sidecar::builder().config(both).start();
    add(&sidecar, "dropbox", json!(true));
    sidecar.refuses(&get("challenge=abc"), 401);
    let any = both.replace("require = 'all'\n", "");
    let sidecar = Sidecar::builder().config(&any).start();
    add(&sidecar, "dropbox", json!(true));
    sidecar.answers(&get("challenge=abc"));
}

#[test]
fn a_key_is_a_key_while_an_integration_on_its_route_waits_for_a_secret() {
    let mixed = "[[routes]]\nname = 'mixed'\npath = '/webhooks/{integration}'\n\
                 verify = ['integration', 'api-key']\n";
    let sidecar = Sidecar::builder().config(mixed).start();
    sidecar
        .integration(json!({ "name": "hook", "type": "notion", "webhookSecret": SECRET, "handshake": true }));
    let key = sidecar.key(&sidecar.workspace("tenant"), json!({}));
    let offer = Call::post("/webhooks/hook", json!({ "verification_token": SECRET }).to_string());
    sidecar.refuses(&offer, 401);
    sidecar.passes(&offer.header("X-API-Key", key.api_key));
}

#[test]
fn a_challenge_during_an_outage_is_a_fault_of_ours() {
    for routes in ["", POST_ONLY] {
        let sidecar = Sidecar::builder().config(routes).start();
        add(&sidecar, "dropbox", json!(true));
        sidecar.clock.hush_the_store();
        sidecar.clock.advance(std::time::Duration::from_secs(60));
        until("the keys are too old", || !sidecar.running().is_ready());
        sidecar.refuses(&get("challenge=abc"), 503);
        sidecar.clock.let_the_store_speak();
    }
}

#[test]
fn a_challenge_with_a_body_is_answered_and_the_connection_ends() {
    let sidecar = with("dropbox", json!(true));
    let call = Call { body: b"a body that nobody reads".to_vec(), ..get("challenge=abc") };
    let answer = sidecar.answers(&call);
    assert_eq!(answer.header("connection"), Some("close"));
    // Without one, the connection goes on.
    let mut connection = Connection::open(sidecar.traffic());
    for _ in 0..2 {
        connection.write(&get("challenge=abc").bytes());
        assert_eq!(connection.answer_to("GET").text(), "abc");
    }
}
