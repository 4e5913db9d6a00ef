//! The Redis store: one namespace on a server that several sidecars share.
//!
//! Not a cache, and not in the way of a request: keys are mirrored in memory (`keys/`). The only folder that
//! names Redis commands, and no type of the client leaves it. Its files: `link.rs` (which connection for what),
//! `address.rs` with `sentinel.rs` and `slots.rs` (which server), `connect.rs`, `tls.rs` and `connection.rs` (a
//! connection to it), `redirect.rs` (commands in a Cluster), `server.rs` and `replicas.rs` (what a server must be
//! and have), `forms.rs` (names and bytes), `script.rs`, `commit.rs` and `stage.rs` (writing), `read.rs`, `answers.rs` and
//! `follow.rs` (reading), `fleet.rs` (who lives, KEK and schema), `uses.rs` (sums of use), `deliveries.rs`, `fault.rs`. `docs/redis.md` is for operators.
//! Invariants beyond those of [`Store`]:
//! - nothing is connected to before it is needed, and everything connects again by itself;
//! - a commit happens at most once, however often it is sent;
//! - nobody but a master that evicts nothing is believed.

mod address;
mod answers;
mod commit;
mod connect;
mod connection;
mod deliveries;
mod fault;
mod fleet;
mod follow;
mod forms;
mod link;
mod read;
mod redirect;
mod replicas;
mod script;
mod sentinel;
mod server;
mod slots;
mod stage;
#[cfg(test)]
mod tests;
mod tls;
mod uses;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Mutex;
use uuid::Uuid;

use super::answered::AnswerId;
use super::fleet::SCHEMA;
use super::seal::Keyring;
use super::staging::{Mark, Staging};
use super::{
    AuditEntry, AuditLink, AuditMac, Change, Claims, Epoch, Followed, Head, Life, LogEntry, Op, Origin,
    Position, RecordSink, Store, StoreError, StoreFuture,
};
use crate::clock::UnixMillis;
use crate::config::RedisConfig;
use crate::keys::record::RecordKey;
use connection::Connection;
use follow::Tail;
use link::Link;
use script::{Answer, INIT};

/// A store in Redis. Needs a tokio runtime with I/O and time enabled.
pub struct RedisStore {
    link: Link,
    /// The way to what is no record: in a Cluster, perhaps to another node.
    beside: Link,
    tail: Mutex<Option<Tail>>,
}

impl RedisStore {
    /// A store that connects when it is first used. The keyring proves that the namespace is sealed under
    /// keys that are at hand; nothing is sealed or opened here.
    #[must_use]
    pub fn new(settings: RedisConfig, namespace: &str, keyring: Arc<Keyring>) -> Self {
        Self {
            link: Link::new(settings.clone(), namespace, Arc::clone(&keyring)),
            beside: Link::beside(settings, namespace, keyring),
            tail: Mutex::new(None),
        }
    }

    /// Connects once, checks everything and disconnects.
    ///
    /// # Errors
    /// [`StoreError::WrongKek`] where the namespace is sealed under keys that are not at hand, which waiting
    /// does not cure; any other where it cannot be told, or is not so, now.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.link.open(self.link.answer()).await.map(drop)
    }

    async fn begin(&self, origin: Origin) -> Result<Epoch, StoreError> {
        let link = &self.link;
        let mut connection = link.shared().await?;
        let epoch = Epoch(random_uuid()?);
        let id = link.keyring.seal_with();
        let check = server::kek_check(link, id, epoch)
            .ok_or_else(|| StoreError::Unavailable(format!("the key-encryption key {id:?} is gone")))?;
        let args = [
            epoch.0.to_string(),
            SCHEMA.to_string(),
            forms::mac_text(&AuditMac::default()),
            id.to_owned(),
            check,
            origin.name().to_owned(),
            origin.continues().map(|epoch| epoch.0.to_string()).unwrap_or_default(),
        ];
        let args = args.map(String::into_bytes);
        let answer = match INIT.run(link, &mut connection, &args).await {
            Err(fault) if fault.is_lost() => {
                // An epoch that stands is kept, so asking twice is safe.
                link.forget().await;
                connection = link.shared().await?;
                INIT.run(link, &mut connection, &args).await?
            }
            answer => answer?,
        };
        let Answer { word, subject, found } = answer;
        match word.as_str() {
            "ok" => {
                let stands = Uuid::try_parse(&subject)
                    .map_err(|_| forms::damaged(format_args!("epoch in {}", link.names.meta)))?;
                if stands != epoch.0 {
                    self.follow_the_sealing_kek(&mut connection, Epoch(stands)).await?;
                }
                replicas::have_what_was_written(link, &mut connection).await?;
                Ok(Epoch(stands))
            }
            "foreign" => Err(StoreError::Foreign),
            "type" => Err(commit::wrong_type(&subject, &found)),
            _ => Err(forms::damaged("the answer of a script")),
        }
    }
}

impl RedisStore {
    /// Makes the KEK that seals now the one that the namespace asks for, so that the former one can go once
    /// nothing is sealed under it. The connection has proved that the former one is at hand.
    async fn follow_the_sealing_kek(
        &self,
        connection: &mut Connection,
        epoch: Epoch,
    ) -> Result<(), StoreError> {
        let link = &self.link;
        let id = link.keyring.seal_with();
        let Some(check) = server::kek_check(link, id, epoch) else { return Ok(()) };
        let mut set = redis::cmd("HSET");
        set.arg(&link.names.meta).arg("kek").arg(id).arg("kek_check").arg(check);
        Ok(link::run(link, connection, &link.names.meta, &set).await.map(drop)?)
    }
}

impl Store for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn describe(&self) -> String {
        let durability = self.link.settings.durability;
        let promise = self.link.server();
        let promise =
            promise.map_or_else(|| "not connected yet".to_owned(), |server| server.promise(durability));
        // Which one it is matters where it may be another tomorrow.
        let server = self.link.address().map(|address| format!(" (now {address})")).unwrap_or_default();
        format!(
            "redis at {}{server}, namespace {}, durability {durability} ({promise})",
            self.link.place, self.link.namespace
        )
    }

    fn initialise(&self, origin: Origin) -> StoreFuture<'_, Epoch> {
        Box::pin(self.begin(origin))
    }

    fn life(&self) -> StoreFuture<'_, Life> {
        Box::pin(read::life(&self.link))
    }

    fn head(&self) -> StoreFuture<'_, Head> {
        Box::pin(read::head(&self.link))
    }

    fn snapshot<'a>(&'a self, sink: RecordSink<'a>) -> StoreFuture<'a, Head> {
        Box::pin(read::snapshot(&self.link, sink))
    }

    fn follow(&self, epoch: Epoch, after: Position, mac: AuditMac) -> StoreFuture<'_, Followed> {
        Box::pin(follow::follow(&self.link, &self.tail, epoch, after, mac))
    }

    fn latest(&self, limit: usize) -> StoreFuture<'_, Vec<LogEntry>> {
        Box::pin(follow::latest(&self.link, limit))
    }

    fn holds(&self, position: Position, mac: AuditMac) -> StoreFuture<'_, bool> {
        Box::pin(read::holds(&self.link, position, mac))
    }

    fn commit(&self, change: Change, audit: AuditLink) -> StoreFuture<'_, Position> {
        Box::pin(async move {
            let position = commit::commit(&self.link, &change, &audit).await?;
            let gone = |op: &Op| match op {
                Op::Delete { key, .. } => Some(*key),
                Op::Put { .. } => None,
            };
            let gone: Vec<RecordKey> = change.ops.iter().filter_map(gone).collect();
            if !gone.is_empty() {
                uses::forget(&self.beside, &gone).await;
            }
            Ok(position)
        })
    }

    fn answered(&self, id: AnswerId, now: UnixMillis) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        Box::pin(async move { answers::kept(&self.link, &id, now).await })
    }

    fn audit(&self, after: Position, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>> {
        Box::pin(read::audit(&self.link, after, limit))
    }

    fn claims_of(&self, holders: BTreeSet<RecordKey>) -> StoreFuture<'_, Claims> {
        Box::pin(async move { read::claims_of(&self.link, &holders).await })
    }

    fn audit_before(&self, before: Option<Position>, limit: usize) -> StoreFuture<'_, Vec<AuditEntry>> {
        Box::pin(read::audit_before(&self.link, before, limit))
    }

    fn audit_count(&self) -> StoreFuture<'_, u64> {
        Box::pin(read::audit_count(&self.link))
    }

    fn checkpoint(&self) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        Box::pin(read::checkpoint(&self.link))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(read::count(&self.link))
    }

    fn stage(&self, mark: Mark, step: Staging) -> StoreFuture<'_, ()> {
        Box::pin(async move { stage::run(&self.link, mark, &step).await })
    }
}

fn random_uuid() -> Result<Uuid, StoreError> {
    let random = super::seal::random().map_err(|fault| StoreError::Unavailable(fault.to_string()))?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid())
}
