//! A secret that a sender hands over, where several sidecars wait for it.

use serde_json::json;

use super::sidecar::{PROPAGATION, Sidecar};
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::redis::{namespace, shared, soon};

fn offer(secret: &str) -> Call {
    Call::post("/webhooks/hook", "{}").header("X-Hook-Secret", secret)
}

fn event(secret: &str) -> Call {
    Call::post("/webhooks/hook", "{}").header("X-Hook-Signature", hmac_hex(secret, &[b"{}"]))
}

#[tokio::test]
async fn one_secret_is_taken_whichever_sidecar_it_is_handed_to_and_all_know_it() {
    let namespace = namespace();
    let a = Sidecar::start(shared().port, &namespace).ready().await;
    let b = Sidecar::start(shared().port, &namespace).ready().await;
    let mut create = Call::post(
        "/api/integrations",
        json!({ "name": "hook", "type": "asana", "handshake": true }).to_string(),
    );
    create = create.header("Authorization", "Bearer a token of a test, long enough");
    let made = create.header("Content-Type", "application/json").send(a.running.admin);
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let key = countersign::keys::record::RecordKey {
        kind: countersign::keys::record::Kind::Integration,
        id: id.parse().unwrap(),
    };
    soon("b knows the integration", PROPAGATION, || b.running.keys.mirror().get(key).is_some()).await;

    let secrets = ["a".repeat(64), "b".repeat(64)];
    let ports = [a.running.traffic, b.running.traffic];
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let offers = secrets
            .iter()
            .zip(ports)
            .map(|(secret, port)| scope.spawn(move || offer(secret).send(port).status));
        let offers: Vec<_> = offers.collect();
        offers.into_iter().map(|offer| offer.join().unwrap()).collect()
    });
    let (taken, other) = match statuses.as_slice() {
        [200, 401] => (&secrets[0], &secrets[1]),
        [401, 200] => (&secrets[1], &secrets[0]),
        _ => panic!("{statuses:?}"),
    };
    for port in ports {
        soon("the secret is known", PROPAGATION, || event(taken).send(port).status == 200).await;
        assert_eq!(event(other).send(port).status, 401);
        assert_eq!(offer(other).send(port).status, 401);
    }
}
