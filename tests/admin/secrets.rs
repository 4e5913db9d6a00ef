//! What is kept of a secret, and what no answer shows again.

use std::sync::Arc;

use countersign::admin::OPERATIONS;
use countersign::keys::record::RecordKey;
use countersign::store::seal::Keyring;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::admin_port::Port;

/// Everything that the store holds of a record, as it holds it.
async fn stored(port: &Port) -> Vec<Value> {
    let mut records = Vec::new();
    let mut sink = |_: RecordKey, envelope: Arc<[u8]>| {
        let payload = Keyring::payload_unverified(&envelope).unwrap();
        records.push(serde_json::from_slice(payload).unwrap());
    };
    port.store.snapshot(&mut sink).await.unwrap();
    records
}

/// Every text in it, at any depth.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

fn digest(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

#[tokio::test]
async fn s01_of_an_api_key_and_a_token_only_the_digest_is_kept_and_nobody_chooses_one() {
    for port in [Port::open().await, Port::over_redis().await] {
        let workspace = port.workspace("w").await;
        let key = port.key(&workspace, json!({ "name": "k" })).await.str("apiKey").to_owned();
        let (_, token) = port.admin(json!({ "name": "a", "role": "auditor" })).await;
        let mut kept = Vec::new();
        stored(&port).await.iter().for_each(|record| texts(record, &mut kept));
        for value in [&key, &token] {
            assert!(kept.contains(&digest(value)), "{kept:?}");
            assert!(!kept.iter().any(|text| text.contains(&value[9..])), "{kept:?}");
        }
        let all = format!("/api/workspaces/{workspace}/webhook-keys");
        let chosen = port.post(&all, json!({ "name": "k2", "apiKey": key })).await;
        assert_eq!((chosen.status.as_u16(), chosen.faults()), (422, vec!["/apiKey read_only".to_owned()]));
        let chosen =
            port.post("/api/admins", json!({ "name": "b", "role": "auditor", "token": token })).await;
        assert_eq!((chosen.status.as_u16(), chosen.faults()), (422, vec!["/token read_only".to_owned()]));
    }
}

/// N19: whatever can be read, list or record, shows no secret, nothing that one is compared by, and nothing sealed.
#[tokio::test]
async fn n19_no_list_and_no_record_shows_a_secret_a_digest_or_what_is_sealed() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let keys = format!("/api/workspaces/{workspace}/webhook-keys");
    let key = port.key(&workspace, json!({ "name": "k" })).await;
    let path = format!("/api/webhook-keys/{}", key.str("id"));
    let rotated = port.call("POST", &format!("{path}/rotate"), None).await;
    let verify_token = "a-verify-token-of-some-length";
    let hook = port
        .integration(json!({ "name": "meta", "type": "meta", "handshake": { "verifyToken": verify_token } }))
        .await;
    let rotated_hook = port.call("POST", "/api/integrations/meta/rotate-secret", None).await;
    let (admin, token) = port.admin(json!({ "name": "a", "role": "auditor" })).await;

    let shown_once = [(&key, "apiKey"), (&key, "secret"), (&rotated, "apiKey"), (&rotated, "secret")];
    let mut hidden: Vec<String> = shown_once.map(|(answer, name)| answer.str(name).to_owned()).into();
    hidden.extend([&hook, &rotated_hook].map(|answer| answer.str("webhookSecret").to_owned()));
    hidden.extend([verify_token.to_owned(), token]);
    hidden.extend(hidden.clone().iter().map(|secret| digest(secret)));
    let sealed_before = hidden.len();
    for record in stored(&port).await {
        let mut kept = Vec::new();
        texts(&record, &mut kept);
        // Beside digests, what is sealed: base64 of a nonce, a text and a tag.
        hidden.extend(kept.into_iter().filter(|text| text.len() >= 56 && text.is_ascii()));
    }
    assert!(hidden.len() >= sealed_before + 5, "{hidden:?}");

    let ids = [
        ("{workspace}", workspace.as_str()),
        ("{key}", key.str("id")),
        ("{integration}", "meta"),
        ("{admin}", &admin),
        ("{scheme}", "github"),
    ];
    let mut read = 0;
    for operation in OPERATIONS.iter().filter(|operation| operation.method == "GET") {
        let path = ids.iter().fold(operation.path.to_owned(), |path, (name, id)| path.replace(name, id));
        // There is none, and what one shows is tried beside deliveries.
        if path.contains("{delivery}") {
            continue;
        }
        let answer = port.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        for secret in &hidden {
            assert!(!answer.text.contains(secret.as_str()), "{path} shows {secret}: {}", answer.text);
        }
        read += 1;
    }
    assert!(read >= 18, "{read}");
    assert_eq!(port.get(&keys).await.json["items"].as_array().unwrap().len(), 1);
}
