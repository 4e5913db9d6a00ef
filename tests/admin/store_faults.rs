//! What an admin is told when the store fails.

use std::sync::Arc;

use countersign::store::{
    AuditEntry, AuditLink, AuditMac, Change, Epoch, Followed, Head, Position, RecordSink, Store, StoreError,
    StoreFuture,
};
use serde_json::json;

use crate::support::admin_port::Port;

/// A store that reads and cannot write.
struct ReadOnly(Arc<dyn Store>);

impl Store for ReadOnly {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn init(&self) -> StoreFuture<'_, Epoch> {
        self.0.init()
    }

    fn head(&self) -> StoreFuture<'_, Head> {
        self.0.head()
    }

    fn snapshot<'a>(&'a self, sink: RecordSink<'a>) -> StoreFuture<'a, Head> {
        self.0.snapshot(sink)
    }

    fn follow(&self, epoch: Epoch, after: Position, mac: AuditMac) -> StoreFuture<'_, Followed> {
        self.0.follow(epoch, after, mac)
    }

    fn commit(&self, _: Change, _: AuditLink) -> StoreFuture<'_, Position> {
        Box::pin(async { Err(StoreError::Unavailable("/var/lib/store.redb at 10.0.0.7:6379".to_owned())) })
    }

    fn audit(&self, after: Position, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>> {
        self.0.audit(after, limit)
    }
}

#[tokio::test]
async fn a_store_fault_is_503_without_the_stores_words() {
    let port = Port::over(|store| Arc::new(ReadOnly(store))).await;
    for path in ["/api/workspaces", "/api/integrations"] {
        let answer = port.post(path, json!({ "name": "one" })).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), "1");
        assert!(!answer.text.contains("redb") && !answer.text.contains("10.0.0.7"), "{}", answer.text);
        assert!(!answer.text.contains("webhookSecret"), "{}", answer.text);
        assert_eq!(port.get(path).await.json["items"], json!([]));
    }
}
