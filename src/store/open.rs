//! The store and the keys that open it, as configured.
//!
//! Invariant: keys are made only together with the file that they seal; a file without its keys is an error,
//! never a reason to make new ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::embedded::EmbeddedStore;
use super::redis::RedisStore;
use super::seal::{Keyring, KeyringError};
use super::{AuditMac, Position, Store, StoreError};
use crate::config::{Config, RedisConfig, StoreBackend};

/// Id of the key-encryption key that is made where the embedded store has none.
const DEFAULT_KEK: &str = "default";

/// Why there is no store to work with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The key-encryption keys are missing or wrong.
    #[error("keys.kek_dir: {0}")]
    Keyring(#[from] KeyringError),
    /// The store cannot be used.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// No runtime can be had.
    #[error("a runtime cannot be started: {0}")]
    Runtime(#[from] std::io::Error),
}

/// The store and the keys that open it, as configured.
///
/// # Errors
/// Where either is missing, wrong or in use.
pub fn open_store(config: &Config) -> Result<(Arc<dyn Store>, Arc<Keyring>), OpenError> {
    let (store, keyring) = open_to_verify(config)?;
    if let StoreBackend::Embedded { .. } = config.store.backend {
        aside(|| refuse_other_keks(&*store, &keyring))??;
    }
    Ok((store, keyring))
}

/// The same, whatever stands in the store: for a check that says what is wrong with it.
///
/// # Errors
/// As [`open_store`].
pub fn open_to_verify(config: &Config) -> Result<(Arc<dyn Store>, Arc<Keyring>), OpenError> {
    match &config.store.backend {
        StoreBackend::Embedded { path } => {
            let keyring = embedded_keyring(config, path)?;
            let store = EmbeddedStore::open(path, &config.store.namespace)?;
            Ok((Arc::new(store), Arc::new(keyring)))
        }
        StoreBackend::Redis(redis) => {
            // The configuration has it: with redis it is a fault to have none.
            let dir = config.keys.kek_dir.clone().unwrap_or_default();
            let keyring = Arc::new(Keyring::load(&dir, config.keys.seal_with.as_deref())?);
            let store = redis_store(config, redis, &keyring);
            Ok((Arc::new(store), keyring))
        }
    }
}

/// Refuses what no waiting cures, where it can be told: keys that are not the namespace's. A Redis that is
/// down, empty or a replica is waited for. Blocks; not for a runtime's thread.
///
/// # Errors
/// [`StoreError::WrongKek`], or where no runtime can be had.
pub fn refuse_wrong_keks(config: &Config, keyring: &Arc<Keyring>) -> Result<(), OpenError> {
    let StoreBackend::Redis(redis) = &config.store.backend else { return Ok(()) };
    // A store of its own: a connection belongs to the runtime that made it.
    match aside(|| async { redis_store(config, redis, keyring).probe().await })? {
        Err(error @ StoreError::WrongKek { .. }) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Runs a future to its end on a thread of its own, so that the caller may be on a runtime itself.
fn aside<F>(work: impl FnOnce() -> F + Send) -> std::io::Result<Result<(), StoreError>>
where
    F: Future<Output = Result<(), StoreError>>,
{
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(work()))
    };
    let ended = std::thread::scope(|scope| scope.spawn(run).join());
    ended.unwrap_or_else(|_| Err(std::io::Error::other("a thread ended by a panic")))
}

/// Refuses keys that did not make the file's last change: the MAC of its audit event tells.
async fn refuse_other_keks(store: &dyn Store, keyring: &Keyring) -> Result<(), StoreError> {
    // A file without an epoch holds nothing yet; one that cannot be read is told of later.
    let Ok(head) = store.head().await else { return Ok(()) };
    let before = Position { major: head.position.major.saturating_sub(2), minor: 0 };
    let mut events = store.audit(before, 2).await?;
    let Some((_, mac, event)) = events.pop() else { return Ok(()) };
    let previous = events.pop().map_or_else(AuditMac::default, |(_, mac, _)| mac);
    let named: Option<Named> = serde_json::from_slice(&event).ok();
    let Some(Named { kek: id }) = named else { return Ok(()) };
    match keyring.audit_mac_with(&id, &previous, &event) {
        None => Err(StoreError::WrongKek { id, why: "it is not in keys.kek_dir" }),
        Some(expected) if expected != mac => Err(StoreError::WrongKek {
            id,
            why: "the key of that id in keys.kek_dir is another one, or the last audit event was altered",
        }),
        Some(_) => Ok(()),
    }
}

/// What an audit event says of its MAC.
#[derive(serde::Deserialize)]
struct Named {
    kek: String,
}

fn redis_store(config: &Config, redis: &RedisConfig, keyring: &Arc<Keyring>) -> RedisStore {
    RedisStore::new(redis.clone(), &config.store.namespace, Arc::clone(keyring))
}

/// The embedded store makes a key beside its file where none is configured: one machine, one owner.
fn embedded_keyring(config: &Config, path: &Path) -> Result<Keyring, KeyringError> {
    let seal_with = config.keys.seal_with.as_deref();
    if let Some(dir) = &config.keys.kek_dir {
        return Keyring::load(dir, seal_with);
    }
    let dir = beside(path);
    if !path.exists() && !dir.join(format!("{DEFAULT_KEK}.key")).exists() {
        Keyring::create(&dir, DEFAULT_KEK)?;
    }
    Keyring::load(&dir, seal_with)
}

/// Where the key files of this configuration are.
#[must_use]
pub fn kek_dir(config: &Config) -> PathBuf {
    match (&config.keys.kek_dir, &config.store.backend) {
        (Some(dir), _) => dir.clone(),
        (None, StoreBackend::Embedded { path }) => beside(path),
        (None, StoreBackend::Redis(_)) => PathBuf::new(),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".keks");
    PathBuf::from(beside)
}
