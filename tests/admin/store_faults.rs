//! What an admin is told when the store fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign::admin::OPERATIONS;
use serde_json::json;

use crate::support::admin_port::Port;
use crate::support::fickle::Fickle;

#[tokio::test]
async fn n22_a_store_fault_is_503_without_the_stores_words() {
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

/// What a text about the inside of a program looks like.
const INSIDE: [&str; 12] = [
    "redis://",
    "127.0.0.1",
    "10.0.0.7",
    ".redb",
    ".rs:",
    "/src/",
    "/tmp",
    "/var",
    "panicked",
    "Error {",
    "serde",
    "os error",
];

/// N22: whatever is wrong with a request, its answer says what, and nothing of where and how this program runs.
#[tokio::test]
async fn n22_no_refusal_tells_of_the_inside() {
    let broken = Arc::new(AtomicBool::new(false));
    let port = Port::over(|store| Arc::new(Fickle::of(store, Arc::clone(&broken)))).await;
    let workspace = port.workspace("w").await;
    let key = port.key(&workspace, json!({ "name": "k" })).await.str("id").to_owned();
    port.integration(json!({ "name": "h" })).await;
    let (admin, _) = port.admin(json!({ "name": "a", "role": "auditor" })).await;
    let ids = [("{workspace}", &*workspace), ("{key}", &key), ("{integration}", "h"), ("{admin}", &admin)];
    let mut refusals = 0;
    for is_broken in [false, true] {
        broken.store(is_broken, Ordering::SeqCst);
        for operation in OPERATIONS {
            let path = ids.iter().fold(operation.path.to_owned(), |path, (name, id)| path.replace(name, id));
            let nonsense =
                json!({ "name": ["\u{0}", 1e300], "routes": {}, "to": "../k", "role": -1, "x": null });
            for body in [None, Some(json!([])), Some(json!({})), Some(nonsense), Some(json!({ "name": "n" }))]
            {
                for query in ["", "?limit=-1&cursor=%00&x=y"] {
                    let takes = operation.method != "DELETE" || is_broken;
                    if operation.method == "GET" && body.is_some() || !takes && query.is_empty() {
                        continue;
                    }
                    let path = format!("{path}{query}");
                    let answer = port.call(operation.method.as_str(), &path, body.clone()).await;
                    let (method, text) = (&operation.method, &answer.text);
                    if answer.status.is_success() {
                        continue;
                    }
                    assert!(is_broken || answer.status != 503, "{method} {path}: {text}");
                    assert!(
                        answer.header("content-type").contains("problem+json"),
                        "{method} {path}: {text}"
                    );
                    for word in INSIDE {
                        assert!(!text.contains(word), "{method} {path} says {word}: {text}");
                    }
                    refusals += 1;
                }
            }
        }
    }
    assert!(refusals > 200, "{refusals}");
}
