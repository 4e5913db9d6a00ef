//! What concerns all sidecars of a namespace at once: which of them live, what they can open and read.
//!
//! Not records, and not in the way of a request. Each sidecar says every 5 s who it is; one that has said nothing for
//! 15 s, by the store's own clock, counts as gone. Invariants: presence is advice for what needs everybody to agree
//! (`keks rotate`, `migrate`), never a reason to refuse a request; a presence holds ids and no key; where it cannot be
//! written, nothing else fails.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::seal::Keyring;
use super::{Store, StoreFuture};
use crate::config::Role;
use crate::drain::Watcher;

/// Version of the stored forms that this version writes.
pub const SCHEMA: u32 = 1;
/// The highest version that it reads: the next one may add fields, which readers pass over. A namespace of it is not
/// written to, because a record that is written again would lose them.
pub const READS: u32 = SCHEMA + 1;

/// How long a presence counts, by the store's clock. Three times the period, so that one lost word is no departure.
pub const LIVE: Duration = Duration::from_secs(15);
/// Between two words of one sidecar.
const PERIOD: Duration = Duration::from_secs(5);
/// After a first word that was not heard, doubled up to [`PERIOD`]: a namespace may be initialised at this moment, and
/// whoever rotates should know of a sidecar that just started.
const FIRST: Duration = Duration::from_millis(20);
/// The same where the store denies it: the user's rights may be mended while we run.
const DENIED: Duration = Duration::from_secs(60);
/// How long the last word may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a running sidecar says of itself. Fields that a newer version adds are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// Of this process, a UUIDv7; the name under which the rest is kept.
    #[serde(skip)]
    pub id: Uuid,
    /// The version of Countersign.
    pub version: String,
    /// The highest schema that it reads.
    pub schema: u32,
    /// The schema that it writes; 0 where an older version does not say.
    #[serde(default)]
    pub writes: u32,
    /// `all`, `data` or `admin`.
    pub role: String,
    /// Ids of the KEKs that it holds, ascending.
    #[serde(default)]
    pub keks: Vec<String>,
    /// Id of the KEK that it seals with.
    #[serde(default)]
    pub seal_with: String,
    /// Name of its machine or pod.
    #[serde(default)]
    pub host: String,
}

impl Presence {
    /// What this process says of itself.
    #[must_use]
    pub fn of(role: Role, keyring: &Keyring) -> Self {
        // What the kernel calls this machine; in a pod, the pod's name. A courtesy, so no reason to fail.
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            id: Uuid::now_v7(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: READS,
            writes: SCHEMA,
            role: role.name().to_owned(),
            keks: keyring.ids().map(str::to_owned).collect(),
            seal_with: keyring.seal_with().to_owned(),
            host: host.trim_end().to_owned(),
        }
    }

    /// Whether it changes records. A role that this version does not know may.
    #[must_use]
    pub fn writes_records(&self) -> bool {
        self.role != Role::Data.name()
    }
}

/// A sidecar that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// What it said last.
    pub presence: Presence,
    /// How long ago, by the store's clock.
    pub age: Duration,
}

/// What came of saying that one lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The others can see it.
    Seen,
    /// The store's user may not write it.
    Denied,
}

/// What came of raising the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// The schema before.
    pub from: u32,
    /// The schema now: at least [`SCHEMA`].
    pub to: u32,
}

/// The part of a store that all sidecars of a namespace share beside its records.
pub trait Fleet: Send + Sync {
    /// Says that this sidecar lives, from now on for [`LIVE`].
    ///
    /// # Errors
    /// Where the store cannot be reached, or the namespace has no epoch: nothing is written into one that is not ours.
    fn announce<'a>(&'a self, presence: &'a Presence) -> StoreFuture<'a, Announced>;

    /// The sidecars that live, by id.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn sidecars(&self) -> StoreFuture<'_, Vec<Sidecar>>;

    /// Takes back what [`Fleet::announce`] said.
    ///
    /// # Errors
    /// Where the store cannot be reached; it then counts as live for [`LIVE`].
    fn depart(&self, id: Uuid) -> StoreFuture<'_, ()>;

    /// Makes the KEK that seals here the one that the namespace asks of every sidecar that starts.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn ask_for_sealing_kek(&self) -> StoreFuture<'_, ()>;

    /// The schema of the namespace.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn schema(&self) -> StoreFuture<'_, u32>;

    /// Raises the schema of the namespace to [`SCHEMA`], if it is lower.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn raise_schema(&self) -> StoreFuture<'_, Raised>;
}

/// Says that this sidecar lives until the drain begins, then that it is gone.
pub async fn attend(store: Arc<dyn Store>, presence: Presence, mut drain: Watcher) {
    tokio::select! {
        () = drain.draining() => {}
        () = keep_announcing(&*store, &presence) => {}
    }
    let departed = tokio::time::timeout(FAREWELL, store.depart(presence.id)).await;
    if !matches!(departed, Ok(Ok(()))) {
        tracing::debug!("the other sidecars will notice by themselves that this one is gone");
    }
}

async fn keep_announcing(store: &dyn Store, presence: &Presence) {
    let (mut again, mut warned) = (FIRST, false);
    loop {
        let pause = match store.announce(presence).await {
            Ok(Announced::Seen) => {
                (again, warned) = (PERIOD, false);
                PERIOD
            }
            Ok(Announced::Denied) => {
                if !warned {
                    tracing::warn!(
                        "the store's user may not write who is running: `countersign keks rotate` and \
                         `countersign migrate` cannot see this sidecar; docs/redis.md has the user's rights"
                    );
                }
                warned = true;
                DENIED
            }
            // Whoever follows the log says what is wrong with the store.
            Err(_) => {
                let pause = again;
                again = again.saturating_mul(2).min(PERIOD);
                pause
            }
        };
        tokio::time::sleep(pause).await;
    }
}
