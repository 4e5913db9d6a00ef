//! Records prepared for the request path: secrets opened, HMAC states keyed, header values rendered, once.
//!
//! Not what is stored (`record.rs`). Invariants: entries are immutable and shared by `Arc`; a change makes a
//! new one; only [`Usage`] changes in place, and it is carried over from entry to entry.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::HeaderValue;

use super::record::{Integration, Sealed, WebhookKey};
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::verify::handshake::{Asked, Settings};
use crate::verify::scheme::{Scheme, VerifyKey};

/// How often and when a record was used. Relaxed counters, never part of the change log.
#[derive(Debug, Default)]
pub struct Usage {
    accepted: AtomicU64,
    refused: AtomicU64,
    last: AtomicI64,
    previous: AtomicI64,
}

/// How often the use of a replaced value is worth a line of the log, for each record: once a minute.
const TOLD_MILLIS: i64 = 60_000;

impl Usage {
    /// A request was verified with it.
    pub fn record_accepted(&self, now: UnixMillis) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.last.fetch_max(now.0, Ordering::Relaxed);
    }

    /// The same, with a value that the last rotation replaced. Whether that is worth a line of the log: it was
    /// not so used in this minute yet.
    pub fn record_previous(&self, now: UnixMillis) -> bool {
        self.record_accepted(now);
        let before = self.previous.fetch_max(now.0, Ordering::Relaxed);
        before == 0 || before / TOLD_MILLIS < now.0 / TOLD_MILLIS
    }

    /// Another rotation has replaced other values, which nobody has used yet.
    pub(super) fn forget_previous(&self) {
        self.previous.store(0, Ordering::Relaxed);
    }

    /// A request that named it was refused.
    pub fn record_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests verified since this process started.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Requests refused since this process started.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// When it last verified a request; `None` = not since this process started.
    pub fn last(&self) -> Option<UnixMillis> {
        at(&self.last)
    }

    /// When what the last rotation replaced last verified a request; `None` = not since that rotation, nor
    /// since this process started.
    pub fn previous_last(&self) -> Option<UnixMillis> {
        at(&self.previous)
    }
}

fn at(time: &AtomicI64) -> Option<UnixMillis> {
    match time.load(Ordering::Relaxed) {
        0 => None,
        millis => Some(UnixMillis(millis)),
    }
}

/// A webhook key, ready to verify with.
pub struct KeyEntry {
    /// The record as stored.
    pub record: WebhookKey,
    /// How its holder signs.
    pub scheme: Arc<Scheme>,
    /// Its secret, keyed.
    pub secret: VerifyKey,
    /// The secret before the last rotation, keyed.
    pub previous_secret: Option<PreviousVerifyKey>,
    /// `Countersign-Workspace-Id`.
    pub workspace_header: HeaderValue,
    /// `Countersign-Key-Id`.
    pub key_header: HeaderValue,
    /// Use, carried over from revision to revision.
    pub usage: Arc<Usage>,
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
        self.record.previous.as_ref().is_some_and(|previous| now < previous.until)
    }

    /// Whether what verified a request with `earlier` still verifies with this, later, entry.
    #[must_use]
    pub fn still_honours(&self, earlier: &Self, api_key: bool, which: Which, now: UnixMillis) -> bool {
        if !self.is_usable(now) {
            return false;
        }
        let previous = self.record.previous.as_ref().filter(|previous| now < previous.until);
        if api_key {
            let used = match which {
                Which::Current => Some(earlier.record.api_key),
                Which::Previous => earlier.record.previous.as_ref().and_then(|before| before.api_key),
            };
            used.is_some_and(|used| {
                used == self.record.api_key || previous.and_then(|before| before.api_key) == Some(used)
            })
        } else {
            let used = match which {
                Which::Current => Some(&earlier.record.secret),
                Which::Previous => earlier.record.previous.as_ref().and_then(|before| before.secret.as_ref()),
            };
            let before = previous.and_then(|before| before.secret.as_ref());
            self.record.scheme == earlier.record.scheme && is_held(used, &self.record.secret, before)
        }
    }
}

impl IntegrationEntry {
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
            Which::Current => Some(&earlier.record.secret),
            Which::Previous => earlier.record.previous.as_ref().map(|before| &before.secret),
        };
        let before = self
            .record
            .previous
            .as_ref()
            .filter(|previous| now < previous.until)
            .map(|previous| &previous.secret);
        self.record.is_active
            && self.record.scheme == earlier.record.scheme
            && is_held(used, &self.record.secret, before)
    }
}

/// Sealed forms identify a secret: each sealing has its own nonce, and re-sealing keeps the version.
fn is_held(used: Option<&Sealed>, current: &Sealed, previous: Option<&Sealed>) -> bool {
    used.is_some_and(|used| {
        used.version == current.version || previous.is_some_and(|previous| used.version == previous.version)
    })
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
