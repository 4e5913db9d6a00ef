//! Records prepared for the request path: secrets opened, HMAC states keyed, header values rendered, once.
//!
//! Not what is stored (`record.rs`). Invariants: entries are immutable and shared by `Arc`; a change makes a
//! new one; only [`Usage`] changes in place, and it is carried over from entry to entry. What a key needs only
//! once it is used is made then: most keys of a big set are idle.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::HeaderValue;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::held::HeldKey;
use super::record::{Integration, PreviousKey, PreviousSecret};
pub use super::usage::{PreviousUse, Usage, Use};
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::verify::handshake::{Asked, Settings};
use crate::verify::scheme::{Scheme, VerifyKey};

/// A webhook key, ready to verify with.
pub struct KeyEntry {
    /// The record.
    pub record: HeldKey,
    /// How its holder signs.
    pub scheme: Arc<Scheme>,
    /// Its secret, keyed.
    pub secret: VerifyKey,
    /// The secret before the last rotation, keyed.
    pub previous_secret: Option<Box<PreviousVerifyKey>>,
    headers: OnceLock<Box<KeyHeaders>>,
    usage: OnceLock<Arc<Usage>>,
}

/// What the application is told of a webhook key.
#[derive(Debug)]
pub struct KeyHeaders {
    /// `Countersign-Workspace-Id`.
    pub workspace: HeaderValue,
    /// `Countersign-Key-Id`.
    pub key: HeaderValue,
}

impl KeyHeaders {
    fn of(record: &HeldKey) -> Self {
        // One piece of memory for both.
        let mut text = Vec::with_capacity(2 * Hyphenated::LENGTH);
        for id in [record.workspace_id, record.meta.id] {
            text.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        }
        let mut workspace = Bytes::from(text);
        let key = workspace.split_off(Hyphenated::LENGTH);
        // The text of an id can be a header's value; an empty one names nobody.
        let value = |text| HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static(""));
        Self { workspace: value(workspace), key: value(key) }
    }
}

/// A secret that is valid until the overlap of a rotation ends.
pub struct PreviousVerifyKey {
    /// The secret, keyed.
    pub key: VerifyKey,
    /// From when on it no longer verifies.
    pub until: UnixMillis,
}

/// An integration, ready to verify with.
pub struct IntegrationEntry {
    /// The record as stored.
    pub record: Integration,
    /// How the sender signs.
    pub scheme: Arc<Scheme>,
    /// Its secret, keyed.
    pub secret: VerifyKey,
    /// The secret before the last rotation, keyed.
    pub previous_secret: Option<PreviousVerifyKey>,
    /// What its scheme's handshake is answered with; `None` = it is not answered.
    pub handshake: Option<HandshakeEntry>,
    /// `Countersign-Integration`.
    pub name_header: HeaderValue,
    /// `Countersign-Workspace-Id`, where a workspace owns it.
    pub workspace_header: Option<HeaderValue>,
    /// Use, carried over from revision to revision.
    pub usage: Arc<Usage>,
}

/// An enabled handshake, ready to answer.
pub struct HandshakeEntry {
    /// What the answer is made of besides the secret.
    pub settings: Settings,
    /// Until when a secret may be handed over, where the scheme is such.
    pub until: Option<UnixMillis>,
}

/// Which of a record's two secrets (or API keys) verified a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Which {
    /// The one that stands.
    Current,
    /// The one before the last rotation.
    Previous,
}

impl Which {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Current, Self::Previous];

    /// The stable name, as metrics and logs have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
        }
    }
}

impl KeyEntry {
    /// An entry that nothing has used yet.
    #[must_use]
    pub fn new(
        record: HeldKey,
        scheme: Arc<Scheme>,
        secret: VerifyKey,
        previous_secret: Option<PreviousVerifyKey>,
    ) -> Self {
        let previous_secret = previous_secret.map(Box::new);
        Self { record, scheme, secret, previous_secret, headers: OnceLock::new(), usage: OnceLock::new() }
    }

    /// What the application is told of it.
    pub fn headers(&self) -> &KeyHeaders {
        self.headers.get_or_init(|| Box::new(KeyHeaders::of(&self.record)))
    }

    /// Its use, carried over from revision to revision.
    pub fn usage(&self) -> &Arc<Usage> {
        self.usage.get_or_init(Arc::default)
    }

    /// Its use that the store was not told of yet. To look makes nothing, however many are looked at.
    #[must_use]
    pub fn use_so_far(&self) -> Use {
        self.usage.get().map(|usage| usage.so_far(self.mark())).unwrap_or_default()
    }

    /// The same, which counts as told from now on; `None` where there is nothing new.
    pub(super) fn take_use(&self) -> Option<Use> {
        self.usage.get()?.take(self.mark())
    }

    fn mark(&self) -> Option<u64> {
        self.record.previous().map(PreviousKey::mark)
    }

    /// Counts on where an earlier entry of this key stopped. Where nothing has used that one, no room is taken; a
    /// first use in this very moment is not counted.
    pub(super) fn carry(&mut self, known: &Self) {
        let Some(usage) = known.usage.get() else { return };
        let previous = self.record.previous().zip(known.record.previous());
        if !previous.is_some_and(|(now, before)| now.is_same(before)) {
            usage.forget_previous();
        }
        self.usage = OnceLock::from(Arc::clone(usage));
    }

    /// Whether it may verify anything at `now`.
    #[must_use]
    pub fn is_usable(&self, now: UnixMillis) -> bool {
        self.record.is_active && !self.is_expired(now)
    }

    /// Whether it has expired at `now`.
    #[must_use]
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        self.record.expires_at.is_some_and(|expires| now >= expires)
    }

    /// Whether the API key before the last rotation still verifies at `now`.
    #[must_use]
    pub fn previous_is_valid(&self, now: UnixMillis) -> bool {
        self.record.previous().is_some_and(|previous| now < previous.until)
    }

    /// Whether what verified a request with `earlier` still verifies with this, later, entry.
    #[must_use]
    pub fn still_honours(&self, earlier: &Self, api_key: bool, which: Which, now: UnixMillis) -> bool {
        if !self.is_usable(now) {
            return false;
        }
        let previous = self.record.previous().filter(|previous| now < previous.until);
        if api_key {
            let used = match which {
                Which::Current => Some(earlier.record.api_key),
                Which::Previous => earlier.record.previous().and_then(|before| before.api_key),
            };
            used.is_some_and(|used| {
                used == self.record.api_key || previous.and_then(|before| before.api_key) == Some(used)
            })
        } else {
            let version = |before: &PreviousKey| before.secret.as_ref().map(|secret| secret.version);
            let used = match which {
                Which::Current => Some(earlier.record.secret_version),
                Which::Previous => earlier.record.previous().and_then(version),
            };
            let before = previous.and_then(version);
            self.record.scheme == earlier.record.scheme && is_held(used, self.record.secret_version, before)
        }
    }
}

impl IntegrationEntry {
    /// As [`KeyEntry::use_so_far`].
    #[must_use]
    pub fn use_so_far(&self) -> Use {
        self.usage.so_far(self.mark())
    }

    /// As [`KeyEntry::take_use`].
    pub(super) fn take_use(&self) -> Option<Use> {
        self.usage.take(self.mark())
    }

    fn mark(&self) -> Option<u64> {
        self.record.previous.as_ref().map(PreviousSecret::mark)
    }

    /// What a handshake is judged by; `None` where handshakes are not enabled.
    #[must_use]
    pub fn asked<'a>(&'a self, head: &'a Head<'a>, now: UnixMillis) -> Option<Asked<'a>> {
        let settings = &self.handshake.as_ref()?.settings;
        let previous = self.previous_secret.as_ref().filter(|previous| now < previous.until);
        let previous = previous.map(|previous| &previous.key);
        Some(Asked { head, scheme: &self.scheme, key: &self.secret, previous, settings })
    }

    /// Whether a secret may be handed over at `now`.
    #[must_use]
    pub fn awaits_secret(&self, now: UnixMillis) -> bool {
        let until = self.handshake.as_ref().and_then(|handshake| handshake.until);
        self.record.is_active && until.is_some_and(|until| now < until)
    }

    /// Whether what verified a request with `earlier` still verifies with this, later, entry.
    #[must_use]
    pub fn still_honours(&self, earlier: &Self, which: Which, now: UnixMillis) -> bool {
        let used = match which {
            Which::Current => Some(earlier.record.secret.version),
            Which::Previous => earlier.record.previous.as_ref().map(|before| before.secret.version),
        };
        let before = self
            .record
            .previous
            .as_ref()
            .filter(|previous| now < previous.until)
            .map(|previous| previous.secret.version);
        self.record.is_active
            && self.record.scheme == earlier.record.scheme
            && is_held(used, self.record.secret.version, before)
    }
}

/// The version identifies a secret of a record: sealing it again keeps it, and no two have one.
fn is_held(used: Option<u32>, current: u32, previous: Option<u32>) -> bool {
    used.is_some_and(|used| used == current || previous == Some(used))
}

impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEntry({} revision {})", self.record.meta.id, self.record.meta.revision)
    }
}

impl fmt::Debug for IntegrationEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IntegrationEntry({} revision {})", self.record.name, self.record.meta.revision)
    }
}
