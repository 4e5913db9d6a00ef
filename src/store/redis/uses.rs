//! [`Uses`] in Redis: sums in one hash, beside the records and under another hash tag.
//!
//! Not the counting. Redis documentation: HGET, HSET, HMGET, "Scripting with Lua". Invariants: a batch is one script, so
//! that it counts whole or not at all, and its number is kept with it for an hour; what has no reading is begun anew,
//! for no request is judged by it.

use redis::Value;

use super::RedisStore;
use super::fault::Fault;
use super::forms::{self, damaged};
use super::link::{self, Link};
use super::script::USES;
use crate::clock::UnixMillis;
use crate::keys::entry::{PreviousUse, Use};
use crate::keys::record::RecordKey;
use crate::store::uses::{Batch, Counted, Uses};
use crate::store::{StoreError, StoreFuture};

impl Uses for RedisStore {
    fn add_uses<'a>(&'a self, batch: &'a Batch) -> StoreFuture<'a, Counted> {
        Box::pin(async move {
            let link = &self.beside;
            let last = format!("{}:{}", link.names.use_batches, batch.writer);
            let mut args = vec![batch.number.to_string().into_bytes()];
            for (key, used) in &batch.uses {
                args.push(key.to_string().into_bytes());
                args.extend(numbers(used).map(|number| number.to_string().into_bytes()));
            }
            let mut connection = link.shared().await?;
            match USES.run_on(link, &mut connection, &[&link.names.uses, &last], &args).await {
                Ok(_) => Ok(Counted::Added),
                Err(Fault::Denied(_)) => Ok(Counted::Denied),
                Err(fault) => {
                    // It may lead to a former master.
                    link.forget().await;
                    Err(fault.into())
                }
            }
        })
    }

    fn uses(&self, keys: Vec<RecordKey>) -> StoreFuture<'_, Vec<Use>> {
        Box::pin(async move {
            let link = &self.beside;
            let sums = &link.names.uses;
            let mut get = redis::cmd("HMGET");
            get.arg(sums);
            for key in &keys {
                get.arg(key.to_string());
            }
            let found = forms::items(link.read(sums, &get).await?).ok_or_else(|| damaged(sums))?;
            Ok(found.into_iter().map(|found| read(found).unwrap_or_default()).collect())
        })
    }
}

/// Forgets the sums of records that are gone. Where that fails, a few bytes stay.
pub(super) async fn forget(link: &Link, keys: &[RecordKey]) {
    let sums = &link.names.uses;
    let mut remove = redis::cmd("HDEL");
    remove.arg(sums);
    for key in keys {
        remove.arg(key.to_string());
    }
    let removed: Result<(), StoreError> = async {
        let mut connection = link.shared().await?;
        link::run(link, &mut connection, sums, &remove).await.map(drop).map_err(StoreError::from)
    }
    .await;
    if let Err(error) = removed {
        link.forget().await;
        tracing::debug!(%error, "the use of records that are gone is still stored");
    }
}

fn numbers(used: &Use) -> [u64; 5] {
    let millis = |at: Option<UnixMillis>| at.map_or(0, |at| u64::try_from(at.0).unwrap_or(0));
    let previous = used.previous;
    [
        used.accepted,
        used.refused,
        millis(used.last),
        millis(previous.map(|previous| previous.at)),
        previous.map_or(0, |previous| previous.mark),
    ]
}

fn read(stored: Value) -> Option<Use> {
    let text = forms::text(stored)?;
    let mut numbers = text.split(' ').map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let (accepted, refused, last, previous, mark) = (next()?, next()?, next()?, next()?, next()?);
    let at = |millis: u64| i64::try_from(millis).ok().filter(|millis| *millis != 0).map(UnixMillis);
    let previous = at(previous).map(|at| PreviousUse { mark, at });
    Some(Use { accepted, refused, last: at(last), previous })
}
