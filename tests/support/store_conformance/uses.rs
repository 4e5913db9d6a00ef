//! The sums of use.

use std::sync::Arc;

use countersign::clock::UnixMillis;
use countersign::keys::entry::{PreviousUse, Use};
use countersign::keys::record::RecordKey;
use countersign::store::Store;
use countersign::store::uses::{Batch, Counted};
use uuid::Uuid;

use super::steps::{commit_ops, delete, put, workspace};

fn used(accepted: u64, at: i64) -> Use {
    Use { accepted, refused: 1, last: Some(UnixMillis(at)), previous: None }
}

fn formerly(mark: u64, at: i64) -> Use {
    Use { previous: Some(PreviousUse { mark, at: UnixMillis(at) }), ..Use::default() }
}

fn batch(writer: u128, number: u64, uses: &[(RecordKey, Use)]) -> Batch {
    Batch { writer: Uuid::from_u128(writer), number, uses: uses.to_vec() }
}

async fn sum(store: &Arc<dyn Store>, key: RecordKey) -> Use {
    store.uses(vec![key]).await.unwrap()[0]
}

pub(crate) async fn uses_are_summed_up_and_times_never_go_back(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let (one, two) = (workspace(1), workspace(2));
    assert_eq!(store.uses(vec![one, two]).await.unwrap(), [Use::default(); 2]);
    let mark = u64::MAX - 1;
    for batch in [
        batch(1, 0, &[(one, used(2, 2_000_000_000_000)), (two, used(1, 5))]),
        batch(2, 0, &[(one, used(3, 1_000_000_000_000)), (one, formerly(mark, 20))]),
        batch(1, 1, &[(one, formerly(7, 10)), (two, formerly(mark, 9)), (two, formerly(3, 11))]),
    ] {
        assert_eq!(store.add_uses(&batch).await.unwrap(), Counted::Added);
    }
    let previous = |mark, at| Some(PreviousUse { mark, at: UnixMillis(at) });
    let sums = store.uses(vec![two, one]).await.unwrap();
    assert_eq!(sums[1], Use { refused: 2, previous: previous(mark, 20), ..used(5, 2_000_000_000_000) });
    assert_eq!(sums[0], Use { previous: previous(3, 11), ..used(1, 5) });
}

pub(crate) async fn a_batch_that_is_sent_again_counts_once(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let key = workspace(1);
    for (number, expected) in [(4, 1), (4, 1), (5, 2), (5, 2), (6, 3)] {
        store.add_uses(&batch(1, number, &[(key, used(1, 1))])).await.unwrap();
        assert_eq!(sum(store, key).await.accepted, expected);
    }
    store.add_uses(&batch(2, 6, &[(key, used(1, 1))])).await.unwrap();
    assert_eq!(sum(store, key).await.accepted, 4, "another process counts for itself");
}

pub(crate) async fn the_use_of_a_deleted_record_is_forgotten(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let (one, two) = (workspace(1), workspace(2));
    commit_ops(store, [put(one, 1), put(two, 1)]).await;
    store.add_uses(&batch(1, 0, &[(one, used(1, 1)), (two, used(1, 1))])).await.unwrap();
    commit_ops(store, [delete(one, 1, &[])]).await;
    assert_eq!(sum(store, one).await, Use::default());
    assert_eq!(sum(store, two).await, used(1, 1));
}
