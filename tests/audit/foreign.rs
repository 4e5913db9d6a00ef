//! Events that hold, and were made for another namespace or another life of this one.

use countersign::store::audit::chain::{Fault, walk};
use serde_json::json;
use uuid::Uuid;

use super::chain::{Place, at, commit, event, whole};
use crate::support::admin_port::Port;
use crate::support::redis::{keyring, shared};

#[tokio::test]
async fn an_event_that_was_made_for_another_namespace_or_life_is_found() {
    for place in Place::both() {
        let store = place.open();
        let epoch = store.init().await.unwrap().0;
        let (ours, other) = (place.namespace().to_owned(), Uuid::from_u128(7));
        // What an earlier version wrote says nothing, and is taken as it is.
        let bound = [
            json!({}),
            json!({ "namespace": ours, "epoch": epoch }),
            json!({ "namespace": "another", "epoch": epoch }),
            json!({ "namespace": ours, "epoch": other }),
        ];
        for (n, bound) in bound.into_iter().enumerate() {
            let mut event = event(&keyring(), n);
            event.as_object_mut().unwrap().extend(bound.as_object().unwrap().clone());
            commit(&*store, &keyring(), event).await;
        }
        drop(store);
        let piece = whole(&place, &keyring(), None).await;
        assert_eq!(piece.checked, 2);
        let found = at(&piece.findings, &place.read());
        assert_eq!(found, [(Fault::Foreign, Some(2)), (Fault::Foreign, Some(3))]);
    }
}

#[tokio::test]
async fn the_log_of_another_namespace_under_the_same_key_does_not_pass_for_this_one() {
    let (ours, theirs) = (Port::over_redis().await, Port::over_redis().await);
    for port in [&ours, &theirs] {
        for n in 0..3 {
            port.workspace(&n.to_string()).await;
        }
    }
    let key = |port: &Port, part: &str| format!("{{{}}}:{part}", port.namespace());
    shared().do_it(&["DEL", &key(&ours, "audit")]);
    shared().do_it(&["COPY", &key(&theirs, "audit"), &key(&ours, "audit")]);
    let take = |field: &str| {
        let value: String = shared().ask(&["HGET", &key(&theirs, "meta"), field]);
        shared().do_it(&["HSET", &key(&ours, "meta"), field, &value]);
    };
    take("mac");
    take("position");
    // With the epoch of this one, and with that of the other as well.
    for _ in 0..2 {
        let piece = walk(&*ours.store, (ours.namespace(), &keyring()), None, None, 100).await.unwrap();
        assert_eq!((piece.checked, piece.broken), (0, 3));
        assert!(piece.findings.iter().all(|finding| finding.code == Fault::Foreign), "{:?}", piece.findings);
        take("epoch");
    }
}
