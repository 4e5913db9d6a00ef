//! [`Deliveries`] in Redis: a sorted set for each list, beside the records and under another hash tag.
//!
//! Redis documentation: ZADD, ZRANGE with BYLEX and REV, ZREMRANGEBYRANK, EXPIRE. Members are the id and the JSON after
//! it, with one score, so that their order is that of the ids. Invariants: a list that nobody writes to any more goes by
//! itself; which lists there are is only a way to find them: what it names and is gone reads as empty.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::{Cmd, Value};
use uuid::Uuid;

use super::RedisStore;
use super::fault::Fault;
use super::forms::{self, damaged};
use super::link::Link;
use super::script::DELIVERIES;
use crate::clock::UnixMillis;
use crate::store::deliveries::{Deliveries, Found, Kept, RETENTION, Side, Wanted, cutoff, millis_of};
use crate::store::uses::Counted;
use crate::store::{StoreError, StoreFuture};

/// Length of an id as text.
const ID: usize = uuid::fmt::Hyphenated::LENGTH;

impl Deliveries for RedisStore {
    fn keep_deliveries<'a>(
        &'a self,
        batch: &'a [Kept],
        most: u32,
        now: UnixMillis,
    ) -> StoreFuture<'a, Counted> {
        Box::pin(async move {
            let link = &self.beside;
            let mut lists: BTreeMap<(Uuid, Side), Vec<&Kept>> = BTreeMap::new();
            for kept in batch {
                lists.entry((kept.integration, kept.side)).or_default().push(kept);
            }
            for ((integration, side), kept) in lists {
                match keep(link, &name(integration, side), &kept, most, now).await {
                    Ok(()) => {}
                    Err(Fault::Denied(_)) => return Ok(Counted::Denied),
                    Err(fault) => {
                        // It may lead to a former master.
                        link.forget().await;
                        return Err(fault.into());
                    }
                }
            }
            Ok(Counted::Added)
        })
    }

    fn deliveries(&self, wanted: Wanted) -> StoreFuture<'_, Found> {
        Box::pin(async move {
            let mut found = Found::new();
            for (list, latest) in self.lists(wanted).await? {
                // Lists come with the one written last first: nothing in the rest is newer than this.
                if found.len() >= wanted.limit
                    && found.get(wanted.limit - 1).is_some_and(|(id, _)| millis_of(*id) > latest)
                {
                    break;
                }
                found.extend(self.of_list(&list, wanted).await?);
                found.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
                found.truncate(wanted.limit);
            }
            Ok(found)
        })
    }

    fn delivery(&self, id: Uuid) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        Box::pin(async move {
            for (list, _) in self.lists(Wanted::default()).await? {
                let key = key(&self.beside, &list);
                let mut range = redis::cmd("ZRANGE");
                // `~` comes after everything that JSON may begin with.
                range.arg(&key).arg(format!("[{id}")).arg(format!("({id}~")).arg("BYLEX");
                if let Some((_, json)) = self.members(&key, &range).await?.pop() {
                    return Ok(Some(json));
                }
            }
            Ok(None)
        })
    }
}

impl RedisStore {
    /// The lists that could hold what is wanted, and when each was written to last, that one first.
    async fn lists(&self, wanted: Wanted) -> Result<Vec<(String, u64)>, StoreError> {
        if let Some(integration) = wanted.integration {
            let sides = Side::ALL.into_iter().filter(|side| wanted.side.is_none_or(|wanted| wanted == *side));
            return Ok(sides.map(|side| (name(integration, side), u64::MAX)).collect());
        }
        let lists = &self.beside.names.deliveries;
        let mut range = redis::cmd("ZRANGE");
        range.arg(lists).arg(0).arg(-1).arg("REV").arg("WITHSCORES");
        let flat = forms::items(self.beside.read(lists, &range).await?).ok_or_else(|| damaged(lists))?;
        let mut flat = flat.into_iter().map(forms::text);
        let mut found = Vec::new();
        while let (Some(Some(list)), Some(Some(latest))) = (flat.next(), flat.next()) {
            let side = wanted.side.map(letter);
            if side.is_none_or(|side| list.ends_with(side)) {
                found.push((list, latest.parse().unwrap_or(u64::MAX)));
            }
        }
        Ok(found)
    }

    async fn of_list(&self, list: &str, wanted: Wanted) -> Result<Found, StoreError> {
        let key = key(&self.beside, list);
        let before = wanted.before.map_or_else(|| "+".to_owned(), |before| format!("({before}"));
        let mut range = redis::cmd("ZRANGE");
        range.arg(&key).arg(before).arg("-").arg("BYLEX").arg("REV");
        range.arg("LIMIT").arg(0).arg(wanted.limit);
        self.members(&key, &range).await
    }

    /// What a range of a list holds. What has no reading is nobody's delivery.
    async fn members(&self, key: &str, range: &Cmd) -> Result<Found, StoreError> {
        let members = forms::items(self.beside.read(key, range).await?).ok_or_else(|| damaged(key))?;
        Ok(members.into_iter().filter_map(member).collect())
    }
}

async fn keep(link: &Link, list: &str, kept: &[&Kept], most: u32, now: UnixMillis) -> Result<(), Fault> {
    let latest = kept.iter().map(|kept| millis_of(kept.id)).max().unwrap_or_default();
    let mut args = vec![
        most.to_string().into_bytes(),
        RETENTION.as_secs().to_string().into_bytes(),
        list.as_bytes().to_vec(),
        latest.to_string().into_bytes(),
        cutoff(now).0.to_string().into_bytes(),
    ];
    args.extend(kept.iter().map(|kept| [kept.id.to_string().as_bytes(), &kept.json].concat()));
    let mut connection = link.shared().await?;
    DELIVERIES.run_on(link, &mut connection, &[&link.names.deliveries, &key(link, list)], &args).await?;
    Ok(())
}

/// `<integration>/v` and `<integration>/r`.
fn name(integration: Uuid, side: Side) -> String {
    format!("{integration}/{}", letter(side))
}

fn letter(side: Side) -> &'static str {
    match side {
        Side::Verified => "v",
        Side::Refused => "r",
    }
}

fn key(link: &Link, list: &str) -> String {
    format!("{}:{list}", link.names.deliveries)
}

fn member(value: Value) -> Option<(Uuid, Arc<[u8]>)> {
    let bytes = forms::bytes(value)?;
    let (id, json) = bytes.split_at_checked(ID)?;
    Some((Uuid::try_parse(std::str::from_utf8(id).ok()?).ok()?, Arc::from(json)))
}
