//! A secret that a sender hands over, where several sidecars wait for it.

use countersign::keys::record::{Kind, RecordKey};
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

/// Makes an integration that waits for its secret.
fn awaiting(sidecar: &Sidecar) -> RecordKey {
    let mut create = Call::post(
        "/api/integrations",
        json!({ "name": "hook", "type": "asana", "handshake": true }).to_string(),
    );
    create = create.header("Authorization", "Bearer a token of a test, long enough");
    let made = create.header("Content-Type", "application/json").ask(sidecar.running.admin.unwrap());
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().parse().unwrap();
    RecordKey { kind: Kind::Integration, id }
}

#[tokio::test]
async fn one_secret_is_taken_whichever_sidecar_it_is_handed_to_and_all_know_it() {
    let namespace = namespace();
    let a = Sidecar::start(shared().port, &namespace).ready().await;
    let b = Sidecar::start(shared().port, &namespace).ready().await;
    let key = awaiting(&a);
    soon("b knows the integration", PROPAGATION, || b.running.keys.mirror().get(key).is_some()).await;

    let secrets = ["a".repeat(64), "b".repeat(64)];
    let ports = [
        a.running.traffic.clone().unwrap().tcp().unwrap(),
        b.running.traffic.clone().unwrap().tcp().unwrap(),
    ];
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

#[tokio::test]
async fn a_data_sidecar_keeps_no_secret_and_blames_nobody_for_it() {
    let namespace = namespace();
    let all = Sidecar::start(shared().port, &namespace).ready().await;
    let data = Sidecar::start_data(shared().port, &namespace).ready().await;
    let key = awaiting(&all);
    soon("data knows the integration", PROPAGATION, || data.running.keys.mirror().is_held(key)).await;
    let port = data.running.traffic.clone().unwrap().tcp().unwrap();
    let secret = "a".repeat(64);
    let answer = offer(&secret).send(port);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    // The integration still waits: a sidecar that may write takes the same secret, and both know it then.
    assert_eq!(offer(&secret).send(all.running.traffic.clone().unwrap().tcp().unwrap()).status, 200);
    soon("the secret is known", PROPAGATION, || event(&secret).send(port).status == 200).await;
}
