//! Presence, the KEK that is asked for, and the schema: [`Fleet`] in Redis.
//!
//! Not records. Redis documentation: TIME, HSET, HGETALL. `{ns}:sidecars` is a hash, id of a process → JSON with the
//! server's time in milliseconds. Invariants: it is the only key that a data sidecar writes, and nothing that a
//! request is judged by depends on it; what the namespace itself says is written as a commit is, replicas included; ages are by the server's clock alone; nothing is written into a namespace
//! without an epoch; what a killed process left is removed by the next that starts.

use std::time::Duration;

use redis::Value;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fault::Fault;
use super::forms::{self, damaged};
use super::link::{self, Link};
use super::script::MIGRATE;
use super::{RedisStore, commit, read};
use crate::store::fleet::{Announced, Fleet, LIVE, Presence, Raised, SCHEMA, Sidecar};
use crate::store::{StoreError, StoreFuture};

/// How old what a killed process left gets, by the server's clock, before it is removed.
const FORGOTTEN: Duration = Duration::from_secs(3600);

#[derive(Serialize, Deserialize)]
struct Stored<P> {
    #[serde(flatten)]
    presence: P,
    /// When it was written: the server's wall time, ms.
    at: u64,
}

impl Fleet for RedisStore {
    fn announce<'a>(&'a self, presence: &'a Presence) -> StoreFuture<'a, Announced> {
        Box::pin(async move {
            read::head(&self.link).await?;
            match announce(&self.link, presence).await {
                Err(Refused::Denied) => Ok(Announced::Denied),
                Err(Refused::Failed(error)) => Err(error),
                Ok(()) => Ok(Announced::Seen),
            }
        })
    }

    fn sidecars(&self) -> StoreFuture<'_, Vec<Sidecar>> {
        Box::pin(async move {
            let known = known(&self.link).await?;
            Ok(known.into_iter().filter(|sidecar| sidecar.age < LIVE).collect())
        })
    }

    fn depart(&self, id: Uuid) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let key = &self.link.names.sidecars;
            let mut remove = redis::cmd("HDEL");
            remove.arg(key).arg(id.to_string());
            self.link.read(key, &remove).await.map(drop)
        })
    }

    fn ask_for_sealing_kek(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let link = &self.link;
            let epoch = read::head(link).await?.epoch;
            let _alone = link.alone().await;
            let mut connection = commit::writable(link).await?;
            self.follow_the_sealing_kek(&mut connection, epoch).await?;
            commit::replicated(link, &mut connection).await
        })
    }

    fn schema(&self) -> StoreFuture<'_, u32> {
        Box::pin(async move {
            let meta = &self.link.names.meta;
            let mut read = redis::cmd("HMGET");
            read.arg(meta).arg(&["schema"]);
            let [schema] = forms::fixed(self.link.read(meta, &read).await?).ok_or_else(|| damaged(meta))?;
            match forms::text(schema) {
                Some(schema) => number(&self.link, &schema),
                None => Err(read::no_epoch(&self.link).await),
            }
        })
    }

    fn raise_schema(&self) -> StoreFuture<'_, Raised> {
        Box::pin(async move {
            let link = &self.link;
            let _alone = link.alone().await;
            let mut connection = commit::writable(link).await?;
            let args = [SCHEMA.to_string().into_bytes()];
            let answer = MIGRATE.run(link, &mut connection, &args).await?;
            if answer.word != "ok" {
                return Err(read::no_epoch(link).await);
            }
            commit::replicated(link, &mut connection).await?;
            Ok(Raised { from: number(link, &answer.subject)?, to: number(link, &answer.found)? })
        })
    }
}

fn number(link: &Link, schema: &str) -> Result<u32, StoreError> {
    schema.parse().map_err(|_| damaged(format_args!("schema in {}", link.names.meta)))
}

/// Why a presence was not written.
enum Refused {
    Denied,
    Failed(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

async fn announce(link: &Link, presence: &Presence) -> Result<(), Refused> {
    let key = &link.names.sidecars;
    let at = ask(link, &redis::cmd("TIME")).await?;
    let stored = Stored { presence, at: millis(at).ok_or_else(|| damaged("the answer to TIME"))? };
    let json = serde_json::to_vec(&stored).map_err(|_| damaged("a presence"))?;
    let mut set = redis::cmd("HSET");
    set.arg(key).arg(presence.id.to_string()).arg(json);
    if !matches!(ask(link, &set).await?, Value::Int(1)) {
        return Ok(());
    }
    // It is new here: a good time to look for what others left, and the only one.
    let forgotten = known(link).await?.into_iter().filter(|sidecar| sidecar.age > FORGOTTEN);
    let ids: Vec<String> = forgotten.map(|sidecar| sidecar.presence.id.to_string()).collect();
    if !ids.is_empty() {
        let mut remove = redis::cmd("HDEL");
        remove.arg(key).arg(ids);
        ask(link, &remove).await?;
    }
    Ok(())
}

/// Runs a command whose refusal by the user's rights is told from every other fault.
async fn ask(link: &Link, command: &redis::Cmd) -> Result<Value, Refused> {
    let mut connection = link.shared().await?;
    match link::run(link, &mut connection, &link.names.sidecars, command).await {
        Ok(answer) => Ok(answer),
        Err(Fault::Denied(_)) => Err(Refused::Denied),
        Err(fault) => {
            if fault.is_lost() {
                link.forget().await;
            }
            Err(Refused::Failed(fault.into()))
        }
    }
}

/// Everybody who said something, live or not. What has no reading is nobody's word.
async fn known(link: &Link) -> Result<Vec<Sidecar>, StoreError> {
    let key = &link.names.sidecars;
    let mut all = redis::cmd("HGETALL");
    all.arg(key);
    let all = fields(link.read(key, &all).await?).ok_or_else(|| damaged(key))?;
    let time = link.read(key, &redis::cmd("TIME")).await?;
    let now = millis(time).ok_or_else(|| damaged("the answer to TIME"))?;
    let mut sidecars: Vec<Sidecar> = all
        .iter()
        .filter_map(|(id, json)| {
            let stored: Stored<Presence> = serde_json::from_slice(json).ok()?;
            let id = Uuid::try_parse(std::str::from_utf8(id).ok()?).ok()?;
            let age = Duration::from_millis(now.saturating_sub(stored.at));
            Some(Sidecar { presence: Presence { id, ..stored.presence }, age })
        })
        .collect();
    sidecars.sort_by_key(|sidecar| sidecar.presence.id);
    Ok(sidecars)
}

/// Names and values of a hash, as either version of the protocol gives them.
fn fields(reply: Value) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    if let Value::Map(pairs) = reply {
        return pairs
            .into_iter()
            .map(|(name, value)| Some((forms::bytes(name)?, forms::bytes(value)?)))
            .collect();
    }
    let flat: Option<Vec<Vec<u8>>> = forms::items(reply)?.into_iter().map(forms::bytes).collect();
    let mut flat = flat?.into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        pairs.push((name, value));
    }
    Some(pairs)
}

/// The server's wall time, in milliseconds.
fn millis(reply: Value) -> Option<u64> {
    let [seconds, micros] = forms::fixed(reply)?;
    let (seconds, micros): (u64, u64) =
        (forms::text(seconds)?.parse().ok()?, forms::text(micros)?.parse().ok()?);
    Some(seconds.saturating_mul(1000).saturating_add(micros / 1000))
}
