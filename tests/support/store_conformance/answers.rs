//! Answers that are kept for a request that comes again.

use std::sync::Arc;

use countersign::clock::UnixMillis;
use countersign::store::answered::{AnswerId, Answered, KEPT_FOR};
use countersign::store::{Change, Conflict, Op, Store, StoreError};

use super::steps::{change, commit, put, snapshot, workspace};

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

/// A change of this record that keeps an answer.
fn answered(op: Op, id: u8, at: UnixMillis, sealed: &[u8]) -> Change {
    let answered = Answered { id: AnswerId([id; 32]), at, sealed: Arc::from(sealed) };
    Change { answered: Some(answered), ..change([op]) }
}

async fn kept(store: &Arc<dyn Store>, id: u8, now: UnixMillis) -> Option<Vec<u8>> {
    store.answered(AnswerId([id; 32]), now).await.unwrap().map(|sealed| sealed.to_vec())
}

fn later(millis: i64) -> UnixMillis {
    UnixMillis(NOW.0 + millis)
}

fn ended() -> UnixMillis {
    later(i64::try_from(KEPT_FOR.as_millis()).unwrap())
}

pub(crate) async fn an_answer_is_kept_with_its_change_for_its_time(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let sealed = [0, b'\n', 0xff, b'1', b'\n'];
    assert_eq!(kept(store, 1, NOW).await, None);
    commit(store, answered(put(workspace(1), 1), 1, NOW, &sealed)).await.unwrap();
    assert_eq!(kept(store, 1, NOW).await.unwrap(), sealed);
    assert_eq!(kept(store, 1, UnixMillis(ended().0 - 1)).await.unwrap(), sealed);
    assert_eq!(kept(store, 1, ended()).await, None);
    assert_eq!(kept(store, 2, NOW).await, None);
}

pub(crate) async fn a_second_change_under_an_answers_id_is_refused_until_its_time_is_over(
    store: &Arc<dyn Store>,
) {
    store.init().await.unwrap();
    commit(store, answered(put(workspace(1), 1), 1, NOW, b"first")).await.unwrap();
    let before = snapshot(store).await;
    for at in [NOW, UnixMillis(ended().0 - 1)] {
        let again = commit(store, answered(put(workspace(2), 1), 1, at, b"second")).await;
        assert!(matches!(again, Err(StoreError::Answered)), "{again:?}");
    }
    assert_eq!(snapshot(store).await, before);
    assert_eq!(kept(store, 1, NOW).await.unwrap(), b"first");
    commit(store, answered(put(workspace(2), 1), 1, ended(), b"second")).await.unwrap();
    assert_eq!(kept(store, 1, ended()).await.unwrap(), b"second");
    // What the first left behind goes without the second.
    commit(store, answered(put(workspace(3), 1), 2, ended(), b"third")).await.unwrap();
    assert_eq!(kept(store, 1, ended()).await.unwrap(), b"second");
}

pub(crate) async fn a_change_that_is_refused_keeps_no_answer(store: &Arc<dyn Store>) {
    store.init().await.unwrap();
    let refused = commit(store, answered(put(workspace(1), 7), 1, NOW, b"never")).await;
    let expected = Conflict::Revision { key: workspace(1) };
    assert!(matches!(refused, Err(StoreError::Conflict(conflict)) if conflict == expected));
    assert_eq!(kept(store, 1, NOW).await, None);
    commit(store, answered(put(workspace(1), 1), 1, NOW, b"made")).await.unwrap();
    assert_eq!(kept(store, 1, NOW).await.unwrap(), b"made");
}
