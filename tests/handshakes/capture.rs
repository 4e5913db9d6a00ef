//! The keeping of captured secrets: durable, audited, and only while somebody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign::secret::Secret;
use countersign::store::capture::{CaptureError, Captures, captures};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::admin_port::{Answer, Port};
use crate::support::fickle::Fickle;

const OFFERED: &str = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81";

fn running(port: &Port) -> Captures {
    let (captures, task) = captures(Arc::clone(&port.writer));
    tokio::spawn(task.run());
    captures
}

async fn waiting(port: &Port) -> Uuid {
    let made: Answer = port.integration(json!({ "name": "a", "type": "asana", "handshake": true })).await;
    made.str("id").parse().unwrap()
}

async fn keep(captures: &Captures, id: Uuid) -> Result<(), CaptureError> {
    captures.keep(id, Secret::from_text(OFFERED), Uuid::from_u128(7)).await
}

#[tokio::test]
async fn a_capture_is_one_audited_change_by_the_handshake() {
    let port = Port::open().await;
    let id = waiting(&port).await;
    let captures = running(&port);
    assert_eq!(keep(&captures, id).await, Ok(()));
    assert_eq!(keep(&captures, id).await, Err(CaptureError::Closed));
    assert_eq!(keep(&captures, Uuid::from_u128(9)).await, Err(CaptureError::Closed));
    assert_eq!(port.call("POST", "/api/integrations/a/handshake/reveal", None).await.status, 200);
    let audit = port.audit().await;
    let actions: Vec<(&str, &str, &str)> = audit
        .iter()
        .map(|event| {
            let text = |key: &str| event[key].as_str().unwrap();
            (text("action"), text("actor"), text("severity"))
        })
        .collect();
    assert_eq!(
        actions,
        [
            ("integration.created", "bootstrap", "HIGH"),
            ("integration.secret_captured", "handshake", "HIGH"),
            ("integration.secret_revealed", "bootstrap", "HIGH"),
        ]
    );
    assert_eq!(audit[1]["requestId"], json!(Uuid::from_u128(7)));
    assert!(!format!("{audit:?}").contains(OFFERED));
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_kept_and_may_be_offered_again() {
    let broken = Arc::new(AtomicBool::new(false));
    let port = Port::over(|store| Arc::new(Fickle::of(store, Arc::clone(&broken)))).await;
    let id = waiting(&port).await;
    let captures = running(&port);
    broken.store(true, Ordering::SeqCst);
    assert_eq!(keep(&captures, id).await, Err(CaptureError::Unavailable));
    assert_ne!(port.get("/api/integrations/a").await.json["handshake"], Value::Null);
    broken.store(false, Ordering::SeqCst);
    assert_eq!(keep(&captures, id).await, Ok(()));
}

#[tokio::test]
async fn nothing_is_kept_for_a_sender_that_has_gone() {
    let port = Port::open().await;
    let id = waiting(&port).await;
    let (captures, task) = captures(Arc::clone(&port.writer));
    // Offered, and given up before anybody looks at it.
    tokio::select! {
        biased;
        _ = keep(&captures, id) => panic!("nobody keeps secrets yet"),
        () = std::future::ready(()) => {}
    }
    drop(captures);
    task.run().await;
    assert_ne!(port.get("/api/integrations/a").await.json["handshake"], Value::Null);
    assert_eq!(port.audit().await.len(), 1);
}

#[tokio::test]
async fn without_a_writer_nothing_is_kept() {
    let port = Port::open().await;
    let id = waiting(&port).await;
    let (captures, task) = captures(Arc::clone(&port.writer));
    drop(task);
    assert_eq!(keep(&captures, id).await, Err(CaptureError::Unavailable));
}
