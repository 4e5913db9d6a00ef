//! Answers that are kept for a repeated request.
//!
//! Not their writing, which is part of a commit (`commit.lua`). Invariant: an answer is given only when the replicas
//! that a commit waits for have it too: it says that the change was made.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use redis::Value;

use super::forms::{self, damaged};
use super::link::Link;
use super::{read, replicas};
use crate::clock::UnixMillis;
use crate::store::StoreError;
use crate::store::answered::{AnswerId, Answered, DROPPED_AT_ONCE, KEPT, KEPT_FOR, over_since};

/// The answer that is kept under this id and counts still.
pub(super) async fn kept(
    link: &Link,
    id: &AnswerId,
    now: UnixMillis,
) -> Result<Option<Arc<[u8]>>, StoreError> {
    let answers = &link.names.answers;
    read::head(link).await?;
    let mut get = redis::cmd("HGET");
    get.arg(answers).arg(HEXLOWER.encode(&id.0));
    let stored = match link.read(answers, &get).await? {
        Value::Nil => return Ok(None),
        stored => forms::bytes(stored).ok_or_else(|| damaged(answers))?,
    };
    let (at, sealed) = parts(&stored).ok_or_else(|| damaged(answers))?;
    if at <= over_since(now) {
        return Ok(None);
    }
    let mut connection = link.shared().await?;
    replicas::have_what_was_written(link, &mut connection).await?;
    Ok(Some(Arc::from(sealed)))
}

/// What `commit.lua` is told of an answer, in its order; nothing where there is none.
pub(super) fn arguments(answered: Option<&Answered>) -> Vec<Vec<u8>> {
    let Some(Answered { id, at, sealed }) = answered else { return Vec::new() };
    let stored = [at.0.to_string().as_bytes(), b"\n", sealed].concat();
    let words = [
        HEXLOWER.encode(&id.0),
        at.0.to_string(),
        over_since(*at).0.to_string(),
        KEPT.to_string(),
        DROPPED_AT_ONCE.to_string(),
        KEPT_FOR.as_millis().to_string(),
    ];
    words.into_iter().map(String::into_bytes).chain([stored]).collect()
}

fn parts(stored: &[u8]) -> Option<(UnixMillis, &[u8])> {
    let (at, sealed) = stored.split_at_checked(stored.iter().position(|byte| *byte == b'\n')?)?;
    let at = std::str::from_utf8(at).ok()?.parse().ok()?;
    Some((UnixMillis(at), sealed.strip_prefix(b"\n")?))
}
