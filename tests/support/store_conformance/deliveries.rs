//! Deliveries: lists of the newest, apart.

use std::sync::Arc;

use countersign::clock::UnixMillis;
use countersign::store::Store;
use countersign::store::deliveries::{Found, Kept, RETENTION, Side, Wanted, first_id_at};
use countersign::store::uses::Counted;
use uuid::Uuid;

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const ONE: Uuid = Uuid::from_u128(1);
const TWO: Uuid = Uuid::from_u128(2);

/// The delivery of `millis` after [`NOW`].
fn id(millis: i64) -> Uuid {
    first_id_at(UnixMillis(NOW.0 + millis))
}

fn kept(integration: Uuid, side: Side, millis: i64) -> Kept {
    let json = format!("{{\"of\":\"{integration} {millis}\"}}");
    Kept { integration, side, id: id(millis), json: Arc::from(json.as_bytes()) }
}

async fn keep(store: &Arc<dyn Store>, most: u32, batch: &[Kept]) {
    assert_eq!(store.keep_deliveries(batch, most, NOW).await.unwrap(), Counted::Added);
}

async fn ids(store: &Arc<dyn Store>, wanted: Wanted) -> Vec<Uuid> {
    let limit = if wanted.limit == 0 { 1000 } else { wanted.limit };
    let found: Found = store.deliveries(Wanted { limit, ..wanted }).await.unwrap();
    found.into_iter().map(|(id, _)| id).collect()
}

fn of(millis: impl IntoIterator<Item = i64>) -> Vec<Uuid> {
    millis.into_iter().map(id).collect()
}

pub(crate) async fn deliveries_come_back_newest_first(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    assert_eq!(ids(store, Wanted::default()).await, of([]));
    assert_eq!(store.delivery(id(1)).await.unwrap(), None);
    keep(store, 10, &[kept(ONE, Side::Verified, 1), kept(TWO, Side::Refused, 4)]).await;
    // Another sidecar's come later and may be older.
    keep(store, 10, &[kept(ONE, Side::Refused, 3), kept(ONE, Side::Verified, 2)]).await;

    let one = Wanted { integration: Some(ONE), ..Wanted::default() };
    let verified = Wanted { side: Some(Side::Verified), ..Wanted::default() };
    assert_eq!(ids(store, Wanted::default()).await, of([4, 3, 2, 1]));
    assert_eq!(ids(store, one).await, of([3, 2, 1]));
    assert_eq!(ids(store, verified).await, of([2, 1]));
    assert_eq!(ids(store, Wanted { side: Some(Side::Refused), ..one }).await, of([3]));
    for (limit, before, expected) in
        [(2, None, vec![4, 3]), (2, Some(3), vec![2, 1]), (2, Some(1), vec![]), (3, Some(4), vec![3, 2, 1])]
    {
        let wanted = Wanted { limit, before: before.map(id), ..Wanted::default() };
        assert_eq!(ids(store, wanted).await, of(expected));
    }
    assert_eq!(store.delivery(id(2)).await.unwrap(), Some(kept(ONE, Side::Verified, 2).json));
    assert_eq!(store.delivery(id(5)).await.unwrap(), None);
}

pub(crate) async fn a_flood_of_refusals_displaces_only_refusals_of_its_integration(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let mut batch = vec![kept(ONE, Side::Verified, 1), kept(TWO, Side::Refused, 2)];
    batch.extend((10..100).map(|millis| kept(ONE, Side::Refused, millis)));
    keep(store, 3, &batch).await;
    keep(store, 3, &[kept(ONE, Side::Refused, 100)]).await;
    assert_eq!(ids(store, Wanted::default()).await, of([100, 99, 98, 2, 1]));
    assert_eq!(store.delivery(id(50)).await.unwrap(), None);
    assert!(store.delivery(id(1)).await.unwrap().is_some());
}

pub(crate) async fn deliveries_go_after_a_while(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let old = 10 - i64::try_from(RETENTION.as_millis()).unwrap();
    keep(store, 10, &[kept(ONE, Side::Verified, old)]).await;
    assert_eq!(ids(store, Wanted::default()).await, of([old]));
    let later = UnixMillis(NOW.0 + 11);
    store.keep_deliveries(&[kept(TWO, Side::Verified, 11)], 10, later).await.unwrap();
    assert_eq!(ids(store, Wanted::default()).await, of([11]));
}
