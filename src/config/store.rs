//! Where records live, how long the mirror may be without news of them, and what opens their secrets.
//! Opening a store or a key file is not done here; the URL of a Redis is read in `redis.rs`.

use std::path::PathBuf;
use std::time::Duration;

use super::fault::Expected;
use super::reader::{Raw, Section};
use super::redis::{self, RedisConfig};
use super::units::{self, HOUR};

/// Whether a namespace without an epoch may be given one at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitPolicy {
    /// No: `countersign store init` does it, once.
    Never,
    /// Yes, where it holds no records at all.
    IfEmpty,
}

/// The backend and what only it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreBackend {
    /// One file on this machine.
    Embedded {
        /// Default `countersign.redb` in the working directory; made where it is missing.
        path: PathBuf,
    },
    /// A server that several sidecars share.
    Redis(Box<RedisConfig>),
}

/// Where records live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// From `store.kind`. Default embedded.
    pub backend: StoreBackend,
    /// Keeps several sidecars' records apart in one store. Default `countersign`; a name of 1 to 63.
    pub namespace: String,
    /// Default: if-empty for embedded, never for redis.
    pub init: InitPolicy,
}

/// The mirror of the keys, and the key-encryption keys (KEKs).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysConfig {
    /// Without contact to the store for longer than this, requests get 503. Default 30 s; 0 s to 24 h;
    /// 0 = as soon as the loss is noticed.
    pub max_stale: Duration,
    /// Directory of `<id>.key` files. Default: none, and the embedded store keeps one of its own.
    pub kek_dir: Option<PathBuf>,
    /// Id of the KEK that seals new secrets; all in the directory open old ones.
    pub seal_with: Option<String>,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<StoreConfig> {
    let mut section = root.section("store");
    let kind = section.required("kind", units::word(&[("embedded", Kind::Embedded), ("redis", Kind::Redis)]));
    let path = section.required("path", units::path);
    let redis = redis::check(&mut section, kind == Some(Kind::Redis));
    let namespace = section.required("namespace", units::name);
    let init = section
        .optional("init", units::word(&[("never", InitPolicy::Never), ("if-empty", InitPolicy::IfEmpty)]));
    section.finish();
    let (backend, default) = match kind? {
        Kind::Embedded => (StoreBackend::Embedded { path: path? }, InitPolicy::IfEmpty),
        Kind::Redis => (StoreBackend::Redis(Box::new(redis?)), InitPolicy::Never),
    };
    Some(StoreConfig { backend, namespace: namespace?, init: init.unwrap_or(default) })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Embedded,
    Redis,
}

pub(super) fn keys(root: &mut Section<'_>) -> Option<KeysConfig> {
    let mut section = root.section("keys");
    let max_stale = section.required("max_stale", units::duration(Duration::ZERO..=HOUR * 24));
    let kek_dir = section.optional("kek_dir", units::path);
    let seal_with = section.optional("seal_with", kek);
    section.finish();
    Some(KeysConfig { max_stale: max_stale?, kek_dir, seal_with })
}

fn kek(raw: &Raw<'_>) -> Result<String, Expected> {
    kek_id(raw.text().unwrap_or_default()).map_err(Expected::new)
}

/// Checks the id of a KEK, `[a-z0-9-]{1,32}`: the name of its file without `.key`.
///
/// # Errors
/// What was expected, in words.
pub fn kek_id(text: &str) -> Result<String, &'static str> {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if (1..=32).contains(&text.len()) && text.bytes().all(legal) {
        return Ok(text.to_owned());
    }
    Err("the id of a key file: 1 to 32 of a-z, 0-9 and \"-\", without \".key\"")
}
