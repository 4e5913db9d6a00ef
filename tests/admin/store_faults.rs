//! What an admin is told when the store fails.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use crate::support::admin_port::Port;
use crate::support::fickle::Fickle;

#[tokio::test]
async fn a_store_fault_is_503_without_the_stores_words() {
    let port = Port::over(|store| Arc::new(Fickle::of(store, Arc::new(AtomicBool::new(true))))).await;
    for path in ["/api/workspaces", "/api/integrations"] {
        let answer = port.post(path, json!({ "name": "one" })).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), "1");
        assert!(!answer.text.contains("redb") && !answer.text.contains("10.0.0.7"), "{}", answer.text);
        assert!(!answer.text.contains("webhookSecret"), "{}", answer.text);
        assert_eq!(port.get(path).await.json["items"], json!([]));
    }
}
